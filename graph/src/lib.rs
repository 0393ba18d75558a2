//! The quantum graph: dense model, native file, .qg exchange and pictures; knows neither how it was
//! built nor who runs it.

mod model;

pub use model::{
    Adjacency, CollectionEntry, CollectionStructure, DataIdGroupIx, DatasetIx, DatasetTable,
    Datastore, GraphHeader, InitQuantum, InputRecords, QuantumGraph, QuantumIx, QuantumTable,
    RunIx,
};
