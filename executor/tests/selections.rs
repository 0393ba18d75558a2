//! Runs that are about some of the quanta, or do some of them again.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;

use qbb::GraphIdentity;
use qbb::journal::{Event, JournalState, JournalWriter, RunOutcome, Timestamp, read_state};
use qbb_executor::{DeletedIntermediates, OnlyState, RunReport, Selection, TaskError};
use qbb_graph::QuantumIx;
use support::{Space, Witness, concatenate, functions};

fn state(space: &Space) -> JournalState {
    read_state(&space.journal(), &space.graph, GraphIdentity::of(&space.graph)).unwrap()
}

/// Runs with a selection; returns what ran.
fn run(space: &mut Space, selection: Selection) -> (RunReport, BTreeSet<QuantumIx>) {
    space.options.selection = selection;
    let witness = Witness::default();
    let report = space.run_with(functions(concatenate), &witness, None).unwrap();
    let started = witness.started.lock().unwrap();
    let ran = started.iter().map(|&(quantum, _)| QuantumIx(quantum)).collect();
    (report, ran)
}

/// Quanta and all that depends on them.
fn downstream(space: &Space, quanta: &[QuantumIx]) -> BTreeSet<QuantumIx> {
    let mut found: BTreeSet<QuantumIx> = quanta.iter().copied().collect();
    let mut open = quanta.to_vec();
    while let Some(quantum) = open.pop() {
        for successor in space.graph.flow().successors(quantum) {
            if found.insert(successor) {
                open.push(successor);
            }
        }
    }
    found
}

/// A space in which one quantum of `isr` has failed.
fn with_failure() -> (Space, QuantumIx) {
    let space = Space::new();
    let bad = space.quanta_of("isr")[0];
    let uuid = space.graph.describe_quantum(bad);
    let report = space
        .run(move |context| match context.describe() == uuid {
            true => Err(TaskError::failed("bad")),
            false => concatenate(context),
        })
        .unwrap();
    assert_eq!(report.counts.failed, 1);
    (space, bad)
}

fn rerun(term: &str) -> Selection {
    Selection { rerun: vec![term.parse().unwrap()], ..Selection::default() }
}

#[test]
fn only_what_failed_is_tried_again_and_what_it_blocked_if_asked_for() {
    let (mut space, bad) = with_failure();
    let only = |states: &[OnlyState]| Selection { only: states.to_vec(), ..Selection::default() };
    let blocked = state(&space);
    let n_blocked = downstream(&space, &[bad]).len() - 1;

    let plan = only(&[OnlyState::Blocked]).plan(&space.graph, &blocked).unwrap();
    assert_eq!(plan.left_out.len(), n_blocked, "they need the failure before them");
    let (report, ran) = run(&mut space, only(&[OnlyState::Unfinished]));
    assert!(ran.is_empty() && report.executed == 0);
    let (report, ran) = run(&mut space, only(&[OnlyState::Failed]));
    assert_eq!(ran, BTreeSet::from([bad]));
    assert_eq!(report.counts.elsewhere as usize, n_blocked);
    let (_, ran) = run(&mut space, only(&[OnlyState::Failed]));
    assert!(ran.is_empty(), "nothing has failed any more, and nothing is blocked by it");
    let (report, ran) = run(&mut space, only(&[OnlyState::Unfinished]));
    assert_eq!((report.outcome, ran.len()), (RunOutcome::Complete, n_blocked));
}

#[test]
fn a_run_goes_until_a_task() {
    let mut space = Space::new();
    let until = |task: &str| Selection { until: vec![task.into()], ..Selection::default() };
    let (_, ran) = run(&mut space, until("isr"));
    assert_eq!(ran.into_iter().collect::<Vec<_>>(), space.quanta_of("isr"));
    let (_, ran) = run(&mut space, until("calibrate"));
    assert_eq!(ran.into_iter().collect::<Vec<_>>(), space.quanta_of("calibrate"));
    let error = until("calibrat").plan(&space.graph, &state(&space)).unwrap_err().to_string();
    assert!(error.contains("is it `calibrate`?"), "{error}");
}

