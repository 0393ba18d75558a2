//! Quanta as Rust functions, and what every runner has in common.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;

use qbb::journal::{QuantumEnd, QuantumProgress, RunOutcome};
use qbb_executor::{Cancel, LogLevel, RunError, TaskError, Urgency};
use qbb_graph::QuantumIx;
use serde_json::Value;
use support::{Space, Witness, concatenate, data, functions};

#[test]
fn files_are_where_every_butler_looks_for_them() {
    let space = Space::new();
    let report = space.run(concatenate).unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete);
    assert_eq!((report.executed, report.counts.succeeded), (15, 15));
    // The list is what `pipetask run-qbb` wrote for the same graph. Configurations and
    // init-outputs are Python's alone.
    let expected = fs_err::read_to_string(data("visits_paths.txt")).unwrap();
    let expected: BTreeSet<&str> =
        expected.lines().filter(|p| !p.contains("_config/") && !p.contains("_schema/")).collect();
    let found = space.products();
    assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected);
    let recorded: BTreeSet<String> = (space.graph.datasets.iter())
        .filter_map(|dataset| space.recorded_path(&report, dataset))
        .collect();
    assert!(found.keys().all(|path| recorded.contains(path)));
}

#[test]
fn a_quantum_sees_its_inputs_and_leaves_metadata_and_log() {
    let space = Space::new();
    let report = space
        .run(|context| {
            context.log(LogLevel::Warning, "look at this");
            context.set_metadata("answer", 42);
            concatenate(context)
        })
        .unwrap();
    let quantum = space.quanta_of("calibrate")[0];
    let image = String::from_utf8(space.output_file(&report, quantum, "image")).unwrap();
    assert!(image.starts_with("image of calibrate {instrument: 'QbbCam', "), "{image}");
    assert!(image.contains("\nimage of isr {"), "the intermediate was read: {image}");
    assert!(image.contains("\ninput raw_QbbCam"), "which had read the raw image: {image}");

    let metadata: Value =
        serde_json::from_slice(&space.output_file(&report, quantum, "_metadata")).unwrap();
    let own = &metadata["metadata"]["calibrate"]["scalars"];
    assert_eq!(own["answer"], 42);
    let quantum_node = &metadata["metadata"]["quantum"];
    assert_eq!(quantum_node["scalars"]["caveats"], 0);
    let outputs: BTreeSet<&str> = (quantum_node["arrays"]["outputs"].as_array().unwrap().iter())
        .map(|id| id.as_str().unwrap())
        .collect();
    let expected = ["image", "background", "stars"]
        .map(|name| space.graph.datasets.uuid(space.output(quantum, name)).to_string());
    assert_eq!(outputs, expected.iter().map(String::as_str).collect());
    let log: Value = serde_json::from_slice(&space.output_file(&report, quantum, "_log")).unwrap();
    assert_eq!(log["records"][0]["message"], "look at this");
    assert_eq!(log["exception"], Value::Null);

    let finished = report.state.finished(quantum).unwrap();
    assert_eq!((finished.end, finished.attempt), (QuantumEnd::Succeeded, 0));
    let snaps: Vec<u32> =
        space.graph.inputs.of_connection(quantum, 0).map(|dataset| dataset.0).collect();
    assert_eq!(finished.actual_inputs, snaps, "reference catalogs were not read");
    assert!(finished.available_inputs.len() > snaps.len());
    assert!(finished.usage.unwrap().memory > 0);
}

#[test]
fn a_failure_blocks_what_depends_on_it_and_is_tried_again() {
    let space = Space::new();
    let bad = space.quanta_of("isr")[0];
    let bad_name = {
        let data_ids = space.graph.task_data_ids(space.graph.quanta.task(bad));
        let row = space.graph.quanta.data_id[bad.index()];
        format!("isr {}", data_ids.describe(row, &space.graph.symbols))
    };
    let fails = move |context: &mut qbb_executor::QuantumContext<'_>| {
        if context.describe() == bad_name {
            return Err(TaskError::failed("cosmic rays"));
        }
        concatenate(context)
    };
    let report = space.run(fails).unwrap();
    assert_eq!(report.outcome, RunOutcome::WithFailures);
    let exception = report.failures[0].exception.as_ref().unwrap();
    assert_eq!((report.failures[0].quantum, &*exception.message), (bad, "cosmic rays"));
    let flow = space.graph.flow();
    let calibrate = flow.successors(bad).next().unwrap();
    assert_eq!(report.state.progress(calibrate), QuantumProgress::Blocked { cause: bad });
    assert_eq!((report.counts.failed, report.counts.blocked), (1, 2));
    assert_eq!(report.counts.succeeded, 12);
    assert!(!report.state.is_written(space.output(bad, "_metadata")), "no metadata on failure");
    let log: Value = serde_json::from_slice(&space.output_file(&report, bad, "_log")).unwrap();
    assert_eq!(log["exception"]["message"], "cosmic rays");
    assert_eq!(log["metadata"]["metadata"]["quantum"]["scalars"]["caveats"], 3);

    let witness = Witness::default();
    let report = space.run_with(functions(concatenate), &witness, None).unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete);
    assert_eq!((report.executed, report.done_before), (3, 12));
    assert_eq!(witness.started.lock().unwrap()[0], (bad.0, 1), "the second attempt");
    let log: Value = serde_json::from_slice(&space.output_file(&report, bad, "_log")).unwrap();
    assert_eq!(log["previous_attempts"][0]["exception"]["message"], "cosmic rays");

    let undisturbed = Space::new();
    undisturbed.run(concatenate).unwrap();
    assert_eq!(space.products(), undisturbed.products());
}

