//! How two graphs differ, by what things are and never by their UUIDs.

mod compare;
mod matching;
mod values;

pub use compare::difference;

use serde::Serialize;

/// How graph B differs from graph A. UUIDs, times and users are not compared, and each graph's own
/// output run counts as the same run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Collections, output run and facts of the header.
    pub header: Vec<DifferentValue>,
    /// Tasks, connections, dataset types, configurations and dimensions.
    pub pipeline: Vec<DifferentValue>,
    /// Tasks with quanta that are in one graph only, or that read or write other datasets.
    pub tasks: Vec<TaskDifference>,
    /// What the construction of tasks reads or writes in one graph only.
    pub init: Vec<InitDifference>,
    /// Inputs that both graphs have, of which they have different datastore records.
    pub records: Vec<DifferentValue>,
}

/// A value that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DifferentValue {
    /// Which value.
    pub name: String,
    /// What it is in A; `None` if it is not there.
    pub a: Option<String>,
    /// What it is in B.
    pub b: Option<String>,
}

/// What differs about the quanta of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskDifference {
    /// Label.
    pub task: String,
    /// Number of quanta in A.
    pub quanta_in_a: usize,
    /// Number of quanta in B.
    pub quanta_in_b: usize,
    /// Data IDs of quanta that B lacks.
    pub only_in_a: Vec<String>,
    /// Data IDs of quanta that A lacks.
    pub only_in_b: Vec<String>,
    /// Quanta that both have, with different datasets.
    pub different: Vec<QuantumDifference>,
}

/// What differs about a quantum that both graphs have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuantumDifference {
    /// Its data ID.
    pub data_id: String,
    /// Inputs that B lacks.
    pub inputs_only_in_a: Vec<Edge>,
    /// Inputs that A lacks.
    pub inputs_only_in_b: Vec<Edge>,
    /// Outputs that B lacks.
    pub outputs_only_in_a: Vec<Edge>,
    /// Outputs that A lacks.
    pub outputs_only_in_b: Vec<Edge>,
}

/// What differs about the construction of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InitDifference {
    /// Label of the task; empty for what belongs to none.
    pub task: String,
    /// Datasets that B lacks.
    pub only_in_a: Vec<Edge>,
    /// Datasets that A lacks.
    pub only_in_b: Vec<Edge>,
}

/// A dataset in its role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Edge {
    /// Name of the connection.
    pub connection: String,
    /// Dataset type, data ID and run.
    pub dataset: String,
}

impl Difference {
    /// Whether the graphs say the same.
    pub fn is_empty(&self) -> bool {
        let Self { header, pipeline, tasks, init, records } = self;
        header.is_empty()
            && pipeline.is_empty()
            && tasks.is_empty()
            && init.is_empty()
            && records.is_empty()
    }
}
