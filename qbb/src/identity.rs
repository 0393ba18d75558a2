//! Which graph a journal belongs to.

use std::fmt;

use qbb_graph::QuantumGraph;

/// Identity of a graph: equal if quanta, datasets, their order and the output run are.
///
/// Journals name quanta and datasets by position, so they can only be read with a graph of the same
/// identity. The identity survives conversion between file formats.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct GraphIdentity(pub [u8; 32]);

impl GraphIdentity {
    /// Computes the identity: one pass over the UUIDs of all quanta and datasets.
    pub fn of(graph: &QuantumGraph) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"qbb graph identity 1");
        for ids in [&graph.quanta.id, &graph.datasets.id] {
            hasher.update(&(ids.len() as u64).to_le_bytes());
            hasher.update(ids.as_bytes());
        }
        hasher.update(graph.header.output_run.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }
}

impl fmt::Display for GraphIdentity {
    /// The first 8 bytes in hexadecimal, which is enough to tell graphs apart in a message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for GraphIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
