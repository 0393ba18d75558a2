//! Pipelines of ordinary programs.

#![allow(clippy::unwrap_used, reason = "a panic is how tests fail")]

mod support;

use camino::Utf8Path;
use qbb_pipeline::{CommandTemplate, ConnectionKind, LoadedPipeline, PipelineDefinition, Runner};
use support::{dataset_type, universe};

const PIPELINE: &str = r#"# A comment first.
qbb_pipeline: 1
description: Compress raw images.
tasks:
  compress:
    dimensions: [exposure, detector]
    inputs:
      raw: {dataset_type: raw, dimensions: [exposure, detector]}
      dark:
        dataset_type: dark
        storage_class: Image
        dimensions: [instrument, detector]
        prerequisite: true
        calibration: true
        minimum: 0
    outputs:
      packed:
        dataset_type: raw_packed
        storage_class: Dict
        dimensions: [exposure, detector]
    command:
      - ./pack.sh
      - "{inputs.raw}"
      - "--out={outputs.packed}"
      - "{data_id.detector}_{data_id.band}{{}}"
      - "{quantum}"
      - -5
      - true
    environment: {LEVEL: 9}
  count:
    dimensions: [instrument]
    inputs:
      all: {dataset_type: raw_packed, dimensions: [exposure, detector], multiple: true, minimum: 2}
    outputs:
      table: {dataset_type: sizes, storage_class: Table, dimensions: [instrument]}
    function: count_bytes
subsets:
  start: {description: First., tasks: [compress]}
data_id: {instrument: Cam}
"#;

fn read(text: &str) -> Result<PipelineDefinition, String> {
    PipelineDefinition::from_native(text, Utf8Path::new("pipeline.yaml"))
        .map_err(|error| error.to_string())
}

#[test]
fn a_native_pipeline() {
    let pipeline = read(PIPELINE).unwrap();
    let [compress, count] = &pipeline.tasks[..] else { panic!("two tasks") };
    assert_eq!(
        compress.runner,
        Runner::Command(CommandTemplate {
            arguments: [
                "./pack.sh",
                "{inputs.raw}",
                "--out={outputs.packed}",
                "{data_id.detector}_{data_id.band}{{}}",
                "{quantum}",
                "-5",
                "true",
            ]
            .map(str::to_owned)
            .to_vec(),
            environment: [("LEVEL".to_owned(), "9".to_owned())].into(),
        })
    );
    assert_eq!(count.runner, Runner::Function("count_bytes".to_owned()));
    let dark = compress.connections.iter().find(|c| c.name == "dark").unwrap();
    assert_eq!(dark.kind, ConnectionKind::PrerequisiteInput);
    assert!(dark.is_calibration && dark.defer_query_constraint);
    assert_eq!((dark.minimum, dark.multiple), (0, false));
    let names: Vec<&str> = count.connections.iter().map(|c| c.dataset_type.as_str()).collect();
    assert_eq!(names, ["raw_packed", "sizes", "count_metadata", "count_log"]);
    assert_eq!(pipeline.subsets["start"].tasks, ["compress"]);

    let registered = [
        dataset_type("raw", "exposure detector", "Exposure"),
        qbb_dimensions::DatasetType {
            is_calibration: true,
            ..dataset_type("dark", "detector", "Image")
        },
    ];
    let graph = pipeline.resolve(&universe(), &registered).unwrap();
    let compress = graph.task(graph.find_task("compress").unwrap());
    assert_eq!(compress.inputs[0].storage_class, "Exposure");
    assert!(compress.config_output.is_none() && compress.log_output.is_some());
    assert_eq!(compress.quantum_outputs().count(), 3);
    assert!(!graph.is_python());
    assert_eq!(graph.data_id["instrument"], "Cam");
    let labels: Vec<&str> = graph.tasks.iter().map(|task| task.label.as_str()).collect();
    assert_eq!(labels, ["compress", "count"]);
    let extended = graph.to_extended_json();
    assert!(qbb_pipeline::PipelineGraph::from_extended_json(&extended).unwrap() == graph);
}

