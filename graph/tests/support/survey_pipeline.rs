//! The pipeline of the made-up survey: calibrate each detector, gather by visit, measure.

use qbb_pipeline::PipelineGraph;
use serde_json::{Value, json};

fn edge(dataset_type: &str, storage_class: &str, dimensions: &[&str]) -> Value {
    json!({
        "dataset_type_name": dataset_type,
        "storage_class": storage_class,
        "raw_dimensions": dimensions,
    })
}

fn task(label: &str, dimensions: &[&str], inputs: Value, outputs: Value) -> Value {
    let automatic = |suffix: &str, class: &str, dimensions: &[&str]| {
        edge(&format!("{label}_{suffix}"), class, dimensions)
    };
    let full: &[&str] = match dimensions.contains(&"detector") {
        true => &["band", "day_obs", "detector", "instrument", "physical_filter", "visit"],
        false => &["band", "day_obs", "instrument", "physical_filter", "visit"],
    };
    json!({
        "task_class": format!("survey.tasks.{label}"),
        "init": {"inputs": {}, "outputs": {}, "config_output": automatic("config", "Config", &[])},
        "config_str": "config.threshold = 5\n",
        "prerequisite_inputs": {},
        "inputs": inputs,
        "outputs": outputs,
        "metadata_output": automatic("metadata", "TaskMetadata", dimensions),
        "log_output": automatic("log", "ButlerLogRecords", dimensions),
        "dimensions": full,
    })
}

/// The pipeline of the survey.
pub fn pipeline() -> PipelineGraph {
    let universe: Value =
        serde_json::from_str(include_str!("../../../dimensions/tests/data/universe8.json"))
            .unwrap();
    let detector = &["detector", "instrument", "visit"][..];
    let visit = &["instrument", "visit"][..];
    let mut calibrate = task(
        "calibrate",
        detector,
        json!({"image": edge("raw", "Image", detector)}),
        json!({"calibrated": edge("calibrated", "Image", detector)}),
    );
    calibrate["prerequisite_inputs"] = json!({"camera": edge("camera", "Camera", &["instrument"])});
    let gather = task(
        "gather",
        visit,
        json!({"images": edge("calibrated", "Image", detector)}),
        json!({"summary": edge("summary", "Table", visit)}),
    );
    let mut measure = task(
        "measure",
        detector,
        json!({
            "image": edge("calibrated", "Image", detector),
            "summary": edge("summary", "Table", visit),
        }),
        json!({"sources": edge("sources", "Table", detector)}),
    );
    measure["init"]["outputs"] = json!({"schema": edge("sources_schema", "Schema", &[])});
    let mut types = serde_json::Map::new();
    let mut add = |name: &str, dimensions: &[&str], class: &str, prerequisite: bool| {
        types.insert(
            name.to_owned(),
            json!({
                "dimensions": dimensions,
                "storage_class": class,
                "is_calibration": false,
                "is_initial_query_constraint": name == "raw",
                "is_prerequisite": prerequisite,
            }),
        );
    };
    add("raw", detector, "Image", false);
    add("camera", &["instrument"], "Camera", true);
    add("calibrated", detector, "Image", false);
    add("summary", visit, "Table", false);
    add("sources", detector, "Table", false);
    add("sources_schema", &[], "Schema", false);
    for (label, dimensions) in [("calibrate", detector), ("gather", visit), ("measure", detector)] {
        add(&format!("{label}_config"), &[], "Config", false);
        add(&format!("{label}_metadata"), dimensions, "TaskMetadata", false);
        add(&format!("{label}_log"), dimensions, "ButlerLogRecords", false);
    }
    let graph = json!({
        "version": "0.0.1",
        "description": "A small survey.",
        "tasks": {"calibrate": calibrate, "gather": gather, "measure": measure},
        "dataset_types": types,
        "task_subsets": {},
        "dimensions": universe,
        "data_id": {},
        "step_labels": [],
        "steps_verified": true,
    });
    PipelineGraph::from_json(&graph).unwrap()
}
