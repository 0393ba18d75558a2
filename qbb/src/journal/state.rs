//! What all journal files of a directory add up to, and what may be asked of it.

mod folding;
mod quantum;

use camino::{Utf8Path, Utf8PathBuf};
use qbb_graph::{DatasetIx, QuantumIx};
use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

use super::ends::{EndRow, EndTable};
use super::error::JournalWarning;
use super::event::{FileRecord, QuantumEnd};
use super::left_running::LeftRunning;
use super::packed::PendingRows;
use super::records::WrittenRecord;
use super::runs::RunSummary;
use super::time::Timestamp;
use super::written::{Claim, PackedCell, WrittenTable};
use crate::pack::{PackedPlace, Packs};

pub use quantum::{FinishedQuantum, PlacedQuantum, QuantumProgress, RepeatedQuantum};

const NONE: u32 = u32::MAX;

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

/// How much of a journal is kept in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Detail {
    /// Everything.
    #[default]
    Full,
    /// What is wanted to look at a run: of successful quanta no inputs, and of the records of what
    /// they wrote nothing but the sizes. That is half of what there is.
    Progress,
}

/// Progress of every quantum and records of every dataset written, in columns.
///
/// Events may be folded in any order of files; within a file they must come in order.
#[derive(Debug)]
pub struct JournalState {
    quanta: Vec<QuantumCell>,
    /// When the last attempt at each quantum was started, as far as it was recorded.
    started: Vec<Timestamp>,
    pub(super) ends: EndTable,
    pub(super) written: WrittenTable,
    /// Where attempts run that have not ended.
    placed: FxHashMap<u32, PlacedQuantum>,
    /// The last attempt of a quantum that was to be repeated.
    repeated: FxHashMap<u32, RepeatedQuantum>,
    /// What attempts left running: of each quantum, what the last one left that left anything.
    left: FxHashMap<u32, (u32, LeftRunning)>,
    init_claims: FxHashMap<u32, (Timestamp, Uuid)>,
    writers: Vec<Uuid>,
    /// Blocks of packs, by their numbers.
    blocks: Vec<(Uuid, u64)>,
    pending: PendingRows,
    directory: Option<Utf8PathBuf>,
    pub(super) detail: Detail,
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
            ends: EndTable::default(),
            written: WrittenTable::new(n_datasets),
            placed: FxHashMap::default(),
            repeated: FxHashMap::default(),
            left: FxHashMap::default(),
            init_claims: FxHashMap::default(),
            writers: Vec::new(),
            blocks: Vec::new(),
            pending: PendingRows::default(),
            directory: None,
            detail: Detail::Full,
            unproven: Vec::new(),
            runs: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The state before anything was read of a directory.
    pub(super) fn of_directory(
        directory: &Utf8Path,
        detail: Detail,
        n_quanta: usize,
        n_datasets: usize,
    ) -> Self {
        let directory = Some(directory.to_owned());
        Self { directory, detail, ..Self::new(n_quanta, n_datasets) }
    }

    /// Number of quanta of the graph.
    pub fn n_quanta(&self) -> usize {
        self.quanta.len()
    }

