//! The summary that `pipetask qgraph --summary` writes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::QuantumGraph;
use crate::summary::{DatasetTypeSummary, summary};

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
    let header = &graph.header;
    let name = |connection: &qbb_pipeline::Connection| {
        graph.pipeline.dataset_type(connection.dataset_type).dataset_type.name.clone()
    };
    let counts = |types: Vec<DatasetTypeSummary>, declared: Vec<String>| {
        let mut counts: BTreeMap<String, usize> =
            declared.into_iter().map(|name| (name, 0)).collect();
        counts.extend(types.into_iter().map(|summary| (summary.dataset_type, summary.uses)));
        counts
    };
    let tasks = (summary(graph).tasks.into_iter().zip(&graph.pipeline.tasks))
        .map(|(summary, task)| {
            // Of a task without quanta the middleware knows no connections.
            let declared = |names: Vec<String>| if summary.quanta == 0 { vec![] } else { names };
            let inputs = declared(task.quantum_inputs().map(name).collect());
            let outputs = declared(task.quantum_outputs().map(name).collect());
            let task = GraphTaskSummary {
                task_label: summary.label.clone(),
                num_quanta: summary.quanta,
                num_inputs: counts(summary.input_types, inputs),
                num_outputs: counts(summary.output_types, outputs),
            };
            (summary.label, task)
        })
        .collect();
    MiddlewareSummary {
        qgraph_summary: GraphSummary {
            cmd_line: Some(header.command.clone()).filter(|command| !command.is_empty()),
            // The middleware writes it with a space where the file has a `T`.
            creation_utc: Some(header.timestamp.replacen('T', " ", 1))
                .filter(|timestamp| !timestamp.is_empty()),
            input_collection: Some(header.inputs.clone()).filter(|inputs| !inputs.is_empty()),
            output_collection: header.output.clone(),
            output_run: header.output_run.clone(),
            qgraph_task_summaries: tasks,
        },
        status: "success",
        cmd_line: command_line,
        quanta_reports: [],
    }
}
