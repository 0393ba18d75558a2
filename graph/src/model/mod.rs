//! The dense model: every thing is a number, every table a column.

mod adjacency;
mod collections;
mod graph;
mod records;
mod tables;

pub use adjacency::Adjacency;
pub use collections::{CollectionEntry, CollectionStructure};
pub use graph::{GraphHeader, InitQuantum, QuantumGraph};
pub use records::{Datastore, InputRecords};
pub use tables::{DataIdGroupIx, DatasetIx, DatasetTable, QuantumIx, QuantumTable, RunIx};
