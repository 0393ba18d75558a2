//! The rules by which a dataset type gets its one definition, and tasks their order.

#![allow(clippy::unwrap_used, reason = "a panic is how tests fail")]

mod support;

use qbb_dimensions::DatasetType;
use qbb_pipeline::{PipelineGraph, ResolveError, Runner, Subset, TaskDefinition};
use support::{dataset_type, pipeline, task, universe};

fn resolve(
    tasks: Vec<TaskDefinition>,
    registered: &[DatasetType],
) -> Result<PipelineGraph, ResolveError> {
    pipeline(tasks).resolve(&universe(), registered)
}

fn message(tasks: Vec<TaskDefinition>, registered: &[DatasetType]) -> String {
    resolve(tasks, registered).unwrap_err().to_string()
}

/// Storage class and dimensions of the definition that counts.
fn definition(graph: &PipelineGraph, name: &str) -> String {
    let node = graph.dataset_type(graph.find_dataset_type(name).unwrap());
    let DatasetType { storage_class, dimensions, .. } = &node.dataset_type;
    format!("{storage_class} {dimensions}")
}

#[test]
fn a_registration_wins_over_the_writer_over_the_readers() {
    let writer = || task("w", "visit", &["out o x Dict visit"]);
    let reader = |class: &str| task("r", "visit", &[&format!("in i x {class} visit")]);
    let visit = "{band, instrument, day_obs, physical_filter, visit}";
    let registered = [dataset_type("x", "visit", "Table")];
    let graph = resolve(vec![writer(), reader("Table")], &registered).unwrap();
    assert_eq!(definition(&graph, "x"), format!("Table {visit}"));
    let graph = resolve(vec![writer(), reader("Table")], &[]).unwrap();
    assert_eq!(definition(&graph, "x"), format!("Dict {visit}"));
    let graph = resolve(vec![reader("Table")], &[]).unwrap();
    assert_eq!(definition(&graph, "x"), format!("Table {visit}"));
    // An input keeps the storage class it asks for.
    let graph = resolve(vec![writer(), reader("Table")], &[]).unwrap();
    let reader = graph.task(graph.find_task("r").unwrap());
    assert_eq!(reader.inputs[0].storage_class, "Table");
    let x = graph.dataset_type(reader.inputs[0].dataset_type);
    assert_eq!(x.producer, graph.find_task("w"));
    assert!(!x.is_initial_query_constraint && !x.is_registered);
}

#[test]
fn what_is_unknown_about_storage_classes_is_left_to_python() {
    let reader = || task("r", "visit", &["in i x Table visit"]);
    let strange = [dataset_type("x", "visit", "Strange")];
    assert!(resolve(vec![reader()], &strange).is_ok());
    let mut command = reader();
    command.runner = Runner::Function("f".to_owned());
    let error = resolve(vec![command], &strange).unwrap_err();
    assert!(matches!(error, ResolveError::NotConvertible { .. }), "{error}");
    let any = task("r", "visit", &["in i x - visit"]);
    let graph = resolve(vec![any], &strange).unwrap();
    assert_eq!(graph.tasks[0].inputs[0].storage_class, "Strange");
}

#[test]
fn the_placeholder_takes_the_registered_pixelization() {
    let reader = task("r", "visit", &["prerequisite cat refcat Table skypix"]);
    let graph = resolve(vec![reader.clone()], &[dataset_type("refcat", "htm7", "Table")]).unwrap();
    assert_eq!(definition(&graph, "refcat"), "Table {htm7}");
    assert_eq!(graph.tasks[0].prerequisite_inputs[0].raw_dimensions, ["skypix"]);
    let node = graph.dataset_type(graph.find_dataset_type("refcat").unwrap());
    assert!(node.is_prerequisite && node.is_initial_query_constraint);
    insta::assert_snapshot!(message(vec![reader], &[]));
}

#[test]
fn a_reader_that_can_do_without_takes_the_constraint_away() {
    let reader = |label: &str, defer: bool| {
        let mut task = task(label, "visit", &["in i x Table visit"]);
        task.connections[0].defer_query_constraint = defer;
        task
    };
    let constrains = |first, second| {
        let graph = resolve(vec![reader("a", first), reader("b", second)], &[]).unwrap();
        let x = graph.find_dataset_type("x").unwrap();
        graph.dataset_type(x).is_initial_query_constraint
    };
    assert!(constrains(false, false));
    assert!(!constrains(true, false) && !constrains(false, true));
}