#[test]
fn no_work_is_success_and_what_it_did_not_write_is_not_there() {
    let space = Space::new();
    let report = space
        .run(|context| match context.label() {
            "calibrate" => Err(TaskError::NoWork("clouds".into())),
            _ => concatenate(context),
        })
        .unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete);
    let calibrate = space.quanta_of("calibrate")[0];
    let finished = report.state.finished(calibrate).unwrap();
    // NO_WORK, and ANY_ and ALL_OUTPUTS_MISSING.
    assert_eq!((finished.end, finished.caveats), (QuantumEnd::NoWork, Some(7)));
    // Its readers find none of their inputs: ADJUST_QUANTUM_RAISED in addition.
    let summary = space.quanta_of("summarizeVisit")[0];
    let finished = report.state.finished(summary).unwrap();
    assert_eq!((finished.end, finished.caveats), (QuantumEnd::NoWork, Some(15)));
    assert!(report.state.is_written(space.output(summary, "_metadata")));
}

#[test]
fn a_panic_fails_its_quantum_only() {
    let space = Space::new();
    let report = space
        .run(|context| {
            if context.label() == "summarizeVisit" {
                panic!("no summary today");
            }
            concatenate(context)
        })
        .unwrap();
    assert_eq!((report.counts.failed, report.counts.succeeded), (2, 13));
    let exception = report.failures[0].exception.as_ref().unwrap();
    assert_eq!((&*exception.type_name, &*exception.message), ("Panic", "no summary today"));
}

#[test]
fn a_quantum_may_touch_its_own_datasets_only() {
    let space = Space::new();
    let (stranger, foreign) = {
        let isr = space.quanta_of("isr");
        (space.output(isr[0], "image"), space.output(isr[1], "image"))
    };
    let report = space
        .run(move |context| {
            if context.output("image").ok() == Some(stranger) {
                let error = context.put(foreign, b"x").unwrap_err().to_string();
                let read = context.get(foreign).unwrap_err().to_string();
                let connection = context.inputs("nonsense").unwrap_err().to_string();
                return Err(TaskError::failed([error, read, connection].join("\n")));
            }
            concatenate(context)
        })
        .unwrap();
    let message = &report.failures[0].exception.as_ref().unwrap().message;
    assert!(message.contains("may not write post_isr_image {"), "{message}");
    assert!(message.contains("may not read post_isr_image {"), "{message}");
    assert!(message.contains("no input connection `nonsense`; it has: raw, bias"), "{message}");
}

#[test]
fn what_somebody_else_executed_is_not_executed_again() {
    let space = Space::new();
    space.run(concatenate).unwrap();
    fs_err::remove_dir_all(space.journal()).unwrap();
    let report = space.run(|_| panic!("nothing should run")).unwrap();
    assert_eq!(report.quanta_with_end(QuantumEnd::SkippedExisting).count(), 15);
    let image = space.output(space.quanta_of("isr")[0], "image");
    let size = report.state.records(image).next().unwrap().file_size;
    assert!(size > 10, "{size}");
}

#[test]
fn at_the_limit_of_failures_the_run_stops() {
    let mut space = Space::new();
    space.options.max_failures = 1;
    space.jobs = 1;
    let report = space.run(|_| Err(TaskError::failed("no"))).unwrap();
    assert_eq!(report.outcome, RunOutcome::StoppedEarly);
    assert_eq!((report.executed, report.counts.failed), (1, 1));
    assert_eq!(report.state.runs()[0].finished.as_ref().unwrap().1, RunOutcome::StoppedEarly);
}

#[test]
fn a_cancelled_run_finishes_what_runs_and_goes_on_later() {
    let mut space = Space::new();
    space.jobs = 1;
    let cancel = space.cancel.clone();
    let react = Box::new(move |finished| {
        if finished == 4 {
            cancel.request();
        }
    });
    let witness = Witness { react: Some(react), ..Witness::default() };
    let report = space.run_with(functions(concatenate), &witness, None).unwrap();
    assert_eq!((report.outcome, report.executed), (RunOutcome::Interrupted, 4));
    assert_eq!(space.cancel.urgency(), Urgency::Finish);
    space.cancel = Cancel::new();
    let report = space.run(concatenate).unwrap();
    assert_eq!((report.executed, report.done_before), (11, 4));
}

#[test]
fn a_selection_runs_alone() {
    let space = Space::new();
    let isr = space.quanta_of("isr");
    let silent = qbb_executor::Silent;
    let report = space.run_with(functions(concatenate), &silent, Some(&isr)).unwrap();
    assert_eq!((report.outcome, report.executed), (RunOutcome::Complete, 8));
    assert_eq!(report.counts.elsewhere, 7);
    let beyond = [QuantumIx(99)];
    let report = space.run_with(functions(concatenate), &silent, Some(&beyond)).unwrap();
    assert_eq!(report.executed, 0);
}

#[test]
fn a_function_that_is_not_there_is_noticed_before_anything_runs() {
    let space = Space::new();
    let nothing = qbb_executor::FunctionRegistry::new();
    let error = space.run_with(nothing, &qbb_executor::Silent, None).unwrap_err();
    assert!(matches!(error, RunError::NoSuchFunction { .. }), "{error}");
    assert!(!space.journal().exists());
}
