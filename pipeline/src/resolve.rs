//! Resolving a pipeline against a universe and the dataset types of a repository.

use std::collections::BTreeMap;
use std::sync::Arc;

use qbb_dimensions::{
    DatasetType, DimensionGroup, Universe, check_dataset_type_name, nearest_name, split_component,
};
use rustc_hash::FxHashMap;

use crate::connection::{Connection, ConnectionKind};
use crate::dataset_types::{Resolver, Use};
use crate::definition::{ConnectionDefinition, PipelineDefinition, TaskDefinition};
use crate::error::{ResolveError, suggestion};
use crate::graph::{
    CommandTemplate, DatasetTypeNode, PACKAGES, PipelineGraph, Runner, Task, TaskIx,
};
use crate::order::{Node, NodeGraph};
use crate::placeholders::{Placeholder, placeholders};
use crate::steps::{check_step_dimensions, check_step_flow};

impl PipelineDefinition {
    /// Fits the pipeline to a repository: closes all dimensions, gives each dataset type the one
    /// definition that counts, and sorts the tasks.
    ///
    /// The registered definition counts, else the writer's, else that of the readers, who must
    /// then agree exactly. The others must have the same dimensions and calibration flag, and a
    /// storage class that converts. Where nothing is known of a storage class that the repository
    /// has registered, it is taken to convert for tasks in Python, which find out when they run.
    ///
    /// `registered` are the dataset types of the repository; those that the pipeline does not
    /// mention do no harm.
    ///
    /// # Errors
    /// If the pipeline contradicts itself or the repository.
    pub fn resolve(
        &self,
        universe: &Arc<Universe>,
        registered: &[DatasetType],
    ) -> Result<PipelineGraph, ResolveError> {
        let registered: FxHashMap<&str, &DatasetType> =
            registered.iter().map(|t| (t.name.as_str(), t)).collect();
        let uses = self.uses()?;
        for task in &self.tasks {
            // Before the dimensions of connections, among which those of automatic ones follow.
            task_dimensions(task, universe)?;
        }
        let order = self.order()?;
        let labels: FxHashMap<&str, TaskIx> = order
            .iter()
            .filter_map(|node| if let Node::Task(label) = node { Some(*label) } else { None })
            .zip((0..).map(TaskIx))
            .collect();

        let resolver =
            Resolver { universe, registered: &registered, storage_classes: &self.storage_classes };
        let dataset_types = uses
            .iter()
            .map(|(name, uses)| {
                let resolved = resolver.resolve(name, uses)?;
                let writer = uses.iter().find(|u| !u.is_read());
                Ok(DatasetTypeNode {
                    dataset_type: resolved.dataset_type,
                    is_initial_query_constraint: resolved.is_initial_query_constraint,
                    is_prerequisite: resolved.is_prerequisite,
                    is_registered: registered.contains_key(name),
                    producer: writer.map(|u| labels[u.task.label.as_str()]),
                    is_init: uses.iter().any(|u| u.connection.kind.is_init()),
                })
            })
            .collect::<Result<Vec<_>, ResolveError>>()?;

        let mut graph = PipelineGraph {
            universe: universe.clone(),
            description: self.description.clone(),
            tasks: Vec::with_capacity(self.tasks.len()),
            dataset_types,
            subsets: self.subsets.clone(),
            step_labels: self.step_labels.clone(),
            steps_verified: true,
            data_id: self.data_id.clone(),
            storage_classes: self.storage_classes.clone(),
            formatters: self.formatters.clone(),
        };
        graph.add_packages(registered.get(PACKAGES).copied());
        for task in &self.tasks {
            let task = resolve_task(task, &graph)?;
            check_storage_classes(&task, &graph)?;
            graph.tasks.push(task);
        }
        graph.tasks.sort_unstable_by_key(|task| labels[task.label.as_str()]);
        check_step_dimensions(&graph)?;
        Ok(graph)
    }

    /// All uses of each dataset type, by name without component.
    fn uses(&self) -> Result<BTreeMap<&str, Vec<Use<'_>>>, ResolveError> {
        let mut uses: BTreeMap<&str, Vec<Use<'_>>> = BTreeMap::new();
        for task in &self.tasks {
            for connection in &task.connections {
                let (name, component) = split_component(&connection.dataset_type);
                check_dataset_type_name(name).map_err(|source| ResolveError::DatasetTypeName {
                    task: task.label.clone(),
                    connection: connection.name.clone(),
                    source,
                })?;
                if component.is_some() && !connection.kind.is_input() {
                    return Err(ResolveError::ComponentOutput {
                        task: task.label.clone(),
                        dataset_type: connection.dataset_type.clone(),
                    });
                }
                uses.entry(name).or_default().push(Use { task, connection, component });
            }
        }
        Ok(uses)
    }

    /// All nodes in the order of the resolved graph.
    fn order(&self) -> Result<Vec<Node<'_>>, ResolveError> {
        let mut graph = NodeGraph::default();
        for task in &self.tasks {
            graph.add_task(&task.label);
            for connection in &task.connections {
                let (name, _) = split_component(&connection.dataset_type);
                let node = if connection.kind.is_init() {
                    Node::Init(task.label.as_str())
                } else {
                    Node::Task(task.label.as_str())
                };
                if connection.kind.is_input() {
                    graph.add_input(name, node);
                } else {
                    graph.add_output(node, name);
                }
            }
        }
        let sorted = graph.sorted()?;
        if self.step_labels.is_empty() {
            return Ok(sorted);
        }
        Ok(graph.sorted_by_steps(&check_step_flow(self)?)?)
    }
}

