//! Provenance graphs: `.qg` files that tell how a quantum graph was executed.
//!
//! The bytes are those of the middleware. What happened comes from a [`ProvenanceSource`]; this
//! crate knows neither journals nor files of outputs.

mod attempt;
mod places;
mod read;
mod text;
mod told;
mod write;
#[cfg(test)]
mod write_tests;

pub use attempt::{
    Attempt, AttemptException, AttemptStatus, AttemptUsage, ProvenanceSource, SourceError,
};
pub use read::{
    CaveatCount, ProvenanceReader, ProvenanceSummary, ProvenanceTask, ProvenanceTexts, StatusCounts,
};
pub use write::{ProvenanceWritten, write_provenance};

const PACKAGES: &str = "packages.json.zst";
const LOGS: &str = "logs.mb";
const METADATA: &str = "metadata.mb";
const QUANTA: &str = "quanta.mb";
const DATASETS: &str = "datasets.mb";
const NODES: &str = "nodes.addr";

/// Addresses in a row of [`NODES`], in their order: datasets, quanta, logs, metadata.
const ADDRESSES: usize = 4;

/// The members that only provenance graphs have.
pub(super) const MEMBERS: [&str; 6] = [PACKAGES, LOGS, METADATA, QUANTA, DATASETS, NODES];
