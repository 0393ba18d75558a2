//! Files that are damaged or made to do harm: each gives one error and never a panic.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use camino::Utf8Path;
use proptest::prelude::*;
use qbb_graph::{
    Check, DEFAULT_NODE_LIMIT, GraphError, Picture, QuantumGraph, QuantumName, RecordPaths,
    difference, middleware_summary, open, open_native, open_quanta, read_qg, summary, verify,
    write_native,
};
use support::archive::Members;
use support::container::Container;
use support::synthetic::survey;
use support::{Scratch, data};

/// Asks everything that is said to be safe whatever the check.
fn ask_everything(graph: &QuantumGraph) {
    for quantum in graph.quanta.iter() {
        for paths in [RecordPaths::AsRecorded, RecordPaths::AbsoluteUris] {
            let _ = graph.quantum_json(quantum, paths);
            let _ = graph.quantum_json_with_init_records(quantum, paths);
        }
        let _ = graph.dimension_data_json(quantum);
        let _ = graph.find_quantum(graph.quanta.uuid(quantum));
    }
    for dataset in graph.datasets.iter() {
        let _ = (graph.producer(dataset), graph.consumers(dataset).count());
        let _ = graph.check_dataset(dataset);
    }
    for record in 0..graph.records.len() {
        let _ = graph.input_uri(record);
    }
    let _ = graph.init_quanta_json(RecordPaths::AsRecorded);
    let _ = (graph.header_json(), graph.all_dimension_data_json(), graph.overall_inputs());
    let _ = petgraph::algo::toposort(graph.flow(), None);
    let _ = (summary(graph), verify(graph), graph.check());
    let _ = Picture::of_pipeline(graph).to_svg();
    if let Ok(picture) = Picture::of_quanta(graph, DEFAULT_NODE_LIMIT) {
        let _ = (picture.to_dot(), picture.to_mermaid());
    }
    for quantum in graph.quanta.iter().take(2) {
        let _ = Picture::around(graph, quantum, 2, 100).map(|picture| picture.to_svg());
    }
    let _ = difference(graph, graph);
    let _ = middleware_summary(graph, vec![]);
}

/// Asks for quanta of either original in all ways.
fn ask_for_parts(path: &Utf8Path) {
    thread_local! {
        static NAMES: Vec<QuantumName> = [survey(2, 2), read_qg(&data("release.qg")).unwrap()]
            .iter()
            .flat_map(|graph| graph.quanta.id.iter().step_by(11).copied().collect::<Vec<_>>())
            .map(|id| QuantumName::Id(uuid::Uuid::from_bytes(id)))
            .chain(["calibrate,visit=1000001,detector=1"].map(|name| name.parse().unwrap()))
            .collect();
    }
    NAMES.with(|names| {
        for name in names {
            if let Ok(part) = open_quanta(path, std::slice::from_ref(name)) {
                ask_everything(&part.graph);
            }
        }
    });
}

/// That the file is refused with an error that names it.
fn assert_refused(path: &Utf8Path, what: &str) {
    match open_native(path, Check::Full) {
        Ok(_) => panic!("{what} was accepted"),
        Err(error) => assert!(error.to_string().contains(path.as_str()), "{what}: {error}"),
    }
}

#[test]
fn every_flipped_byte_is_noticed() {
    let scratch = Scratch::new();
    let path = scratch.file("graph.qbb");
    write_native(&survey(1, 1), &path).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let flip = 1 << (at % 8);
        bytes[at] ^= flip;
        std::fs::write(&path, &bytes).unwrap();
        assert_refused(&path, &format!("byte {at} with {flip:#x} flipped"));
        bytes[at] ^= flip;
    }
    std::fs::write(&path, &bytes).unwrap();
    open_native(&path, Check::Full).unwrap();
}

#[test]
fn every_truncation_and_every_tail_is_noticed() {
    let scratch = Scratch::new();
    let path = scratch.file("graph.qbb");
    write_native(&survey(1, 1), &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert_refused(&path, &format!("the first {length} bytes"));
    }
    std::fs::write(&path, [&bytes[..], &[0]].concat()).unwrap();
    assert_refused(&path, "a tail");
}

#[test]
fn a_damaged_section_is_named() {
    let scratch = Scratch::new();
    let path = scratch.file("graph.qbb");
    write_native(&survey(1, 1), &path).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(&error, GraphError::Damaged { .. }));
    let text = error.to_string();
    assert!(text.contains("section `checksums of blocks` at offset "), "{text}");
    assert!(text.contains(": the checksum does not match"), "{text}");
    bytes.truncate(100);
    std::fs::write(&path, &bytes).unwrap();
    let text = open(&path).unwrap_err().to_string();
    assert!(text.contains("the file has 100 bytes instead of"), "{text}");
}

