//! Some quanta of a file: the same as in the whole graph, read without the rest.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use camino::Utf8Path;
use qbb_graph::{
    GraphError, MissingCopy, QgOptions, QuantumGraph, QuantumIx, QuantumName, RecordPaths,
    difference, open, open_by_copy, open_quanta, write_native, write_qg,
};
use support::container::Container;
use support::synthetic::survey;
use support::{Scratch, data};

/// The name of a quantum by task and required values of its data ID.
fn name_by_data_id(graph: &QuantumGraph, quantum: QuantumIx) -> QuantumName {
    let task = graph.quanta.task(quantum);
    let data_ids = graph.task_data_ids(task);
    let row = graph.quanta.data_id[quantum.index()];
    let required = data_ids.group().required().len();
    let mut name = graph.pipeline.task(task).label.clone();
    for (key, value) in
        data_ids.group().iter_key_names().zip(data_ids.values(row, &graph.symbols)).take(required)
    {
        match value {
            qbb_dimensions::DataValue::Int(value) => name.push_str(&format!(",{key}={value}")),
            qbb_dimensions::DataValue::Text(value) => name.push_str(&format!(",{key}={value}")),
        }
    }
    name.parse().unwrap()
}

fn assert_same_quantum(part: (&QuantumGraph, QuantumIx), whole: (&QuantumGraph, QuantumIx)) {
    let all = |(graph, quantum): (&QuantumGraph, QuantumIx)| {
        let paths = RecordPaths::AsRecorded;
        (
            graph.quantum_json_with_init_records(quantum, paths).unwrap(),
            graph.dimension_data_json(quantum).unwrap(),
            graph.init_quanta_json(paths).unwrap(),
            graph.header.clone(),
        )
    };
    assert!(all(part) == all(whole), "{} differs", whole.0.describe_quantum(whole.1));
}

fn assert_each_quantum_is_the_same(path: &Utf8Path) {
    let whole = open(path).unwrap();
    for quantum in whole.quanta.iter() {
        let id = QuantumName::Id(whole.quanta.uuid(quantum));
        for name in [id, name_by_data_id(&whole, quantum)] {
            let part = open_quanta(path, std::slice::from_ref(&name)).unwrap();
            assert_eq!(part.graph.quanta.len(), 1, "{name}");
            assert_eq!(part.quanta, [QuantumIx(0)]);
            assert_same_quantum((&part.graph, QuantumIx(0)), (&whole, quantum));
            part.graph.check().unwrap();
        }
        assert_eq!(whole.find_named(&name_by_data_id(&whole, quantum)).unwrap(), quantum);
    }
    // All of them, backwards and the first one twice.
    let mut quanta: Vec<QuantumIx> = whole.quanta.iter().collect();
    quanta.reverse();
    quanta.push(QuantumIx(0));
    let names: Vec<QuantumName> =
        quanta.iter().map(|&quantum| QuantumName::Id(whole.quanta.uuid(quantum))).collect();
    let part = open_quanta(path, &names).unwrap();
    assert_eq!(part.graph.quanta.len(), whole.quanta.len());
    for (&of_part, &of_whole) in part.quanta.iter().zip(&quanta) {
        assert_same_quantum((&part.graph, of_part), (&whole, of_whole));
    }
}

#[test]
fn every_quantum_of_either_kind_of_file() {
    let scratch = Scratch::new();
    let (native, exchange) = (scratch.file("graph.qbb"), scratch.file("graph.qg"));
    for graph in [survey(4, 3), open(&data("release.qg")).unwrap()] {
        write_native(&graph, &native).unwrap();
        assert_each_quantum_is_the_same(&native);
        write_qg(&graph, &exchange, &QgOptions::default()).unwrap();
        assert_each_quantum_is_the_same(&exchange);
    }
    assert_each_quantum_is_the_same(&data("release.qg"));
    assert_each_quantum_is_the_same(&data("version1.0.qbb"));
    assert_each_quantum_is_the_same(&data("version1.1.qbb"));
}

