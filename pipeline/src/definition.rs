//! Pipelines before they meet a repository.

use std::collections::BTreeMap;

use crate::connection::ConnectionKind;
use crate::graph::{Hooks, Runner, Subset};

/// A pipeline as it defines itself: nothing here depends on a repository.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PipelineDefinition {
    /// Description.
    pub description: String,
    /// Tasks, each label once.
    pub tasks: Vec<TaskDefinition>,
    /// Named subsets by name.
    pub subsets: BTreeMap<String, Subset>,
    /// Subsets that are steps, in flow order.
    pub step_labels: Vec<String>,
    /// Whether the steps were checked by whoever made the definition.
    pub steps_verified: bool,
    /// Data ID values that hold for the whole pipeline: dimension name to JSON value.
    pub data_id: BTreeMap<String, serde_json::Value>,
    /// What is known of the storage classes that occur.
    pub storage_classes: BTreeMap<String, StorageClassDefinition>,
    /// Default formatters by storage class name.
    pub formatters: BTreeMap<String, FormatterDefinition>,
    /// Where it came from, for messages and provenance: free-form JSON of the exporter.
    pub source: serde_json::Value,
}

/// One task of a [`PipelineDefinition`].
#[derive(Debug, Clone, PartialEq)]
pub struct TaskDefinition {
    /// Label.
    pub label: String,
    /// How it is run.
    pub runner: Runner,
    /// Complete configuration as a Python override script; empty for commands.
    pub config: String,
    /// Dimensions as declared.
    pub dimensions: Vec<String>,
    /// All connections, the automatic ones among them; names occur once. `_metadata` must be there.
    pub connections: Vec<ConnectionDefinition>,
    /// What only Python can tell about it.
    pub hooks: Hooks,
}

/// A connection before its dataset type is resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionDefinition {
    /// Name within the task.
    pub name: String,
    /// What it is to the task.
    pub kind: ConnectionKind,
    /// Dataset type name, with component for component reads.
    pub dataset_type: String,
    /// Storage class asked for; empty for inputs that take whatever the dataset type has.
    pub storage_class: String,
    /// Dimensions as declared, sorted.
    pub dimensions: Vec<String>,
    /// Declared as a calibration look-up.
    pub is_calibration: bool,
    /// Existence must not constrain the initial query.
    pub defer_query_constraint: bool,
    /// A quantum may have several datasets here.
    pub multiple: bool,
    /// Fewest datasets a quantum needs here.
    pub minimum: u32,
    /// The task gets a handle.
    pub defer_load: bool,
    /// A Python function finds the datasets.
    pub lookup_function: bool,
}

/// A storage class as far as resolution needs it.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct StorageClassDefinition {
    /// Python type path, if it is known.
    pub pytype: Option<String>,
    /// Names of components that are stored.
    pub components: Vec<String>,
    /// Names of read-only components computed on reading.
    pub derived_components: Vec<String>,
    /// Storage class of each component of either sort.
    pub component_storage_classes: BTreeMap<String, String>,
    /// Names of storage classes whose objects convert to this one.
    pub convertible_from: Vec<String>,
    /// Whether it is not known what converts to it, nor to what it converts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unexamined: bool,
}

impl StorageClassDefinition {
    /// Names of all components, stored and derived.
    pub fn iter_components(&self) -> impl Iterator<Item = &str> {
        self.components.iter().chain(&self.derived_components).map(String::as_str)
    }

    /// Whether there is a component of that name.
    pub fn has_component(&self, name: &str) -> bool {
        self.iter_components().any(|component| component == name)
    }
}

/// How datasets of a storage class are written by default.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FormatterDefinition {
    /// Python class path.
    pub formatter: String,
    /// File extension with its dot.
    pub extension: String,
}
