//! The resolved pipeline graph.

use std::collections::BTreeMap;
use std::sync::Arc;

use qbb_dimensions::{DatasetType, DimensionGroup, Universe};
use serde::{Deserialize, Serialize};

use crate::connection::{Connection, DatasetTypeIx};
use crate::definition::{FormatterDefinition, StorageClassDefinition};

/// Name of the dataset type of software versions, which is written once for all tasks.
pub const PACKAGES: &str = "packages";

/// Position of a task in [`PipelineGraph::tasks`], which is a topological order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskIx(pub u32);

impl TaskIx {
    /// The position as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Tasks and dataset types of a pipeline, resolved against a universe and a repository.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineGraph {
    /// The universe of all dimensions.
    pub universe: Arc<Universe>,
    /// Description.
    pub description: String,
    /// Tasks in a topological order, ties broken by label.
    pub tasks: Vec<Task>,
    /// Dataset types, sorted by name. [`PACKAGES`] is among them although no task has it.
    pub dataset_types: Vec<DatasetTypeNode>,
    /// Named subsets.
    pub subsets: BTreeMap<String, Subset>,
    /// Subsets that are steps, in flow order.
    pub step_labels: Vec<String>,
    /// Whether the steps were checked.
    pub steps_verified: bool,
    /// Data ID values that hold for the whole pipeline.
    pub data_id: BTreeMap<String, serde_json::Value>,
    /// What is known of the storage classes that occur; empty if the graph came from a `.qg`.
    pub storage_classes: BTreeMap<String, StorageClassDefinition>,
    /// Default formatters by storage class; empty if the graph came from a `.qg`.
    pub formatters: BTreeMap<String, FormatterDefinition>,
}

/// A task with its connections.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Label, unique in the pipeline.
    pub label: String,
    /// How it is run.
    pub runner: Runner,
    /// Complete configuration as a Python override script; empty for commands.
    pub config: String,
    /// Dimensions of its quanta.
    pub dimensions: DimensionGroup,
    /// Inputs of its construction, sorted by name.
    pub init_inputs: Vec<Connection>,
    /// Outputs of its construction, sorted by name, without the configuration.
    pub init_outputs: Vec<Connection>,
    /// The dataset of its configuration (`_config`); commands have none.
    pub config_output: Option<Connection>,
    /// Prerequisite inputs, sorted by name.
    pub prerequisite_inputs: Vec<Connection>,
    /// Regular inputs, sorted by name.
    pub inputs: Vec<Connection>,
    /// Regular outputs, sorted by name, without metadata and log.
    pub outputs: Vec<Connection>,
    /// The metadata dataset (`_metadata`), whose presence is the definition of success.
    pub metadata_output: Connection,
    /// The log dataset (`_log`), unless the configuration turns it off.
    pub log_output: Option<Connection>,
    /// What only Python can tell about it.
    pub hooks: Hooks,
}

impl Task {
    /// Inputs of its quanta: regular and then prerequisite ones. A connection's position here is
    /// its number in the input tables of a quantum graph.
    pub fn quantum_inputs(&self) -> impl Iterator<Item = &Connection> {
        self.inputs.iter().chain(&self.prerequisite_inputs)
    }

    /// Outputs of its quanta: regular ones, metadata, log. A connection's position here is its
    /// number in the output tables of a quantum graph.
    pub fn quantum_outputs(&self) -> impl Iterator<Item = &Connection> {
        self.outputs.iter().chain([&self.metadata_output]).chain(&self.log_output)
    }

    /// All connections.
    pub fn all_connections(&self) -> impl Iterator<Item = &Connection> {
        (self.init_inputs.iter())
            .chain(self.all_init_outputs())
            .chain(self.quantum_inputs())
            .chain(self.quantum_outputs())
    }

    /// All connections, to be changed.
    pub(crate) fn all_connections_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        (self.init_inputs.iter_mut())
            .chain(&mut self.init_outputs)
            .chain(&mut self.config_output)
            .chain(&mut self.prerequisite_inputs)
            .chain(&mut self.inputs)
            .chain(&mut self.outputs)
            .chain([&mut self.metadata_output])
            .chain(&mut self.log_output)
    }

    /// Outputs of its construction, the configuration last.
    pub fn all_init_outputs(&self) -> impl Iterator<Item = &Connection> {
        self.init_outputs.iter().chain(&self.config_output)
    }
}

/// How quanta of a task are executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runner {
    /// A Python `PipelineTask`, by class path.
    PipelineTask(String),
    /// A program.
    Command(CommandTemplate),
    /// A function registered with the executor in the running program, by name.
    Function(String),
}

