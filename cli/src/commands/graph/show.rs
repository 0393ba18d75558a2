//! `qbb graph show` and `qbb graph summary`.

use camino::Utf8Path;
use qbb_graph::{
    Adjacency, DatasetTypeSummary, GraphPart, MiddlewareSummary, ProvenanceReader, QuantumGraph,
    QuantumIx, QuantumName, Summary, TaskSummary, middleware_summary, open_quanta,
};
use qbb_pipeline::Connection;
use serde::Serialize;
use uuid::Uuid;

use crate::commands::opened::{graph_file, open_graph};
use crate::output::{ExitCode, Failure, Terminal, bytes, table};

/// Shows what is in a graph, or one of its quanta.
pub fn execute(
    place: &Utf8Path,
    quantum: Option<&QuantumName>,
    terminal: Terminal,
) -> Result<ExitCode, Failure> {
    let file = graph_file(place)?;
    if let Some(provenance) = ProvenanceReader::open_if_provenance(&file)? {
        return super::provenance::execute(&provenance, quantum, terminal);
    }
    match quantum {
        None => terminal.result(&qbb_graph::summary(&open_graph(place)?), describe)?,
        Some(name) => {
            let part = open_quanta(&file, std::slice::from_ref(name))?;
            terminal.result(&shown_quantum(&part), describe_quantum)?;
        }
    }
    Ok(ExitCode::Success)
}

/// Prints the summary that the middleware writes.
pub fn summary(place: &Utf8Path, terminal: Terminal) -> Result<ExitCode, Failure> {
    let graph = open_graph(place)?;
    let command = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    terminal.result(&middleware_summary(&graph, command), describe_summary)?;
    Ok(ExitCode::Success)
}

fn describe_summary(summary: &MiddlewareSummary) -> String {
    let rows = summary.qgraph_summary.qgraph_task_summaries.values().map(|task| {
        [
            task.task_label.clone(),
            task.num_quanta.to_string(),
            task.num_inputs.values().sum::<usize>().to_string(),
            task.num_outputs.values().sum::<usize>().to_string(),
        ]
    });
    table(["task", "quanta", "inputs", "outputs"], 1, rows)
}

fn describe(summary: &Summary) -> String {
    let mut text = format!("run      {}\n", summary.output_run);
    if let Some(output) = &summary.output {
        text.push_str(&format!("output   {output}\n"));
    }
    text.push_str(&format!("inputs   {}\n", summary.inputs.join(", ")));
    text.push_str(&format!("built    {} by {}\n", summary.timestamp, summary.user));
    if !summary.command.is_empty() {
        text.push_str(&format!("command  {}\n", summary.command));
    }
    if let Some(query) = summary.metadata["data_query"].as_str().filter(|q| !q.is_empty()) {
        text.push_str(&format!("query    {query}\n"));
    }
    let rows = summary.tasks.iter().map(|task| {
        [
            task.label.clone(),
            task.dimensions.join(" "),
            task.quanta.to_string(),
            task.inputs.to_string(),
            task.outputs.to_string(),
        ]
    });
    text.push('\n');
    text.push_str(&table(["task", "dimensions", "quanta", "inputs", "outputs"], 2, rows));
    let header = ["task", "", "dataset type", "uses", "datasets", "size"];
    text.push('\n');
    text.push_str(&table(header, 3, summary.tasks.iter().flat_map(dataset_types)));
    text.push_str(&format!(
        "\n{} quanta with {} dependencies\n{} datasets: {} overall inputs ({}), {} intermediates, \
         {} outputs, {} init-outputs\n",
        summary.quanta,
        summary.dependencies,
        summary.datasets,
        summary.overall_inputs,
        bytes(summary.input_bytes),
        summary.intermediates,
        summary.outputs,
        summary.init_outputs,
    ));
    text
}

fn dataset_types(task: &TaskSummary) -> Vec<[String; 6]> {
    let row = |what: &str, summary: &DatasetTypeSummary| {
        [
            task.label.clone(),
            what.to_owned(),
            summary.dataset_type.clone(),
            summary.uses.to_string(),
            summary.datasets.to_string(),
            summary.bytes.map(bytes).unwrap_or_default(),
        ]
    };
    (task.input_types.iter().map(|summary| row("reads", summary)))
        .chain(task.output_types.iter().map(|summary| row("writes", summary)))
        .collect()
}

#[derive(Serialize)]
struct ShownQuantum {
    quantum: Uuid,
    task: String,
    data_id: String,
    inputs: Vec<ShownDataset>,
    outputs: Vec<ShownDataset>,
}

#[derive(Serialize)]
struct ShownDataset {
    connection: String,
    dataset: Uuid,
    dataset_type: String,
    data_id: String,
    run: String,
    /// Where the files are, as the release recorded them; only overall inputs have any.
    files: Vec<ShownFile>,
}

#[derive(Serialize)]
struct ShownFile {
    path: String,
    bytes: Option<u64>,
}

fn shown_quantum(part: &GraphPart) -> ShownQuantum {
    let (graph, quantum) = (&part.graph, part.quanta[0]);
    let task_ix = graph.quanta.task(quantum);
    let task = graph.pipeline.task(task_ix);
    let row = graph.quanta.data_id[quantum.index()];
    ShownQuantum {
        quantum: graph.quanta.uuid(quantum),
        task: task.label.clone(),
        data_id: graph.task_data_ids(task_ix).describe(row, &graph.symbols),
        inputs: datasets(graph, quantum, &graph.inputs, task.quantum_inputs().collect()),
        outputs: datasets(graph, quantum, &graph.outputs, task.quantum_outputs().collect()),
    }
}

fn datasets(
    graph: &QuantumGraph,
    quantum: QuantumIx,
    side: &Adjacency,
    connections: Vec<&Connection>,
) -> Vec<ShownDataset> {
    side.edges(quantum)
        .map(|(connection, dataset)| {
            let dataset_type = graph.datasets.dataset_type(dataset);
            let row = graph.datasets.data_id[dataset.index()];
            ShownDataset {
                connection: connections[usize::from(connection)].name.clone(),
                dataset: graph.datasets.uuid(dataset),
                dataset_type: graph.pipeline.dataset_type(dataset_type).dataset_type.name.clone(),
                data_id: graph.dataset_type_data_ids(dataset_type).describe(row, &graph.symbols),
                run: graph.runs[graph.datasets.run[dataset.index()] as usize].clone(),
                files: (graph.records.of_dataset(dataset))
                    .map(|record| ShownFile {
                        path: String::from_utf8_lossy(graph.records.path.get(record)).into_owned(),
                        bytes: u64::try_from(graph.records.file_size[record]).ok(),
                    })
                    .collect(),
            }
        })
        .collect()
}

fn describe_quantum(quantum: &ShownQuantum) -> String {
    let mut text = format!(
        "quantum  {}\ntask     {}\ndata ID  {}\n",
        quantum.quantum, quantum.task, quantum.data_id
    );
    for (what, datasets) in [("input", &quantum.inputs), ("output", &quantum.outputs)] {
        text.push('\n');
        let rows = datasets.iter().map(|dataset| {
            let size: Option<u64> = dataset.files.iter().map(|file| file.bytes).sum();
            let size = size.filter(|_| !dataset.files.is_empty());
            [
                dataset.connection.clone(),
                format!("{} {}", dataset.dataset_type, dataset.data_id),
                dataset.run.clone(),
                dataset.dataset.to_string(),
                size.map(bytes).unwrap_or_default(),
            ]
        });
        text.push_str(&table([what, "dataset", "run", "UUID", "size"], 4, rows));
    }
    text
}
