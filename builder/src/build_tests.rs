//! Whole builds on a release in memory.

use std::collections::BTreeMap;

use qbb_dimensions::DataValue;
use qbb_graph::{DatasetIx, QuantumGraph, QuantumIx};
use qbb_pipeline::{ConnectionKind as Kind, PipelineDefinition, TaskDefinition};
use serde_json::json;

use crate::testing::{DAY, MemoryRelease, connection, pipeline, task, with};
use crate::{Build, BuildError, BuildRequest, DatasetConstraint, Explain, build};

const EXPOSURE: [&str; 3] = ["instrument", "exposure", "detector"];
const VISIT_DETECTOR: [&str; 3] = ["instrument", "visit", "detector"];
const WARP: [&str; 5] = ["instrument", "visit", "skymap", "tract", "patch"];

fn isr() -> TaskDefinition {
    let bias = connection(Kind::PrerequisiteInput, "bias", &["instrument", "detector"]);
    with(
        task("isr", &EXPOSURE),
        vec![
            connection(Kind::Input, "raw", &EXPOSURE),
            bias,
            connection(Kind::Output, "post", &EXPOSURE),
        ],
    )
}

fn calibrate() -> TaskDefinition {
    with(
        task("calibrate", &VISIT_DETECTOR),
        vec![
            connection(Kind::Input, "post", &EXPOSURE),
            connection(Kind::PrerequisiteInput, "refcat", &["htm7"]),
            connection(Kind::InitOutput, "schema", &[]),
            connection(Kind::Output, "image", &VISIT_DETECTOR),
        ],
    )
}

fn warp() -> TaskDefinition {
    with(
        task("warp", &WARP),
        vec![
            connection(Kind::Input, "image", &VISIT_DETECTOR),
            connection(Kind::Input, "skyMap", &["skymap"]),
            connection(Kind::InitInput, "schema", &[]),
            connection(Kind::Output, "warp", &WARP),
        ],
    )
}

fn drp() -> PipelineDefinition {
    pipeline(vec![isr(), calibrate(), warp()])
}

fn request(pipeline: PipelineDefinition, data_query: &str) -> BuildRequest {
    BuildRequest {
        pipeline,
        inputs: vec!["defaults".to_owned()],
        output_run: Some("u/run".to_owned()),
        data_query: data_query.to_owned(),
        ..Default::default()
    }
}

fn built(release: &mut MemoryRelease, data_query: &str) -> Build {
    build(&request(drp(), data_query), release, &mut |_| {}).unwrap()
}

fn refused(release: &mut MemoryRelease, pipeline: PipelineDefinition, query: &str) -> BuildError {
    build(&request(pipeline, query), release, &mut |_| {}).err().unwrap()
}

/// Quanta as `task values -> inputs`, free of UUIDs and in order.
fn lines(graph: &QuantumGraph) -> Vec<String> {
    graph.quanta.iter().map(|quantum| line(graph, quantum)).collect()
}

fn values(values: &[DataValue]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn dataset(graph: &QuantumGraph, dataset: DatasetIx) -> String {
    let ix = graph.datasets.dataset_type(dataset);
    let table = graph.dataset_type_data_ids(ix);
    let row = graph.datasets.data_id[dataset.index()];
    let required = table.group().required().len();
    format!(
        "{}({})@{}",
        graph.pipeline.dataset_type(ix).dataset_type.name,
        values(&table.values(row, &graph.symbols)[..required]),
        graph.runs[graph.datasets.run[dataset.index()] as usize]
    )
}

fn line(graph: &QuantumGraph, quantum: QuantumIx) -> String {
    let task = graph.quanta.task(quantum);
    let row = graph.quanta.data_id[quantum.index()];
    let data_id = graph.task_data_ids(task).values(row, &graph.symbols);
    let inputs: Vec<String> =
        graph.inputs.edges(quantum).map(|(_, ix)| dataset(graph, ix)).collect();
    let task = &graph.pipeline.task(task).label;
    format!("{task} {} <- {}", values(&data_id), inputs.join(" "))
}

fn counts(graph: &QuantumGraph) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for quantum in graph.quanta.iter() {
        let label = graph.pipeline.task(graph.quanta.task(quantum)).label.clone();
        *counts.entry(label).or_default() += 1;
    }
    counts
}

