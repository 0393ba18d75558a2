//! Pipeline graphs as Python's middleware serialises them, for example in `.qg` files.

use std::collections::BTreeMap;

use qbb_dimensions::{DatasetType, DimensionGroup, Universe, split_component};
use serde_json::{Value, json};

use crate::connection::{Connection, ConnectionKind};
use crate::error::{CycleError, PipelineReadError};
use crate::graph::{DatasetTypeNode, Hooks, PipelineGraph, Runner, Task, TaskIx};
use crate::order::{Node, NodeGraph};
use crate::serialized::{
    SerializedDatasetType, SerializedEdge, SerializedGraph, SerializedInit, SerializedTask, VERSION,
};

/// Place of the graph in messages.
const PLACE: &str = "pipeline_graph";

impl PipelineGraph {
    /// The serialised form, version 0.0.1, with the whole universe and all nodes numbered.
    ///
    /// It lacks what [`PipelineGraph::to_extended_json`] adds. Tasks that are not Python's have an
    /// empty class and no configuration dataset, which Python refuses to read.
    pub fn to_json(&self) -> Value {
        json!(self.serialized())
    }

    /// The model of the serialised form.
    pub(crate) fn serialized(&self) -> SerializedGraph {
        // A graph was sorted when it was made, so it holds no circle and has an order.
        let order = self.node_order().unwrap_or_default();
        let index: BTreeMap<Node<'_>, u32> = order.iter().copied().zip(0..).collect();
        let tasks = self.tasks.iter().map(|task| {
            let mut serialized = self.serialize_task(task);
            serialized.index = index.get(&Node::Task(&task.label)).copied();
            serialized.init.index = index.get(&Node::Init(&task.label)).copied();
            (task.label.clone(), serialized)
        });
        let dataset_types = self.dataset_types.iter().filter_map(|node| {
            let name = &node.dataset_type.name;
            // The dataset type of software versions belongs to no task and is not written.
            let index = *index.get(&Node::DatasetType(name))?;
            let serialized = SerializedDatasetType {
                dimensions: Some(names(node.dataset_type.dimensions.iter_names())),
                storage_class: Some(node.dataset_type.storage_class.clone()),
                is_calibration: node.dataset_type.is_calibration,
                is_initial_query_constraint: node.is_initial_query_constraint,
                is_prerequisite: node.is_prerequisite,
                index: Some(index),
            };
            Some((name.clone(), serialized))
        });
        SerializedGraph {
            version: VERSION.to_owned(),
            description: self.description.clone(),
            tasks: tasks.collect(),
            dataset_types: dataset_types.collect(),
            task_subsets: self.subsets.clone(),
            // The universe was parsed from this text, so it is JSON.
            dimensions: serde_json::from_str(self.universe.config()).ok(),
            data_id: self.data_id.clone(),
            step_labels: self.step_labels.clone(),
            steps_verified: self.steps_verified,
        }
    }

    fn serialize_task(&self, task: &Task) -> SerializedTask {
        let edges = |connections: &[Connection]| -> BTreeMap<String, SerializedEdge> {
            connections.iter().map(|c| (c.name.clone(), self.serialize_edge(c))).collect()
        };
        let mut dimensions = names(task.dimensions.iter_names());
        dimensions.sort_unstable();
        SerializedTask {
            task_class: match &task.runner {
                Runner::PipelineTask(class) => class.clone(),
                Runner::Command(_) | Runner::Function(_) => String::new(),
            },
            init: SerializedInit {
                inputs: edges(&task.init_inputs),
                outputs: edges(&task.init_outputs),
                config_output: task.config_output.as_ref().map(|c| self.serialize_edge(c)),
                index: None,
            },
            config_str: task.config.clone(),
            prerequisite_inputs: edges(&task.prerequisite_inputs),
            inputs: edges(&task.inputs),
            outputs: edges(&task.outputs),
            metadata_output: self.serialize_edge(&task.metadata_output),
            dimensions,
            log_output: task.log_output.as_ref().map(|c| self.serialize_edge(c)),
            index: None,
        }
    }