fn task_dimensions(
    task: &TaskDefinition,
    universe: &Arc<Universe>,
) -> Result<DimensionGroup, ResolveError> {
    universe
        .conform(task.dimensions.iter().map(String::as_str))
        .map_err(|source| ResolveError::TaskDimensions { task: task.label.clone(), source })
}

fn resolve_task(task: &TaskDefinition, graph: &PipelineGraph) -> Result<Task, ResolveError> {
    use ConnectionKind::{InitInput, InitOutput, Input, Output, PrerequisiteInput};
    let dimensions = task_dimensions(task, &graph.universe)?;
    if let Runner::Command(template) = &task.runner {
        check_arguments(&task.label, template, &dimensions)?;
    }
    let mut config_output = None;
    let mut metadata_output = None;
    let mut log_output = None;
    let mut by_kind: BTreeMap<ConnectionKind, Vec<Connection>> = BTreeMap::new();
    for definition in &task.connections {
        let connection = resolve_connection(&task.label, definition, graph)?;
        match (connection.kind, connection.name.as_str()) {
            (InitOutput, "_config") => config_output = Some(connection),
            (Output, "_metadata") => metadata_output = Some(connection),
            (Output, "_log") => log_output = Some(connection),
            (kind, _) => by_kind.entry(kind).or_default().push(connection),
        }
    }
    let mut sorted = |kind| {
        let mut connections = by_kind.remove(&kind).unwrap_or_default();
        connections.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        connections
    };
    Ok(Task {
        label: task.label.clone(),
        runner: task.runner.clone(),
        config: task.config.clone(),
        dimensions,
        init_inputs: sorted(InitInput),
        init_outputs: sorted(InitOutput),
        config_output,
        prerequisite_inputs: sorted(PrerequisiteInput),
        inputs: sorted(Input),
        outputs: sorted(Output),
        metadata_output: metadata_output
            .ok_or_else(|| ResolveError::NoMetadata { task: task.label.clone() })?,
        log_output,
        hooks: task.hooks.clone(),
    })
}

/// Checks that inputs with one dataset type (and component) ask for one storage class: a quantum
/// has its datasets by dataset type.
fn check_storage_classes(task: &Task, graph: &PipelineGraph) -> Result<(), ResolveError> {
    let mut known: FxHashMap<_, &Connection> = FxHashMap::default();
    for connection in task.quantum_inputs() {
        let first =
            *known.entry((connection.dataset_type, &connection.component)).or_insert(connection);
        if first.storage_class != connection.storage_class {
            let name = &graph.dataset_type(connection.dataset_type).dataset_type.name;
            return Err(ResolveError::TwoStorageClasses {
                task: task.label.clone(),
                first: first.name.clone(),
                second: connection.name.clone(),
                dataset_type: connection.full_name(name),
            });
        }
    }
    Ok(())
}

/// Checks the placeholders for data ID values, which only a universe makes possible.
fn check_arguments(
    task: &str,
    template: &CommandTemplate,
    dimensions: &DimensionGroup,
) -> Result<(), ResolveError> {
    for argument in &template.arguments {
        let wrong = |reason: String| ResolveError::Placeholder {
            task: task.to_owned(),
            argument: argument.clone(),
            reason,
        };
        let found =
            placeholders(argument).map_err(|brace| wrong(format!("it has a single `{brace}`")))?;
        for placeholder in found {
            if let Placeholder::DataId(name) = placeholder
                && !dimensions.iter_names().any(|dimension| dimension == name)
            {
                let similar = suggestion(nearest_name(name, dimensions.iter_names()));
                return Err(wrong(format!(
                    "data IDs of the task, with dimensions {dimensions}, have no `{name}`{similar}"
                )));
            }
        }
    }
    Ok(())
}

fn resolve_connection(
    task: &str,
    definition: &ConnectionDefinition,
    graph: &PipelineGraph,
) -> Result<Connection, ResolveError> {
    let (name, component) = split_component(&definition.dataset_type);
    let Some(dataset_type) = graph.find_dataset_type(name) else {
        return Err(ResolveError::NotRegistered {
            dataset_type: name.to_owned(),
            reason: format!("task `{task}` uses it"),
        });
    };
    let mut raw_dimensions = definition.dimensions.clone();
    raw_dimensions.sort_unstable();
    Ok(Connection {
        name: definition.name.clone(),
        kind: definition.kind,
        dataset_type,
        component: component.map(str::to_owned),
        storage_class: if definition.storage_class.is_empty() {
            graph.dataset_type(dataset_type).dataset_type.storage_class.clone()
        } else {
            definition.storage_class.clone()
        },
        raw_dimensions,
        is_calibration: definition.is_calibration,
        defer_query_constraint: definition.defer_query_constraint,
        multiple: definition.multiple,
        minimum: definition.minimum,
        defer_load: definition.defer_load,
        lookup_function: definition.lookup_function,
    })
}
