//! The quantum-backed butler over one graph, and the journal; knows no databases and no scheduling.
//!
//! The journal's bytes are specified in `docs/formats/journal.md`.

pub mod journal;

mod butler;
mod identity;
mod wire;

pub use butler::{
    AccessSummary, ButlerError, IoMetrics, Prediction, QuantumBackedButler, QuantumButler,
};
pub use identity::GraphIdentity;
