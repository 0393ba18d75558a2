//! The quantum-backed butler: datasets of one graph, without any registry.
//!
//! One [`QuantumBackedButler`] serves a whole process; a [`QuantumButler`] is what one quantum sees
//! of it. What the journal or the graph can answer is never asked of the file system.
//!
//! Outputs appear whole or not at all, but are not synced one by one: that they outlive a crash of
//! the machine is the business of the journal's [`Syncer`](crate::journal::Syncer).

mod access;
mod connections;
mod error;
mod prediction;
mod provenance;
mod quantum;
mod record_rows;
mod shared;

pub use access::{AccessSummary, IoMetrics};
pub use error::ButlerError;
pub use prediction::Prediction;
pub use quantum::QuantumButler;
pub use shared::QuantumBackedButler;
