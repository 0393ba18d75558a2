//! What all journal files of a directory add up to.

use qbb_graph::{DatasetIx, QuantumIx};
use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

use super::error::JournalWarning;
use super::event::{DatasetOutput, Event, ExceptionInfo, QuantumEnd, QuantumOutcome};
use super::runs::RunSummary;
use super::time::Timestamp;
use super::usage::ResourceUsage;
use super::written::{Claim, WrittenRecord, WrittenTable};

const NONE: u32 = u32::MAX;

/// Where a quantum stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuantumProgress {
    /// Nothing is known of it.
    NotStarted,
    /// It was started, and did not end as far as anybody recorded.
    InFlight,
    /// Its last attempt ended.
    Ended(QuantumEnd),
    /// It depends on a quantum that failed.
    Blocked {
        /// That quantum.
        cause: QuantumIx,
    },
}

impl QuantumProgress {
    /// Whether it ended successfully.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Ended(end) if end.is_success())
    }
}

/// The attempt that counts for a quantum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FinishedQuantum<'a> {
    /// How many attempts came before.
    pub attempt: u32,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How it ended.
    pub end: QuantumEnd,
    /// Caveat bits, if known.
    pub caveats: Option<u32>,
    /// The exception of a failure.
    pub exception: Option<&'a ExceptionInfo>,
    /// Exit code, if there was one; negative is a signal.
    pub exit_code: Option<i32>,
    /// What it cost.
    pub usage: Option<ResourceUsage>,
    /// Positions of inputs whose existence was seen.
    pub available_inputs: &'a [u32],
    /// Positions of inputs that were read.
    pub actual_inputs: &'a [u32],
}

#[derive(Debug, Clone, Copy)]
struct QuantumCell {
    /// Number of the end that counts.
    end: u32,
    /// One more than the highest attempt that was started.
    attempts: u32,
    /// The failure that blocks it.
    blocked_by: u32,
}

#[derive(Debug, Clone, Copy)]
struct EndCell {
    started: Timestamp,
    ended: Timestamp,
    attempt: u32,
    writer: u32,
    /// Where its inputs begin in `inputs`; available ones first.
    first_input: u64,
    n_available: u32,
    n_actual: u32,
    end: QuantumEnd,
}

/// Progress of every quantum and records of every dataset written, in columns.
///
/// Events may be folded in any order of files; within a file they must come in order.
#[derive(Debug)]
pub struct JournalState {
    quanta: Vec<QuantumCell>,
    ends: Vec<EndCell>,
    inputs: Vec<u32>,
    /// One for each end.
    usage: Vec<Option<ResourceUsage>>,
    // Present for some ends only.
    caveats: FxHashMap<u32, u32>,
    failures: FxHashMap<u32, (Option<ExceptionInfo>, Option<i32>)>,
    written: WrittenTable,
    init_claims: FxHashMap<u32, (Timestamp, Uuid)>,
    writers: Vec<Uuid>,
    pub(super) unproven: Vec<UnprovenClaim>,
    pub(super) runs: Vec<RunSummary>,
    pub(super) warnings: Vec<JournalWarning>,
}

/// A claim that is not known to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnprovenClaim {
    Init(DatasetIx),
    Quantum(QuantumIx),
}

