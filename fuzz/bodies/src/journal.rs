//! Journals.

use std::sync::LazyLock;

use qbb::GraphIdentity;
use qbb::journal::read_state;
use qbb_graph::{QuantumGraph, open_native};

use crate::place::with_file;
use crate::repair;

/// A graph for journals to be about.
const GRAPH: &[u8] = include_bytes!("../../../graph/tests/data/version1.0.qbb");

/// The graph that journals are taken to be about.
#[expect(clippy::expect_used, reason = "the file is a part of the project")]
pub(crate) static SUBJECT: LazyLock<QuantumGraph> = LazyLock::new(|| {
    let mut graph = None;
    with_file("subject.qbb", GRAPH, |_, path| {
        graph = open_native(path, qbb_graph::Check::Full).ok();
    });
    graph.expect("the graph of the tests can be read")
});

/// A journal, as it is and with its identity and checksums made right.
pub fn journal(bytes: &[u8]) {
    let identity = GraphIdentity::of(&SUBJECT);
    let repaired = repair::journal(bytes, &identity.0);
    for bytes in [Some(bytes.to_vec()), repaired].into_iter().flatten() {
        with_file("00000000-0000-0000-0000-000000000001.journal", &bytes, |folder, _| {
            let _ = read_state(folder, &SUBJECT, identity);
        });
    }
}