#[test]
fn a_big_file_is_read_with_its_dictionary_and_by_its_ranges() {
    let scratch = Scratch::new();
    let (native, exchange) = (scratch.file("graph.qbb"), scratch.file("graph.qg"));
    let whole = survey(700, 2);
    write_native(&whole, &native).unwrap();
    write_qg(&whole, &exchange, &QgOptions::default()).unwrap();
    let sections = Container::read(&native).sections;
    assert!(sections.iter().filter(|section| section.kind == 4).count() > 6, "several of visits");
    for quantum in whole.quanta.iter().step_by(313) {
        let name = QuantumName::Id(whole.quanta.uuid(quantum));
        for path in [&native, &exchange] {
            let part = open_quanta(path, std::slice::from_ref(&name)).unwrap();
            assert_same_quantum((&part.graph, QuantumIx(0)), (&whole, quantum));
        }
    }
}

#[test]
fn data_ids_may_be_shortened_while_they_are_unambiguous() {
    let scratch = Scratch::new();
    let (native, exchange) = (scratch.file("graph.qbb"), scratch.file("graph.qg"));
    let whole = survey(3, 2);
    write_native(&whole, &native).unwrap();
    write_qg(&whole, &exchange, &QgOptions::default()).unwrap();
    let find = |path, name: &str| open_quanta(path, &[name.parse().unwrap()]);
    for path in [&native, &exchange] {
        let part = find(path, "calibrate,visit=1000001,detector=1").unwrap();
        assert!(part.graph.describe_quantum(part.quanta[0]).contains("visit: 1000001"));
        let part = find(path, "gather,visit=1000002,band=g").unwrap();
        assert!(part.graph.describe_quantum(part.quanta[0]).starts_with("gather"));
        for (name, expected) in [
            (
                "calibrate,visit=1000001",
                "2 quanta fit: give values of more of `instrument`, `detector`",
            ),
            ("calibrate,visit=7", "the task has no quantum with this data ID"),
            ("gather,visit=1000002,band=r", "the task has no quantum with this data ID"),
            ("gathre,visit=1", "there is no such task; is it `gather`?"),
            ("gather,vist=1", "the task has no dimension `vist`; is it `visit`?"),
            ("gather,visit=one", "`one` is no integer, as `visit` needs"),
            ("gather,visit=1,visit=2", "`visit` is given twice"),
            ("00000000-0000-0000-0000-000000000000", "no quantum with this UUID"),
        ] {
            let error = find(path, name).unwrap_err();
            assert!(matches!(error, GraphError::NoQuantum { .. }), "{error}");
            let text = error.to_string();
            assert!(text.contains(expected) && text.contains(name), "{text}");
            assert_eq!(whole.find_named(&name.parse().unwrap()).unwrap_err().to_string(), text);
        }
    }
}

