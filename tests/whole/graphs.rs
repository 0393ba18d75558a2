//! Commands on graph files: what they print, and what they leave when they are stopped.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use qbb_graph::{QgOptions, write_native, write_qg};
use serde_json::Value;

use crate::kit::{Scratch, command, json, middleware, qbb, qbb_fails, release, root, succeeded};

#[path = "../../graph/tests/support/synthetic.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod synthetic;

/// A graph that the middleware wrote.
fn middlewares_graph() -> String {
    root().join("graph/tests/data/release.qg").display().to_string()
}

/// A made-up graph in both formats.
fn survey(scratch: &Scratch, visits: u32, detectors: u32) -> (String, String) {
    let (native, exchange) = (scratch.path("survey.qbb"), scratch.path("survey.qg"));
    let graph = synthetic::survey(visits, detectors);
    write_native(&graph, Utf8Path::new(&native)).unwrap();
    write_qg(&graph, Utf8Path::new(&exchange), &QgOptions::default()).unwrap();
    (native, exchange)
}

/// The same text from both formats.
fn from_both(files: &(String, String), arguments: &[&str]) -> String {
    let run = |file: &String| {
        let arguments: Vec<&str> =
            arguments.iter().map(|&word| if word == "GRAPH" { file } else { word }).collect();
        qbb(&arguments)
    };
    let (a, b) = (run(&files.0), run(&files.1));
    assert_eq!(a, b);
    a
}

#[test]
fn graphs_are_shown_in_either_format() {
    let scratch = Scratch::new();
    let files = survey(&scratch, 3, 2);
    let mut shown = from_both(&files, &["graph", "show", "GRAPH"]);
    shown.push_str(&from_both(
        &files,
        &["graph", "show", "GRAPH", "--quantum", "gather,visit=1000001"],
    ));
    let visit = ["graph", "quanta", "GRAPH", "--data-id", "visit=1000001"];
    shown.push_str(&from_both(&files, &visit));
    let measured = ["graph", "quanta", "GRAPH", "--task", "measure", "--limit", "2"];
    shown.push_str(&from_both(&files, &measured));
    shown.push_str(&from_both(&files, &["graph", "summary", "GRAPH"]));
    insta::assert_snapshot!(shown);
    let quanta = json(&["graph", "quanta", &files.1, "--data-id", "visit=1000001,detector=1"]);
    assert_eq!(quanta["total"], 2);
    let id = quanta["quanta"][0]["quantum"].as_str().unwrap();
    let quantum = json(&["graph", "show", &files.0, "--quantum", id]);
    assert_eq!(quantum["inputs"][0]["dataset_type"], "raw");
    assert_eq!(quantum["inputs"][0]["files"][0]["bytes"], 45);
}

#[test]
fn pictures_are_drawn_in_all_languages() {
    let scratch = Scratch::new();
    let files = survey(&scratch, 2, 2);
    for (language, beginning) in [("dot", "digraph"), ("mermaid", "flowchart"), ("svg", "<svg ")] {
        for what in [&["--level", "quanta"][..], &["--quantum", "gather,visit=1000001"], &[]] {
            let picture = from_both(&files, &[&["graph", language, "GRAPH"], what].concat());
            assert!(picture.starts_with(beginning), "{picture}");
            assert!(picture.contains("gather"), "{picture}");
        }
    }
    let error = qbb_fails(3, &["graph", "svg", &files.0, "--level", "quanta", "--limit", "5"]);
    assert!(error.contains("10 nodes, more than 5"), "{error}");
    let error = qbb_fails(3, &["graph", "dot", &files.0, "--quantum", "gathers,visit=1"]);
    assert!(error.contains("is it `gather`?"), "{error}");
    qbb_fails(2, &["graph", "dot", &files.0, "--quantum", "visit=1"]);
    qbb_fails(2, &["graph", "dot", &files.0, "--depth", "2"]);
}