#[test]
fn a_missing_section_is_named() {
    let scratch = Scratch::new();
    let path = scratch.file("graph.qbb");
    write_native(&survey(1, 1), &path).unwrap();
    let count = Container::read(&path).sections.len();
    for position in 0..count {
        let mut file = Container::read(&path);
        let removed = file.sections.remove(position);
        let other = scratch.file("other.qbb");
        file.write(&other);
        let result = open_native(&other, Check::Structure);
        // Tables of dimension records may be absent; then it is the expansion that notices.
        match removed.kind {
            4 => assert!(result.unwrap().check().is_err()),
            // What serves reading a part only; files of version 1.0 have none of it.
            8 | 9 | 19 => result.unwrap().check().unwrap(),
            _ => assert!(result.is_err(), "kind {}", removed.kind),
        }
    }
}

#[test]
fn dimension_groups_cannot_pretend_to_be_huge() {
    let scratch = Scratch::new();
    let path = scratch.file("graph.qbb");
    let mut graph = survey(1, 1);
    let empty = graph.data_ids[0].group().clone();
    assert!(empty.is_empty());
    graph.data_ids[0] =
        qbb_dimensions::DataIdTable::new(empty, vec![], u32::MAX as usize - 7).unwrap();
    write_native(&graph, &path).unwrap();
    let text = open_native(&path, Check::Structure).unwrap_err().to_string();
    assert!(text.contains("there is one empty data ID"), "{text}");
}

#[test]
fn every_truncation_of_an_exchange_file_is_noticed() {
    let scratch = Scratch::new();
    let path = scratch.file("graph.qg");
    let bytes = std::fs::read(data("release.qg")).unwrap();
    for length in (0..bytes.len()).step_by(61) {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = read_qg(&path).unwrap_err().to_string();
        assert!(error.contains("graph.qg"), "{error}");
    }
}

#[test]
fn flipped_bytes_of_an_exchange_file_never_panic() {
    let scratch = Scratch::new();
    let path = scratch.file("graph.qg");
    let mut bytes = std::fs::read(data("release.qg")).unwrap();
    for at in (0..bytes.len()).step_by(37) {
        bytes[at] ^= 0x55;
        std::fs::write(&path, &bytes).unwrap();
        // Names, times and members that are not read may change unnoticed.
        if let Ok(graph) = read_qg(&path) {
            graph.check().unwrap();
        }
        bytes[at] ^= 0x55;
    }
}

/// What a damaged text is made of: mostly what means something to JSON.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![prop::sample::select(b"\"{}[]:,0123456789-tfn\\".to_vec()), any::<u8>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// JSON is changed inside the members of an archive that is right in all other ways.
    #[test]
    fn wrong_json_in_a_right_archive_never_panics(
        member in 0..4_usize,
        block in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), byte()), 1..4),
    ) {
        thread_local! {
            static ORIGINAL: (Scratch, Members) =
                (Scratch::new(), Members::read(&data("release.qg")));
        }
        ORIGINAL.with(|(scratch, original)| {
            let change = |text: &mut [u8]| {
                for (at, value) in &changes {
                    text[at.index(text.len())] = *value;
                }
            };
            let mut members = Members { members: original.members.clone(), dictionary: vec![] };
            match ["header.json.zst", "init_quanta.json.zst", "dimension_data.json.zst"].get(member) {
                Some(name) => {
                    let mut text = original.unpack(original.member(name));
                    change(&mut text);
                    members.set(name, zstd::bulk::compress(&text, 1).unwrap());
                }
                None => {
                    let mut blocks = original.blocks();
                    let position = block.index(blocks.len());
                    change(&mut blocks[position]);
                    let mut file = Vec::new();
                    for block in blocks {
                        let frame = zstd::bulk::compress(&block, 1).unwrap();
                        file.extend((frame.len() as u64).to_be_bytes());
                        file.extend(frame);
                    }
                    members.set("quantum_datasets.mb", file);
                }
            }
            let path = scratch.file("changed.qg");
            members.write(&path, zip::CompressionMethod::Stored);
            match read_qg(&path) {
                Ok(graph) => ask_everything(&graph),
                Err(error) => assert!(error.to_string().contains("changed.qg"), "{error}"),
            }
            ask_for_parts(&path);
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    /// Values are changed inside sections, and all checksums are right.
    #[test]
    fn wrong_values_behind_right_checksums_never_panic(
        section in any::<prop::sample::Index>(),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<u8>(), any::<bool>()),
            1..4,
        ),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        thread_local! {
            static SCRATCH: Scratch = Scratch::new();
        }
        SCRATCH.with(|scratch| {
            let (original, path) = (scratch.file("original.qbb"), scratch.file("changed.qbb"));
            if !original.exists() {
                write_native(&survey(2, 2), &original).unwrap();
            }
            let mut file = Container::read(&original);
            let position = section.index(file.sections.len());
            let content = &mut file.sections[position].content;
            for (at, value, wide) in changes {
                if content.is_empty() {
                    break;
                }
                let at = at.index(content.len());
                content[at] = value;
                // Big numbers lie beyond all tables.
                if wide {
                    content[at..].iter_mut().take(4).for_each(|byte| *byte = 0xff);
                }
            }
            if let Some(cut) = cut {
                let length = cut.index(content.len() + 1);
                content.truncate(length);
            }
            file.write(&path);
            for check in [Check::Structure, Check::Full] {
                if let Ok(graph) = open_native(&path, check) {
                    ask_everything(&graph);
                }
            }
            ask_for_parts(&path);
        });
    }
}
