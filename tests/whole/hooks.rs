//! Tasks' own methods: what happens when they cannot be called. What they decide is compared with
//! the real builder by `agreement::hooks`.

use crate::kit::{DEFAULTS, Scratch, WHERE, command, pipeline, qbb, qbb_fails, release};

fn arguments<'a>(release: &'a str, pipeline: &'a str, graph: &'a str) -> Vec<&'a str> {
    let run = ["--output-run", "u/test/run1"];
    let mut arguments = vec!["graph", "build", "-b", release, "-p", pipeline, "-q", graph];
    arguments.extend(["-i", DEFAULTS, "-d", WHERE]);
    arguments.extend(run);
    arguments
}

#[test]
fn without_python_the_task_and_its_need_are_named() {
    let scratch = Scratch::new();
    let (export, graph) = (scratch.path("pipeline.json"), scratch.path("graph.qg"));
    qbb(&["pipeline", "export", &pipeline("hook_sky_map"), "-o", &export]);
    let release = release().display().to_string();
    let mut command = command();
    command.env("QBB_PYTHON", "/nowhere/python").args(arguments(&release, &export, &graph));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(4), "{said}");
    for part in ["`skyMapLookup`", "look-up function of `sky_map`", "/nowhere/python"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!std::path::Path::new(&graph).exists());
}

#[test]
fn a_process_that_dies_is_named_with_its_task() {
    let scratch = Scratch::new();
    let graph = scratch.path("graph.qg");
    let (release, pipeline) = (release().display().to_string(), pipeline("hook_adjust"));
    let mut arguments = arguments(&release, &pipeline, &graph);
    arguments.extend(["-c", "adjust:action=die"]);
    let said = qbb_fails(3, &arguments).split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["task `adjust`: adjustQuantum could not be called", "exited with status 7"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!std::path::Path::new(&graph).exists());
}
