//! The summary that `pipetask qgraph --summary` writes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{QuantumGraph, QuantumIx};

/// A report as the middleware writes it for a graph that was built and not yet run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MiddlewareSummary {
    /// About the graph.
    pub qgraph_summary: GraphSummary,
    /// How building it went; always `success`.
    pub status: &'static str,
    /// The command that writes the report.
    pub cmd_line: Vec<String>,
    /// Reports of quanta that were run; none.
    pub quanta_reports: [(); 0],
}

/// What a graph is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphSummary {
    /// Command that built the graph.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd_line: Option<String>,
    /// When it was built: in spite of its name local time, as in the graph's header.
    #[serde(rename = "creationUTC", skip_serializing_if = "Option::is_none")]
    pub creation_utc: Option<String>,
    /// Input collections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_collection: Option<Vec<String>>,
    /// CHAINED output collection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_collection: Option<String>,
    /// RUN collection of the outputs.
    pub output_run: String,
    /// What each task has.
    pub qgraph_task_summaries: BTreeMap<String, GraphTaskSummary>,
}

/// What a task has in a graph. Dataset types of its connections are there with 0 if no quantum has
/// one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphTaskSummary {
    /// Label.
    pub task_label: String,
    /// Number of quanta.
    pub num_quanta: usize,
    /// Number of times that a quantum reads a dataset of each type.
    pub num_inputs: BTreeMap<String, usize>,
    /// Number of times that a quantum writes a dataset of each type.
    pub num_outputs: BTreeMap<String, usize>,
}

/// The middleware's summary of a graph; `command_line` is the command that asks for it.
pub fn middleware_summary(graph: &QuantumGraph, command_line: Vec<String>) -> MiddlewareSummary {
    MiddlewareSummary {
        qgraph_summary: graph_summary(graph, graph.quanta.iter()),
        status: "success",
        cmd_line: command_line,
        quanta_reports: [],
    }
}

/// The part of the middleware's summaries that is about a graph, as if it had these quanta only.
pub fn graph_summary(
    graph: &QuantumGraph,
    quanta: impl IntoIterator<Item = QuantumIx>,
) -> GraphSummary {
    let header = &graph.header;
    let n_types = graph.pipeline.dataset_types.len();
    let mut counts = vec![TaskCounts::default(); graph.pipeline.tasks.len()];
    for quantum in quanta {
        let Some(counts) = counts.get_mut(graph.quanta.task(quantum).index()) else { continue };
        counts.quanta += 1;
        for (uses, side) in
            [(&mut counts.inputs, &graph.inputs), (&mut counts.outputs, &graph.outputs)]
        {
            uses.resize(n_types, 0);
            for (_, dataset) in side.edges(quantum) {
                let dataset_type = graph.datasets.dataset_type.get(dataset.index());
                if let Some(uses) = dataset_type.and_then(|&t| uses.get_mut(t as usize)) {
                    *uses += 1;
                }
            }
        }
    }
    let type_name =
        |dataset_type| graph.pipeline.dataset_type(dataset_type).dataset_type.name.clone();
    let named = |uses: &[usize], declared: Vec<String>| {
        let types = graph.pipeline.dataset_types.iter().zip(uses).filter(|(_, uses)| **uses != 0);
        let used = types.map(|(node, &uses)| (node.dataset_type.name.clone(), uses));
        declared.into_iter().map(|name| (name, 0)).chain(used).collect()
    };
    let tasks = (graph.pipeline.tasks.iter().zip(&counts))
        .map(|(task, counts)| {
            let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
            // Of a task without quanta the middleware knows no connections.
            if counts.quanta != 0 {
                inputs = task.quantum_inputs().map(|c| type_name(c.dataset_type)).collect();
                outputs = task.quantum_outputs().map(|c| type_name(c.dataset_type)).collect();
            }
            let summary = GraphTaskSummary {
                task_label: task.label.clone(),
                num_quanta: counts.quanta,
                num_inputs: named(&counts.inputs, inputs),
                num_outputs: named(&counts.outputs, outputs),
            };
            (task.label.clone(), summary)
        })
        .collect();
    GraphSummary {
        cmd_line: Some(header.command.clone()).filter(|command| !command.is_empty()),
        // The middleware writes it with a space where the file has a `T`.
        creation_utc: Some(header.timestamp.replacen('T', " ", 1))
            .filter(|timestamp| !timestamp.is_empty()),
        input_collection: Some(header.inputs.clone()).filter(|inputs| !inputs.is_empty()),
        output_collection: header.output.clone(),
        output_run: header.output_run.clone(),
        qgraph_task_summaries: tasks,
    }
}

/// What the quanta of a task have; uses by position of the dataset type.
#[derive(Debug, Clone, Default)]
struct TaskCounts {
    quanta: usize,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
}
