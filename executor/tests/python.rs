//! Quanta as `PipelineTask`s, with a shell script in the place of Python: what happens when workers
//! misbehave. That real tasks do the right thing is for the real-middleware tests to show.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;

use camino::Utf8PathBuf;
use qbb::journal::{QuantumEnd, RunOutcome};
use qbb_executor::scheduler::RetryPolicy;
use qbb_executor::{FunctionRegistry, RunError, RunReport};
use qbb_pipeline::Runner;
use support::{Space, Witness};

/// A space whose tasks are all Python's, and whose Python is a script. `quantum` is what it does
/// upon a request to run a quantum.
fn space(start: &str, quantum: &str) -> Space {
    space_with(start, quantum, "")
}

/// The same, with more members in the replies of quanta that succeed.
fn space_with(start: &str, quantum: &str, members: &str) -> Space {
    use std::os::unix::fs::PermissionsExt;
    let mut space = Space::with_runners(|label| Runner::PipelineTask(format!("tasks.{label}")));
    let program: Utf8PathBuf = space.root().join("python");
    let script = format!(
        r#"#!/bin/sh
succeed() {{
  echo '{{"ok":true,"status":"succeeded","caveats":'$1',"exception":null,"exit_code":null,'\
'"actual_outputs":[],"available_inputs":[],"actual_inputs":[],{members}"resource_usage":null}}'
}}
echo "$*" >&2
while read -r line; do
  case "$line" in
    '{{"op":"start"'*) {start} ;;
    '{{"op":"init"'*) echo '{{"ok":true,"written":[],"kept":[]}}' ;;
    '{{"op":"quantum"'*) {quantum} ;;
  esac
done
"#
    );
    fs_err::write(&program, script).unwrap();
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    space.options.python = Some(program);
    // A shell script cannot be handed descriptors.
    space.options.fork = false;
    space
}

const STARTED: &str = r#"echo '{"ok":true,"imports_seconds":0.5}'"#;

fn run(space: &Space) -> Result<RunReport, RunError> {
    space.run_with(FunctionRegistry::new(), &qbb_executor::Silent, None)
}

fn message(report: &RunReport) -> &str {
    &report.failures[0].exception.as_ref().unwrap().message
}

#[test]
fn warm_workers_run_all_quanta() {
    let space = space(STARTED, "succeed 0");
    let report = run(&space).unwrap();
    assert_eq!((report.outcome, report.executed), (RunOutcome::Complete, 15));
    let logs: Vec<String> = (space.root().join("logs").read_dir_utf8().unwrap())
        .map(|entry| fs_err::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(logs, ["-m qbb_worker.serve\n", "-m qbb_worker.serve\n"], "one process each");
}

#[test]
fn caveats_tell_how_a_quantum_succeeded() {
    let by_task = r#"case "$line" in
        *'"task_label":"isr"'*) succeed 0 ;;
        *'"task_label":"calibrate"'*) succeed 7 ;;
        *) succeed 67 ;;
      esac"#;
    let space = space(STARTED, by_task);
    let report = run(&space).unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete);
    let count = |end| report.quanta_with_end(end).count();
    assert_eq!(count(QuantumEnd::Succeeded), 8);
    assert_eq!(count(QuantumEnd::NoWork), 5);
    assert_eq!(count(QuantumEnd::PartialOutputs), 2);
}

#[test]
fn a_worker_that_dies_costs_its_quantum_only() {
    let dies_in_calibrate = r#"case "$line" in
        *'"task_label":"calibrate"'*) echo "corrupted pixels" >&2; kill -SEGV $$ ;;
        *) succeed 0 ;;
      esac"#;
    let space = space(STARTED, dies_in_calibrate);
    let report = run(&space).unwrap();
    assert_eq!((report.counts.succeeded, report.counts.failed, report.counts.blocked), (8, 5, 2));
    assert_eq!(report.failures[0].exit_code, Some(-11));
    assert!(message(&report).contains("killed by signal 11"), "{}", message(&report));
    assert!(message(&report).ends_with("corrupted pixels"), "{}", message(&report));
    // The log dataset that the worker could not write, so that others see the failure, too.
    let log = space.output_file(&report, report.failures[0].quantum, "_log");
    let log: serde_json::Value = serde_json::from_slice(&log).unwrap();
    assert_eq!(log["exception"]["type_name"], "qbb.WorkerDied");
}

