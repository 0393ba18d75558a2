//! Tasks' own methods: what happens when they cannot be called. What they decide is compared with
//! the real builder by `agreement::hooks`.

use std::os::unix::process::CommandExt as _;
use std::time::{Duration, Instant};

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

/// At Ctrl-C the terminal's processes all get the signal: the build ends as the shell expects, Python
/// with it, and nothing appears.
#[test]
fn an_interrupt_in_a_hook_ends_everything() {
    let scratch = Scratch::new();
    let (graph, begun) = (scratch.path("out/graph.qg"), scratch.path("begun"));
    fs_err::create_dir(scratch.path("out")).unwrap();
    let (release, pipeline) = (release().display().to_string(), pipeline("hook_adjust"));
    let action = format!("adjust:action='hang {begun}'");
    let mut command = command();
    command.args(arguments(&release, &pipeline, &graph)).args(["-c", &action]);
    let mut build = command.process_group(0).spawn().unwrap();
    let wait = |what: &str, is_there: &mut dyn FnMut() -> bool| {
        let begin = Instant::now();
        while !is_there() {
            assert!(begin.elapsed() < Duration::from_secs(120), "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let python = || fs_err::read_to_string(&begun).ok()?.strip_suffix('\n')?.parse::<u32>().ok();
    wait("no hook is called", &mut || {
        assert!(build.try_wait().unwrap().is_none(), "the build ended before it came to the hook");
        python().is_some()
    });
    // SAFETY: the group is that of our child, which has not been waited for.
    assert_eq!(unsafe { libc::kill(-(build.id() as i32), libc::SIGINT) }, 0);
    assert_eq!(build.wait().unwrap().code(), Some(128 + libc::SIGINT));
    let process = format!("/proc/{}/cmdline", python().unwrap());
    let is_there = || fs_err::read(&process).is_ok_and(|line| !line.is_empty());
    wait("Python goes on", &mut || !is_there());
    assert_eq!(fs_err::read_dir(scratch.path("out")).unwrap().count(), 0);
}
