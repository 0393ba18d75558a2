//! What is in a graph, in numbers.

use serde::Serialize;

use crate::lookup::DatasetRole;
use crate::model::QuantumGraph;

/// One task of a [`Summary`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskSummary {
    /// Label.
    pub label: String,
    /// Dimensions of its quanta.
    pub dimensions: Vec<String>,
    /// Number of quanta.
    pub quanta: usize,
    /// Datasets that its quanta read, counted once for each quantum that reads it.
    pub inputs: usize,
    /// Datasets that its quanta write, metadata and logs among them.
    pub outputs: usize,
}

/// The numbers of a graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Input collections.
    pub inputs: Vec<String>,
    /// CHAINED output collection.
    pub output: Option<String>,
    /// RUN collection of the outputs.
    pub output_run: String,
    /// Who built it.
    pub user: String,
    /// When, local time.
    pub timestamp: String,
    /// Tasks in flow order.
    pub tasks: Vec<TaskSummary>,
    /// Number of quanta.
    pub quanta: usize,
    /// Number of init quanta, the global one included.
    pub init_quanta: usize,
    /// Number of dependencies between quanta.
    pub dependencies: usize,
    /// Number of datasets.
    pub datasets: usize,
    /// Datasets that exist before anything runs.
    pub overall_inputs: usize,
    /// Datasets that one quantum writes and another reads.
    pub intermediates: usize,
    /// Datasets that quanta write and none reads.
    pub outputs: usize,
    /// Datasets that the construction of tasks writes.
    pub init_outputs: usize,
    /// Datastore records of the overall inputs.
    pub datastore_records: usize,
    /// Sum of the known sizes of the overall inputs, in bytes.
    pub input_bytes: u64,
    /// Number of dimension records of each element that has any.
    pub dimension_records: Vec<(String, usize)>,
    /// Number of collections in which the inputs were looked for.
    pub collections: usize,
}

/// Counts what is in a graph.
pub fn summary(graph: &QuantumGraph) -> Summary {
    let mut tasks: Vec<TaskSummary> = (graph.pipeline.tasks.iter())
        .map(|task| TaskSummary {
            label: task.label.clone(),
            dimensions: task.dimensions.iter_names().map(str::to_owned).collect(),
            quanta: 0,
            inputs: 0,
            outputs: 0,
        })
        .collect();
    for quantum in graph.quanta.iter() {
        if let Some(task) = tasks.get_mut(graph.quanta.task(quantum).index()) {
            task.quanta += 1;
            task.inputs += graph.inputs.range(quantum).len();
            task.outputs += graph.outputs.range(quantum).len();
        }
    }
    let roles = graph.dataset_roles();
    let count = |wanted| roles.iter().filter(|&&role| role == wanted).count();
    let universe = graph.universe();
    Summary {
        inputs: graph.header.inputs.clone(),
        output: graph.header.output.clone(),
        output_run: graph.header.output_run.clone(),
        user: graph.header.user.clone(),
        timestamp: graph.header.timestamp.clone(),
        tasks,
        quanta: graph.quanta.len(),
        init_quanta: graph.init_quanta.len(),
        dependencies: graph.flow().edge_count(),
        datasets: graph.datasets.len(),
        overall_inputs: count(DatasetRole::OverallInput),
        intermediates: count(DatasetRole::Intermediate),
        outputs: count(DatasetRole::Output),
        init_outputs: count(DatasetRole::InitOutput),
        datastore_records: graph.records.len(),
        input_bytes: (graph.records.file_size.iter())
            .filter_map(|&size| u64::try_from(size).ok())
            .sum(),
        dimension_records: (graph.dimension_records.iter())
            .map(|table| (universe.element(table.element).name.clone(), table.len()))
            .collect(),
        collections: graph.collections.collections.len(),
    }
}
