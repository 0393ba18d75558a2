//! Pipeline graphs as JSON that loses nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::definition::{FormatterDefinition, StorageClassDefinition};
use crate::error::PipelineReadError;
use crate::graph::{Hooks, PACKAGES, PipelineGraph, Runner};
use crate::serialized::{Section, SerializedGraph};

/// The whole form.
#[derive(Serialize)]
struct ExtendedGraph<'a> {
    version: u32,
    pipeline_graph: SerializedGraph,
    tasks: BTreeMap<&'a str, TaskExtension>,
    registered: Vec<&'a str>,
    packages_storage_class: Option<&'a str>,
    storage_classes: &'a BTreeMap<String, StorageClassDefinition>,
    formatters: &'a BTreeMap<String, FormatterDefinition>,
}

/// What Python's serialised form does not hold of a task.
#[derive(Debug, Serialize, Deserialize)]
struct TaskExtension {
    runner: Runner,
    hooks: Hooks,
    connections: BTreeMap<String, ConnectionExtension>,
}

/// What it does not hold of a connection.
#[derive(Debug, Serialize, Deserialize)]
struct ConnectionExtension {
    multiple: bool,
    minimum: u32,
    #[serde(default, skip_serializing_if = "is_false")]
    defer_load: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    lookup_function: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// The version written and understood.
const VERSION: u32 = 1;

impl PipelineGraph {
    /// A JSON form from which [`PipelineGraph::from_extended_json`] makes an equal graph: the
    /// serialised form of [`PipelineGraph::to_json`] as `pipeline_graph`, beside what it lacks.
    pub fn to_extended_json(&self) -> Value {
        json!(self.extended())
    }

    /// The text of [`PipelineGraph::to_extended_json`], with members in another order.
    ///
    /// # Errors
    /// If a value cannot be written as JSON.
    pub fn to_extended_text(&self) -> serde_json::Result<String> {
        serde_json::to_string(&self.extended())
    }

    fn extended(&self) -> ExtendedGraph<'_> {
        let tasks: BTreeMap<&str, TaskExtension> = (self.tasks.iter())
            .map(|task| {
                let connections = task.all_connections().map(|c| {
                    let extension = ConnectionExtension {
                        multiple: c.multiple,
                        minimum: c.minimum,
                        defer_load: c.defer_load,
                        lookup_function: c.lookup_function,
                    };
                    (c.name.clone(), extension)
                });
                let extension = TaskExtension {
                    runner: task.runner.clone(),
                    hooks: task.hooks.clone(),
                    connections: connections.collect(),
                };
                (task.label.as_str(), extension)
            })
            .collect();
        let registered: Vec<&str> = (self.dataset_types.iter())
            .filter(|node| node.is_registered)
            .map(|node| node.dataset_type.name.as_str())
            .collect();
        let packages = self.find_dataset_type(PACKAGES).map(|ix| self.dataset_type(ix));
        ExtendedGraph {
            version: VERSION,
            pipeline_graph: self.serialized(),
            tasks,
            registered,
            packages_storage_class: packages.map(|node| node.dataset_type.storage_class.as_str()),
            storage_classes: &self.storage_classes,
            formatters: &self.formatters,
        }
    }

    /// Reads the form of [`PipelineGraph::to_extended_json`].
    ///
    /// # Errors
    /// If a member is missing or wrong.
    pub fn from_extended_json(value: &Value) -> Result<Self, PipelineReadError> {
        let map = value.as_object().ok_or_else(|| PipelineReadError::Field {
            field: "(top level)".to_owned(),
            reason: "a mapping is expected".to_owned(),
        })?;
        let section = Section { map, field: "" };
        let version: u32 = section.required("version")?;
        if version != VERSION {
            return Err(PipelineReadError::ExportVersion {
                found: version.to_string(),
                expected: VERSION,
            });
        }
        let mut graph = Self::from_json(section.member("pipeline_graph")?)?;
        let mut tasks: BTreeMap<String, TaskExtension> = section.entries("tasks")?;
        for task in &mut graph.tasks {
            let missing = |field: String| PipelineReadError::Field {
                field,
                reason: "it is missing although the pipeline graph has it".to_owned(),
            };
            let place = format!("tasks.{}", task.label);
            let extension = tasks.remove(&task.label).ok_or_else(|| missing(place.clone()))?;
            task.runner = extension.runner;
            task.hooks = extension.hooks;
            for connection in task.all_connections_mut() {
                let more = extension
                    .connections
                    .get(&connection.name)
                    .ok_or_else(|| missing(format!("{place}.connections.{}", connection.name)))?;
                connection.multiple = more.multiple;
                connection.minimum = more.minimum;
                connection.defer_load = more.defer_load;
                connection.lookup_function = more.lookup_function;
            }
        }
        let registered: Vec<String> = section.required("registered")?;
        for name in &registered {
            if let Some(ix) = graph.find_dataset_type(name) {
                graph.dataset_types[ix.index()].is_registered = true;
            }
        }
        if let Some(storage_class) = section.optional("packages_storage_class")?
            && let Some(ix) = graph.find_dataset_type(PACKAGES)
        {
            graph.dataset_types[ix.index()].dataset_type.storage_class = storage_class;
        }
        graph.storage_classes = section.entries::<StorageClassDefinition>("storage_classes")?;
        graph.formatters = section.entries::<FormatterDefinition>("formatters")?;
        Ok(graph)
    }
}
