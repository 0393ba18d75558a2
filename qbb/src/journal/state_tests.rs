//! Tests of [`super::JournalState`].

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::event::{DatasetOutput, Event, QuantumOutcome, RepeatReason};
use super::super::packed::{PackedBlock, PackedRow};
use super::super::strategies::{N_DATASETS, N_QUANTA, event};
use super::*;

fn folded(files: &[(Uuid, &[Event])]) -> JournalState {
    let mut state = JournalState::new(N_QUANTA as usize, N_DATASETS as usize);
    for (uuid, events) in files {
        let writer = state.add_writer(*uuid);
        for event in *events {
            state.fold(writer, event).unwrap();
        }
    }
    state
}

fn output(dataset: u32, path: &str) -> DatasetOutput {
    let record = FileRecord {
        path: path.into(),
        formatter: "F".into(),
        storage_class: "S".into(),
        component: None,
        checksum: None,
        file_size: 1,
    };
    DatasetOutput { dataset: DatasetIx(dataset), records: vec![record] }
}

fn started(quantum: u32, attempt: u32) -> Event {
    Event::QuantumStarted { time: Timestamp(0), quantum: QuantumIx(quantum), attempt }
}

fn ended(quantum: u32, attempt: u32, end: QuantumEnd, outputs: &[DatasetOutput]) -> Event {
    Event::QuantumFinished {
        quantum: QuantumIx(quantum),
        attempt,
        started: Timestamp(0),
        ended: Timestamp(1),
        outcome: QuantumOutcome { outputs: outputs.to_vec(), ..QuantumOutcome::bare(end) },
    }
}

fn fold_one(events: &[Event]) -> JournalState {
    folded(&[(Uuid::nil(), events)])
}

#[test]
fn outputs_are_those_of_the_attempt_that_counts() {
    let first = ended(0, 0, QuantumEnd::Failed, &[output(1, "log"), output(2, "partial")]);
    let second = ended(0, 1, QuantumEnd::Succeeded, &[output(1, "log"), output(3, "whole")]);
    for events in [[first.clone(), second.clone()], [second, first]] {
        let state = fold_one(&events);
        assert_eq!(state.progress(QuantumIx(0)), QuantumProgress::Ended(QuantumEnd::Succeeded));
        let written: Vec<bool> =
            (0..4).map(|dataset| state.is_written(DatasetIx(dataset))).collect();
        assert_eq!(written, [false, true, false, true]);
        assert_eq!(state.records(DatasetIx(3)).next().unwrap().path, "whole");
        assert_eq!(state.records(DatasetIx(2)).len(), 0);
        assert_eq!(state.next_attempt(QuantumIx(0)), 2);
    }
}

#[test]
fn a_start_without_an_end_is_in_flight() {
    let state = fold_one(&[started(0, 0)]);
    assert_eq!(state.progress(QuantumIx(0)), QuantumProgress::InFlight);
    let state = fold_one(&[ended(0, 0, QuantumEnd::Failed, &[]), started(0, 1)]);
    assert_eq!(state.progress(QuantumIx(0)), QuantumProgress::InFlight);
    assert_eq!(state.next_attempt(QuantumIx(0)), 2);
}

#[test]
fn a_cause_that_succeeds_later_blocks_nothing() {
    let cause = QuantumIx(0);
    let blocked = Event::QuantaBlocked { time: Timestamp(1), cause, quanta: vec![QuantumIx(1)] };
    let mut events = vec![ended(0, 0, QuantumEnd::Failed, &[]), blocked];
    let state = fold_one(&events);
    assert_eq!(state.progress(QuantumIx(1)), QuantumProgress::Blocked { cause });
    events.push(ended(0, 1, QuantumEnd::Succeeded, &[]));
    assert_eq!(fold_one(&events).progress(QuantumIx(1)), QuantumProgress::NotStarted);
}

#[test]
fn a_denied_claim_makes_its_quantum_run_again() {
    let init = Event::InitOutputsWritten { time: Timestamp(0), outputs: vec![output(0, "schema")] };
    let mut state = fold_one(&[
        init,
        started(0, 0),
        ended(0, 0, QuantumEnd::Succeeded, &[output(1, "a"), output(2, "lost")]),
        ended(1, 0, QuantumEnd::Succeeded, &[output(3, "lost")]),
    ]);
    state.unproven = vec![UnprovenClaim::Init(DatasetIx(0)), UnprovenClaim::Quantum(QuantumIx(0))];
    assert_eq!(state.verify(|record| record.path != "lost"), 1);
    assert_eq!(state.progress(QuantumIx(0)), QuantumProgress::InFlight);
    assert!(!state.is_written(DatasetIx(1)), "not even what is there, as it is replaced");
    assert!(state.is_written(DatasetIx(0)));
    assert!(state.progress(QuantumIx(1)).is_success(), "proven claims are not looked at");
}

