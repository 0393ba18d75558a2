//! Which datasets were written, and where their records are.

use qbb_graph::DatasetIx;

use super::event::FileRecord;
use super::records::{RecordTable, WrittenRecord};

/// Where a dataset's records are, and which claim they belong to.
#[derive(Debug, Clone, Copy)]
struct DatasetCell {
    /// Number of the first record, or row of `packed`.
    first: u32,
    /// Number of records, or [`PACKED`].
    count: u32,
    /// Number of the end that claims it, [`NOBODY`] or [`INIT`].
    claim: u32,
}

/// In the place of a count of records: the dataset is packed.
const PACKED: u32 = u32::MAX;

// In the place of the number of an end.
const NOBODY: u32 = u32::MAX;
const INIT: u32 = u32::MAX - 1;

const EMPTY: DatasetCell = DatasetCell { first: 0, count: 0, claim: NOBODY };

/// Where a packed dataset is.
#[derive(Debug, Clone, Copy)]
pub(super) struct PackedCell {
    /// Number of the block among those that were seen.
    pub block: u32,
    pub begin: u32,
    pub length: u32,
}

/// Who says that a dataset was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nobody.
    Nobody,
    /// Init-outputs, which are not of a quantum.
    Init,
    /// The end of an attempt, by its number.
    End(u32),
}

impl Claim {
    fn number(self) -> u32 {
        match self {
            Self::Nobody => NOBODY,
            Self::Init => INIT,
            Self::End(number) => number,
        }
    }
}

/// Records by dataset.
#[derive(Debug)]
pub(super) struct WrittenTable {
    datasets: Vec<DatasetCell>,
    pub records: RecordTable,
    /// One more than the last attempt whose file was deleted, by dataset; empty if there is none.
    removed: Vec<u32>,
    packed: Vec<PackedCell>,
}

impl WrittenTable {
    pub fn new(n_datasets: usize) -> Self {
        Self {
            datasets: vec![EMPTY; n_datasets],
            records: RecordTable::default(),
            removed: Vec::new(),
            packed: Vec::new(),
        }
    }

    /// Notes that what an attempt and those before it wrote was deleted.
    pub fn remove_through(&mut self, dataset: DatasetIx, attempt: u32) {
        if self.removed.is_empty() {
            self.removed = vec![0; self.datasets.len()];
        }
        let cell = &mut self.removed[dataset.index()];
        *cell = (*cell).max(attempt.saturating_add(1));
    }

    /// Whether any file was deleted.
    pub fn has_removed(&self) -> bool {
        !self.removed.is_empty()
    }

    /// The last attempt whose file was deleted.
    pub fn removed_through(&self, dataset: DatasetIx) -> Option<u32> {
        self.removed.get(dataset.index()).and_then(|after| after.checked_sub(1))
    }

    /// Number of datasets of the graph.
    pub fn len(&self) -> usize {
        self.datasets.len()
    }

    /// Replaces the records of a dataset, whose position must have been checked.
    pub fn set(&mut self, dataset: DatasetIx, claim: Claim, records: &[FileRecord]) {
        let first = self.records.push(records);
        self.set_records(dataset, claim, first, records.len() as u32);
    }

    /// Makes records those of a dataset, whose position must have been checked.
    pub fn set_records(&mut self, dataset: DatasetIx, claim: Claim, first: u32, count: u32) {
        self.datasets[dataset.index()] = DatasetCell { first, count, claim: claim.number() };
    }

    /// Replaces the records of a dataset, whose position must have been checked, by its place in a
    /// pack.
    pub fn set_packed(&mut self, dataset: DatasetIx, claim: Claim, place: PackedCell) {
        let (first, claim) = (self.packed.len() as u32, claim.number());
        self.packed.push(place);
        self.datasets[dataset.index()] = DatasetCell { first, count: PACKED, claim };
    }

    /// Where a dataset is packed, whatever its claim is worth.
    pub fn packed(&self, dataset: DatasetIx) -> Option<PackedCell> {
        let cell = self.datasets[dataset.index()];
        (cell.count == PACKED).then(|| self.packed.get(cell.first as usize).copied()).flatten()
    }

    pub fn claim(&self, dataset: DatasetIx) -> Claim {
        match self.datasets[dataset.index()].claim {
            NOBODY => Claim::Nobody,
            INIT => Claim::Init,
            number => Claim::End(number),
        }
    }

    /// Forgets a dataset.
    pub fn clear(&mut self, dataset: DatasetIx) {
        self.datasets[dataset.index()] = EMPTY;
    }

    /// Records of a dataset, whatever its claim is worth.
    pub fn records_of(
        &self,
        dataset: DatasetIx,
    ) -> impl ExactSizeIterator<Item = WrittenRecord<'_>> + use<'_> {
        let cell = self.datasets[dataset.index()];
        let count = if cell.count == PACKED { 0 } else { cell.count };
        self.records.get(cell.first..cell.first + count)
    }
}
