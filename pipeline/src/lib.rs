//! Pipeline graphs: tasks, connections and dataset type resolution; knows no repositories, graphs
//! of quanta or processes.
//!
//! A [`PipelineDefinition`] is what a pipeline says by itself, as exported from Python or read from
//! a native pipeline file. Resolving it against a universe and the dataset types registered in a
//! repository gives a [`PipelineGraph`].

mod connection;
mod dataset_types;
mod definition;
mod error;
mod export;
mod expression;
mod extended;
mod graph;
mod json;
mod load;
mod native;
mod native_error;
mod native_file;
mod order;
mod placeholders;
mod resolve;
mod select;
mod serialized;
mod steps;

pub use connection::{Connection, ConnectionKind, DatasetTypeIx};
pub use definition::{
    ConnectionDefinition, FormatterDefinition, PipelineDefinition, StorageClassDefinition,
    TaskDefinition,
};
pub use error::{CycleError, PipelineReadError, ResolveError, UnknownLabelError};
pub use expression::{TaskExpressionError, TaskExpressionProblem};
pub use graph::{
    CommandTemplate, DatasetTypeNode, Hooks, PACKAGES, PipelineGraph, Runner, Subset, Task, TaskIx,
};
pub use load::LoadedPipeline;
pub use native_error::{NativePipelineError, NativeProblem};