#[test]
fn a_reset_quantum_counts_as_not_done_in_any_order() {
    let quantum = QuantumIx(0);
    let first = ended(0, 0, QuantumEnd::Succeeded, &[output(1, "a")]);
    let reset = Event::QuantaReset { time: Timestamp(2), quanta: vec![(quantum, 1)] };
    let again = ended(0, 1, QuantumEnd::Succeeded, &[output(1, "b")]);
    for events in [[first.clone(), reset.clone()], [reset.clone(), first.clone()]] {
        let mut state = fold_one(&events);
        assert_eq!(state.progress(quantum), QuantumProgress::NotStarted);
        assert!(!state.is_written(DatasetIx(1)));
        assert_eq!((state.next_attempt(quantum), state.finished(quantum)), (1, None));
        state.observe(&started(0, 1));
        assert_eq!(state.progress(quantum), QuantumProgress::InFlight);
        state.observe(&again);
        assert!(state.progress(quantum).is_success());
        assert_eq!(state.records(DatasetIx(1)).next().unwrap().path, "b");
    }
    let late = fold_one(&[again, reset]);
    assert!(late.progress(quantum).is_success(), "it is of the attempt after the reset");
}

#[test]
fn a_removed_dataset_is_gone_until_it_is_written_again() {
    let (quantum, dataset) = (QuantumIx(0), DatasetIx(1));
    let first = ended(0, 0, QuantumEnd::Succeeded, &[output(1, "a"), output(2, "kept")]);
    let removed = Event::DatasetsRemoved { time: Timestamp(2), datasets: vec![(dataset, 0)] };
    for events in [[first.clone(), removed.clone()], [removed.clone(), first]] {
        let mut state = fold_one(&events);
        assert!(state.is_removed(dataset) && !state.is_written(dataset));
        assert!(state.is_written(DatasetIx(2)) && !state.is_removed(DatasetIx(2)));
        assert!(state.progress(quantum).is_success(), "it has done its work");
        state.unproven = vec![UnprovenClaim::Quantum(quantum)];
        assert_eq!(state.verify(|record| record.path == "kept"), 0, "it need not be there");
        state.observe(&ended(0, 1, QuantumEnd::Succeeded, &[output(1, "b")]));
        assert!(state.is_written(dataset) && !state.is_removed(dataset));
    }
}

#[test]
fn a_place_is_known_while_an_attempt_runs_and_a_repetition_until_the_next_begins() {
    let quantum = QuantumIx(0);
    let placed = |attempt| {
        let (time, worker, memory) = (Timestamp(1), 3, Some(5));
        Event::QuantumPlaced { time, quantum, attempt, worker, memory }
    };
    let mut state = fold_one(&[started(0, 0), placed(0)]);
    let place = state.placed(quantum).unwrap();
    assert_eq!((place.attempt, place.worker, place.memory), (0, 3, Some(5)));
    state.observe(&ended(0, 0, QuantumEnd::Failed, &[]));
    let (reason, not_before) = (RepeatReason::OutOfMemory, Timestamp(9));
    let memory = Some(10);
    let time = Timestamp(2);
    state.observe(&Event::AttemptRepeated {
        time,
        quantum,
        attempt: 0,
        reason,
        not_before,
        memory,
    });
    assert_eq!(state.placed(quantum), None);
    let expected = RepeatedQuantum { attempt: 0, reason, not_before, memory };
    assert_eq!(state.repeated(quantum), Some(expected));
    state.observe(&started(0, 1));
    assert_eq!((state.repeated(quantum), state.placed(quantum)), (None, None));
}

#[test]
fn what_attempts_left_running_is_known_until_they_are_reset() {
    let quantum = QuantumIx(0);
    let left = |attempt, name: &str| {
        let left = LeftRunning::new(0, vec![name.to_owned()]);
        Event::LeftRunning { time: Timestamp(1), quantum, attempt, left }
    };
    for events in [[left(0, "a"), left(1, "b")], [left(1, "b"), left(0, "a")]] {
        let mut state = fold_one(&events);
        let (attempt, found) = state.left_running(quantum).unwrap();
        assert_eq!((attempt, found.threads, &*found.names), (1, 1, &["b".to_owned()][..]));
        state.observe(&ended(0, 2, QuantumEnd::Succeeded, &[]));
        assert!(state.left_running(quantum).is_some(), "it was left, whatever came later");
        state.observe(&Event::QuantaReset { time: Timestamp(9), quanta: vec![(quantum, 3)] });
        assert_eq!(state.left_running(quantum), None);
    }
}

