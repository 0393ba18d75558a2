//! Which datasets were written, with their datastore records, as columns.

use std::ops::Range;

use qbb_dimensions::{Symbol, Symbols};
use qbb_graph::DatasetIx;
use rustc_hash::FxHashMap;

use super::event::FileRecord;
use super::piece::RecordRows;

const NONE: u32 = u32::MAX;

/// A datastore record of a written file, as journals tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenRecord<'a> {
    /// Path relative to the root of the output datastore.
    pub path: &'a str,
    /// Formatter class path.
    pub formatter: &'a str,
    /// Storage class as written.
    pub storage_class: &'a str,
    /// Component; `None` is the whole dataset.
    pub component: Option<&'a str>,
    /// Checksum, if the datastore computes them.
    pub checksum: Option<&'a str>,
    /// Size in bytes.
    pub file_size: i64,
}

/// Where a dataset's records are, and which claim they belong to.
#[derive(Debug, Clone, Copy)]
struct DatasetCell {
    first: u32,
    count: u32,
    claim: Claim,
}

/// Where a packed dataset is; the pack by number.
#[derive(Debug, Clone, Copy)]
pub(super) struct PackedCell {
    pub pack: u32,
    pub block: u64,
    pub begin: u32,
    pub length: u32,
}

/// In the place of a count of records: the dataset is packed, and `first` is a row of `packed`.
const PACKED: u32 = u32::MAX;

/// Who says that a dataset was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nobody.
    Nobody,
    /// Init-outputs, which are not of a quantum.
    Init,
    /// The end of an attempt, by its number among all ends that were folded.
    End { quantum: u32, end: u32 },
}

/// Records by dataset. Records of superseded claims stay in the columns, unreachable; there are as
/// many as quanta that were tried again.
#[derive(Debug)]
pub(super) struct WrittenTable {
    datasets: Vec<DatasetCell>,
    texts: Symbols,
    paths: String,
    path_ends: Vec<u64>,
    formatter: Vec<u32>,
    storage_class: Vec<u32>,
    component: Vec<u32>,
    file_size: Vec<i64>,
    checksums: FxHashMap<u32, String>,
    /// One more than the last attempt whose file was deleted, by dataset; empty if there is none.
    removed: Vec<u32>,
    packed: Vec<PackedCell>,
}

impl WrittenTable {
    pub fn new(n_datasets: usize) -> Self {
        let empty = DatasetCell { first: 0, count: 0, claim: Claim::Nobody };
        Self {
            datasets: vec![empty; n_datasets],
            texts: Symbols::new(),
            paths: String::new(),
            path_ends: Vec::new(),
            formatter: Vec::new(),
            storage_class: Vec::new(),
            component: Vec::new(),
            file_size: Vec::new(),
            checksums: FxHashMap::default(),
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
        let first = self.formatter.len() as u32;
        for record in records {
            let row = self.formatter.len() as u32;
            self.paths.push_str(&record.path);
            self.path_ends.push(self.paths.len() as u64);
            self.formatter.push(self.texts.intern(&record.formatter).0);
            self.storage_class.push(self.texts.intern(&record.storage_class).0);
            let component = record.component.as_ref();
            self.component.push(component.map_or(NONE, |text| self.texts.intern(text).0));
            self.file_size.push(record.file_size);
            if let Some(checksum) = &record.checksum {
                self.checksums.insert(row, checksum.clone());
            }
        }
        let count = records.len() as u32;
        self.datasets[dataset.index()] = DatasetCell { first, count, claim };
    }

    /// The table's number for a text.
    pub fn text_number(&mut self, text: &str) -> u32 {
        self.texts.intern(text).0
    }

    /// Appends rows, of which some will be [given](Self::set_rows) to datasets; `symbols` are the
    /// table's numbers for the numbers of texts in the rows. Gives the number of the first.
    pub fn append(
        &mut self,
        rows: &RecordRows,
        range: Range<usize>,
        symbols: &[u32],
    ) -> Result<u32, String> {
        let first = self.formatter.len() as u32;
        let symbol = |&number: &u32| {
            (symbols.get(number as usize).copied())
                .ok_or_else(|| format!("text {number} is used before it is given"))
        };
        for (column, from) in
            [(&mut self.formatter, &rows.formatter), (&mut self.storage_class, &rows.storage_class)]
        {
            for number in &from[range.clone()] {
                column.push(symbol(number)?);
            }
        }
        for number in &rows.component[range.clone()] {
            self.component.push(number.as_ref().map_or(Ok(NONE), symbol)?);
        }
        self.file_size.extend_from_slice(&rows.file_size[range.clone()]);
        let begin = match range.start {
            0 => 0,
            start => rows.path_end[start - 1],
        };
        let ends = &rows.path_end[range.clone()];
        let base = self.paths.len() as u64;
        if let Some(&end) = ends.last() {
            self.paths.push_str(&rows.paths[begin as usize..end as usize]);
        }
        self.path_ends.extend(ends.iter().map(|&end| base + u64::from(end - begin)));
        let checksums = rows.checksums.partition_point(|&(row, _)| (row as usize) < range.start);
        for (row, checksum) in &rows.checksums[checksums..] {
            if *row as usize >= range.end {
                break;
            }
            self.checksums.insert(first + row - range.start as u32, checksum.clone());
        }
        Ok(first)
    }

    /// Makes rows the records of a dataset, whose position must have been checked.
    pub fn set_rows(&mut self, dataset: DatasetIx, claim: Claim, first: u32, count: u32) {
        self.datasets[dataset.index()] = DatasetCell { first, count, claim };
    }

    /// Replaces the records of a dataset, whose position must have been checked, by its place in a
    /// pack.
    pub fn set_packed(&mut self, dataset: DatasetIx, claim: Claim, place: PackedCell) {
        let first = self.packed.len() as u32;
        self.packed.push(place);
        self.datasets[dataset.index()] = DatasetCell { first, count: PACKED, claim };
    }

    /// Where a dataset is packed, whatever its claim is worth.
    pub fn packed(&self, dataset: DatasetIx) -> Option<PackedCell> {
        let cell = self.datasets[dataset.index()];
        (cell.count == PACKED).then(|| self.packed.get(cell.first as usize).copied()).flatten()
    }

    pub fn claim(&self, dataset: DatasetIx) -> Claim {
        self.datasets[dataset.index()].claim
    }

    /// Forgets a dataset.
    pub fn clear(&mut self, dataset: DatasetIx) {
        self.datasets[dataset.index()] = DatasetCell { first: 0, count: 0, claim: Claim::Nobody };
    }

    /// Records of a dataset, whatever its claim is worth.
    pub fn records(
        &self,
        dataset: DatasetIx,
    ) -> impl ExactSizeIterator<Item = WrittenRecord<'_>> + use<'_> {
        let cell = self.datasets[dataset.index()];
        let count = if cell.count == PACKED { 0 } else { cell.count };
        (cell.first..cell.first + count).map(|row| self.record(row))
    }

    fn record(&self, row: u32) -> WrittenRecord<'_> {
        let at = row as usize;
        let begin = if at == 0 { 0 } else { self.path_ends[at - 1] as usize };
        let text = |number: u32| self.texts.get(Symbol(number)).unwrap_or_default();
        let component = self.component[at];
        WrittenRecord {
            path: &self.paths[begin..self.path_ends[at] as usize],
            formatter: text(self.formatter[at]),
            storage_class: text(self.storage_class[at]),
            component: (component != NONE).then(|| text(component)),
            checksum: self.checksums.get(&row).map(String::as_str),
            file_size: self.file_size[at],
        }
    }
}