#[test]
fn a_dead_worker_is_noticed_though_its_child_lives() {
    // The child holds the pipes, so they do not close.
    let forks_and_dies = r#"case "$line" in
        *'"task_label":"calibrate"'*) sleep 600 & echo "child $!" >&2; kill -SEGV $$ ;;
        *) succeed 0 ;;
      esac"#;
    let space = space(STARTED, forks_and_dies);
    let report = run(&space).unwrap();
    assert_eq!((report.counts.succeeded, report.counts.failed, report.counts.blocked), (8, 5, 2));
    assert_eq!(report.failures[0].exit_code, Some(-11));
    let children: Vec<String> = logs(&space)
        .lines()
        .filter_map(|line| line.strip_prefix("child ").map(str::to_owned))
        .collect();
    assert_eq!(children.len(), 5);
    for child in children {
        // Killed with the rest of its group; nobody may have asked for its status yet.
        let stat = fs_err::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
    }
}

/// What all workers have written to their logs.
fn logs(space: &Space) -> String {
    (space.root().join("logs").read_dir_utf8().unwrap())
        .map(|entry| fs_err::read_to_string(entry.unwrap().path()).unwrap())
        .collect()
}

fn n_processes(space: &Space) -> usize {
    logs(space).matches("-m qbb_worker.serve\n").count()
}

#[test]
fn workers_are_replaced_after_so_many_quanta() {
    let mut space = space(STARTED, "succeed 0");
    space.options.worker_max_quanta = Some(4);
    space.jobs = 1;
    assert_eq!(run(&space).unwrap().executed, 15);
    assert_eq!(n_processes(&space), 1 + 15 / 4);
}

#[test]
fn workers_that_hold_too_much_memory_are_replaced() {
    for (limit, processes) in [(999, 16), (1000, 1)] {
        let mut space = space_with(STARTED, "succeed 0", r#""resident":1000,"#);
        space.options.worker_max_memory = Some(limit);
        space.jobs = 1;
        assert_eq!(run(&space).unwrap().executed, 15);
        assert_eq!(n_processes(&space), processes, "{limit}");
    }
}

#[test]
fn processes_that_a_task_leaves_running_end_with_its_worker() {
    let mut space = space_with(STARTED, "succeed 0", r#""left_behind":[4711],"#);
    space.jobs = 1;
    let witness = Witness::default();
    let report = space.run_with(FunctionRegistry::new(), &witness, None).unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete);
    assert_eq!(n_processes(&space), 16);
    let warnings = witness.warnings.lock().unwrap();
    assert!(warnings[0].contains("left a process running"), "{warnings:?}");
}

#[test]
fn a_task_that_cannot_be_imported_is_told_once_and_before_anything_runs() {
    let fault = r#"echo '{"ok":false,"error":{"kind":"import","message":"no module x","task":"isr","hint":"set PYTHONPATH"}}'"#;
    let space = space(fault, "succeed 0");
    let witness = Witness::default();
    let error = space.run_with(FunctionRegistry::new(), &witness, None).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.hint()), ("no module x", Some("set PYTHONPATH")));
    assert!(witness.started.lock().unwrap().is_empty());
    // The failed start is over, as the journal knows.
    let fixed = self::space(STARTED, "succeed 0");
    let mut space = space;
    space.options.python.clone_from(&fixed.options.python);
    assert_eq!(run(&space).unwrap().executed, 15);
}

#[test]
fn a_worker_that_ends_at_once_shows_its_last_words() {
    let space = space(r#"echo "No module named lsst" >&2; exit 1"#, "succeed 0");
    let error = run(&space).unwrap_err().to_string();
    assert!(error.contains("exited with status 1"), "{error}");
    assert!(error.contains("No module named lsst"), "{error}");
}

#[test]
fn nonsense_in_place_of_a_reply_fails_the_quantum() {
    let space = space(STARTED, "echo surprise");
    let report = run(&space).unwrap();
    assert_eq!(report.counts.failed, 8);
    assert!(message(&report).contains("reply `surprise`"), "{}", message(&report));
}

#[test]
fn a_quantum_that_takes_too_long_is_killed() {
    let sleeps_in_calibrate = r#"case "$line" in
        *'"task_label":"calibrate"'*) sleep 60 ;;
        *) succeed 0 ;;
      esac"#;
    let mut space = space(STARTED, sleeps_in_calibrate);
    space.options.timeout = Some(Duration::from_millis(300));
    let report = run(&space).unwrap();
    assert_eq!((report.counts.succeeded, report.counts.failed), (8, 5));
    assert!(message(&report).contains("time limit"), "{}", message(&report));
}

#[test]
fn the_second_request_to_stop_kills_workers() {
    let space = space(STARTED, "sleep 60");
    let cancel = space.cancel.clone();
    let killer = std::thread::spawn(move || {
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(400));
            cancel.request();
        }
    });
    let report = run(&space).unwrap();
    killer.join().unwrap();
    assert_eq!((report.outcome, report.executed), (RunOutcome::Interrupted, 0));
    assert_eq!(report.counts.failed, 0, "what we killed has not failed");
}

