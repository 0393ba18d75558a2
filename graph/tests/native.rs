//! The native file, as docs/formats/native-graph.md specifies it.

mod support;

use qbb_graph::{Check, GraphError, MAGIC, RecordPaths, open, open_native, write_native};
use qbb_pipeline::{CommandTemplate, Runner};
use support::container::{Container, Section};
use support::synthetic::survey;
use support::{Scratch, assert_same, data};

#[test]
fn what_is_written_is_read_with_either_check() {
    let scratch = Scratch::new();
    let path = scratch.file("graph.qbb");
    let graph = survey(5, 3);
    graph.check().unwrap();
    write_native(&graph, &path).unwrap();
    for check in [Check::Structure, Check::Full] {
        assert_same(&open_native(&path, check).unwrap(), &graph);
    }
    open(&path).unwrap().check().unwrap();
}

#[test]
fn a_file_of_each_version_stays_readable() {
    for version in ["version1.0.qbb", "version1.1.qbb"] {
        let graph = open_native(&data(version), Check::Full).unwrap();
        graph.check().unwrap();
        assert_same(&graph, &survey(3, 2));
    }
}

#[test]
fn the_same_graph_gives_the_same_bytes() {
    let scratch = Scratch::new();
    let (a, b) = (scratch.file("a.qbb"), scratch.file("b.qbb"));
    write_native(&survey(3, 2), &a).unwrap();
    write_native(&open(&a).unwrap(), &b).unwrap();
    assert_eq!(std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
}

#[test]
fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
    let scratch = Scratch::new();
    let path = scratch.file("graph.qbb");
    std::fs::write(&path, "something else").unwrap();
    write_native(&survey(1, 1), &path).unwrap();
    assert_eq!(open(&path).unwrap().quanta.len(), 3);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    let nowhere = scratch.file("no such folder/graph.qbb");
    let error = write_native(&survey(1, 1), &nowhere).unwrap_err();
    assert!(error.to_string().contains("no such folder"), "{error}");
}

#[test]
fn a_mapped_graph_outlives_the_name_of_its_file() {
    let scratch = Scratch::new();
    let path = scratch.file("graph.qbb");
    write_native(&survey(2, 2), &path).unwrap();
    let graph = open(&path).unwrap();
    write_native(&survey(1, 1), &path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_same(&graph, &survey(2, 2));
}

#[test]
fn command_pipelines_keep_their_commands() {
    let scratch = Scratch::new();
    let path = scratch.file("graph.qbb");
    let mut graph = survey(1, 1);
    graph.pipeline.tasks[0].runner = Runner::Command(CommandTemplate {
        arguments: vec!["calibrate".into(), "{inputs.image}".into()],
        environment: [("OMP_NUM_THREADS".into(), "1".into())].into(),
    });
    write_native(&graph, &path).unwrap();
    assert_eq!(open(&path).unwrap().pipeline, graph.pipeline);
}

#[test]
fn big_tables_of_dimension_records_take_several_sections() {
    let scratch = Scratch::new();
    let path = scratch.file("graph.qbb");
    let mut graph = survey(1, 2);
    let original = graph.dimension_records.clone();
    for (table, original) in graph.dimension_records.iter_mut().zip(&original) {
        while table.len() < 512 + 1 {
            table.push_from(original, 0);
        }
    }
    write_native(&graph, &path).unwrap();
    let sections = Container::read(&path).sections;
    let of_records = sections.iter().filter(|section| section.kind == 4).count();
    assert_eq!(of_records, 2 * original.len());
    assert_eq!(open(&path).unwrap().dimension_records, graph.dimension_records);
}

#[test]
fn the_header_stands_where_every_version_has_it() {
    let scratch = Scratch::new();
    let path = scratch.file("graph.qbb");
    write_native(&survey(1, 1), &path).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes[..8], MAGIC);
    assert_eq!(bytes[8..12], [1, 0, 1, 0], "version 1.1");
    let length = u64::from_le_bytes(bytes[16..24].try_into().unwrap());
    assert_eq!(length, bytes.len() as u64);
    bytes[8] = 2;
    std::fs::write(&path, &bytes).unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(error, GraphError::Version { major: 2, minor: 1, .. }), "{error}");
    assert!(error.to_string().contains("version 2.1"), "{error}");
}

#[test]
fn files_of_other_kinds_are_named_as_such() {
    let scratch = Scratch::new();
    let path = scratch.file("graph.qbb");
    for (content, expected) in [
        (&b""[..], "it is empty"),
        (b"PK\x05\x06", "neither as a native graph"),
        (b"qgraph4\xf6\xe8\xa9", "a `.qgraph` of older middleware"),
        (b"PK\x03\x04 and nothing more", "no complete zip archive"),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = open(&path).unwrap_err();
        assert!(matches!(error, GraphError::Foreign { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(expected) && text.contains("graph.qbb"), "{text}");
    }
    std::fs::write(&path, "").unwrap();
    assert!(open_native(&path, Check::Full).unwrap_err().to_string().contains("it is empty"));
    let error = open(&scratch.file("absent.qbb")).unwrap_err();
    assert!(matches!(error, GraphError::Io { .. }), "{error}");
    let folder = path.parent().unwrap();
    assert!(open_native(folder, Check::Full).is_err());
}

#[test]
fn sections_of_unknown_kind_are_ignored() {
    let scratch = Scratch::new();
    let path = scratch.file("graph.qbb");
    let graph = survey(2, 1);
    write_native(&graph, &path).unwrap();
    let mut file = Container::read(&path);
    file.sections.push(Section {
        kind: 999,
        index: 3,
        packed: false,
        content: b"of a later minor version".to_vec(),
    });
    file.minor = 7;
    file.write(&path);
    for check in [Check::Structure, Check::Full] {
        assert_same(&open_native(&path, check).unwrap(), &graph);
    }
}

#[test]
fn one_quantum_of_an_unchecked_file_is_checked_when_asked_for() {
    let scratch = Scratch::new();
    let path = scratch.file("graph.qbb");
    write_native(&survey(2, 2), &path).unwrap();
    let mut file = Container::read(&path);
    // The first edge of the inputs leads to a dataset that does not exist.
    let edges = file.sections.iter_mut().find(|section| section.kind == 33).unwrap();
    edges.content[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    file.write(&path);
    let error = open_native(&path, Check::Full).unwrap_err().to_string();
    assert!(error.contains("table `inputs`"), "{error}");
    let graph = open_native(&path, Check::Structure).unwrap();
    let quanta: Vec<_> = graph.quanta.iter().collect();
    assert!(graph.quantum_json(quanta[0], RecordPaths::AsRecorded).is_err());
    assert!(graph.quantum_json(quanta[1], RecordPaths::AsRecorded).is_ok());
}
