//! Journals of earlier versions stay readable.
#![allow(clippy::unwrap_used, reason = "tests")]

use camino::Utf8Path;
use qbb::GraphIdentity;
use qbb::journal::{JournalReader, QuantumEnd, QuantumProgress, read_state};

const WRITER: &str = "fb09790e-736a-4efd-aacd-1093256f48d3";

#[test]
fn a_journal_of_version_1_1_says_what_it_said() {
    let data = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let graph = qbb_graph::open(&data.join("visits.qg")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(folder.path()).unwrap();
    let path = folder.join(format!("{WRITER}.journal"));
    fs_err::copy(data.join("version1.1.journal"), &path).unwrap();
    let bytes = fs_err::read(&path).unwrap();
    assert_eq!(bytes[8..12], [1, 0, 1, 0], "versions in its header");

    let mut reader = JournalReader::open(&path).unwrap();
    let mut events = 0;
    while reader.next_event().unwrap().is_some() {
        events += 1;
    }
    let state = read_state(folder, &graph, GraphIdentity::of(&graph)).unwrap();
    assert!(state.warnings().is_empty(), "{:?}", state.warnings());
    let count = |progress| graph.quanta.iter().filter(|&q| state.progress(q) == progress).count();
    let succeeded = count(QuantumProgress::Ended(QuantumEnd::Succeeded));
    let in_flight = count(QuantumProgress::InFlight);
    assert_eq!((events, succeeded, in_flight), (18, 3, 1));
    let run = &state.runs()[0];
    assert_eq!((&*run.process.boot, run.finished), ("before crash 0", None));
    assert_eq!(state.quanta_that_left().len(), 0);
}
