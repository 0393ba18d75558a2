//! `.qg`, the quantum graph files of the Python middleware, version 1: a zip of zstd-compressed
//! JSON.

mod addresses;
mod assembly;
mod blocks;
mod compression;
mod container;
mod datastore_records;
mod dimension_data;
mod items;
mod json;
mod models;
mod ordering;
mod part;
mod pipeline_numbers;
mod provenance;
mod read;
mod write;

pub use blocks::RecordPaths;
pub(crate) use part::read_qg_quanta;
pub use provenance::{
    Attempt, AttemptException, AttemptStatus, AttemptUsage, CaveatCount, ProvenanceReader,
    ProvenanceSource, ProvenanceSummary, ProvenanceTask, ProvenanceTexts, ProvenanceWritten,
    SourceError, StatusCounts, write_provenance,
};
pub(crate) use read::fingerprint;
pub use read::read_qg;
pub use write::{QgOptions, write_qg};

/// Class of the records of artifacts, as named in the records of a quantum.
const RECORD_CLASS: &str = "lsst.daf.butler.datastore.stored_file_info.StoredFileInfo";
/// Opaque table of those records.
const RECORD_TABLE: &str = "file_datastore_records";
/// Component that stands for the whole dataset.
const WHOLE_DATASET: &str = "__NULL_STRING__";

const HEADER: &str = "header.json.zst";
const DICTIONARY: &str = "compression_dict";
const PIPELINE_GRAPH: &str = "pipeline_graph.json.zst";
const THIN_GRAPH: &str = "thin_graph.json.zst";
const DIMENSION_DATA: &str = "dimension_data.json.zst";
const INIT_QUANTA: &str = "init_quanta.json.zst";
const QUANTUM_DATASETS: &str = "quantum_datasets.mb";
const ADDRESSES: &str = "quanta.addr";

/// The members that are read or written, for messages that say where they stand.
const MEMBERS: [&str; 8] = [
    HEADER,
    DICTIONARY,
    PIPELINE_GRAPH,
    THIN_GRAPH,
    DIMENSION_DATA,
    INIT_QUANTA,
    QUANTUM_DATASETS,
    ADDRESSES,
];
