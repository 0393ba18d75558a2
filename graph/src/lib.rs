//! The quantum graph: dense model, native file, .qg exchange and pictures; knows neither how it was
//! built nor who runs it.
//!
//! [`QuantumGraph`] is the model. Its tables are public columns; what is derived from them (which
//! quantum writes a dataset, who must come before whom, positions by UUID) is computed when first
//! asked for. [`open`] reads a graph file of either kind, [`write_native`] and [`write_qg`] write
//! them.

mod check;
mod difference;
mod error;
mod expansion;
mod flow;
mod input_uri;
mod lookup;
mod mapped;
mod middleware_summary;
mod model;
mod native;
mod native_copy;
mod open;
mod part;
mod picture;
mod publish;
mod python_json;
mod qg;
mod quantum_name;
mod renaming;
mod summary;
mod verify;
mod wire;

pub use difference::{
    Difference, DifferentValue, Edge, InitDifference, QuantumDifference, TaskDifference, difference,
};
pub use error::{Flaw, GraphError, Result};
pub use expansion::RecordSelection;
pub use flow::{Flow, Neighbors, Visited};
pub use lookup::{DatasetRole, Lookups};
pub use middleware_summary::{
    GraphSummary, GraphTaskSummary, MiddlewareSummary, graph_summary, middleware_summary,
};
pub use model::{
    Adjacency, CollectionEntry, CollectionStructure, DataIdGroupIx, DatasetIx, DatasetTable,
    Datastore, GraphHeader, InitQuantum, InputRecords, QuantumGraph, QuantumIx, QuantumTable,
    RunIx,
};
pub use native::{BLOCK, Check, MAGIC, MAJOR, MINOR, open_native, write_native};
pub use native_copy::{MissingCopy, open_by_copy};
pub use open::{check_kind, open, open_with};
pub use part::{GraphPart, open_quanta};
pub use picture::{DEFAULT_NODE_LIMIT, NodeKind, Picture, PictureNode};
pub use publish::remove_unfinished;
pub use python_json::{PythonJson, PythonJsonError};
pub use qg::{
    Attempt, AttemptException, AttemptStatus, AttemptUsage, CaveatCount, ProvenanceReader,
    ProvenanceSource, ProvenanceSummary, ProvenanceTask, ProvenanceTexts, ProvenanceWritten,
    QgOptions, RecordPaths, SourceError, StatusCounts, read_qg, write_provenance, write_qg,
};
pub use quantum_name::{DataIdFilter, QuantumName, parse_value};
pub use summary::{DatasetTypeSummary, Summary, TaskSummary, summary};
pub use verify::{RuleResult, Verification, verify};
