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
mod data_id_table;
mod data_ids;
mod dataset_conditions;
mod datasets;
mod dictionary;
mod dimension_records;
mod error;
mod existing;
mod explanation;
mod families;
mod generation;
mod hooks;
mod identifiers;
mod join;
mod key_index;
mod layout;
mod narrowing;
mod outputs;
mod plan;
mod prerequisites;
mod query;
mod records;
mod regions;
mod relation;
mod request;
mod resolve;
mod retained;
mod row_limit;
mod skeleton;
#[cfg(test)]
mod skip_tests;
mod skipping;
mod spatial;
mod spatial_plan;
mod table_text;
#[cfg(test)]
mod testing;
mod tree;
mod validity;

pub use build::{build, build_with_hooks};
pub use data_id_table::{DataIdTable, DataIdTableError, TableProblem};
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
pub use request::{
    Build, BuildRequest, DEFAULT_MAX_ROWS, DatasetConstraint, Progress, TaskOutcome,
};
pub use table_text::TextColumn;