#[test]
fn positions_outside_the_graph_are_refused() {
    let mut state = JournalState::new(1, 1);
    let writer = state.add_writer(Uuid::nil());
    assert!(state.fold(writer, &started(1, 0)).unwrap_err().contains("quantum 1"));
    let event = ended(0, 0, QuantumEnd::Succeeded, &[output(1, "x")]);
    assert!(state.fold(writer, &event).unwrap_err().contains("dataset 1"));
}

/// All that a state tells, in a form that does not depend on the order of folding.
fn told(state: &JournalState) -> Vec<String> {
    let quanta = (0..N_QUANTA).map(QuantumIx).map(|quantum| {
        let progress = match state.progress(quantum) {
            // Of several causes one is remembered, no matter which.
            QuantumProgress::Blocked { .. } => "blocked".to_owned(),
            progress => format!("{progress:?}"),
        };
        let finished = state.finished(quantum);
        let (placed, next) = (state.placed(quantum), state.next_attempt(quantum));
        let repeated = state.repeated(quantum).map(|r| (r.attempt, r.not_before));
        format!("{progress} {finished:?} {placed:?} {repeated:?} {next}")
    });
    quanta.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_files_does_not_matter(
        first in vec(event(), 0..20),
        second in vec(event(), 0..20),
    ) {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        // Without blocking, because of several causes only one is remembered.
        let keep = |events: Vec<Event>| -> Vec<Event> {
            events.into_iter().filter(|e| !matches!(e, Event::QuantaBlocked { .. })).collect()
        };
        let (first, second) = (keep(first), keep(second));
        let forward = folded(&[(a, &first), (b, &second)]);
        let backward = folded(&[(b, &second), (a, &first)]);
        prop_assert_eq!(told(&forward), told(&backward));
    }
}

#[test]
fn a_packed_dataset_is_that_of_the_attempt_that_counts() {
    let pack = Uuid::from_u128(9);
    let packed = |attempt, datasets: &[u32], offset| {
        let row = |(i, &dataset): (usize, &u32)| PackedRow {
            quantum: QuantumIx(0),
            attempt,
            dataset: DatasetIx(dataset),
            begin: 10 * i as u32,
            length: 10,
        };
        let rows = datasets.iter().enumerate().map(row).collect();
        let blocks = vec![PackedBlock { offset, rows }];
        Event::OutputsPacked { time: Timestamp(1), pack, blocks }
    };
    let place = |block, begin| Some(PackedPlace { pack, block, begin, length: 10 });
    let first = [packed(0, &[2], 100), ended(0, 0, QuantumEnd::Failed, &[output(1, "a")])];
    let mut state = fold_one(&first);
    assert_eq!(state.packed(DatasetIx(2)), place(100, 0));
    assert!(state.is_written(DatasetIx(2)) && state.records(DatasetIx(2)).next().is_none());
    assert_eq!(state.packed(DatasetIx(1)), None);

    let second = [packed(1, &[1, 2], 200), ended(0, 1, QuantumEnd::Succeeded, &[])];
    state.observe(&second[0]);
    assert_eq!(state.packed(DatasetIx(2)), place(100, 0), "not before the attempt has ended");
    state.observe(&second[1]);
    let (here, there) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let late = folded(&[(here, &second), (there, &first)]);
    for state in [state, late] {
        assert_eq!(state.packed(DatasetIx(1)), place(200, 0));
        assert_eq!(state.packed(DatasetIx(2)), place(200, 10));
        assert!(state.records(DatasetIx(1)).next().is_none(), "it was a file before");
    }
}

#[test]
fn a_packed_claim_without_its_block_is_denied() {
    let rows = vec![PackedRow {
        quantum: QuantumIx(0),
        attempt: 0,
        dataset: DatasetIx(1),
        begin: 0,
        length: 1,
    }];
    let blocks = vec![PackedBlock { offset: 72, rows }];
    let packed = Event::OutputsPacked { time: Timestamp(0), pack: Uuid::nil(), blocks };
    let mut state = fold_one(&[packed, ended(0, 0, QuantumEnd::Succeeded, &[])]);
    state.unproven = vec![UnprovenClaim::Quantum(QuantumIx(0))];
    assert_eq!(state.verify(|_| true), 1, "there is no pack");
    assert_eq!(state.progress(QuantumIx(0)), QuantumProgress::InFlight);
}