    fn serialize_edge(&self, connection: &Connection) -> SerializedEdge {
        let parent = &self.dataset_type(connection.dataset_type).dataset_type.name;
        SerializedEdge {
            dataset_type_name: connection.full_name(parent),
            storage_class: connection.storage_class.clone(),
            raw_dimensions: connection.raw_dimensions.clone(),
            is_calibration: connection.is_calibration,
            defer_query_constraint: connection.defer_query_constraint,
        }
    }

    /// Nodes in the order of their serialised numbers.
    fn node_order(&self) -> Result<Vec<Node<'_>>, CycleError> {
        let mut graph = NodeGraph::default();
        for task in &self.tasks {
            let label = task.label.as_str();
            graph.add_task(label);
            for connection in task.all_connections() {
                let name = self.dataset_type(connection.dataset_type).dataset_type.name.as_str();
                let is_init = connection.kind.is_init();
                let node = if is_init { Node::Init(label) } else { Node::Task(label) };
                if connection.kind.is_input() {
                    graph.add_input(name, node);
                } else {
                    graph.add_output(node, name);
                }
            }
        }
        if self.step_labels.is_empty() || !self.steps_verified {
            return graph.sorted();
        }
        let steps: Vec<&[String]> = (self.step_labels.iter())
            .filter_map(|step| self.subsets.get(step))
            .map(|subset| subset.tasks.as_slice())
            .collect();
        graph.sorted_by_steps(&steps)
    }

    /// Reads the serialised form, which must be resolved.
    ///
    /// It does not hold everything (see [`PipelineGraph::from_extended_json`]), so hooks, storage
    /// classes and formatters are empty and no dataset type counts as registered. Quanta of such a
    /// graph were built and checked by someone who knew more; so as to forbid nothing that was
    /// allowed then, connections may have several datasets, and inputs with a deferred constraint
    /// none.
    ///
    /// # Errors
    /// If a member is missing or wrong, or the graph is not resolved.
    pub fn from_json(graph: &Value) -> Result<Self, PipelineReadError> {
        let graph = SerializedGraph::read(graph, PLACE)?;
        let not_resolved =
            |field: String| PipelineReadError::NotResolved { field: format!("{PLACE}.{field}") };
        let config = graph.dimensions.ok_or_else(|| not_resolved("dimensions".to_owned()))?;
        let universe = Universe::from_json(&config.to_string()).map_err(|source| {
            PipelineReadError::Dimensions { field: format!("{PLACE}.dimensions"), source }
        })?;
        let conform = |names: &[String], field: &dyn Fn() -> String| {
            universe.conform(names.iter().map(String::as_str)).map_err(|source| {
                PipelineReadError::Dimensions { field: format!("{PLACE}.{}", field()), source }
            })
        };
        let mut dataset_types = Vec::with_capacity(graph.dataset_types.len() + 1);
        for (name, serialized) in graph.dataset_types {
            let field = |member: &str| format!("dataset_types.{name}.{member}");
            let given = serialized.dimensions.ok_or_else(|| not_resolved(field("dimensions")))?;
            let dimensions = conform(&given, &|| field("dimensions"))?;
            let storage_class =
                serialized.storage_class.ok_or_else(|| not_resolved(field("storage_class")))?;
            dataset_types.push(DatasetTypeNode {
                dataset_type: DatasetType {
                    name,
                    dimensions,
                    storage_class,
                    is_calibration: serialized.is_calibration,
                },
                is_initial_query_constraint: serialized.is_initial_query_constraint,
                is_prerequisite: serialized.is_prerequisite,
                is_registered: false,
                producer: None,
                is_init: false,
            });
        }
        let mut graph_read = Self {
            description: graph.description,
            tasks: Vec::with_capacity(graph.tasks.len()),
            dataset_types,
            subsets: graph.task_subsets,
            step_labels: graph.step_labels,
            steps_verified: graph.steps_verified,
            data_id: graph.data_id,
            storage_classes: BTreeMap::new(),
            formatters: BTreeMap::new(),
            universe: universe.clone(),
        };
        graph_read.add_packages(None);
        for (label, task) in graph.tasks {
            let dimensions = conform(&task.dimensions, &|| format!("tasks.{label}.dimensions"))?;
            let task = graph_read.read_task(label, task, dimensions)?;
            graph_read.tasks.push(task);
        }
        graph_read.sort_tasks()?;
        graph_read.link()?;
        Ok(graph_read)
    }

    fn read_task(
        &self,
        label: String,
        task: SerializedTask,
        dimensions: DimensionGroup,
    ) -> Result<Task, PipelineReadError> {
        use ConnectionKind::{InitInput, InitOutput, Input, Output, PrerequisiteInput};
        let read = |name: &str, edge, kind| self.read_edge(&label, name, edge, kind);
        let read_all = |edges: BTreeMap<String, SerializedEdge>, kind| {
            edges
                .into_iter()
                .map(|(name, edge)| read(&name, edge, kind))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Task {
            runner: Runner::PipelineTask(task.task_class),
            config: task.config_str,
            dimensions,
            init_inputs: read_all(task.init.inputs, InitInput)?,
            init_outputs: read_all(task.init.outputs, InitOutput)?,
            config_output: (task.init.config_output)
                .map(|edge| read("_config", edge, InitOutput))
                .transpose()?,
            prerequisite_inputs: read_all(task.prerequisite_inputs, PrerequisiteInput)?,
            inputs: read_all(task.inputs, Input)?,
            outputs: read_all(task.outputs, Output)?,
            metadata_output: read("_metadata", task.metadata_output, Output)?,
            log_output: task.log_output.map(|edge| read("_log", edge, Output)).transpose()?,
            hooks: Hooks::default(),
            label,
        })
    }

    fn read_edge(
        &self,
        label: &str,
        name: &str,
        edge: SerializedEdge,
        kind: ConnectionKind,
    ) -> Result<Connection, PipelineReadError> {
        let (parent, component) = split_component(&edge.dataset_type_name);
        let dataset_type =
            self.find_dataset_type(parent).ok_or_else(|| PipelineReadError::Field {
                field: format!("{PLACE}.tasks.{label}"),
                reason: format!(
                    "connection `{name}` has dataset type `{parent}`, which `dataset_types` lacks"
                ),
            })?;
        let is_automatic = name.starts_with('_');
        let mut raw_dimensions = edge.raw_dimensions;
        raw_dimensions.sort_unstable();
        Ok(Connection {
            name: name.to_owned(),
            kind,
            dataset_type,
            component: component.map(str::to_owned),
            storage_class: edge.storage_class,
            raw_dimensions,
            is_calibration: edge.is_calibration,
            defer_query_constraint: edge.defer_query_constraint,
            multiple: !is_automatic,
            minimum: u32::from(kind.is_input() && !edge.defer_query_constraint),
            defer_load: false,
            lookup_function: false,
        })
    }

    /// Puts the tasks into their topological order.
    fn sort_tasks(&mut self) -> Result<(), CycleError> {
        let order = self.node_order()?;
        let places: BTreeMap<String, usize> = (order.iter().enumerate())
            .filter_map(|(place, node)| match node {
                Node::Task(label) => Some(((*label).to_owned(), place)),
                _ => None,
            })
            .collect();
        self.tasks.sort_by_key(|task| places.get(&task.label).copied());
        Ok(())
    }

    /// Fills in what follows from the connections: producers and use at construction.
    fn link(&mut self) -> Result<(), PipelineReadError> {
        for (task, ix) in self.tasks.iter().zip(0..) {
            for connection in task.all_connections() {
                let node = &mut self.dataset_types[connection.dataset_type.index()];
                node.is_init |= connection.kind.is_init();
                if !connection.kind.is_input() && node.producer.replace(TaskIx(ix)).is_some() {
                    return Err(PipelineReadError::Field {
                        field: format!("{PLACE}.tasks.{}", task.label),
                        reason: format!(
                            "its output `{}` is written by another task, too",
                            node.dataset_type.name
                        ),
                    });
                }
            }
        }
        Ok(())
    }
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    names.map(str::to_owned).collect()
}