#[test]
fn only_the_blocks_that_are_touched_are_checked() {
    let scratch = Scratch::new();
    let (path, changed) = (scratch.file("graph.qbb"), scratch.file("changed.qbb"));
    let whole = survey(3000, 1);
    write_native(&whole, &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let table = |kind: u16| {
        let count = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
        let entry = |i: usize| &bytes[64 * (1 + i)..][..64];
        let entry = (0..count).map(entry).find(|entry| entry[..2] == kind.to_le_bytes()).unwrap();
        u64::from_le_bytes(entry[8..16].try_into().unwrap()) as usize
    };
    let last = QuantumIx(whole.quanta.len() as u32 - 1);
    let name = QuantumName::Id(whole.quanta.uuid(last));
    // UUIDs of datasets: those of the last quantum are not in the first block, nor are those of
    // the init datasets, as the first dataset types are `calibrate_…` and `calibrated`.
    let mut damaged = bytes.clone();
    damaged[table(24) + 16 * 3000] ^= 1;
    std::fs::write(&changed, &damaged).unwrap();
    assert!(open(&changed).is_err());
    let part = open_quanta(&changed, std::slice::from_ref(&name)).unwrap();
    assert_same_quantum((&part.graph, QuantumIx(0)), (&whole, last));
    let mut damaged = bytes.clone();
    // The rows of quanta in the table of data IDs.
    damaged[table(18) + 4 * last.index()] ^= 1;
    std::fs::write(&changed, &damaged).unwrap();
    let error = open_quanta(&changed, &[name]).unwrap_err().to_string();
    let block = table(18) + (4 * last.index()) / 4096 * 4096;
    let expected = format!(
        "section `data IDs of quanta` at offset {}: the checksum of the block at offset {block} \
         does not match",
        table(18)
    );
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn a_block_of_another_quantum_is_noticed() {
    let scratch = Scratch::new();
    let path = scratch.file("swapped.qg");
    let mut members = support::archive::Members::read(&data("release.qg"));
    let mut addresses = members.member("quanta.addr").to_vec();
    let (a, b) = (17, 17 + 40);
    let first: Vec<u8> = addresses[a + 16..a + 40].to_vec();
    addresses.copy_within(b + 16..b + 40, a + 16);
    addresses[b + 16..b + 40].copy_from_slice(&first);
    let id = uuid::Uuid::from_bytes(addresses[a..a + 16].try_into().unwrap());
    members.set("quanta.addr", addresses);
    members.write(&path, zip::CompressionMethod::Stored);
    let error = open_quanta(&path, &[QuantumName::Id(id)]).unwrap_err().to_string();
    assert!(error.contains("is that of another quantum"), "{error}");
}

/// Files in a folder; none if it does not exist.
fn names(folder: &Utf8Path) -> Vec<String> {
    let mut names: Vec<String> = (folder.read_dir_utf8().into_iter().flatten())
        .map(|entry| entry.unwrap().file_name().to_owned())
        .collect();
    names.sort();
    names
}

/// A journal that was begun with a file is continued with its copy.
fn assert_same_positions(a: &QuantumGraph, b: &QuantumGraph) {
    assert!(difference(a, b).unwrap().is_empty());
    assert_eq!(a.quanta.id, b.quanta.id);
    assert_eq!(a.datasets.id, b.datasets.id);
    assert_eq!(a.header, b.header);
}

#[test]
fn a_copy_is_the_graph_that_it_was_made_of() {
    let scratch = Scratch::new();
    let (path, folder) = (scratch.file("graph.qg"), scratch.file("run"));
    std::fs::copy(data("release.qg"), &path).unwrap();
    let whole = open(&path).unwrap();
    assert_same_positions(&open_by_copy(&path, &folder, MissingCopy::Ignore).unwrap(), &whole);
    assert!(!folder.exists());
    assert_same_positions(&open_by_copy(&path, &folder, MissingCopy::Make).unwrap(), &whole);
    let copies = names(&folder);
    assert_eq!(copies.len(), 1);
    let copy = folder.join(&copies[0]);

    // It is what is read: after its run was changed, the change is seen.
    let mut changed = open(&copy).unwrap();
    changed.header.user = "someone else".into();
    write_native(&changed, &copy).unwrap();
    let read = open_by_copy(&path, &folder, MissingCopy::Ignore).unwrap();
    assert_eq!(read.header.user, "someone else");
    for quantum in whole.quanta.iter() {
        let paths = RecordPaths::AsRecorded;
        let json = |graph: &QuantumGraph| graph.quantum_json_with_init_records(quantum, paths);
        assert_eq!(json(&read).unwrap(), json(&whole).unwrap());
    }

    // One that is damaged is made anew.
    let bytes = std::fs::read(&copy).unwrap();
    std::fs::write(&copy, &bytes[..bytes.len() / 2]).unwrap();
    assert_same_positions(&open_by_copy(&path, &folder, MissingCopy::Make).unwrap(), &whole);
    assert_same_positions(&open(&copy).unwrap(), &whole);
}

#[test]
fn another_file_has_another_copy() {
    let scratch = Scratch::new();
    let (path, folder) = (scratch.file("graph.qg"), scratch.file("run"));
    let mut graph = open(&data("release.qg")).unwrap();
    for user in ["one", "two"] {
        graph.header.user = user.into();
        write_qg(&graph, &path, &QgOptions::default()).unwrap();
        let read = open_by_copy(&path, &folder, MissingCopy::Make).unwrap();
        assert_eq!(read.header.user, user);
    }
    assert_eq!(names(&folder).len(), 2);
    // Native files need none.
    let native = scratch.file("graph.qbb");
    write_native(&graph, &native).unwrap();
    assert_eq!(open_by_copy(&native, &folder, MissingCopy::Make).unwrap().header.user, "two");
    assert_eq!(names(&folder).len(), 2);
    // Where none can be made, the file is read as it is.
    let read = open_by_copy(&path, &native, MissingCopy::Make).unwrap();
    assert_eq!(read.header.user, "two");
}
