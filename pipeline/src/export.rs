//! Reading pipelines exported from Python.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::connection::ConnectionKind;
use crate::definition::{
    ConnectionDefinition, FormatterDefinition, PipelineDefinition, TaskDefinition,
};
use crate::error::PipelineReadError;
use crate::graph::{Hooks, Runner};
use crate::serialized::{Section, SerializedEdge, SerializedGraph, SerializedTask};

/// Value of the member `format`.
pub(crate) const FORMAT: &str = "qbb-pipeline-export";
/// The only version of the format so far.
const VERSION: u32 = 1;

/// The method that checks limits of connections.
const ADJUST_QUANTUM: &str = "adjustQuantum";

/// What Python told about a task beyond its serialised form.
#[derive(Debug, Deserialize)]
struct TaskSupplement {
    connections: BTreeMap<String, ConnectionSupplement>,
    #[serde(default)]
    spatial_bounds: Vec<String>,
    #[serde(default)]
    temporal_bounds: Vec<String>,
    #[serde(default)]
    overridden_hooks: Vec<String>,
    can_multiprocess: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct ConnectionSupplement {
    kind: ConnectionKind,
    multiple: bool,
    minimum: u32,
    #[serde(default)]
    defer_load: bool,
    #[serde(default)]
    defer_binding: bool,
    #[serde(default)]
    lookup_function: bool,
}

#[derive(Debug, Deserialize)]
struct FormatterSupplement {
    formatter: Option<String>,
    extension: Option<String>,
}

impl PipelineDefinition {
    /// Reads the text of an export made by `python -m qbb_worker.export`.
    ///
    /// # Errors
    /// If it is not an export of a known version, or a member is missing or wrong.
    pub fn from_export(text: &str) -> Result<Self, PipelineReadError> {
        Self::from_export_json(&serde_json::from_str(text)?)
    }

    /// Reads an export that was parsed already.
    ///
    /// # Errors
    /// If it is not an export of a known version, or a member is missing or wrong.
    pub fn from_export_json(export: &Value) -> Result<Self, PipelineReadError> {
        check_format(export)?;
        let Some(map) = export.as_object() else {
            return Err(PipelineReadError::Format { found: "absent".to_owned() });
        };
        let section = Section { map, field: "" };
        let graph = SerializedGraph::read(section.member("pipeline_graph")?, "pipeline_graph")?;
        let supplements: BTreeMap<String, TaskSupplement> = section.entries("tasks")?;
        let formatters: BTreeMap<String, FormatterSupplement> = section.entries("formatters")?;
        let tasks = graph
            .tasks
            .into_iter()
            .map(|(label, task)| {
                let supplement =
                    supplements.get(&label).ok_or_else(|| PipelineReadError::Field {
                        field: format!("tasks.{label}"),
                        reason: "it is missing although the pipeline graph has the task".to_owned(),
                    })?;
                task_definition(label, task, supplement)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            description: graph.description,
            tasks,
            subsets: graph.task_subsets,
            step_labels: graph.step_labels,
            steps_verified: graph.steps_verified,
            data_id: graph.data_id,
            storage_classes: section.entries("storage_classes")?,
            formatters: (formatters.into_iter())
                .filter_map(|(name, entry)| {
                    // Storage classes that cannot be written have neither.
                    let (formatter, extension) = (entry.formatter?, entry.extension?);
                    Some((name, FormatterDefinition { formatter, extension }))
                })
                .collect(),
            source: section.optional("source")?.unwrap_or_default(),
        })
    }
}

fn check_format(export: &Value) -> Result<(), PipelineReadError> {
    let shown = |member: &str| match export.get(member) {
        None => "absent".to_owned(),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(value) => value.to_string(),
    };
    if export.get("format").and_then(Value::as_str) != Some(FORMAT) {
        return Err(PipelineReadError::Format { found: shown("format") });
    }
    if export.get("version").and_then(Value::as_u64) != Some(u64::from(VERSION)) {
        return Err(PipelineReadError::ExportVersion {
            found: shown("version"),
            expected: VERSION,
        });
    }
    Ok(())
}

fn task_definition(
    label: String,
    task: SerializedTask,
    supplement: &TaskSupplement,
) -> Result<TaskDefinition, PipelineReadError> {
    let mut connections = Vec::new();
    let declared = [
        (ConnectionKind::InitInput, task.init.inputs),
        (ConnectionKind::InitOutput, task.init.outputs),
        (ConnectionKind::PrerequisiteInput, task.prerequisite_inputs),
        (ConnectionKind::Input, task.inputs),
        (ConnectionKind::Output, task.outputs),
    ];
    for (kind, edges) in declared {
        for (name, edge) in edges {
            let extra = (supplement.connections.get(&name))
                .filter(|extra| extra.kind == kind)
                .ok_or_else(|| PipelineReadError::NoSupplement {
                    task: label.clone(),
                    connection: name.clone(),
                })?;
            connections.push(ConnectionDefinition {
                multiple: extra.multiple,
                minimum: extra.minimum,
                defer_load: extra.defer_load,
                lookup_function: extra.lookup_function,
                ..edge.definition(name, kind)
            });
        }
    }
    let automatic = [
        ("_config", ConnectionKind::InitOutput, task.init.config_output),
        ("_metadata", ConnectionKind::Output, Some(task.metadata_output)),
        ("_log", ConnectionKind::Output, task.log_output),
    ];
    for (name, kind, edge) in automatic {
        connections.extend(edge.map(|edge| edge.definition(name.to_owned(), kind)));
    }
    let mut overridden = supplement.overridden_hooks.clone();
    // Limits of inputs that are bound late are checked although they are no inputs of the graph,
    // against datasets that others may bring along; the middleware's own method does that.
    let late = supplement.connections.values().any(|connection| connection.defer_binding);
    if late && !overridden.iter().any(|method| method == ADJUST_QUANTUM) {
        overridden.push(ADJUST_QUANTUM.to_owned());
    }
    Ok(TaskDefinition {
        label,
        runner: Runner::PipelineTask(task.task_class),
        config: task.config_str,
        dimensions: task.dimensions,
        connections,
        hooks: Hooks {
            overridden,
            spatial_bounds: supplement.spatial_bounds.clone(),
            temporal_bounds: supplement.temporal_bounds.clone(),
            can_multiprocess: supplement.can_multiprocess,
        },
    })
}

impl SerializedEdge {
    /// The connection with the flags that the serialised form lacks off.
    fn definition(self, name: String, kind: ConnectionKind) -> ConnectionDefinition {
        let mut dimensions = self.raw_dimensions;
        dimensions.sort_unstable();
        ConnectionDefinition {
            name,
            kind,
            dataset_type: self.dataset_type_name,
            storage_class: self.storage_class,
            dimensions,
            is_calibration: self.is_calibration,
            defer_query_constraint: self.defer_query_constraint,
            multiple: false,
            minimum: 0,
            defer_load: false,
            lookup_function: false,
        }
    }
}
