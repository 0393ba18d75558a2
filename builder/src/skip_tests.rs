//! Builds on a release in memory in which parts of the pipeline are done.

use qbb_pipeline::{ConnectionKind as Kind, PipelineDefinition};
use qbb_registry::CollectionKind;
use serde_json::json;

use crate::testing::{MemoryRelease, connection, pipeline, task, with};
use crate::{Build, BuildError, BuildRequest, build};

const EXPOSURE: [&str; 3] = ["instrument", "exposure", "detector"];
const VISIT_DETECTOR: [&str; 3] = ["instrument", "visit", "detector"];

/// raw → isr → post → calibrate → image → measure → source; `schema` is made with `calibrate`.
fn three() -> PipelineDefinition {
    let read = |name: &str, dimensions: &[&str]| connection(Kind::Input, name, dimensions);
    let write = |name: &str, dimensions: &[&str]| connection(Kind::Output, name, dimensions);
    pipeline(vec![
        with(task("isr", &EXPOSURE), vec![read("raw", &EXPOSURE), write("post", &EXPOSURE)]),
        with(
            task("calibrate", &VISIT_DETECTOR),
            vec![
                read("post", &EXPOSURE),
                connection(Kind::InitOutput, "schema", &[]),
                write("image", &VISIT_DETECTOR),
            ],
        ),
        with(
            task("measure", &VISIT_DETECTOR),
            vec![
                read("image", &VISIT_DETECTOR),
                connection(Kind::InitInput, "schema", &[]),
                write("source", &VISIT_DETECTOR),
            ],
        ),
    ])
}

