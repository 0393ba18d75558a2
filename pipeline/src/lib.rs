//! Pipeline graphs: tasks, connections and dataset type resolution; knows no repositories, graphs
//! of quanta or processes.
//!
//! A [`PipelineDefinition`] is what a pipeline says by itself, as exported from Python or read from
//! a native pipeline file. Resolving it against a universe and the dataset types registered in a
//! repository gives a [`PipelineGraph`].

mod connection;
mod definition;
mod graph;

pub use connection::{Connection, ConnectionKind, DatasetTypeIx};
pub use definition::{
    ConnectionDefinition, FormatterDefinition, PipelineDefinition, StorageClassDefinition,
    TaskDefinition,
};
pub use graph::{
    CommandTemplate, DatasetTypeNode, Hooks, PipelineGraph, Runner, Subset, Task, TaskIx,
};
