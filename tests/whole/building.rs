//! Building and converting graphs by hand; `agreement` compares them with the real builder's.

use crate::kit::{
    DEFAULTS, RELEASED, Scratch, WHERE, command, json, pipeline, qbb, release, script, succeeded,
};

/// An export is enough: no Python is needed where the graph is built.
#[test]
fn from_an_exported_pipeline_without_python() {
    let scratch = Scratch::new();
    let (export, first, second) =
        (scratch.path("pipeline.json"), scratch.path("first.qg"), scratch.path("second.qg"));
    let pipeline = pipeline("data_release");
    qbb(&["pipeline", "export", &pipeline, "-o", &export]);
    let repository = release().display().to_string();
    for (pipeline, graph, python) in
        [(&pipeline, &first, None), (&export, &second, Some("/nowhere/python"))]
    {
        let mut command = command();
        if let Some(python) = python {
            command.env("QBB_PYTHON", python);
        }
        command.args(["graph", "build", "-b", &repository, "-i", DEFAULTS, "-d", WHERE]);
        command.args(["-p", pipeline, "-q", graph, "--output-run", "u/test/run1"]);
        succeeded("qbb graph build", command.output().unwrap());
    }
    let verdict = script("compare_graphs.py", &[&first, &second]);
    assert!(verdict.contains("same: "), "{verdict}");
}

/// The native file loses nothing on the way from and to the middleware's format.
#[test]
fn conversion_there_and_back() {
    let scratch = Scratch::new();
    let (real, native, back) =
        (scratch.path("real.qg"), scratch.path("graph.qbb"), scratch.path("back.qg"));
    let repository = release().display().to_string();
    let pipeline = pipeline("data_release");
    let run = ["--output-run", "u/test/run1", "--input", DEFAULTS, "--where", WHERE];
    script("build_graph.py", &[&[repository.as_str(), &pipeline, &real], &run[..]].concat());
    qbb(&["graph", "convert", &real, &native]);
    qbb(&["graph", "verify", &native]);
    qbb(&["graph", "convert", &native, &back]);
    let verdict = script("compare_graphs.py", &[&real, &back]);
    assert!(verdict.contains("same: "), "{verdict}");
}

#[test]
fn a_summary_for_people_and_for_programs() {
    let scratch = Scratch::new();
    let graph = scratch.path("graph.qbb");
    let repository = release().display().to_string();
    let pipeline = pipeline("user");
    let mut arguments = vec!["graph", "build", "-b", &repository, "-p", &pipeline, "-q", &graph];
    arguments.extend(["-i", RELEASED, "-d", WHERE, "--output-run", "u/test/run1"]);
    qbb(&arguments);
    let text = qbb(&["graph", "show", &graph]);
    assert!(text.contains("u/test/run1") && text.contains("quanta"), "{text}");
    assert_eq!(json(&["graph", "show", &graph])["output_run"], "u/test/run1");
    assert!(qbb(&["graph", "dot", &graph]).starts_with("digraph"));
}