    /// Where a quantum stands.
    pub fn progress(&self, quantum: QuantumIx) -> QuantumProgress {
        let cell = self.quanta[quantum.index()];
        match self.ends.get(cell.end) {
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
        self.ends.get(cell.end).is_some_and(|end| end.end == QuantumEnd::Failed)
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
        let (chunk, row) = self.ends.place(self.quanta[quantum.index()].end)?;
        let cell = chunk.rows[row];
        let (available_inputs, actual_inputs) = chunk.inputs(row);
        let failure = chunk.failure(row);
        Some(FinishedQuantum {
            attempt: cell.attempt,
            started: cell.started,
            ended: cell.ended,
            end: cell.end,
            caveats: chunk.caveats(row),
            exception: failure.and_then(|failure| failure.exception.as_ref()),
            exit_code: failure.and_then(|failure| failure.exit_code),
            usage: chunk.usage(row),
            available_inputs,
            actual_inputs,
        })
    }

    /// Whether a dataset was written, by init or by the attempt that counts for its quantum.
    pub fn is_written(&self, dataset: DatasetIx) -> bool {
        match self.written.claim(dataset) {
            Claim::Nobody => false,
            Claim::Init => true,
            Claim::End(number) => {
                self.end_that_counts(number).is_some_and(|end| !self.was_removed(dataset, end))
            }
        }
    }

    /// Whether a dataset was written by the attempt that counts for its quantum, and deleted on
    /// purpose since.
    pub fn is_removed(&self, dataset: DatasetIx) -> bool {
        match self.written.claim(dataset) {
            Claim::Nobody | Claim::Init => false,
            Claim::End(number) => {
                self.end_that_counts(number).is_some_and(|end| self.was_removed(dataset, end))
            }
        }
    }

    /// An end, if it is the one that counts for its quantum.
    fn end_that_counts(&self, number: u32) -> Option<&EndRow> {
        self.ends.get(number).filter(|end| self.quanta[end.quantum.index()].end == number)
    }

    fn was_removed(&self, dataset: DatasetIx, end: &EndRow) -> bool {
        self.written.removed_through(dataset).is_some_and(|removed| end.attempt <= removed)
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

    /// Quanta that have [left something running](Self::left_running), in the order of the graph.
    pub fn quanta_that_left(&self) -> impl ExactSizeIterator<Item = QuantumIx> + use<> {
        let mut quanta: Vec<u32> = self.left.keys().copied().collect();
        quanta.retain(|&quantum| self.left_running(QuantumIx(quantum)).is_some());
        quanta.sort_unstable();
        quanta.into_iter().map(QuantumIx)
    }

    /// What the last attempt at a quantum that left anything running left, and its number.
    pub fn left_running(&self, quantum: QuantumIx) -> Option<(u32, &LeftRunning)> {
        let first = self.quanta[quantum.index()].first;
        let (attempt, left) = self.left.get(&quantum.0)?;
        (*attempt >= first).then_some((*attempt, left))
    }

    /// Datastore records of a dataset; none unless it [was written](Self::is_written), or if they are
    /// not kept because of the [detail](Detail) that was asked for.
    pub fn records(
        &self,
        dataset: DatasetIx,
    ) -> impl ExactSizeIterator<Item = WrittenRecord<'_>> + use<'_> {
        let mut records = self.written.records_of(dataset);
        let is_kept = self.detail == Detail::Full
            || records.next().is_none_or(|record| !record.path.is_empty());
        let n = if is_kept && self.is_written(dataset) { usize::MAX } else { 0 };
        self.written.records_of(dataset).take(n)
    }

    /// Bytes in the files of a dataset; none unless it [was written](Self::is_written).
    pub fn bytes(&self, dataset: DatasetIx) -> u64 {
        if !self.is_written(dataset) {
            return 0;
        }
        self.written.records_of(dataset).map(|record| record.file_size.max(0) as u64).sum()
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
        let PackedCell { block, begin, length } = self.written.packed(dataset)?;
        let (pack, block) = *self.blocks.get(block as usize)?;
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

    /// Forgets that datasets were written, because their files are gone. What is known of their
    /// quanta stays.
    pub fn forget(&mut self, datasets: &[DatasetIx]) {
        for &dataset in datasets {
            self.written.clear(dataset);
        }
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
            if let Claim::End(number) = self.written.claim(dataset)
                && let Some(end) = self.end_that_counts(number)
                && quanta.contains(&end.quantum.0)
                && !self.was_removed(dataset, end)
                && !(self.written.records_of(dataset).all(&mut exists)
                    && self.packed_place(dataset).is_none_or(|place| packs.has(place)))
            {
                missing.push(end.quantum.0);
            }
        }
        missing.sort_unstable();
        missing.dedup();
        for &quantum in &missing {
            self.quanta[quantum as usize].end = NONE;
        }
        denied + missing.len()
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