#[test]
fn mistakes_in_filters_are_told_from_empty_answers() {
    let scratch = Scratch::new();
    let (native, _) = survey(&scratch, 2, 2);
    let list = |arguments: &[&'static str]| [&["graph", "quanta", &native], arguments].concat();
    assert_eq!(qbb(&list(&["--data-id", "visit=7"])), "no quantum fits\n");
    for (code, arguments, expected) in [
        (3, ["--task", "gathers"], "is it `gather`?"),
        (3, ["--data-id", "vist=1"], "is it `visit`?"),
        (3, ["--data-id", "tract=1"], "none of the tasks has the dimension `tract`"),
        (2, ["--data-id", "visit"], "not of the form"),
    ] {
        let error = qbb_fails(code, &list(&arguments));
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn differences_are_told_and_set_the_exit_code() {
    let scratch = Scratch::new();
    let (native, exchange) = survey(&scratch, 3, 2);
    assert_eq!(qbb(&["graph", "diff", &native, &exchange]), "the graphs do not differ\n");
    let other = scratch.path("other.qbb");
    write_native(&synthetic::survey(2, 2), Utf8Path::new(&other)).unwrap();
    let output = command().args(["graph", "diff", &native, &other]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout));
    let output =
        command().args(["graph", "diff", &native, &other, "--format", "json"]).output().unwrap();
    let difference: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(difference["tasks"].as_array().unwrap().len(), 3);
}

#[test]
fn the_summary_is_that_of_the_middleware() {
    let scratch = Scratch::new();
    let (graph, native, theirs) =
        (middlewares_graph(), scratch.path("graph.qbb"), scratch.path("summary.json"));
    let repository = release().display().to_string();
    let words = ["qgraph", "-b", &repository, "-g", &graph, "--summary", &theirs];
    succeeded("pipetask qgraph --summary", middleware("pipetask", &words));
    let mut expected: Value = serde_json::from_slice(&fs_err::read(&theirs).unwrap()).unwrap();
    qbb(&["graph", "convert", &graph, &native]);
    for file in [&graph, &native] {
        let mut ours = json(&["graph", "summary", file]);
        // Each is the command that was run.
        assert_eq!(ours["cmdLine"][2], "summary");
        expected["cmdLine"] = ours["cmdLine"].take();
        ours["cmdLine"] = expected["cmdLine"].clone();
        assert_eq!(ours, expected);
    }
}

/// Names of the files in a folder.
fn names(folder: &str) -> Vec<String> {
    let entries = fs_err::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_signal_leaves_no_half_file() {
    let scratch = Scratch::new();
    let (native, folder) = (scratch.path("big.qbb"), scratch.path("out"));
    write_native(&synthetic::survey(2500, 6), Utf8Path::new(&native)).unwrap();
    fs_err::create_dir(&folder).unwrap();
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut child = command()
            .args(["graph", "convert", &native, &format!("{folder}/big.qg")])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        while names(&folder).is_empty() {
            assert!(child.try_wait().unwrap().is_none() && begin.elapsed().as_secs() < 120);
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(names(&folder)[0].ends_with(".part"), "{:?}", names(&folder));
        // SAFETY: the process is our child, which has not been waited for.
        assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
        assert_eq!(child.wait().unwrap().code(), Some(128 + signal));
        assert!(names(&folder).is_empty(), "{:?}", names(&folder));
    }
}

#[test]
fn a_full_disk_leaves_no_half_file() {
    let scratch = Scratch::new();
    let (native, folder) = (scratch.path("graph.qbb"), scratch.path("out"));
    write_native(&synthetic::survey(200, 5), Utf8Path::new(&native)).unwrap();
    fs_err::create_dir(&folder).unwrap();
    let old = format!("{folder}/graph.qg");
    fs_err::write(&old, "an older file").unwrap();
    for name in ["graph.qg", "other.qbb"] {
        // A limit on the size of files stands for a disk without space.
        let output = Command::new("sh")
            .args([
                "-c",
                "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"",
                env!("CARGO_BIN_EXE_qbb"),
            ])
            .args(["graph", "convert", &native, &format!("{folder}/{name}")])
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{error}");
        assert!(error.contains(name), "{error}");
        assert_eq!(names(&folder), ["graph.qg"]);
    }
    assert_eq!(fs_err::read_to_string(&old).unwrap(), "an older file");
}
