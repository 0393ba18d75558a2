//! Provenance graphs.

use std::sync::LazyLock;

use qbb_graph::{ProvenanceReader, QuantumGraph, read_qg};
use uuid::Uuid;

use crate::graphs::EXCHANGE;
use crate::place::with_file;
use crate::repair;

/// Quanta and datasets of the graph that the stored inputs are about.
#[expect(clippy::expect_used, reason = "the file is a part of the project")]
static IDS: LazyLock<Vec<Uuid>> = LazyLock::new(|| {
    let mut ids = Vec::new();
    with_file("subject.qg", EXCHANGE, |_, path| {
        let graph: QuantumGraph = read_qg(path).expect("the graph of the tests can be read");
        let some = graph.quanta.id.iter().step_by(4).chain(graph.datasets.id.iter().step_by(31));
        ids.extend(some.map(|&id| Uuid::from_bytes(id)));
    });
    ids
});

/// A provenance graph, as it is and with its checksums made right: its sum, and single texts.
pub fn provenance_graph(bytes: &[u8]) {
    for bytes in [Some(bytes.to_vec()), repair::archive(bytes)].into_iter().flatten() {
        with_file("provenance.qg", &bytes, |_, path| {
            let Ok(reader) = ProvenanceReader::open(path) else { return };
            let _ = (reader.header(), reader.summary(), reader.packages());
            let Ok(texts) = reader.texts() else { return };
            for &id in IDS.iter() {
                let _ = (texts.attempts(id), texts.logs(id), texts.metadata(id));
            }
        });
    }
}
