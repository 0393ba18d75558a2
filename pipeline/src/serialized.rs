//! The JSON model of pipeline graphs that Python's middleware reads and writes, version 0.0.1.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::PipelineReadError;
use crate::graph::Subset;

/// The version written and understood.
pub(crate) const VERSION: &str = "0.0.1";

/// A pipeline graph.
#[derive(Debug, Serialize)]
pub(crate) struct SerializedGraph {
    pub version: String,
    pub description: String,
    pub tasks: BTreeMap<String, SerializedTask>,
    pub dataset_types: BTreeMap<String, SerializedDatasetType>,
    pub task_subsets: BTreeMap<String, Subset>,
    pub dimensions: Option<Value>,
    pub data_id: BTreeMap<String, Value>,
    pub step_labels: Vec<String>,
    pub steps_verified: bool,
}

/// A task.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SerializedTask {
    pub task_class: String,
    pub init: SerializedInit,
    pub config_str: String,
    pub prerequisite_inputs: BTreeMap<String, SerializedEdge>,
    pub inputs: BTreeMap<String, SerializedEdge>,
    pub outputs: BTreeMap<String, SerializedEdge>,
    pub metadata_output: SerializedEdge,
    pub dimensions: Vec<String>,
    #[serde(default)]
    pub log_output: Option<SerializedEdge>,
    #[serde(default)]
    pub index: Option<u32>,
}

/// The construction of a task.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SerializedInit {
    pub inputs: BTreeMap<String, SerializedEdge>,
    pub outputs: BTreeMap<String, SerializedEdge>,
    /// Always there in Python's files; null for tasks that are not Python's.
    pub config_output: Option<SerializedEdge>,
    #[serde(default)]
    pub index: Option<u32>,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SerializedEdge {
    pub dataset_type_name: String,
    pub storage_class: String,
    pub raw_dimensions: Vec<String>,
    #[serde(default)]
    pub is_calibration: bool,
    #[serde(default)]
    pub defer_query_constraint: bool,
}

/// A dataset type; all but `index` is empty in unresolved graphs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SerializedDatasetType {
    #[serde(default)]
    pub dimensions: Option<Vec<String>>,
    #[serde(default)]
    pub storage_class: Option<String>,
    #[serde(default)]
    pub is_calibration: bool,
    #[serde(default)]
    pub is_initial_query_constraint: bool,
    #[serde(default)]
    pub is_prerequisite: bool,
    #[serde(default)]
    pub index: Option<u32>,
}

impl SerializedGraph {
    /// Reads the model; `field` is where the graph stands in its file.
    pub fn read(graph: &Value, field: &str) -> Result<Self, PipelineReadError> {
        let map = graph.as_object().ok_or_else(|| PipelineReadError::Field {
            field: field.to_owned(),
            reason: "a mapping is expected".to_owned(),
        })?;
        let section = Section { map, field };
        let version: String = section.optional("version")?.unwrap_or_else(|| VERSION.to_owned());
        if version != VERSION {
            return Err(PipelineReadError::GraphVersion { found: version });
        }
        Ok(Self {
            version,
            description: section.required("description")?,
            tasks: section.entries("tasks")?,
            dataset_types: section.entries("dataset_types")?,
            task_subsets: section.entries("task_subsets")?,
            dimensions: section.optional("dimensions")?,
            data_id: section.optional("data_id")?.unwrap_or_default(),
            step_labels: section.optional("step_labels")?.unwrap_or_default(),
            steps_verified: section.required("steps_verified")?,
        })
    }
}

/// A mapping of a JSON file that knows its place, so that errors can name fields.
pub(crate) struct Section<'a> {
    /// The mapping.
    pub map: &'a Map<String, Value>,
    /// Its place in the file; empty for the top level.
    pub field: &'a str,
}

impl Section<'_> {
    fn place(&self, key: &str) -> String {
        if self.field.is_empty() { key.to_owned() } else { format!("{}.{key}", self.field) }
    }

    /// The value of a key that must be there, as it is.
    pub fn member(&self, key: &str) -> Result<&Value, PipelineReadError> {
        (self.map.get(key)).filter(|value| !value.is_null()).ok_or_else(|| self.missing(key))
    }

    fn missing(&self, key: &str) -> PipelineReadError {
        let reason = "it is missing".to_owned();
        PipelineReadError::Field { field: self.place(key), reason }
    }

    /// The value of a key that must be there.
    pub fn required<T: DeserializeOwned>(&self, key: &str) -> Result<T, PipelineReadError> {
        self.optional(key)?.ok_or_else(|| self.missing(key))
    }

    /// The value of a key; null counts as absent.
    pub fn optional<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, PipelineReadError> {
        match self.map.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read_value(value, || self.place(key)).map(Some),
        }
    }

    /// A mapping read entry by entry; empty if the key is absent.
    pub fn entries<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<BTreeMap<String, T>, PipelineReadError> {
        let Some(Value::Object(entries)) = self.map.get(key) else {
            return Ok(self.optional(key)?.unwrap_or_default());
        };
        entries
            .iter()
            .map(|(name, value)| {
                let value = read_value(value, || format!("{}.{name}", self.place(key)))?;
                Ok((name.clone(), value))
            })
            .collect()
    }
}

fn read_value<T: DeserializeOwned>(
    value: &Value,
    field: impl FnOnce() -> String,
) -> Result<T, PipelineReadError> {
    T::deserialize(value)
        .map_err(|error| PipelineReadError::Field { field: field(), reason: error.to_string() })
}
