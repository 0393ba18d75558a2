//! What several tests need.

#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, reason = "only tests call this")]

use std::collections::BTreeMap;
use std::sync::Arc;

use qbb_dimensions::{DatasetType, Universe};
use qbb_pipeline::{
    ConnectionDefinition, ConnectionKind, Hooks, PipelineDefinition, Runner,
    StorageClassDefinition, TaskDefinition,
};
use serde_json::Value;

pub fn universe() -> Arc<Universe> {
    Universe::from_json(universe_text()).unwrap()
}

pub fn universe_text() -> &'static str {
    include_str!("../../../dimensions/tests/data/universe8.json")
}

pub fn dataset_type(name: &str, dimensions: &str, storage_class: &str) -> DatasetType {
    let dimensions = universe().conform(dimensions.split_whitespace()).unwrap();
    DatasetType {
        name: name.to_owned(),
        dimensions,
        storage_class: storage_class.to_owned(),
        is_calibration: false,
    }
}

/// Dataset types of the repository against which the middleware resolved the fixture.
pub fn registered() -> Vec<DatasetType> {
    let listed: Value = serde_json::from_str(include_str!("../data/dataset_types.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (listed.as_array().unwrap().iter())
        .map(|entry| {
            let dimensions: Vec<String> =
                entry["dimensions"].as_array().unwrap().iter().map(text).collect();
            DatasetType {
                is_calibration: entry["is_calibration"].as_bool().unwrap(),
                ..dataset_type(
                    &text(&entry["name"]),
                    &dimensions.join(" "),
                    &text(&entry["storage_class"]),
                )
            }
        })
        .collect()
}

/// `kind name dataset_type storage_class dimensions…`, where `-` is the empty storage class.
pub fn connection(line: &str) -> ConnectionDefinition {
    let words: Vec<&str> = line.split_whitespace().collect();
    ConnectionDefinition {
        name: words[1].to_owned(),
        kind: match words[0] {
            "init_in" => ConnectionKind::InitInput,
            "init_out" => ConnectionKind::InitOutput,
            "prerequisite" => ConnectionKind::PrerequisiteInput,
            "in" => ConnectionKind::Input,
            "out" => ConnectionKind::Output,
            kind => panic!("no kind `{kind}`"),
        },
        dataset_type: words[2].to_owned(),
        storage_class: words[3].trim_matches('-').to_owned(),
        dimensions: words[4..].iter().map(|&word| word.to_owned()).collect(),
        is_calibration: false,
        defer_query_constraint: false,
        multiple: false,
        minimum: 1,
        defer_load: false,
        lookup_function: false,
    }
}

/// A task in Python with a metadata output beside the given connections.
pub fn task(label: &str, dimensions: &str, connections: &[&str]) -> TaskDefinition {
    let metadata = format!("out _metadata {label}_metadata TaskMetadata {dimensions}");
    TaskDefinition {
        label: label.to_owned(),
        runner: Runner::PipelineTask(format!("tasks.{label}")),
        config: String::new(),
        dimensions: dimensions.split_whitespace().map(str::to_owned).collect(),
        connections: connections.iter().copied().chain([&*metadata]).map(connection).collect(),
        hooks: Hooks::default(),
    }
}

/// `Table` has the component `columns` and can be made of a `Dict`.
pub fn storage_classes() -> BTreeMap<String, StorageClassDefinition> {
    let table = StorageClassDefinition {
        derived_components: vec!["columns".to_owned()],
        component_storage_classes: BTreeMap::from([("columns".to_owned(), "List".to_owned())]),
        convertible_from: vec!["Dict".to_owned()],
        ..StorageClassDefinition::default()
    };
    let plain = StorageClassDefinition::default;
    BTreeMap::from([
        ("Table".to_owned(), table),
        ("Dict".to_owned(), plain()),
        ("List".to_owned(), plain()),
        ("Image".to_owned(), plain()),
    ])
}

pub fn pipeline(tasks: Vec<TaskDefinition>) -> PipelineDefinition {
    PipelineDefinition { tasks, storage_classes: storage_classes(), ..Default::default() }
}