#[test]
fn quanta_take_what_shares_a_row_of_the_common_query() {
    let built = built(&mut MemoryRelease::new(4), "instrument='Cam' AND visit IN (2,3)");
    insta::assert_snapshot!(lines(&built.graph).join("\n"));
    assert!(qbb_graph::verify(&built.graph).rules.iter().all(|rule| rule.flaw.is_none()));
}

#[test]
fn restrictions_that_the_database_ignores_are_applied_here() {
    for query in [
        "",
        "instrument='Cam' AND visit IN (2,3)",
        "instrument='Cam' AND skymap='Sky' AND patch > 1 AND band='g'",
        "instrument='Cam' AND skymap='Sky' AND (patch = 1 OR visit < 4) AND visit > patch",
        "instrument='Cam' AND visit.exposure_time > 10 AND NOT detector = 1",
    ] {
        let mut release = MemoryRelease::new(8);
        let restricted = lines(&built(&mut release, query).graph);
        release.applies_filters = false;
        assert_eq!(restricted, lines(&built(&mut release, query).graph), "{query}");
    }
}

#[test]
fn the_number_of_statements_does_not_depend_on_the_number_of_quanta() {
    let small = built(&mut MemoryRelease::new(4), "");
    let large = built(&mut MemoryRelease::new(120), "");
    assert!(large.graph.quanta.len() > 25 * small.graph.quanta.len());
    assert_eq!(small.statements, large.statements);
}

#[test]
fn the_first_collection_in_search_order_wins_and_tags_are_remembered() {
    let mut release = MemoryRelease::new(2);
    release.put("raw", "raw/again", vec!["Cam".into(), 0.into(), 20.into()]);
    let graph = built(&mut release, "instrument='Cam' AND visit=2").graph;
    let isr: Vec<String> = lines(&graph).into_iter().filter(|l| l.starts_with("isr")).collect();
    assert!(isr[0].contains("raw(Cam,0,20)@raw/again"), "{isr:?}");
    assert!(isr[1].contains("raw(Cam,1,20)@raw "), "{isr:?}");

    let mut request = request(drp(), "instrument='Cam'");
    request.inputs = vec!["good,calib".to_owned(), "sha*".to_owned()];
    let graph = build(&request, &mut release, &mut |_| {}).unwrap().graph;
    assert_eq!(graph.header.inputs, ["shared", "good", "calib"]);
    let exposures: Vec<String> =
        lines(&graph).into_iter().filter(|line| line.contains("raw(Cam,0,10)")).collect();
    assert!(exposures.is_empty(), "visit 1 is not tagged: {exposures:?}");
    let structure = &graph.collections;
    let found: Vec<(String, &str, i64)> = (0..structure.dataset.len())
        .map(|at| {
            let collection = &structure.collections[structure.collection[at] as usize];
            let text = dataset(&graph, DatasetIx(structure.dataset[at]));
            (text, collection.name.as_str(), structure.end[at])
        })
        .collect();
    let expected = [
        ("bias(Cam,0)@calib/run".to_owned(), "calib", 10 * DAY),
        ("bias(Cam,1)@calib/run".to_owned(), "calib", 10 * DAY),
        ("raw(Cam,0,20)@raw".to_owned(), "good", 0),
        ("raw(Cam,1,20)@raw".to_owned(), "good", 0),
    ];
    assert_eq!(found, expected);
    assert_eq!(structure.inputs, ["good", "calib", "shared"]);
}

#[test]
fn calibrations_follow_validity_and_overlapping_ranges_are_refused() {
    let mut release = MemoryRelease::new(12);
    let graph = built(&mut release, "instrument='Cam' AND detector=0 AND visit IN (9,11)").graph;
    let bias = |visit: i64| {
        let quantum = graph.quanta.iter().find(|&quantum| {
            line(&graph, quantum).starts_with(&format!("isr Cam,0,{}", visit * 10))
        });
        let mut edges = graph.inputs.edges(quantum.unwrap());
        let found = edges.find(|&(_, ix)| dataset(&graph, ix).starts_with("bias")).unwrap().1;
        graph.datasets.uuid(found)
    };
    assert_ne!(bias(9), bias(11), "the second epoch begins on day 10");
    let again = release.put("bias", "calib/run", vec!["Cam".into(), 0.into()]);
    release.datasets[again].certifications.push(("calib", 11 * DAY, 12 * DAY));
    let error = refused(&mut release, drp(), "instrument='Cam' AND detector=0");
    insta::assert_snapshot!(error);
}