/// The message after a change of the good file.
fn changed(from: &str, to: &str) -> String {
    assert!(PIPELINE.contains(from), "`{from}` is not in the file");
    let text = PIPELINE.replacen(from, to, 1);
    match read(&text) {
        Ok(pipeline) => {
            let registered = [
                dataset_type("raw", "exposure detector", "Exposure"),
                qbb_dimensions::DatasetType {
                    is_calibration: true,
                    ..dataset_type("dark", "detector", "Image")
                },
            ];
            pipeline.resolve(&universe(), &registered).unwrap_err().to_string()
        }
        Err(message) => message,
    }
}

#[test]
fn mistakes_are_explained_with_their_lines() {
    let messages = [
        changed("qbb_pipeline: 1", "qbb_pipeline: 2"),
        changed("{inputs.raw}", "{inputs.rwa}"),
        changed("{outputs.packed}", "{outputs.nothing_like_it}"),
        changed("{quantum}", "{quantun}"),
        changed("{quantum}", "{input.raw}"),
        changed("{quantum}", "{quantum"),
        changed("\"{quantum}\"", "{quantum}"),
        changed("\"{quantum}\"", "[a]"),
        changed("data_id.band", "data_id.bund"),
        changed("function: count_bytes", "command: []"),
        changed("function: count_bytes", "environment: {}"),
        changed("function: count_bytes", "function: f\n    command: [g]"),
        changed("function: count_bytes", "functon: count_bytes"),
        changed("multiple: true, ", ""),
        changed("tasks: [compress]", "tasks: [compres]"),
        changed("  start:", "  count:"),
        changed("  compress:\n", "  com-press:\n"),
        changed("      table:", "      all:"),
        changed("      table:", "      _metadata:"),
        changed("dataset_type: raw,", "dataset_type: raw.wcs,"),
        changed("storage_class: Dict", "storage_class: ''"),
        changed("        storage_class: Dict\n", ""),
        changed("dimensions: [instrument]\n    inputs", "dimensions: [instrumnt]\n    inputs"),
        changed("minimum: 0", "minimum: few"),
        changed("tasks:", "tasks: ["),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn kinds_of_files_are_told_apart() {
    let folder = std::env::temp_dir().join(format!("qbb-pipeline-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let folder = Utf8Path::from_path(&folder).unwrap();
    let load = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).unwrap();
        PipelineDefinition::load(&folder.join(name))
    };
    let native = load("a.yaml", PIPELINE).unwrap();
    assert!(matches!(native, LoadedPipeline::Native(p) if p.tasks.len() == 2));
    let json = r#"{"qbb_pipeline": 1, "tasks": {}}"#;
    assert!(matches!(load("b.json", json).unwrap(), LoadedPipeline::Native(_)));
    let export = load("c.json", include_str!("data/export.json")).unwrap();
    assert!(matches!(export, LoadedPipeline::Export(p) if p.tasks.len() == 15));
    let python = "description: x\ntasks:\n  isr: lsst.ip.isr.IsrTask\n";
    assert_eq!(load("d.yaml", python).unwrap(), LoadedPipeline::Python);
    let uri = Utf8Path::new("resource://pkg/pipelines/x.yaml");
    assert_eq!(PipelineDefinition::load(uri).unwrap(), LoadedPipeline::Python);
    let variable = Utf8Path::new("$PIPE_DIR/x.yaml");
    assert_eq!(PipelineDefinition::load(variable).unwrap(), LoadedPipeline::Python);
    assert!(load("e.json", "{\"format\": 1}").is_err());
    assert!(load("f.yaml", "qbb_pipeline: 1\ntasks: 5\n").is_err());
    let missing = PipelineDefinition::load(&folder.join("none")).unwrap_err().to_string();
    assert!(missing.contains("cannot read the pipeline"), "{missing}");
    std::fs::remove_dir_all(folder).unwrap();
}