/// A command line with placeholders.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CommandTemplate {
    /// Program and arguments, each with placeholders: `{inputs.NAME}`, `{outputs.NAME}` (paths;
    /// an argument that is just one placeholder of several datasets becomes several arguments),
    /// `{data_id.DIMENSION}`, `{quantum}` (path of a JSON description). `{{` and `}}` are braces.
    pub arguments: Vec<String>,
    /// Variables set for the program.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

/// What a serialised pipeline graph does not hold and only Python can tell.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Hooks {
    /// Methods of the connections class that the task overrides, such as `adjustQuantum`.
    pub overridden: Vec<String>,
    /// Connections that add to the quantum's region when prerequisites are looked up.
    pub spatial_bounds: Vec<String>,
    /// Connections that add to the quantum's timespan when prerequisites are looked up.
    pub temporal_bounds: Vec<String>,
    /// Whether quanta may run in several processes.
    pub can_multiprocess: Option<bool>,
}

/// A named subset of tasks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Subset {
    /// Description.
    pub description: String,
    /// Labels, sorted.
    pub tasks: Vec<String>,
    /// Dimensions by which a step is split.
    pub dimensions: Vec<String>,
}

/// A dataset type of the pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetTypeNode {
    /// Its definition: the registered one, else the producer's, else the consumers'.
    pub dataset_type: DatasetType,
    /// Whether existing datasets constrain the initial query; false if produced or deferred.
    /// A prerequisite may still show true, so look at `is_prerequisite` too.
    pub is_initial_query_constraint: bool,
    /// Whether it is a prerequisite of the tasks that read it.
    pub is_prerequisite: bool,
    /// Whether the repository had it registered when the pipeline was resolved.
    pub is_registered: bool,
    /// The task that writes it, as output or init-output; none for overall inputs and [`PACKAGES`].
    pub producer: Option<TaskIx>,
    /// Whether its producer or readers use it at construction.
    pub is_init: bool,
}

impl DatasetTypeNode {
    /// The dataset type of software versions; its registered storage class wins.
    fn packages(universe: &Arc<Universe>, registered: Option<&DatasetType>) -> Self {
        let dataset_type = registered.cloned().unwrap_or_else(|| DatasetType {
            name: PACKAGES.to_owned(),
            dimensions: DimensionGroup::empty(universe),
            storage_class: "Packages".to_owned(),
            is_calibration: false,
        });
        Self {
            dataset_type,
            is_initial_query_constraint: false,
            is_prerequisite: false,
            is_registered: registered.is_some(),
            producer: None,
            is_init: true,
        }
    }
}

impl PipelineGraph {
    /// Whether every task is a Python `PipelineTask`, as Python's formats require.
    pub fn is_python(&self) -> bool {
        self.tasks.iter().all(|task| matches!(task.runner, Runner::PipelineTask(_)))
    }

    /// Dataset types that tasks read and no task writes, prerequisites among them.
    pub fn overall_inputs(&self) -> impl Iterator<Item = (DatasetTypeIx, &DatasetTypeNode)> {
        (0..)
            .map(DatasetTypeIx)
            .zip(&self.dataset_types)
            .filter(|(_, node)| node.producer.is_none() && node.dataset_type.name != PACKAGES)
    }

    /// Inserts the dataset type of software versions, unless a connection has it.
    ///
    /// Must come before connections refer to dataset types.
    pub(crate) fn add_packages(&mut self, registered: Option<&DatasetType>) {
        let place = self
            .dataset_types
            .binary_search_by(|node| node.dataset_type.name.as_str().cmp(PACKAGES));
        if let Err(place) = place {
            let node = DatasetTypeNode::packages(&self.universe, registered);
            self.dataset_types.insert(place, node);
        }
    }

    /// The task at a position.
    pub fn task(&self, ix: TaskIx) -> &Task {
        &self.tasks[ix.index()]
    }

    /// The dataset type at a position.
    pub fn dataset_type(&self, ix: DatasetTypeIx) -> &DatasetTypeNode {
        &self.dataset_types[ix.index()]
    }

    /// Position of the task with a label.
    pub fn find_task(&self, label: &str) -> Option<TaskIx> {
        self.tasks.iter().position(|task| task.label == label).map(|i| TaskIx(i as u32))
    }

    /// Position of the dataset type with a (parent) name.
    pub fn find_dataset_type(&self, name: &str) -> Option<DatasetTypeIx> {
        self.dataset_types
            .binary_search_by(|node| node.dataset_type.name.as_str().cmp(name))
            .ok()
            .map(|i| DatasetTypeIx(i as u32))
    }
}