#[test]
fn an_interpreter_that_is_not_there_is_named() {
    let mut space = space(STARTED, "succeed 0");
    space.options.python = Some("/no/such/python".into());
    let error = run(&space).unwrap_err().to_string();
    assert!(error.contains("/no/such/python"), "{error}");
}

/// A worker that has been killed with as much memory as its quantum may use has run out of it; the
/// next attempt is told that it may use more.
#[test]
fn a_killed_worker_near_its_limit_has_run_out_of_memory() {
    // No shell needs less than that.
    let little = r#"case "$line" in
        *'"task_label":"isr"'*'"memory":100000}') kill -KILL $$ ;;
        *'"task_label":"isr"'*'"memory":'*) succeed 0 ;;
        *'"memory":100000}') succeed 0 ;;
        *) exit 7 ;;
      esac"#;
    let mut space = space(STARTED, little);
    space.options.max_memory = Some(100_000);
    space.options.resources.memory = Some(1 << 30);
    space.options.retries = RetryPolicy { delay: Duration::ZERO, ..RetryPolicy::default() };
    space.options.retries.retries = 1;
    let report = run(&space).unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete, "{:?}", report.failures);
    assert_eq!(report.executed, 15 + space.quanta_of("isr").len() as u32);
    for quantum in space.quanta_of("isr") {
        let repeated = report.state.finished(quantum).unwrap();
        assert_eq!(repeated.attempt, 1);
    }
}

#[test]
fn the_peak_of_a_dead_worker_is_recorded() {
    let space = space(STARTED, "kill -KILL $$");
    let report = run(&space).unwrap();
    let failure = report.failures[0].quantum;
    let usage = report.state.finished(failure).unwrap().usage.unwrap();
    assert!(usage.memory > 100_000 && usage.memory < 1 << 30, "{usage:?}");
    let cpu = usage.cpu_seconds().unwrap();
    assert!(cpu > 0.0 && cpu < 60.0, "{cpu}");
}

#[test]
fn what_was_learned_is_no_limit_that_is_told() {
    let learns = r#"case "$line" in
        *'"memory":null}') succeed 0 ;;
        *) exit 7 ;;
      esac"#;
    let mut space = space(STARTED, learns);
    space.options.resources.memory = Some(1 << 30);
    assert_eq!(run(&space).unwrap().outcome, RunOutcome::Complete);
}

#[test]
fn endless_output_does_not_fill_the_disk() {
    let prints = r#"case "$line" in
        *'"task_label":"isr"'*) yes 'the same again and again' | head -c 30000000 >&2; succeed 0 ;;
        *) succeed 0 ;;
      esac"#;
    let space = space(STARTED, prints);
    assert_eq!(run(&space).unwrap().outcome, RunOutcome::Complete);
    for entry in space.root().join("logs").read_dir_utf8().unwrap() {
        let text = fs_err::read_to_string(entry.unwrap().path()).unwrap();
        assert!(text.len() < 17 << 20, "{} bytes", text.len());
        assert!(text.starts_with("-m qbb_worker.serve\n"), "the beginning is kept");
        let told = text.lines().filter(|line| line.ends_with("printed here are left out]"));
        assert_eq!(told.count(), 1);
    }
}

#[test]
fn threads_that_a_task_leaves_running_are_named() {
    let space = space_with(STARTED, "succeed 0", r#""threads_left":["forgotten","pool-1"],"#);
    let witness = Witness::default();
    let report = space.run_with(FunctionRegistry::new(), &witness, None).unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete);
    let warnings = witness.warnings.lock().unwrap();
    assert_eq!(warnings.len(), 15, "{warnings:?}");
    assert!(warnings[0].contains("left threads running: forgotten, pool-1"), "{warnings:?}");
    for quantum in report.state.quanta_that_left() {
        let (attempt, left) = report.state.left_running(quantum).unwrap();
        assert_eq!((attempt, left.threads, left.names[1].as_str()), (0, 2, "pool-1"));
    }
    assert_eq!(report.state.quanta_that_left().count(), 15);
}

#[test]
fn interrupted_while_tasks_are_imported_a_run_ends_at_once() {
    for requests in [1, 2] {
        let space = space("sleep 60; exit 1", "succeed 0");
        let cancel = space.cancel.clone();
        let interrupting = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            (0..requests).for_each(|_| cancel.request());
        });
        let report = run(&space).unwrap();
        interrupting.join().unwrap();
        assert_eq!((report.outcome, report.executed), (RunOutcome::Interrupted, 0));
        assert!(report.failures.is_empty());
    }
}
