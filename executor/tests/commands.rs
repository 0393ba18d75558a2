//! Quanta as programs.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::{Duration, Instant};

use qbb::journal::{QuantumEnd, RunOutcome};
use qbb_executor::{FunctionRegistry, RunReport};
use qbb_pipeline::Runner;
use serde_json::Value;
use support::{Space, WORK, Witness, concatenate, functions, shell};

/// A space in which `isr` is a program and all else is a function.
fn space(isr: Runner) -> Space {
    Space::with_runners(|label| match label {
        "isr" => isr.clone(),
        _ => Runner::Function(WORK.to_owned()),
    })
}

fn run(space: &Space) -> RunReport {
    space.run_with(functions(concatenate), &qbb_executor::Silent, None).unwrap()
}

#[test]
fn a_program_gets_paths_and_its_output_takes_its_place() {
    let script = "cat \"$1\" \"$2\" > \"$3\"; cp \"$4\" \"$3.json\"; echo seen $5; echo odd >&2";
    let arguments =
        ["{inputs.raw}", "{inputs.flat}", "{outputs.image}", "{quantum}", "d={data_id.detector}"];
    let space = space(shell(script, &arguments));
    let report = run(&space);
    assert_eq!(report.outcome, RunOutcome::Complete);
    let quantum = space.quanta_of("isr")[0];
    let image = String::from_utf8(space.output_file(&report, quantum, "image")).unwrap();
    assert!(image.starts_with("input raw_QbbCam") && image.contains("input flat_"), "{image}");

    let log: Value = serde_json::from_slice(&space.output_file(&report, quantum, "_log")).unwrap();
    let said: Vec<(&str, &str)> = (log["records"].as_array().unwrap().iter())
        .map(|r| (r["levelname"].as_str().unwrap(), r["message"].as_str().unwrap()))
        .collect();
    assert!(said[0].1.starts_with("Running sh -c"), "{said:?}");
    assert!(said.contains(&("INFO", "seen d=0")) && said.contains(&("WARNING", "odd")), "{said:?}");
    let finished = report.state.finished(quantum).unwrap();
    assert_eq!(finished.exit_code, Some(0));
    assert!(finished.usage.unwrap().memory > 100_000);
    let left: Vec<String> = (space.outputs().read_dir_utf8().unwrap())
        .map(|entry| entry.unwrap().file_name().to_owned())
        .filter(|name| name.starts_with(".qbb"))
        .collect();
    assert!(left.is_empty(), "temporary folders are gone: {left:?}");
}

#[test]
fn the_description_tells_what_the_paths_are() {
    let space = space(shell("cp \"$1\" \"$2\"", &["{quantum}", "{outputs.image}"]));
    let report = run(&space);
    let quantum = space.quanta_of("isr")[0];
    let described: Value =
        serde_json::from_slice(&space.output_file(&report, quantum, "image")).unwrap();
    assert_eq!(described["task"], "isr");
    assert_eq!(described["quantum_id"], space.graph.quanta.uuid(quantum).to_string());
    assert_eq!(described["data_id"]["instrument"], "QbbCam");
    assert_eq!(described["inputs"]["raw"][0]["dataset_type"], "raw");
    assert_eq!(described["outputs"]["image"][0]["storage_class"], "StructuredDataDict");
    assert_eq!(described["inputs"]["bias"].as_array().unwrap().len(), 1);
}

#[test]
fn a_program_that_fails_leaves_no_output() {
    let script = "echo partial > \"$1\"; echo it broke >&2; exit 3";
    let space = space(shell(script, &["{outputs.image}"]));
    let report = run(&space);
    assert_eq!((report.counts.failed, report.counts.blocked), (8, 7));
    let failure = &report.failures[0];
    assert_eq!(failure.exit_code, Some(3));
    let message = &failure.exception.as_ref().unwrap().message;
    assert!(message.contains("exit status: 3; it said last: it broke"), "{message}");
    let image = space.output(failure.quantum, "image");
    assert!(!report.state.is_written(image));
    assert!(space.products().keys().all(|path| !path.contains("post_isr_image")));
}

#[test]
fn an_output_that_a_program_does_not_write_is_a_caveat() {
    let space = space(shell("true", &[]));
    let report = run(&space);
    let isr = report.state.finished(space.quanta_of("isr")[0]).unwrap();
    assert_eq!((isr.end, isr.caveats), (QuantumEnd::Succeeded, Some(3)));
    let calibrate = report.state.finished(space.quanta_of("calibrate")[0]).unwrap();
    assert_eq!(calibrate.end, QuantumEnd::NoWork);
}