#[test]
fn quanta_without_enough_inputs_leave_with_everything_downstream() {
    let mut pipeline = drp();
    for task in &mut pipeline.tasks {
        for connection in &mut task.connections {
            if task.label == "calibrate" && connection.name == "post" {
                connection.minimum = 2;
            }
        }
    }
    let mut release = MemoryRelease::new(4);
    let built = build(&request(pipeline.clone(), ""), &mut release, &mut |_| {}).unwrap();
    // Only visit 3 has two exposures.
    let warps: Vec<String> =
        lines(&built.graph).into_iter().filter(|line| line.starts_with("warp")).collect();
    assert!(warps.iter().all(|line| line.starts_with("warp Cam,Sky,7,")), "{warps:?}");
    assert!(warps.iter().all(|line| line.contains("image(Cam,0,3)")), "{warps:?}");
    assert_eq!(counts(&built.graph)["calibrate"], 2);
    let outcome = built.tasks.iter().find(|outcome| outcome.label == "calibrate").unwrap();
    assert_eq!(outcome.no_work, [("post".to_owned(), outcome.initial - outcome.kept)]);

    let mut demanding = drp();
    for connection in &mut demanding.tasks[0].connections {
        connection.minimum = 2;
    }
    insta::assert_snapshot!(refused(&mut release, demanding, "instrument='Cam' AND visit=2"));
}