impl JournalState {
    /// The state before anything happened.
    pub fn new(n_quanta: usize, n_datasets: usize) -> Self {
        Self {
            quanta: vec![QuantumCell { end: NONE, attempts: 0, blocked_by: NONE }; n_quanta],
            ends: Vec::new(),
            inputs: Vec::new(),
            usage: Vec::new(),
            caveats: FxHashMap::default(),
            failures: FxHashMap::default(),
            written: WrittenTable::new(n_datasets),
            init_claims: FxHashMap::default(),
            writers: Vec::new(),
            unproven: Vec::new(),
            runs: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Number of quanta of the graph.
    pub fn n_quanta(&self) -> usize {
        self.quanta.len()
    }

    /// Where a quantum stands.
    pub fn progress(&self, quantum: QuantumIx) -> QuantumProgress {
        let cell = self.quanta[quantum.index()];
        match self.ends.get(cell.end as usize) {
            Some(end) if cell.attempts > end.attempt + 1 => QuantumProgress::InFlight,
            Some(end) => QuantumProgress::Ended(end.end),
            None if cell.attempts > 0 => QuantumProgress::InFlight,
            None => match self.quanta.get(cell.blocked_by as usize) {
                // A cause that was tried again with success blocks nothing any more.
                Some(cause) if self.has_failed(*cause) => {
                    QuantumProgress::Blocked { cause: QuantumIx(cell.blocked_by) }
                }
                _ => QuantumProgress::NotStarted,
            },
        }
    }

    fn has_failed(&self, cell: QuantumCell) -> bool {
        self.ends.get(cell.end as usize).is_some_and(|end| end.end == QuantumEnd::Failed)
    }

    /// Number that the next attempt at a quantum must have.
    pub fn next_attempt(&self, quantum: QuantumIx) -> u32 {
        self.quanta[quantum.index()].attempts
    }

    /// The attempt that counts for a quantum, if any ended.
    pub fn finished(&self, quantum: QuantumIx) -> Option<FinishedQuantum<'_>> {
        let number = self.quanta[quantum.index()].end;
        let cell = self.ends.get(number as usize)?;
        let inputs = &self.inputs[cell.first_input as usize..];
        let (available_inputs, rest) = inputs.split_at(cell.n_available as usize);
        let failure = self.failures.get(&number);
        Some(FinishedQuantum {
            attempt: cell.attempt,
            started: cell.started,
            ended: cell.ended,
            end: cell.end,
            caveats: self.caveats.get(&number).copied(),
            exception: failure.and_then(|(exception, _)| exception.as_ref()),
            exit_code: failure.and_then(|(_, code)| *code),
            usage: self.usage[number as usize],
            available_inputs,
            actual_inputs: &rest[..cell.n_actual as usize],
        })
    }

    /// Whether a dataset was written, by init or by the attempt that counts for its quantum.
    pub fn is_written(&self, dataset: DatasetIx) -> bool {
        match self.written.claim(dataset) {
            Claim::Nobody => false,
            Claim::Init => true,
            Claim::End { quantum, end } => self.quanta[quantum as usize].end == end,
        }
    }

    /// Datastore records of a dataset; none unless it [was written](Self::is_written).
    pub fn records(
        &self,
        dataset: DatasetIx,
    ) -> impl ExactSizeIterator<Item = WrittenRecord<'_>> + use<'_> {
        let n = if self.is_written(dataset) { usize::MAX } else { 0 };
        self.written.records(dataset).take(n)
    }

    /// All runs, in order of their starts.
    pub fn runs(&self) -> &[RunSummary] {
        &self.runs
    }

    /// What is wrong with the files, apart from torn tails.
    pub fn warnings(&self) -> &[JournalWarning] {
        &self.warnings
    }

    /// Checks the claims that are not known to be durable, and takes back those that `exists`
    /// denies: their quanta count as being in flight. Returns how many were taken back.
    pub fn verify(&mut self, mut exists: impl FnMut(WrittenRecord<'_>) -> bool) -> usize {
        let mut denied = 0;
        let unproven = std::mem::take(&mut self.unproven);
        let quanta: FxHashSet<u32> = (unproven.iter())
            .filter_map(|claim| match claim {
                UnprovenClaim::Quantum(quantum) => Some(quantum.0),
                UnprovenClaim::Init(_) => None,
            })
            .collect();
        for claim in unproven {
            if let UnprovenClaim::Init(dataset) = claim
                && self.is_written(dataset)
                && !self.records(dataset).all(&mut exists)
            {
                self.written.clear(dataset);
                denied += 1;
            }
        }
        if quanta.is_empty() {
            return denied;
        }
        let mut missing: Vec<u32> = Vec::new();
        for dataset in (0..self.written.len() as u32).map(DatasetIx) {
            if let Claim::End { quantum, end } = self.written.claim(dataset)
                && quanta.contains(&quantum)
                && self.quanta[quantum as usize].end == end
                && !self.written.records(dataset).all(&mut exists)
            {
                missing.push(quantum);
            }
        }
        missing.sort_unstable();
        missing.dedup();
        for &quantum in &missing {
            self.quanta[quantum as usize].end = NONE;
        }
        denied + missing.len()
    }

    /// Takes into account an event that the present process has just recorded. Events that do not
    /// fit the graph, which it would not have recorded, are ignored.
    pub fn observe(&mut self, event: &Event) {
        // Later than all that was read, so it wins over them at the same attempt and time.
        let writer = match self.writers.iter().position(|writer| *writer == Uuid::max()) {
            Some(writer) => writer as u32,
            None => self.add_writer(Uuid::max()),
        };
        let _ = self.fold(writer, event);
    }

    /// Registers the writer of a file whose events are about to be folded.
    pub(super) fn add_writer(&mut self, writer: Uuid) -> u32 {
        self.writers.push(writer);
        self.writers.len() as u32 - 1
    }

    /// Takes an event into account. Runs are not this function's business.
    pub(super) fn fold(&mut self, writer: u32, event: &Event) -> Result<(), String> {
        match event {
            Event::QuantumStarted { quantum, attempt, .. } => {
                let cell = self.cell(*quantum)?;
                cell.attempts = cell.attempts.max(attempt.saturating_add(1));
            }
            Event::QuantumFinished { quantum, attempt, started, ended, outcome } => {
                self.fold_end(writer, *quantum, *attempt, (*started, *ended), outcome)?;
            }
            Event::QuantaBlocked { cause, quanta, .. } => {
                self.cell(*cause)?;
                for &quantum in quanta {
                    self.cell(quantum)?.blocked_by = cause.0;
                }
            }
            Event::InitOutputsWritten { time, outputs } => {
                let uuid = self.writers[writer as usize];
                for output in outputs {
                    self.check_dataset(output.dataset)?;
                    let known = self.init_claims.get(&output.dataset.0);
                    if known.is_none_or(|&claim| claim < (*time, uuid)) {
                        self.init_claims.insert(output.dataset.0, (*time, uuid));
                        self.written.set(output.dataset, Claim::Init, &output.records);
                    }
                }
            }
            Event::RunStarted { .. } | Event::RunFinished { .. } | Event::OutputsDurable { .. } => {
            }
        }
        Ok(())
    }

    fn fold_end(
        &mut self,
        writer: u32,
        quantum: QuantumIx,
        attempt: u32,
        (started, ended): (Timestamp, Timestamp),
        outcome: &QuantumOutcome,
    ) -> Result<(), String> {
        for DatasetOutput { dataset, .. } in &outcome.outputs {
            self.check_dataset(*dataset)?;
        }
        for dataset in outcome.available_inputs.iter().chain(&outcome.actual_inputs) {
            self.check_dataset(*dataset)?;
        }
        let cell = self.cell(quantum)?;
        // An end is proof of a start, also if that is in a file that is not there.
        cell.attempts = cell.attempts.max(attempt.saturating_add(1));
        let counts = cell.end;
        if let Some(known) = self.ends.get(counts as usize) {
            let key = |attempt, ended, writer: u32| (attempt, ended, self.writers[writer as usize]);
            if key(attempt, ended, writer) <= key(known.attempt, known.ended, known.writer) {
                return Ok(());
            }
        }
        let number = self.ends.len() as u32;
        self.ends.push(EndCell {
            started,
            ended,
            attempt,
            writer,
            first_input: self.inputs.len() as u64,
            n_available: outcome.available_inputs.len() as u32,
            n_actual: outcome.actual_inputs.len() as u32,
            end: outcome.end,
        });
        let inputs = outcome.available_inputs.iter().chain(&outcome.actual_inputs);
        self.inputs.extend(inputs.map(|dataset| dataset.0));
        self.usage.push(outcome.usage);
        if let Some(caveats) = outcome.caveats.filter(|&caveats| caveats != 0) {
            self.caveats.insert(number, caveats);
        }
        if outcome.exception.is_some() || outcome.exit_code.is_some() {
            self.failures.insert(number, (outcome.exception.clone(), outcome.exit_code));
        }
        let claim = Claim::End { quantum: quantum.0, end: number };
        for output in &outcome.outputs {
            self.written.set(output.dataset, claim, &output.records);
        }
        self.quanta[quantum.index()].end = number;
        Ok(())
    }

    fn cell(&mut self, quantum: QuantumIx) -> Result<&mut QuantumCell, String> {
        let n = self.quanta.len();
        self.quanta
            .get_mut(quantum.index())
            .ok_or_else(|| format!("quantum {} of a graph of {n} quanta", quantum.0))
    }

    fn check_dataset(&self, dataset: DatasetIx) -> Result<(), String> {
        if dataset.index() < self.written.len() {
            Ok(())
        } else {
            Err(format!("dataset {} of a graph of {} datasets", dataset.0, self.written.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::event::FileRecord;
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
        let blocked =
            Event::QuantaBlocked { time: Timestamp(1), cause, quanta: vec![QuantumIx(1)] };
        let mut events = vec![ended(0, 0, QuantumEnd::Failed, &[]), blocked];
        let state = fold_one(&events);
        assert_eq!(state.progress(QuantumIx(1)), QuantumProgress::Blocked { cause });
        events.push(ended(0, 1, QuantumEnd::Succeeded, &[]));
        assert_eq!(fold_one(&events).progress(QuantumIx(1)), QuantumProgress::NotStarted);
    }

    #[test]
    fn a_denied_claim_makes_its_quantum_run_again() {
        let init =
            Event::InitOutputsWritten { time: Timestamp(0), outputs: vec![output(0, "schema")] };
        let mut state = fold_one(&[
            init,
            started(0, 0),
            ended(0, 0, QuantumEnd::Succeeded, &[output(1, "a"), output(2, "lost")]),
            ended(1, 0, QuantumEnd::Succeeded, &[output(3, "lost")]),
        ]);
        state.unproven =
            vec![UnprovenClaim::Init(DatasetIx(0)), UnprovenClaim::Quantum(QuantumIx(0))];
        assert_eq!(state.verify(|record| record.path != "lost"), 1);
        assert_eq!(state.progress(QuantumIx(0)), QuantumProgress::InFlight);
        assert!(!state.is_written(DatasetIx(1)), "not even what is there, as it is replaced");
        assert!(state.is_written(DatasetIx(0)));
        assert!(state.progress(QuantumIx(1)).is_success(), "proven claims are not looked at");
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
            format!("{progress} {:?} {}", state.finished(quantum), state.next_attempt(quantum))
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
}