#[test]
fn what_is_selected_does_not_run_without_what_it_needs() {
    let mut space = Space::new();
    let select =
        |term: &str| Selection { select: vec![term.parse().unwrap()], ..Selection::default() };
    let everything = select("calibrate");
    let plan = everything.plan(&space.graph, &state(&space)).unwrap();
    assert_eq!(plan.left_out.len(), 5);
    let (report, ran) = run(&mut space, everything.clone());
    assert!(ran.is_empty() && report.executed == 0);

    let quantum = space.quanta_of("calibrate")[0];
    let uuid = space.graph.quanta.uuid(quantum);
    let needed: BTreeSet<QuantumIx> = space.graph.flow().predecessors(quantum).collect();
    let ids: Vec<String> =
        needed.iter().map(|&before| space.graph.quanta.uuid(before).to_string()).collect();
    let (_, ran) = run(&mut space, select(&format!("{},{uuid}", ids.join(","))));
    let mut expected = needed;
    expected.insert(quantum);
    assert_eq!(ran, expected);

    let counts = Selection::default().plan(&space.graph, &state(&space)).unwrap();
    let counts = counts.by_task(&space.graph, &state(&space));
    let done: Vec<(u32, u32, u32)> = counts.iter().map(|c| (c.quanta, c.done, c.run)).collect();
    let n = expected.len() as u32 - 1;
    assert_eq!(done, [(8, n, 8 - n), (5, 1, 4), (2, 0, 2)]);
}

#[test]
fn a_rerun_does_again_what_depends_on_it_and_nothing_else() {
    let mut space = Space::new();
    let first = space.run(concatenate).unwrap();
    let all = space.products();
    let quantum = space.quanta_of("calibrate")[0];
    let expected = downstream(&space, &[quantum]);
    let term = space.graph.quanta.uuid(quantum).to_string();
    let forecast = rerun(&term).plan(&space.graph, &state(&space)).unwrap();
    assert_eq!(forecast.reset, expected.iter().copied().collect::<Vec<_>>());

    let other = space.quanta_of("isr")[0];
    let (report, ran) = run(&mut space, rerun(&term));
    assert_eq!(ran, expected);
    assert_eq!((report.outcome, space.products()), (RunOutcome::Complete, all));
    assert_eq!(report.state.finished(quantum).unwrap().attempt, 1);
    assert_eq!(report.state.finished(other), first.state.finished(other));
    let (_, ran) = run(&mut space, Selection::default());
    assert!(ran.is_empty(), "it was done once");
}

#[test]
fn what_a_rerun_makes_again_is_removed_before() {
    let mut space = Space::new();
    let report = space.run(concatenate).unwrap();
    let quantum = space.quanta_of("calibrate")[0];
    let successor = space.graph.flow().successors(quantum).next().unwrap();
    let summary = space.recorded_path(&report, space.output(successor, "summary")).unwrap();
    let summary = space.outputs().join(summary);
    assert!(summary.exists());
    // It fails this time, so what depends on it is not made again.
    space.options.selection = rerun(&space.graph.quanta.uuid(quantum).to_string());
    let report = space.run(|_| Err(TaskError::failed("now it fails"))).unwrap();
    assert_eq!((report.counts.failed, report.counts.blocked), (1, 1));
    assert!(!summary.exists());
    assert!(!report.state.is_written(space.output(successor, "summary")));
}

/// A crash after the success was taken back, and before the first file was removed.
#[test]
fn a_crash_in_the_middle_of_a_rerun_loses_nothing() {
    let mut space = Space::new();
    space.run(concatenate).unwrap();
    let all = space.products();
    let quantum = space.quanta_of("calibrate")[0];
    let again = downstream(&space, &[quantum]);
    let writer = JournalWriter::create(&space.journal(), GraphIdentity::of(&space.graph)).unwrap();
    let quanta = again.iter().map(|&quantum| (quantum, 1)).collect();
    writer.record([&Event::QuantaReset { time: Timestamp::now(), quanta }]).unwrap();
    drop(writer);
    let (report, ran) = run(&mut space, Selection::default());
    assert_eq!(ran, again);
    assert_eq!((report.outcome, space.products()), (RunOutcome::Complete, all));
}

#[test]
fn a_rerun_makes_again_what_it_needs_and_what_was_deleted() {
    let mut space = Space::new();
    let report = space.run(concatenate).unwrap();
    let all = space.products();
    let quantum = space.quanta_of("calibrate")[0];
    let before = space.graph.flow().predecessors(quantum).next().unwrap();
    let image = space.output(before, "image");
    let path = space.outputs().join(space.recorded_path(&report, image).unwrap());
    let writer = JournalWriter::create(&space.journal(), GraphIdentity::of(&space.graph)).unwrap();
    let removed = Event::DatasetsRemoved { time: Timestamp::now(), datasets: vec![(image, 0)] };
    writer.record([&removed]).unwrap();
    drop(writer);
    fs_err::remove_file(path).unwrap();

    let term = space.graph.quanta.uuid(quantum).to_string();
    let plan = rerun(&term).plan(&space.graph, &state(&space)).unwrap();
    assert_eq!(plan.restored, [before]);
    let mut expected = downstream(&space, &[quantum]);
    expected.insert(before);
    let (report, ran) = run(&mut space, rerun(&term));
    assert_eq!(ran, expected);
    assert_eq!((report.outcome, space.products()), (RunOutcome::Complete, all));
}

