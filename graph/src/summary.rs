//! What is in a graph, in numbers.

use serde::Serialize;

use crate::lookup::DatasetRole;
use crate::model::{Adjacency, DatasetIx, QuantumGraph};

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
    /// What its quanta read, by dataset type.
    pub input_types: Vec<DatasetTypeSummary>,
    /// What its quanta write, by dataset type.
    pub output_types: Vec<DatasetTypeSummary>,
}

/// Datasets of one type that a task reads or writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatasetTypeSummary {
    /// Name.
    pub dataset_type: String,
    /// Number of times that a quantum reads or writes one.
    pub uses: usize,
    /// Number of different datasets.
    pub datasets: usize,
    /// Sum of their sizes in bytes, as far as datastore records tell them; `None` if they tell none,
    /// as of everything that is yet to be written.
    pub bytes: Option<u64>,
}

/// The numbers of a graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Command that built it.
    pub command: String,
    /// Further facts of the header, such as the data query.
    pub metadata: serde_json::Value,
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
            input_types: Vec::new(),
            output_types: Vec::new(),
        })
        .collect();
    let sides = [by_dataset_type(graph, &graph.inputs), by_dataset_type(graph, &graph.outputs)];
    for (task, [inputs, outputs]) in tasks.iter_mut().zip(transposed(sides)) {
        (task.input_types, task.output_types) = (inputs, outputs);
    }
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
        command: graph.header.command.clone(),
        metadata: serde_json::from_str(&graph.header.metadata).unwrap_or_default(),
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

fn transposed<T>([a, b]: [Vec<T>; 2]) -> impl Iterator<Item = [T; 2]> {
    a.into_iter().zip(b).map(|(a, b)| [a, b])
}

/// For each task, what its quanta have on one side, by dataset type in the order of names.
fn by_dataset_type(graph: &QuantumGraph, side: &Adjacency) -> Vec<Vec<DatasetTypeSummary>> {
    let (tasks, types) = (graph.pipeline.tasks.len(), graph.pipeline.dataset_types.len());
    let mut counts = vec![vec![(0, 0, None); types]; tasks];
    // The task that has counted a dataset last: quanta come in the order of tasks.
    let mut counted = vec![u32::MAX; graph.datasets.len()];
    for quantum in graph.quanta.iter() {
        let task = graph.quanta.task[quantum.index()];
        let Some(counts) = counts.get_mut(task as usize) else { continue };
        for (_, dataset) in side.edges(quantum) {
            let Some(&dataset_type) = graph.datasets.dataset_type.get(dataset.index()) else {
                continue;
            };
            let Some((uses, datasets, bytes)) = counts.get_mut(dataset_type as usize) else {
                continue;
            };
            *uses += 1;
            if std::mem::replace(&mut counted[dataset.index()], task) != task {
                *datasets += 1;
                if let Some(size) = size_of_dataset(graph, dataset) {
                    *bytes = Some(bytes.unwrap_or(0) + size);
                }
            }
        }
    }
    let named = |counts: Vec<(usize, usize, Option<u64>)>| {
        (counts.into_iter().zip(&graph.pipeline.dataset_types))
            .filter(|((uses, ..), _)| *uses != 0)
            .map(|((uses, datasets, bytes), node)| DatasetTypeSummary {
                dataset_type: node.dataset_type.name.clone(),
                uses,
                datasets,
                bytes,
            })
            .collect()
    };
    counts.into_iter().map(named).collect()
}

/// Bytes of a dataset's files, if records tell them. Components of one file count once.
fn size_of_dataset(graph: &QuantumGraph, dataset: DatasetIx) -> Option<u64> {
    let records = &graph.records;
    let mut rows: Vec<(&[u8], i64)> = (records.of_dataset(dataset))
        .map(|row| (records.path.get(row), records.file_size[row]))
        .collect();
    rows.sort_unstable();
    rows.dedup();
    let sizes = rows.iter().filter_map(|&(_, size)| u64::try_from(size).ok());
    sizes.reduce(|a, b| a.saturating_add(b))
}