#[test]
fn contradictions_are_explained() {
    let writer = |label: &str| task(label, "visit", &["out o x Dict visit"]);
    let reads = |line: &str| task("r", "visit", &[line]);
    let registered = |class: &str| [dataset_type("x", "visit", class)];
    let calibration = [DatasetType { is_calibration: true, ..dataset_type("x", "visit", "Dict") }];
    let messages = [
        message(vec![writer("a"), writer("b")], &[]),
        message(vec![reads("out o x.columns Dict visit")], &[]),
        message(vec![reads("out o x-y Dict visit")], &[]),
        message(vec![reads("in i x Dict vist")], &[]),
        message(vec![task("r", "vist", &[])], &[]),
        message(vec![writer("w"), reads("prerequisite i x Dict visit")], &[]),
        message(
            vec![task("a", "visit", &["in i x Dict visit"]), reads("prerequisite i x Dict visit")],
            &[],
        ),
        message(vec![reads("in i x Dict visit detector")], &registered("Dict")),
        message(vec![writer("w"), reads("in i x Dict exposure")], &[]),
        message(vec![reads("in i x Dict visit")], &calibration),
        message(vec![reads("in i x Image visit")], &registered("Dict")),
        message(vec![writer("w")], &registered("Image")),
        message(vec![writer("w"), reads("in i x Image visit")], &[]),
        message(vec![task("a", "visit", &["in i x Dict visit"]), reads("in i x Table visit")], &[]),
        message(vec![reads("in i x.columns List visit")], &[]),
        message(vec![reads("in i x.colums List visit")], &registered("Table")),
        message(vec![reads("in i x.columns Dict visit")], &registered("Table")),
        message(vec![reads("in i x - visit")], &[]),
        message(
            vec![
                task("a", "visit", &["in i x Dict visit", "out o y Dict visit"]),
                task("b", "visit", &["in i y Dict visit", "out o x Dict visit"]),
                task("c", "visit", &["in i y Dict visit"]),
            ],
            &[],
        ),
        {
            let mut task = task("a", "visit", &[]);
            task.connections.clear();
            message(vec![task], &[])
        },
    ];
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn components_are_read_from_wholes() {
    let registered = [dataset_type("x", "visit", "Table")];
    let graph =
        resolve(vec![task("r", "visit", &["in i x.columns List visit"])], &registered).unwrap();
    let input = &graph.tasks[0].inputs[0];
    assert_eq!(input.component.as_deref(), Some("columns"));
    assert_eq!(input.full_name("x"), "x.columns");
    assert_eq!(definition(&graph, "x").split(' ').next(), Some("Table"));
}

#[test]
fn steps_are_checked() {
    let tasks = || {
        vec![
            task("a", "visit", &["in i raw Dict exposure", "out o x Dict visit"]),
            task("b", "visit", &["in i x Dict visit", "out o y Dict instrument"]),
        ]
    };
    let steps = |steps: &[(&str, &[&str], &[&str])]| {
        let mut pipeline = pipeline(tasks());
        for (name, labels, dimensions) in steps {
            let subset = Subset {
                description: String::new(),
                tasks: labels.iter().map(|&label| label.to_owned()).collect(),
                dimensions: dimensions.iter().map(|&name| name.to_owned()).collect(),
            };
            pipeline.step_labels.push((*name).to_owned());
            if *name != "ghost" {
                pipeline.subsets.insert((*name).to_owned(), subset);
            }
        }
        pipeline.resolve(&universe(), &[])
    };
    let good = steps(&[("s", &["a"], &["exposure"]), ("t", &["b"], &["instrument"])]).unwrap();
    assert!(good.steps_verified);
    let messages = [
        steps(&[("s", &["b"], &[]), ("t", &["a"], &[])]),
        steps(&[("s", &["a"], &[])]),
        steps(&[("s", &["a", "b"], &[]), ("t", &["b"], &[])]),
        steps(&[("s", &["a", "b", "c"], &[])]),
        steps(&[("ghost", &[], &[])]),
        steps(&[("s", &["a", "b"], &["vist"])]),
        steps(&[("s", &["a", "b"], &["detector"])]),
        steps(&[("s", &["a", "b"], &["visit"])]),
    ]
    .map(|result| result.unwrap_err().to_string());
    insta::assert_snapshot!(messages.join("\n"));
}