#[test]
fn intermediates_are_deleted_when_all_that_read_them_have_succeeded() {
    let mut space = Space::new();
    let report = space.run(concatenate).unwrap();
    let path = |connection: &str, quantum| {
        space
            .outputs()
            .join(space.recorded_path(&report, space.output(quantum, connection)).unwrap())
    };
    let (isr, calibrate) = (space.quanta_of("isr"), space.quanta_of("calibrate"));
    let images: Vec<_> = isr.iter().map(|&quantum| path("image", quantum)).collect();
    let logs: Vec<_> = isr.iter().map(|&quantum| path("_log", quantum)).collect();
    let summary = path("summary", space.quanta_of("summarizeVisit")[0]);
    fs_err::remove_dir_all(space.outputs().join("u")).unwrap();
    fs_err::remove_dir_all(space.journal()).unwrap();

    // One quantum that reads images fails at first.
    let bad = calibrate[0];
    let name = space.graph.describe_quantum(bad);
    space.options.delete_intermediates = DeletedIntermediates::All;
    let failing = space
        .run(move |context| match context.describe() == name {
            true => Err(TaskError::failed("bad")),
            false => concatenate(context),
        })
        .unwrap();
    let needed: BTreeSet<QuantumIx> = space.graph.flow().predecessors(bad).collect();
    for (&quantum, image) in isr.iter().zip(&images) {
        let is_read = space.graph.flow().successors(quantum).next().is_some();
        let is_kept = needed.contains(&quantum) || !is_read;
        assert_eq!(image.exists(), is_kept, "{image}");
        assert_eq!(failing.state.is_removed(space.output(quantum, "image")), !is_kept);
        assert!(failing.state.progress(quantum).is_success());
    }
    assert!(logs.iter().all(|log| log.exists()));

    let report = space.run(concatenate).unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete);
    assert!(report.removed > 0);
    for &quantum in &needed {
        assert!(report.state.is_removed(space.output(quantum, "image")));
    }
    assert!(summary.exists(), "nothing reads it, so it is a result");
    let (report, ran) = run(&mut space, Selection::default());
    assert!(ran.is_empty() && report.outcome == RunOutcome::Complete, "they are not missed");

    // What is wanted again is made from the beginning, and the results are the same.
    let before = fs_err::read(&summary).unwrap();
    let (report, ran) = run(&mut space, rerun("summarizeVisit"));
    assert_eq!(report.outcome, RunOutcome::Complete);
    assert!(ran.contains(&bad) && needed.is_subset(&ran));
    assert_eq!(fs_err::read(&summary).unwrap(), before);
}

#[test]
fn results_are_deleted_only_by_name_and_metadata_never() {
    let mut space = Space::new();
    let types = |names: &[&str]| {
        DeletedIntermediates::Types(names.iter().map(|&name| name.to_owned()).collect())
    };
    let summary = space.output(space.quanta_of("summarizeVisit")[0], "summary");
    let node =
        &space.graph.pipeline.dataset_types[space.graph.datasets.dataset_type(summary).index()];
    let name = node.dataset_type.name.clone();
    space.options.delete_intermediates = types(&[&name]);
    let report = space.run(concatenate).unwrap();
    assert!(report.state.is_removed(summary));
    assert_eq!(report.removed, 2);
    for (wrong, text) in [("isr_metadata", "never deleted"), ("summaries", "no dataset type")] {
        space.options.delete_intermediates = types(&[wrong]);
        let error = space.run(concatenate).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn packed_metadata_and_logs_do_not_stand_in_the_way_of_a_rerun() {
    let mut space = Space::new();
    space.options.pack = true;
    space.run(concatenate).unwrap();
    let quantum = space.quanta_of("calibrate")[0];
    let expected = downstream(&space, &[quantum]);
    let again = rerun(&space.graph.quanta.uuid(quantum).to_string());
    let (report, ran) = run(&mut space, again);
    assert_eq!((report.outcome, ran), (RunOutcome::Complete, expected));
    let (_, ran) = run(&mut space, Selection::default());
    assert!(ran.is_empty(), "it was done once");
}