/// Registers what the pipeline writes and an old run, which holds the given datasets of visits.
fn release(visits: i64, done: &[(&'static str, i64)]) -> MemoryRelease {
    let mut release = MemoryRelease::new(visits);
    release.collections.push(("u/old", CollectionKind::Run, vec![]));
    for (name, dimensions) in [
        ("calibrate_config", &[][..]),
        ("calibrate_metadata", &VISIT_DETECTOR),
        ("image", &VISIT_DETECTOR),
        ("isr_config", &[]),
        ("isr_metadata", &EXPOSURE),
        ("post", &EXPOSURE),
        ("schema", &[]),
    ] {
        release.types.push((name, dimensions.to_vec(), false));
    }
    release.types.sort();
    for &(name, visit) in done {
        let of_exposure = ["isr_metadata", "post"].contains(&name);
        for detector in 0..2 {
            let number = if of_exposure { visit * 10 } else { visit };
            release.put(name, "u/old", vec![json!("Cam"), json!(detector), json!(number)]);
        }
    }
    release
}

fn request() -> BuildRequest {
    BuildRequest {
        pipeline: three(),
        inputs: vec!["defaults".to_owned()],
        output_run: Some("u/run".to_owned()),
        data_query: "instrument='Cam' AND detector=0".to_owned(),
        skip_existing_in: vec!["u/old".to_owned()],
        ..Default::default()
    }
}

fn built(request: &BuildRequest, release: &mut MemoryRelease) -> Build {
    build(request, release, &mut |_| {}).unwrap()
}

/// Quanta with the runs of their inputs.
fn lines(build: &Build) -> Vec<String> {
    let graph = &build.graph;
    let line = |quantum| {
        let task = graph.quanta.task(quantum);
        let row = graph.quanta.data_id[quantum.index()];
        let data_id = graph.task_data_ids(task).values(row, &graph.symbols);
        let mut inputs: Vec<String> = (graph.inputs.edges(quantum))
            .map(|(_, dataset)| {
                let ix = graph.datasets.dataset_type(dataset);
                let run = &graph.runs[graph.datasets.run[dataset.index()] as usize];
                format!("{}@{run}", graph.pipeline.dataset_type(ix).dataset_type.name)
            })
            .collect();
        inputs.sort();
        let label = &graph.pipeline.task(task).label;
        format!("{label} {} <- {}", data_id[2], inputs.join(" "))
    };
    let mut lines: Vec<String> = graph.quanta.iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn quanta_with_metadata_are_done_and_leave_what_exists() {
    // Visit 2 is done; visit 4 has metadata without the image; visit 1 has only the output.
    let done = [
        ("isr_metadata", 2),
        ("post", 2),
        ("calibrate_metadata", 2),
        ("image", 2),
        ("isr_metadata", 4),
        ("post", 4),
        ("calibrate_metadata", 4),
        ("post", 1),
    ];
    let build = built(&request(), &mut release(4, &done));
    assert_eq!(
        lines(&build),
        [
            "calibrate 1 <- post@u/run",
            "calibrate 3 <- post@u/run post@u/run",
            "isr 10 <- raw@raw",
            "isr 30 <- raw@raw",
            "isr 31 <- raw@raw",
            "measure 1 <- image@u/run",
            "measure 2 <- image@u/old",
            "measure 3 <- image@u/run",
        ]
    );
    let skipped: Vec<usize> = build.tasks.iter().map(|task| task.skipped).collect();
    assert_eq!(skipped, [2, 2, 0]);
    assert_eq!(build.tasks[2].no_work, [("image".to_owned(), 1)]);
    // What was left is an input like any other, with records.
    let records = &build.graph.records;
    let image = build.graph.pipeline.find_dataset_type("image").unwrap();
    assert!((0..records.dataset.len()).any(|row| {
        build.graph.datasets.dataset_type[records.dataset[row] as usize] == image.0
    }));
}

#[test]
fn statements_do_not_depend_on_what_is_done() {
    let all: Vec<(&str, i64)> =
        (1..=60).flat_map(|visit| [("isr_metadata", visit), ("post", visit)]).collect();
    let few = built(&request(), &mut release(60, &all[..4])).statements;
    assert_eq!(built(&request(), &mut release(60, &all[..118])).statements, few);
}

#[test]
fn outputs_in_the_way_are_refused_or_keep_their_identity() {
    let mut release = release(2, &[("isr_metadata", 2), ("post", 2), ("post", 1)]);
    release.put("schema", "u/old", vec![]);
    let mut request = request();
    request.output_run = Some("u/old".to_owned());
    let refused = build(&request, &mut release, &mut |_| {}).unwrap_err();
    assert!(matches!(refused, BuildError::Output(_)), "{refused}");
    request.extend_run = true;
    request.skip_existing_in.clear();
    insta::assert_snapshot!(build(&request, &mut release, &mut |_| {}).unwrap_err());
    request.clobber = true;
    let build = built(&request, &mut release);
    let graph = &build.graph;
    let id = |name: &str| release.datasets.iter().find(|d| d.dataset_type == name).unwrap().id;
    let has = |id: [u8; 16]| graph.datasets.id.contains(&id);
    let posts = release.datasets.iter().filter(|d| d.dataset_type == "post");
    let posts: Vec<bool> = posts.map(|d| has(d.id)).collect();
    assert_eq!(posts, [true, false, true, false], "those of detector 0");
    assert!(has(id("schema")), "an init-output keeps its identity without being in the way");
    // The one that will be written again is no input of the graph.
    let again = release.datasets.iter().rfind(|d| d.dataset_type == "post").unwrap().id;
    let written: Vec<[u8; 16]> =
        graph.records.dataset.iter().map(|&at| graph.datasets.id[at as usize]).collect();
    assert!(!written.contains(&again));
    assert_eq!(graph.header.inputs[0], "u/old");
}

#[test]
fn what_is_not_retained_is_made_again() {
    let done = [("isr_metadata", 2), ("calibrate_metadata", 2), ("image", 2), ("post", 2)];
    let tasks = |retained: &[&str]| {
        let mut request = request();
        request.data_query += " AND visit=2";
        request.retained = Some(retained.iter().map(|&name| name.to_owned()).collect());
        let mut release = release(2, &done);
        for name in ["calibrate_config", "isr_config", "schema"] {
            release.put(name, "u/old", vec![]);
        }
        let build = built(&request, &mut release);
        let kept: Vec<usize> = build.tasks.iter().map(|task| task.kept).collect();
        (kept, build.warnings.len())
    };
    assert_eq!(tasks(&["*"]), (vec![0, 0, 1], 0));
    assert_eq!(tasks(&["image"]), (vec![0, 0, 1], 0));
    assert_eq!(tasks(&["post", "imag"]), (vec![0, 1, 1], 1));
    assert_eq!(tasks(&["r?w"]), (vec![1, 1, 1], 0));
}

#[test]
fn quanta_that_lead_nowhere_are_pruned() {
    let mut pruned = request();
    pruned.skip_existing_in.clear();
    for connection in pruned.pipeline.tasks.iter_mut().flat_map(|task| &mut task.connections) {
        if connection.name == "post" && connection.kind == Kind::Input {
            connection.minimum = 2;
        }
    }
    let all = built(&pruned, &mut release(4, &[]));
    assert_eq!(all.tasks.iter().map(|task| task.kept).collect::<Vec<_>>(), [5, 1, 1]);
    pruned.prune_unanchored = Some(("isr".to_owned(), "measure".to_owned()));
    let anchored = built(&pruned, &mut release(4, &[]));
    assert_eq!(anchored.tasks.iter().map(|task| task.kept).collect::<Vec<_>>(), [2, 1, 1]);
    pruned.prune_unanchored = Some(("isr".to_owned(), "none".to_owned()));
    assert!(build(&pruned, &mut release(4, &[]), &mut |_| {}).is_err());
}

#[test]
fn what_cannot_be_skipped_is_explained() {
    let mut errors = Vec::new();
    let done = [("isr_metadata", 1), ("post", 1)];
    let mut request = request();
    request.data_query += " AND visit=1";
    let mut add = |request: &BuildRequest, release: &mut MemoryRelease| {
        errors.push(build(request, release, &mut |_| {}).unwrap_err().to_string());
    };
    add(&request, &mut release(2, &done));
    let mut with_config = release(2, &done);
    with_config.put("isr_config", "u/old", vec![]);
    let mut isr_only = request.clone();
    isr_only.pipeline = pipeline(vec![three().tasks[0].clone()]);
    add(&isr_only, &mut with_config);
    isr_only.skip_existing_in.clear();
    isr_only.retained = Some(vec!["raw".to_owned()]);
    add(&isr_only, &mut with_config);
    insta::assert_snapshot!(errors.join("\n"));

    let mut missing = request.clone();
    missing.skip_existing_in.push("u/none".to_owned());
    let build = built(&missing, &mut release(2, &done));
    assert_eq!(build.tasks[0].skipped, 0);
    insta::assert_snapshot!("missing_collection", build.warnings.join("\n"));
}
