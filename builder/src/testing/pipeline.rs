//! Pipelines for tests.

use qbb_pipeline::{
    ConnectionDefinition, ConnectionKind, PipelineDefinition, Runner, TaskDefinition,
};

/// A pipeline of tasks.
pub(crate) fn pipeline(tasks: Vec<TaskDefinition>) -> PipelineDefinition {
    PipelineDefinition { description: "test".to_owned(), tasks, ..Default::default() }
}

/// A task with the automatic outputs.
pub(crate) fn task(label: &str, dimensions: &[&str]) -> TaskDefinition {
    let mut task = TaskDefinition {
        label: label.to_owned(),
        runner: Runner::PipelineTask(format!("x.{label}")),
        config: String::new(),
        dimensions: dimensions.iter().map(|&name| name.to_owned()).collect(),
        connections: Vec::new(),
        hooks: Default::default(),
    };
    let automatic = |name: &str, kind, suffix: &str, class: &str, dimensions: &[&str]| {
        let mut connection = connection(kind, &format!("{label}_{suffix}"), dimensions);
        name.clone_into(&mut connection.name);
        class.clone_into(&mut connection.storage_class);
        connection
    };
    task.connections = vec![
        automatic("_config", ConnectionKind::InitOutput, "config", "Config", &[]),
        automatic("_metadata", ConnectionKind::Output, "metadata", "TaskMetadata", dimensions),
    ];
    task
}

/// A connection named like its dataset type that takes any number of datasets.
pub(crate) fn connection(
    kind: ConnectionKind,
    dataset_type: &str,
    dimensions: &[&str],
) -> ConnectionDefinition {
    let mut dimensions: Vec<String> = dimensions.iter().map(|&name| name.to_owned()).collect();
    dimensions.sort();
    ConnectionDefinition {
        name: dataset_type.to_owned(),
        kind,
        dataset_type: dataset_type.to_owned(),
        storage_class: "StructuredDataDict".to_owned(),
        dimensions,
        is_calibration: dataset_type == "bias",
        defer_query_constraint: false,
        multiple: true,
        minimum: 1,
        defer_load: false,
        lookup_function: false,
    }
}

/// Adds connections to a task.
pub(crate) fn with(
    mut task: TaskDefinition,
    connections: Vec<ConnectionDefinition>,
) -> TaskDefinition {
    task.connections.extend(connections);
    task
}
