//! What all journal files of a directory add up to.

use camino::{Utf8Path, Utf8PathBuf};
use qbb_graph::{DatasetIx, QuantumIx};
use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

use super::error::JournalWarning;
use super::event::{
    DatasetOutput, Event, ExceptionInfo, FileRecord, QuantumEnd, QuantumOutcome, RepeatReason,
};
use super::packed::{PackedRow, PendingRow, PendingRows};
use super::piece::EndRow;
use super::runs::RunSummary;
use super::time::Timestamp;
use super::usage::ResourceUsage;
use super::written::{Claim, PackedCell, WrittenRecord, WrittenTable};
use crate::pack::{PackedPlace, Packs};

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

/// Where an attempt that has not ended runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacedQuantum {
    /// How many attempts came before.
    pub attempt: u32,
    /// Since when.
    pub time: Timestamp,
    /// Number of its place among those that run at the same time.
    pub worker: u32,
    /// Memory set aside for it, in bytes, if its need is known.
    pub memory: Option<u64>,
}

/// A failed attempt that is followed by another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepeatedQuantum {
    /// The attempt that failed.
    pub attempt: u32,
    /// Why it is repeated.
    pub reason: RepeatReason,
    /// Before this the next attempt does not begin.
    pub not_before: Timestamp,
    /// Memory that the next attempt is given, in bytes, if that is more than before.
    pub memory: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct QuantumCell {
    /// Number of the end that counts.
    end: u32,
    /// One more than the highest attempt that was started.
    attempts: u32,
    /// Attempts below this one were reset and do not count.
    first: u32,
    /// The failure that blocks it.
    blocked_by: u32,
}

impl Default for QuantumCell {
    fn default() -> Self {
        Self { end: NONE, attempts: 0, first: 0, blocked_by: NONE }
    }
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
    /// When the last attempt at each quantum was started, as far as it was recorded.
    started: Vec<Timestamp>,
    ends: Vec<EndCell>,
    inputs: Vec<u32>,
    /// One for each end.
    usage: Vec<Option<ResourceUsage>>,
    // Present for some ends only.
    caveats: FxHashMap<u32, u32>,
    failures: FxHashMap<u32, (Option<ExceptionInfo>, Option<i32>)>,
    pub(super) written: WrittenTable,
    /// Where attempts run that have not ended.
    placed: FxHashMap<u32, PlacedQuantum>,
    /// The last attempt of a quantum that was to be repeated.
    repeated: FxHashMap<u32, RepeatedQuantum>,
    init_claims: FxHashMap<u32, (Timestamp, Uuid)>,
    writers: Vec<Uuid>,
    /// Packs that were named, by their numbers.
    packs: Vec<Uuid>,
    pending: PendingRows,
    directory: Option<Utf8PathBuf>,
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
            quanta: vec![QuantumCell::default(); n_quanta],
            started: vec![Timestamp::default(); n_quanta],
            ends: Vec::new(),
            inputs: Vec::new(),
            usage: Vec::new(),
            caveats: FxHashMap::default(),
            failures: FxHashMap::default(),
            written: WrittenTable::new(n_datasets),
            placed: FxHashMap::default(),
            repeated: FxHashMap::default(),
            init_claims: FxHashMap::default(),
            writers: Vec::new(),
            packs: Vec::new(),
            pending: PendingRows::default(),
            directory: None,
            unproven: Vec::new(),
            runs: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The state before anything was read of a directory.
    pub(super) fn of_directory(directory: &Utf8Path, n_quanta: usize, n_datasets: usize) -> Self {
        let directory = Some(directory.to_owned());
        Self { directory, ..Self::new(n_quanta, n_datasets) }
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
            None if cell.attempts > cell.first => QuantumProgress::InFlight,
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

    /// Since when a quantum is in flight, if it is.
    pub fn in_flight_since(&self, quantum: QuantumIx) -> Option<Timestamp> {
        (self.progress(quantum) == QuantumProgress::InFlight).then(|| self.started[quantum.index()])
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
            Claim::End { quantum, end } => {
                self.quanta[quantum as usize].end == end && !self.removed_after(dataset, end)
            }
        }
    }

    /// Whether a dataset was written by the attempt that counts for its quantum, and deleted on
    /// purpose since.
    pub fn is_removed(&self, dataset: DatasetIx) -> bool {
        match self.written.claim(dataset) {
            Claim::Nobody | Claim::Init => false,
            Claim::End { quantum, end } => {
                self.quanta[quantum as usize].end == end && self.removed_after(dataset, end)
            }
        }
    }

    fn removed_after(&self, dataset: DatasetIx, end: u32) -> bool {
        let attempt = self.ends[end as usize].attempt;
        self.written.removed_through(dataset).is_some_and(|removed| attempt <= removed)
    }

    /// Whether any dataset was ever deleted on purpose.
    pub fn has_removed(&self) -> bool {
        self.written.has_removed()
    }

