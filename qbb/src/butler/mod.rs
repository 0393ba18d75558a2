//! The quantum-backed butler: datasets of one graph, without any registry.
//!
//! One [`QuantumBackedButler`] serves a whole process; a [`QuantumButler`] is what one quantum sees
//! of it. What the journal or the graph can answer is never asked of the file system.

mod access;
mod error;
mod output_folder;
mod prediction;
mod quantum;
mod record_rows;
mod shared;

pub use access::{AccessSummary, IoMetrics};
pub use error::ButlerError;
pub use prediction::Prediction;
pub use quantum::QuantumButler;
pub use shared::QuantumBackedButler;
