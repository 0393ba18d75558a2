//! Connections of a resolved pipeline graph.

use serde::{Deserialize, Serialize};

/// Position of a dataset type in [`crate::PipelineGraph::dataset_types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DatasetTypeIx(pub u32);

impl DatasetTypeIx {
    /// The position as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a connection is to its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionKind {
    /// Read when the task is constructed.
    InitInput,
    /// Written when the task is constructed.
    InitOutput,
    /// Input that exists before the graph is built and does not constrain it.
    PrerequisiteInput,
    /// Regular input.
    Input,
    /// Regular output, the metadata and the log among them.
    Output,
}

impl ConnectionKind {
    /// Whether datasets are read.
    pub fn is_input(self) -> bool {
        matches!(self, Self::InitInput | Self::PrerequisiteInput | Self::Input)
    }

    /// Whether it matters when the task is constructed, not when its quanta run.
    pub fn is_init(self) -> bool {
        matches!(self, Self::InitInput | Self::InitOutput)
    }
}

/// A named place at which datasets of one type enter or leave a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Name within the task; `_config`, `_metadata` and `_log` are the automatic ones.
    pub name: String,
    /// What it is to the task.
    pub kind: ConnectionKind,
    /// The (parent) dataset type.
    pub dataset_type: DatasetTypeIx,
    /// Component that the task reads, if not the whole dataset.
    pub component: Option<String>,
    /// Storage class that the task asks for; may differ from the dataset type's.
    pub storage_class: String,
    /// Dimensions as declared, sorted; may hold the placeholder `skypix`.
    pub raw_dimensions: Vec<String>,
    /// Whether it is declared as a calibration look-up.
    pub is_calibration: bool,
    /// Inputs only: the datasets' existence must not constrain the initial query, because it was
    /// declared so or because `minimum` is 0.
    pub defer_query_constraint: bool,
    /// Whether a quantum may have several datasets here.
    pub multiple: bool,
    /// Fewest datasets a quantum needs here; 0 for outputs.
    pub minimum: u32,
    /// Whether the task gets a handle instead of the dataset; matters to execution only.
    pub defer_load: bool,
    /// Prerequisites only: a Python function finds the datasets.
    pub lookup_function: bool,
}

impl Connection {
    /// Dataset type name with component, as in pipeline graph files.
    pub fn full_name(&self, parent: &str) -> String {
        match &self.component {
            Some(component) => format!("{parent}.{component}"),
            None => parent.to_owned(),
        }
    }
}