    /// Where a quantum runs, if it is in flight and that was recorded.
    pub fn placed(&self, quantum: QuantumIx) -> Option<PlacedQuantum> {
        let cell = self.quanta[quantum.index()];
        let placed = self.placed.get(&quantum.0).copied()?;
        (placed.attempt + 1 == cell.attempts && placed.attempt >= cell.first).then_some(placed)
    }

    /// How the last attempt at a quantum is repeated: it has failed, and the next one has not begun.
    pub fn repeated(&self, quantum: QuantumIx) -> Option<RepeatedQuantum> {
        let cell = self.quanta[quantum.index()];
        let repeated = self.repeated.get(&quantum.0).copied()?;
        (repeated.attempt + 1 == cell.attempts && repeated.attempt >= cell.first)
            .then_some(repeated)
    }

    /// Datastore records of a dataset; none unless it [was written](Self::is_written).
    pub fn records(
        &self,
        dataset: DatasetIx,
    ) -> impl ExactSizeIterator<Item = WrittenRecord<'_>> + use<'_> {
        let n = if self.is_written(dataset) { usize::MAX } else { 0 };
        self.written.records(dataset).take(n)
    }

    /// Where a dataset is that is not a file but packed; `None` unless it
    /// [was written](Self::is_written) into a pack.
    pub fn packed(&self, dataset: DatasetIx) -> Option<PackedPlace> {
        if !self.is_written(dataset) {
            return None;
        }
        self.packed_place(dataset)
    }

    fn packed_place(&self, dataset: DatasetIx) -> Option<PackedPlace> {
        let PackedCell { pack, block, begin, length } = self.written.packed(dataset)?;
        let pack = *self.packs.get(pack as usize)?;
        Some(PackedPlace { pack, block, begin, length })
    }

    /// Takes note that a packed dataset became a file.
    pub fn unpacked(&mut self, dataset: DatasetIx, record: &FileRecord) {
        let claim = self.written.claim(dataset);
        self.written.set(dataset, claim, std::slice::from_ref(record));
    }