#[test]
fn mistakes_in_the_command_line_are_told() {
    let message = |runner| {
        let report = run(&space(runner));
        report.failures[0].exception.as_ref().unwrap().message.clone()
    };
    assert!(message(shell("true", &["{inputs.rwa}"])).contains("no input `rwa`"));
    let missing = Runner::Command(qbb_pipeline::CommandTemplate {
        arguments: vec!["/no/such/program".to_owned()],
        ..Default::default()
    });
    assert!(message(missing).contains("cannot start `/no/such/program`"));
}

#[test]
fn a_program_that_takes_too_long_is_killed_with_its_children() {
    let mut space = space(shell("sleep 60 & sleep 60", &[]));
    space.options.timeout = Some(Duration::from_millis(200));
    space.options.max_failures = 1;
    let begin = Instant::now();
    let report = run(&space);
    assert!(begin.elapsed() < Duration::from_secs(30), "the children were not waited for");
    let failure = &report.failures[0];
    assert_eq!(failure.exit_code, Some(-9));
    assert_eq!(failure.exception.as_ref().unwrap().type_name, "TimedOut");
}

#[test]
fn a_background_process_does_not_hold_its_quantum_up() {
    let mut space = space(shell("sleep 60 & echo done > \"$1\"", &["{outputs.image}"]));
    space.jobs = 8;
    let begin = Instant::now();
    assert_eq!(run(&space).outcome, RunOutcome::Complete);
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[test]
fn the_second_request_to_stop_kills_and_the_quantum_runs_again() {
    let mut space = space(shell(
        "test -e \"$1.go\" || sleep 60; echo x > \"$2\"",
        &["{inputs.raw}", "{outputs.image}"],
    ));
    space.jobs = 1;
    let cancel = space.cancel.clone();
    let killer = std::thread::spawn(move || {
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(300));
            cancel.request();
        }
    });
    let report = run(&space);
    killer.join().unwrap();
    assert_eq!((report.outcome, report.executed), (RunOutcome::Interrupted, 0));
    let first = space.quanta_of("isr")[0];
    assert_eq!(report.state.progress(first), qbb::journal::QuantumProgress::InFlight);

    for record in 0..space.graph.records.len() {
        let path = space.root().join("release").join(space.graph.input_path(record).unwrap());
        fs_err::write(format!("{path}.go"), "").unwrap();
    }
    space.cancel = qbb_executor::Cancel::new();
    let witness = Witness::default();
    let report = space.run_with(functions(concatenate), &witness, None).unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete);
    assert_eq!(witness.started.lock().unwrap()[0], (first.0, 1));
}

#[test]
fn without_functions_none_are_needed() {
    let script = "for f in \"$@\"; do echo x > \"$f\"; done";
    let space = Space::with_runners(|label| match label {
        "isr" => shell(script, &["{outputs.image}"]),
        "calibrate" => {
            shell(script, &["{outputs.image}", "{outputs.background}", "{outputs.stars}"])
        }
        _ => shell(script, &["{outputs.summary}"]),
    });
    let report = space.run_with(FunctionRegistry::new(), &qbb_executor::Silent, None).unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete);
}

/// Of eight slots each has a program before the first has ended, and work that others give to rayon is
/// done although all of them wait for it.
#[test]
fn all_slots_are_filled_and_the_threads_of_rayon_are_left_to_others() {
    let script = r#"mktemp -p "$1" >/dev/null
        for i in $(seq 300); do test -e "$1/../go" && echo x > "$2" && exit; sleep 0.1; done; exit 1"#;
    let begun = tempfile::tempdir().unwrap();
    let folder = begun.path().join("begun");
    fs_err::create_dir(&folder).unwrap();
    let mut space = space(shell(script, &[folder.to_str().unwrap(), "{outputs.image}"]));
    space.jobs = space.quanta_of("isr").len();
    let (slots, go) = (space.jobs, begun.path().join("go"));
    let watching = std::thread::spawn(move || {
        let count = || fs_err::read_dir(&folder).unwrap().count();
        for _ in 0..200 {
            if count() == slots {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let filled = count();
        rayon::spawn(move || fs_err::write(go, "").unwrap());
        filled
    });
    let report = run(&space);
    assert_eq!(watching.join().unwrap(), slots);
    assert_eq!(report.outcome, RunOutcome::Complete, "{:?}", report.failures.first());
}
