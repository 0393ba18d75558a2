//! Provenance: what happened to each quantum, attempt by attempt, from the journal and the metadata
//! and log datasets that it names.
//!
//! [`RunProvenance`] is what [`qbb_graph::write_provenance`] asks.

mod dataset;
mod log_text;
mod metadata_text;
mod packages;
mod products;
mod run;

pub use dataset::ProvenanceDataset;
pub use products::{FileProducts, ProductStore};
pub use run::RunProvenance;