    /// The directory that was read, where packs are; `None` if nothing was.
    pub fn directory(&self) -> Option<&Utf8Path> {
        self.directory.as_deref()
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
        let packs = Packs::new(self.directory.as_deref().unwrap_or(Utf8Path::new("")));
        let mut missing: Vec<u32> = Vec::new();
        for dataset in (0..self.written.len() as u32).map(DatasetIx) {
            if let Claim::End { quantum, end } = self.written.claim(dataset)
                && quanta.contains(&quantum)
                && self.quanta[quantum as usize].end == end
                && !self.removed_after(dataset, end)
                && !(self.written.records(dataset).all(&mut exists)
                    && self.packed_place(dataset).is_none_or(|place| packs.has(place)))
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
            Event::QuantumStarted { time, quantum, attempt } => {
                self.fold_start(*quantum, *attempt, *time)?;
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
            Event::QuantumPlaced { time, quantum, attempt, worker, memory } => {
                let cell = *self.cell(*quantum)?;
                let (attempt, time, worker, memory) = (*attempt, *time, *worker, *memory);
                let ended = self.ends.get(cell.end as usize).is_some_and(|e| attempt <= e.attempt);
                let placed = PlacedQuantum { attempt, time, worker, memory };
                let known = self.placed.get(&quantum.0);
                let key = |p: &PlacedQuantum| (p.attempt, p.time, p.worker, p.memory);
                if !ended && known.is_none_or(|known| key(known) < key(&placed)) {
                    self.placed.insert(quantum.0, placed);
                }
            }
            Event::AttemptRepeated { quantum, attempt, reason, not_before, memory, .. } => {
                self.cell(*quantum)?;
                let known = self.repeated.get(&quantum.0);
                let order = (*attempt, *not_before);
                if known.is_none_or(|known| (known.attempt, known.not_before) < order) {
                    let (attempt, reason) = (*attempt, *reason);
                    let (not_before, memory) = (*not_before, *memory);
                    let repeated = RepeatedQuantum { attempt, reason, not_before, memory };
                    self.repeated.insert(quantum.0, repeated);
                }
            }
            Event::DatasetsRemoved { datasets, .. } => {
                for &(dataset, attempt) in datasets {
                    self.check_dataset(dataset)?;
                    self.written.remove_through(dataset, attempt);
                }
            }
            Event::QuantaReset { quanta, .. } => {
                for &(quantum, next) in quanta {
                    let end = self.cell(quantum)?.end;
                    let attempt = self.ends.get(end as usize).map(|end| end.attempt);
                    let cell = self.cell(quantum)?;
                    cell.first = cell.first.max(next);
                    cell.attempts = cell.attempts.max(next);
                    if attempt.is_some_and(|attempt| attempt < next) {
                        cell.end = NONE;
                    }
                }
            }
            Event::OutputsPacked { pack, blocks, .. } => {
                for row in blocks.iter().flat_map(|block| &block.rows) {
                    self.cell(row.quantum)?;
                    self.check_dataset(row.dataset)?;
                }
                let known = self.packs.iter().position(|known| known == pack);
                let number = known.unwrap_or_else(|| {
                    self.packs.push(*pack);
                    self.packs.len() - 1
                });
                self.pending.add(writer, number as u32, blocks);
            }
            Event::RunStarted { .. }
            | Event::RunFinished { .. }
            | Event::RunGoesOn { .. }
            | Event::OutputsDurable { .. } => {}
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
        let Some(number) = self.number_of_end(writer, quantum, attempt, ended)? else {
            self.pending.take(writer, quantum, attempt, drop);
            return Ok(());
        };
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
        self.add_particulars(
            number,
            outcome.caveats,
            || outcome.exception.clone(),
            outcome.exit_code,
        );
        let claim = Claim::End { quantum: quantum.0, end: number };
        for output in &outcome.outputs {
            self.written.set(output.dataset, claim, &output.records);
        }
        self.claim_packed(writer, quantum, attempt, claim);
        self.quanta[quantum.index()].end = number;
        Ok(())
    }

    /// Claims what an attempt that counts has packed.
    fn claim_packed(&mut self, writer: u32, quantum: QuantumIx, attempt: u32, claim: Claim) {
        let written = &mut self.written;
        self.pending.take(writer, quantum, attempt, |PendingRow { pack, block, row }| {
            let PackedRow { dataset, begin, length, .. } = row;
            written.set_packed(dataset, claim, PackedCell { pack, block, begin, length });
        });
    }

    /// Takes the start of an attempt into account.
    pub(super) fn fold_start(
        &mut self,
        quantum: QuantumIx,
        attempt: u32,
        time: Timestamp,
    ) -> Result<(), String> {
        let attempts = attempt.saturating_add(1);
        let cell = self.cell(quantum)?;
        let newer = attempts > cell.attempts;
        if attempts >= cell.attempts {
            cell.attempts = attempts;
            let started = &mut self.started[quantum.index()];
            *started = if newer { time } else { time.max(*started) };
        }
        Ok(())
    }

    /// Takes the end of an attempt into account whose records are in the table of what was written
    /// already, from row `record` on.
    pub(super) fn fold_end_row(
        &mut self,
        writer: u32,
        row: &EndRow,
        outputs: &[(DatasetIx, u32)],
        mut record: u32,
        inputs: &[DatasetIx],
    ) -> Result<(), String> {
        for &dataset in outputs.iter().map(|(dataset, _)| dataset).chain(inputs) {
            self.check_dataset(dataset)?;
        }
        let EndRow { quantum, attempt, started, ended, end, n_available, n_actual, .. } = *row;
        let Some(number) = self.number_of_end(writer, quantum, attempt, ended)? else {
            self.pending.take(writer, quantum, attempt, drop);
            return Ok(());
        };
        let first_input = self.inputs.len() as u64;
        self.ends.push(EndCell {
            started,
            ended,
            attempt,
            writer,
            first_input,
            n_available,
            n_actual,
            end,
        });
        self.inputs.extend(inputs.iter().map(|dataset| dataset.0));
        self.usage.push(row.usage);
        let exception = || row.exception.as_deref().cloned();
        self.add_particulars(number, row.caveats, exception, row.exit_code);
        let claim = Claim::End { quantum: quantum.0, end: number };
        for &(dataset, n_records) in outputs {
            self.written.set_rows(dataset, claim, record, n_records);
            record += n_records;
        }
        self.claim_packed(writer, quantum, attempt, claim);
        self.quanta[quantum.index()].end = number;
        Ok(())
    }

    /// The number that an end gets; none if one that is known counts more.
    fn number_of_end(
        &mut self,
        writer: u32,
        quantum: QuantumIx,
        attempt: u32,
        ended: Timestamp,
    ) -> Result<Option<u32>, String> {
        let cell = self.cell(quantum)?;
        // An end is proof of a start, also if that is in a file that is not there.
        cell.attempts = cell.attempts.max(attempt.saturating_add(1));
        let (counts, first) = (cell.end, cell.first);
        if self.placed.get(&quantum.0).is_some_and(|placed| placed.attempt <= attempt) {
            self.placed.remove(&quantum.0);
        }
        if attempt < first {
            return Ok(None);
        }
        if let Some(known) = self.ends.get(counts as usize) {
            let key = |attempt, ended, writer: u32| (attempt, ended, self.writers[writer as usize]);
            if key(attempt, ended, writer) <= key(known.attempt, known.ended, known.writer) {
                return Ok(None);
            }
        }
        Ok(Some(self.ends.len() as u32))
    }

    /// What few ends have.
    fn add_particulars(
        &mut self,
        number: u32,
        caveats: Option<u32>,
        exception: impl Fn() -> Option<ExceptionInfo>,
        exit_code: Option<i32>,
    ) {
        if let Some(caveats) = caveats.filter(|&caveats| caveats != 0) {
            self.caveats.insert(number, caveats);
        }
        let exception = exception();
        if exception.is_some() || exit_code.is_some() {
            self.failures.insert(number, (exception, exit_code));
        }
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
#[path = "state_tests.rs"]
mod tests;
