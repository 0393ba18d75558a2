//! The quantum-backed butler over one graph, and the journal; knows no databases and no scheduling.
//!
//! The bytes of journals and packs are specified in `docs/formats/journal.md` and
//! `docs/formats/pack.md`.

pub mod journal;
pub mod pack;
pub mod provenance;

mod butler;
mod identity;
mod wire;

pub use butler::{
    AccessSummary, ButlerError, IoMetrics, Prediction, QuantumBackedButler, QuantumButler,
};
pub use identity::GraphIdentity;
