//! Queries in, quantum graph out; knows nothing of execution.
//!
//! [`build`] takes one consistent view of a repository and a pipeline. It reads whole tables, as
//! far as the conditions need them and with a number of statements that does not depend on the
//! number of quanta, and does everything else on columns of small integers: the values of each
//! dimension are numbered, data IDs are rows of those numbers, and joins work on keys packed from
//! them.
//!
//! The steps, each in a file: the pipeline falls into independent components; a join of everything
//! that constrains a component gives its data IDs; these give quanta, datasets and edges; existing
//! inputs and prerequisites are looked up; quanta with too few inputs leave the graph; what is left
//! is numbered and laid out.

mod anchoring;
mod assembly;
mod bounds;
mod build;
#[cfg(test)]
mod build_tests;
mod collections;
mod components;
mod contents;
mod data_ids;
mod dimension_records;
mod error;
mod existing;
mod explanation;
mod hooks;
mod identifiers;
mod outputs;
mod plan;
mod prerequisites;
mod records;
mod request;
mod resolve;
mod retained;
mod skeleton;
#[cfg(test)]
mod skip_tests;
mod skipping;
#[cfg(test)]
mod testing;

pub use build::{build, build_with_hooks};
pub use error::BuildError;
pub use explanation::{
    ConstraintEffect, DataIdExplanation, DroppedQuanta, Explain, Explanation, PartExplanation,
    TaskExplanation,
};
pub use hooks::{
    AdjustedLists, Adjustments, DataIdBatch, DatasetBatch, DroppedQuantum, FoundDataset,
    FoundPrerequisites, HookError, HookNeed, HookSession, NumberLists, QuantumBatch, RecordRows,
    TaskHooks, TogetherAdjusted,
};
pub use outputs::OutputError;
pub use qbb_query::QueryError;
pub use qbb_query::engine::{
    DEFAULT_MAX_ROWS, DataIdTable, DataIdTableError, TableProblem, TextColumn,
};
pub use request::{Build, BuildRequest, DatasetConstraint, Progress, TaskOutcome};
