//! Exports and serialised pipeline graphs, judged by files of the real middleware: the fixture is a
//! pipeline with steps, subsets, init-datasets, component reads, prerequisites and calibrations,
//! exported by the exporter and resolved by `lsst.pipe.base` 30.2026.500. Configurations and the
//! universe's comments are cut.

#![allow(clippy::unwrap_used, reason = "a panic is how tests fail")]

mod support;

use qbb_dimensions::DatasetType;
use qbb_pipeline::{
    CommandTemplate, ConnectionKind, PACKAGES, PipelineDefinition, PipelineGraph, Runner,
};
use serde_json::{Value, json};

fn export() -> Value {
    serde_json::from_str(include_str!("data/export.json")).unwrap()
}

fn definition() -> PipelineDefinition {
    PipelineDefinition::from_export(include_str!("data/export.json")).unwrap()
}

fn resolved() -> Value {
    let mut resolved: Value = serde_json::from_str(include_str!("data/resolved.json")).unwrap();
    resolved["dimensions"] = serde_json::from_str(support::universe_text()).unwrap();
    resolved
}

#[test]
fn an_export_resolves_to_what_the_middleware_resolves_to() {
    let graph = definition().resolve(&support::universe(), &support::registered()).unwrap();
    assert!(graph.to_json() == resolved(), "{}", graph.to_json());
}

#[test]
fn what_the_export_adds_is_kept() {
    let graph = definition().resolve(&support::universe(), &support::registered()).unwrap();
    let isr = graph.task(graph.find_task("isr").unwrap());
    let crosstalk = isr.prerequisite_inputs.iter().find(|c| c.name == "crosstalk").unwrap();
    assert_eq!((crosstalk.minimum, crosstalk.multiple), (0, false));
    // A prerequisite that need not be there does not constrain; the others show that they do.
    let constrains = |name: &str| {
        let ix = graph.find_dataset_type(name).unwrap();
        graph.dataset_type(ix).is_initial_query_constraint
    };
    assert!(!constrains("crosstalk") && constrains("bias"));
    assert!(isr.prerequisite_inputs.iter().any(|c| c.defer_load));
    assert!(graph.storage_classes["ArrowAstropy"].has_component("columns"));
    assert_eq!(graph.formatters["TaskMetadata"].extension, ".json");
    assert!(!graph.formatters.contains_key("ArrowColumnList"), "it cannot be written");
    let all = graph.tasks.iter().flat_map(|task| task.all_connections());
    let unregistered: Vec<_> = graph
        .overall_inputs()
        .filter(|(_, node)| !node.is_registered)
        .map(|(_, node)| node.dataset_type.name.as_str())
        .collect();
    assert!(unregistered.is_empty(), "{unregistered:?}");
    assert!(all.filter(|c| c.kind == ConnectionKind::Output).all(|c| c.minimum == 0));
}

#[test]
fn serialised_graphs_come_back_equal() {
    let read = PipelineGraph::from_json(&resolved()).unwrap();
    assert!(read.to_json() == resolved(), "{}", read.to_json());
    let labels: Vec<&str> = read.tasks.iter().map(|task| task.label.as_str()).collect();
    let graph = definition().resolve(&support::universe(), &support::registered()).unwrap();
    assert!(labels.iter().eq(graph.tasks.iter().map(|task| &task.label)), "{labels:?}");
    assert!(read.is_python());
    // What is not told forbids nothing.
    let input = &read.task(read.find_task("makeWarp").unwrap()).inputs[0];
    assert!(input.multiple);
}

#[test]
fn the_extended_form_loses_nothing() {
    let mut registered = support::registered();
    registered.push(DatasetType { ..support::dataset_type(PACKAGES, "", "OddPackages") });
    let mut definition = definition();
    definition.tasks[0].hooks.overridden = vec!["adjustQuantum".to_owned()];
    let mut graph = definition.resolve(&support::universe(), &registered).unwrap();
    graph.tasks[0].runner = Runner::Command(CommandTemplate {
        arguments: vec!["run".to_owned(), "{quantum}".to_owned()],
        environment: [("A".to_owned(), "b".to_owned())].into(),
    });
    let text = graph.to_extended_json().to_string();
    let read = PipelineGraph::from_extended_json(&serde_json::from_str(&text).unwrap()).unwrap();
    assert!(read == graph, "not equal after {text}");
    let packages = read.dataset_type(read.find_dataset_type(PACKAGES).unwrap());
    assert_eq!(packages.dataset_type.storage_class, "OddPackages");
    assert!(packages.is_registered && packages.is_init && packages.producer.is_none());
    assert!(!read.is_python());
}

#[test]
fn selections_keep_whole_subsets_only() {
    let definition = definition();
    let selected = definition.select(["first", "makeWarp"]).unwrap();
    let labels: Vec<&str> = selected.tasks.iter().map(|task| task.label.as_str()).collect();
    assert_eq!(labels, ["calibrate", "initFirst", "initSecond", "isr", "makeWarp"]);
    assert_eq!(selected.step_labels, ["first"]);
    assert_eq!(selected.subsets.keys().collect::<Vec<_>>(), ["detectors", "first"]);
    let error = definition.select(["isr", "makeWrap"]).unwrap_err();
    insta::assert_snapshot!(error.to_string());
}

/// The message for a changed export or graph.
fn message(mut json: Value, pointer: &str, value: Value) -> String {
    match pointer.rsplit_once('/') {
        Some((parent, key)) if value == json!("REMOVE") => {
            json.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key).unwrap();
        }
        _ => *json.pointer_mut(pointer).unwrap() = value,
    }
    let result = if json.get("format").is_some() {
        PipelineDefinition::from_export_json(&json).map(drop)
    } else {
        PipelineGraph::from_json(&json).map(drop)
    };
    result.unwrap_err().to_string()
}

#[test]
fn broken_exports_are_explained() {
    let messages = [
        message(export(), "/format", json!("qgraph")),
        message(export(), "/version", json!(2)),
        message(export(), "/pipeline_graph", json!("REMOVE")),
        message(export(), "/pipeline_graph/version", json!("0.1.0")),
        message(export(), "/pipeline_graph/description", json!(5)),
        message(export(), "/pipeline_graph/tasks/isr/task_class", json!("REMOVE")),
        message(export(), "/tasks/isr", json!("REMOVE")),
        message(export(), "/tasks/isr/connections/raw", json!("REMOVE")),
        message(export(), "/tasks/isr/connections/raw/kind", json!("output")),
        message(export(), "/tasks/isr/connections/raw/minimum", json!(-1)),
        PipelineDefinition::from_export("{\"format\": 1, ").unwrap_err().to_string(),
        PipelineDefinition::from_export("[]").unwrap_err().to_string(),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn broken_graphs_are_explained() {
    let messages = [
        message(resolved(), "/dimensions", Value::Null),
        message(resolved(), "/dimensions/elements", json!({})),
        message(resolved(), "/dataset_types/raw/dimensions", Value::Null),
        message(resolved(), "/dataset_types/raw/dimensions", json!(["detecter"])),
        message(resolved(), "/dataset_types/raw", json!("REMOVE")),
        message(resolved(), "/tasks/isr/dimensions", json!([1])),
        message(resolved(), "/tasks/isr/outputs/image/dataset_type_name", json!("calibrate_log")),
        message(resolved(), "/tasks/isr/inputs/raw/dataset_type_name", json!("calibrate_log")),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}
