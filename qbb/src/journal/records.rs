//! Datastore records as columns.

use std::ops::Range;

use qbb_dimensions::{Symbol, Symbols};
use rustc_hash::FxHashMap;

use super::event::FileRecord;

/// A chunk with fewer rows than this is joined with others.
const FEW: usize = 1 << 9;

/// A chunk that others were joined with is closed when its paths have so many bytes.
const MANY: usize = 8 << 20;

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

/// What is the same for nearly all records of a dataset type, as numbers of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RecordKind {
    pub formatter: u32,
    pub storage_class: u32,
    pub component: Option<u32>,
}

/// Some records, in the order in which they were told.
#[derive(Debug, Default)]
pub(super) struct RecordChunk {
    paths: String,
    /// Where each path ends.
    path_ends: Vec<u32>,
    /// Number of each row's kind.
    kinds: Vec<u32>,
    file_sizes: Vec<i64>,
    /// By row; most datastores have none.
    checksums: Vec<(u32, String)>,
}

impl RecordChunk {
    /// A chunk with room for paths of so many bytes.
    pub fn with_room(bytes: usize) -> Self {
        Self { paths: String::with_capacity(bytes), ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.path_ends.len()
    }

    /// Adds a record.
    pub fn push(&mut self, path: &str, kind: u32, checksum: Option<&str>, file_size: i64) {
        if let Some(checksum) = checksum {
            self.checksums.push((self.len() as u32, checksum.to_owned()));
        }
        self.paths.push_str(path);
        self.path_ends.push(self.paths.len() as u32);
        self.kinds.push(kind);
        self.file_sizes.push(file_size);
    }

    /// Adds a record of which only the size is kept.
    pub fn push_size(&mut self, kind: u32, file_size: i64) {
        self.push("", kind, None, file_size);
    }

    /// Gives kinds other numbers.
    pub fn renumber_kinds(&mut self, numbers: &[u32]) {
        for kind in &mut self.kinds {
            *kind = numbers[*kind as usize];
        }
    }

    fn extend(&mut self, other: &Self) {
        let (first, base) = (self.len() as u32, self.paths.len() as u32);
        self.paths.push_str(&other.paths);
        self.path_ends.extend(other.path_ends.iter().map(|end| end + base));
        self.kinds.extend_from_slice(&other.kinds);
        self.file_sizes.extend_from_slice(&other.file_sizes);
        let checksums = other.checksums.iter();
        self.checksums.extend(checksums.map(|(row, text)| (row + first, text.clone())));
    }

    fn shrink(&mut self) {
        self.paths.shrink_to_fit();
        self.path_ends.shrink_to_fit();
        self.kinds.shrink_to_fit();
        self.file_sizes.shrink_to_fit();
    }

    fn path(&self, row: usize) -> &str {
        let begin = row.checked_sub(1).map_or(0, |before| self.path_ends[before]);
        &self.paths[begin as usize..self.path_ends[row] as usize]
    }

    fn checksum(&self, row: usize) -> Option<&str> {
        let at = self.checksums.binary_search_by_key(&(row as u32), |(row, _)| *row).ok()?;
        Some(&self.checksums[at].1)
    }
}

/// All records that were told, numbered in that order, also those that do not count: there are as many
/// as quanta that were tried again.
///
/// Chunks are kept as they were read, so that nothing is copied when a journal is.
#[derive(Debug, Default)]
pub(super) struct RecordTable {
    chunks: Vec<RecordChunk>,
    /// Number of the first record of each chunk.
    firsts: Vec<u32>,
    len: u32,
    /// Whether the last chunk was made of small ones.
    open: bool,
    texts: Symbols,
    kinds: Vec<RecordKind>,
    kind_numbers: FxHashMap<RecordKind, u32>,
}

impl RecordTable {
    /// The table's number for a text.
    pub fn text_number(&mut self, text: &str) -> u32 {
        self.texts.intern(text).0
    }

    /// The table's number for a kind in its own numbers of texts.
    pub fn kind_number(&mut self, kind: RecordKind) -> u32 {
        let next = self.kinds.len() as u32;
        let number = *self.kind_numbers.entry(kind).or_insert(next);
        if number == next {
            self.kinds.push(kind);
        }
        number
    }

    /// Adds a chunk whose kinds have the table's numbers, and gives the number of its first record.
    pub fn add(&mut self, mut chunk: RecordChunk) -> u32 {
        let first = self.len;
        let added = chunk.len();
        if added < FEW {
            self.open_chunk().extend(&chunk);
        } else {
            chunk.shrink();
            self.chunks.push(chunk);
            self.firsts.push(first);
            self.open = false;
        }
        self.len += added as u32;
        first
    }

    /// Adds the records of a dataset, and gives the number of the first.
    pub fn push(&mut self, records: &[FileRecord]) -> u32 {
        let first = self.len;
        for record in records {
            let kind = RecordKind {
                formatter: self.text_number(&record.formatter),
                storage_class: self.text_number(&record.storage_class),
                component: record.component.as_ref().map(|text| self.text_number(text)),
            };
            let kind = self.kind_number(kind);
            let checksum = record.checksum.as_deref();
            self.open_chunk().push(&record.path, kind, checksum, record.file_size);
            self.len += 1;
        }
        first
    }

    /// The last chunk if it takes more rows, otherwise a new one.
    fn open_chunk(&mut self) -> &mut RecordChunk {
        let is_full = |chunk: &RecordChunk| chunk.paths.len() >= MANY || chunk.len() >= MANY / 64;
        if !self.open || self.chunks.last().is_none_or(is_full) {
            self.chunks.push(RecordChunk::default());
            self.firsts.push(self.len);
            self.open = true;
        }
        let last = self.chunks.len() - 1;
        &mut self.chunks[last]
    }

    fn place(&self, number: u32) -> (&RecordChunk, usize) {
        let chunk = self.firsts.partition_point(|&first| first <= number) - 1;
        (&self.chunks[chunk], (number - self.firsts[chunk]) as usize)
    }

    /// Records by their numbers, which must be given ones.
    pub fn get(&self, range: Range<u32>) -> impl ExactSizeIterator<Item = WrittenRecord<'_>> {
        range.map(|number| self.record(number))
    }

    fn record(&self, number: u32) -> WrittenRecord<'_> {
        let (chunk, row) = self.place(number);
        let text = |number: u32| self.texts.get(Symbol(number)).unwrap_or_default();
        let kind = self.kinds[chunk.kinds[row] as usize];
        WrittenRecord {
            path: chunk.path(row),
            formatter: text(kind.formatter),
            storage_class: text(kind.storage_class),
            component: kind.component.map(text),
            checksum: chunk.checksum(row),
            file_size: chunk.file_sizes[row],
        }
    }
}