#[test]
fn limits_of_connections_are_errors_that_name_the_quantum() {
    let scalar = |name: &str| {
        let mut pipeline = drp();
        for connection in pipeline.tasks.iter_mut().flat_map(|task| &mut task.connections) {
            if connection.name == name {
                connection.multiple = false;
            }
        }
        pipeline
    };
    let mut release = MemoryRelease::new(4);
    let mut errors = vec![refused(&mut release, scalar("post"), "").to_string()];
    release.datasets.retain(|d| d.dataset_type != "bias" || d.data_id[1] == json!(0));
    errors.push(refused(&mut release, drp(), "").to_string());
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn what_cannot_be_built_is_named() {
    let mut release = MemoryRelease::new(2);
    let mut errors = Vec::new();
    let mut add = |error: BuildError| errors.push(error.to_string());
    let mut hooked = drp();
    hooked.tasks[1].hooks.overridden = vec!["adjustQuantum".to_owned()];
    add(refused(&mut release, hooked, ""));
    let mut function = drp();
    for connection in &mut function.tasks[1].connections {
        connection.lookup_function = connection.name == "refcat";
    }
    add(refused(&mut release, function, ""));
    add(refused(&mut release, pipeline(vec![warp()]), ""));
    let lonely = with(
        task("lonely", &EXPOSURE),
        vec![connection(Kind::Input, "raw", &EXPOSURE), connection(Kind::InitInput, "prior", &[])],
    );
    add(refused(&mut release, pipeline(vec![lonely]), ""));
    add(refused(&mut release, drp(), "instrument='Cam' AND vizit=1"));
    add(refused(&mut release, drp(), "instrument='Cam' AND skymap='Sky' AND htm7=1"));
    let mut unnamed = request(drp(), "");
    unnamed.output_run = None;
    add(build(&unnamed, &mut release, &mut |_| {}).err().unwrap());
    release.types.push(("post", EXPOSURE.to_vec(), false));
    release.types.sort();
    release.put("post", "raw/again", vec!["Cam".into(), 1.into(), 20.into()]);
    let mut there = request(drp(), "");
    there.output_run = Some("raw/again".to_owned());
    there.extend_run = true;
    add(build(&there, &mut release, &mut |_| {}).err().unwrap());
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn an_empty_graph_is_explained() {
    let mut texts = Vec::new();
    let mut add = |release: &mut MemoryRelease, query: &str| {
        let error = refused(release, drp(), query);
        assert!(matches!(error, BuildError::Empty(_)), "{error}");
        texts.push(format!("where {query}\n{error}"));
    };
    let mut release = MemoryRelease::new(8);
    add(&mut release, "instrument='Cam' AND visit=42");
    add(&mut release, "instrument='Cam' AND skymap='Sky' AND patch=0 AND visit IN (2, 3)");
    add(&mut release, "instrument='Dog'");
    release.datasets.retain(|dataset| dataset.dataset_type != "skyMap");
    add(&mut release, "");
    release.records.retain(|(element, _)| *element != "patch");
    add(&mut release, "");
    insta::assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn what_constraints_take_away_is_counted() {
    let mut release = MemoryRelease::new(4);
    release.datasets.retain(|d| d.dataset_type != "raw" || d.data_id[1] != json!(1));
    let mut request =
        request(drp(), "instrument='Cam' AND skymap='Sky' AND visit IN (1..3) AND patch=0");
    request.explain = Explain::Constraints;
    let built = build(&request, &mut release, &mut |_| {}).unwrap();
    let explanation = built.explanation.unwrap();
    assert!(explanation.parts.iter().all(|part| part.smallest.is_none()), "something is left");
    insta::assert_json_snapshot!(explanation);
}

#[test]
fn a_data_id_is_followed_to_what_it_lacks() {
    let mut release = MemoryRelease::new(4);
    release.datasets.retain(|d| d.dataset_type != "raw" || d.data_id[1] != json!(1));
    let mut texts = Vec::new();
    let mut ask = |data_id: &[(&str, &str)], query: &str, constraint: DatasetConstraint| {
        let mut request = request(drp(), query);
        let values = data_id.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        request.explain = Explain::DataId(values.collect());
        request.constraint = constraint;
        let explanation = match build(&request, &mut release, &mut |_| {}) {
            Ok(built) => built.explanation.unwrap(),
            Err(BuildError::Empty(explanation)) => *explanation,
            Err(error) => panic!("{error}"),
        };
        for task in explanation.data_id {
            let because = task.because.join("\n    ");
            let (name, kept, possible) = (task.task, task.kept, task.possible);
            texts.push(format!("{data_id:?} {query}: {name} {kept} of {possible}\n    {because}"));
        }
    };
    ask(&[("visit", "1"), ("detector", "0")], "", DatasetConstraint::All);
    ask(&[("visit", "1"), ("detector", "1")], "", DatasetConstraint::All);
    ask(&[("visit", "1"), ("detector", "1")], "", DatasetConstraint::Off);
    ask(&[("visit", "2")], "instrument='Cam' AND visit > 2", DatasetConstraint::All);
    ask(&[("visit", "77")], "", DatasetConstraint::All);
    ask(&[("instrument", "Dog")], "", DatasetConstraint::All);
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn constraints_may_be_left_out() {
    let mut release = MemoryRelease::new(2);
    release.datasets.retain(|d| d.dataset_type != "raw" || d.data_id[1] == json!(0));
    let mut request = request(pipeline(vec![isr()]), "");
    let with = build(&request, &mut release, &mut |_| {}).unwrap();
    request.constraint = DatasetConstraint::Off;
    let without = build(&request, &mut release, &mut |_| {}).unwrap();
    assert_eq!(lines(&with.graph), lines(&without.graph));
    assert_eq!((with.tasks[0].initial, without.tasks[0].initial), (2, 4));
    assert_eq!(without.tasks[0].no_work, [("raw".to_owned(), 2)]);
    request.constraint = DatasetConstraint::parse("raw, elsewhere");
    let named = build(&request, &mut release, &mut |_| {}).unwrap();
    assert_eq!(named.tasks[0].initial, 2);
}

#[test]
fn joins_stop_at_the_limit_of_rows() {
    let mut request = request(drp(), "");
    request.max_rows = Some(3);
    let error = build(&request, &mut MemoryRelease::new(4), &mut |_| {}).err().unwrap();
    let mut texts = vec![error.to_string()];
    // Without a join by region or time, every exposure meets every patch.
    let apart = ["instrument", "exposure", "skymap", "tract", "patch"];
    let apart = with(task("apart", &apart), vec![connection(Kind::Input, "raw", &EXPOSURE)]);
    request.pipeline = pipeline(vec![apart]);
    request.max_rows = Some(9);
    let error = build(&request, &mut MemoryRelease::new(4), &mut |_| {}).err().unwrap();
    texts.push(error.to_string());
    insta::assert_snapshot!(texts.join("\n"));
    request.pipeline = drp();
    request.max_rows = Some(100);
    assert!(build(&request, &mut MemoryRelease::new(4), &mut |_| {}).is_ok());
}
