//! Ends of attempts, as columns.

use std::ops::Range;

use qbb_graph::{DatasetIx, QuantumIx};

use super::event::{ExceptionInfo, QuantumEnd, QuantumOutcome};
use super::time::Timestamp;
use super::usage::ResourceUsage;

/// A chunk with fewer rows than this is joined with others.
const FEW: usize = 1 << 9;

/// A chunk that others were joined with is closed when it has so many rows.
const MANY: usize = 1 << 16;

/// The end of an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct EndRow {
    pub started: Timestamp,
    pub ended: Timestamp,
    pub quantum: QuantumIx,
    pub attempt: u32,
    /// Number of the writer that told it.
    pub writer: u32,
    /// Where its inputs begin in those of the chunk; available ones first.
    first_input: u32,
    n_available: u32,
    n_actual: u32,
    pub end: QuantumEnd,
    /// Whether the inputs that were read are those that were available, which are kept once.
    all_were_read: bool,
    has_usage: bool,
}

/// What is told of the end of an attempt besides its inputs.
#[derive(Debug)]
pub(super) struct EndFields {
    pub quantum: QuantumIx,
    pub attempt: u32,
    pub writer: u32,
    pub started: Timestamp,
    pub ended: Timestamp,
    pub end: QuantumEnd,
    pub caveats: Option<u32>,
    pub exception: Option<ExceptionInfo>,
    pub exit_code: Option<i32>,
    pub usage: Option<ResourceUsage>,
}

impl EndFields {
    /// Of an event.
    pub fn of(
        writer: u32,
        (quantum, attempt): (QuantumIx, u32),
        (started, ended): (Timestamp, Timestamp),
        outcome: &QuantumOutcome,
    ) -> Self {
        Self {
            quantum,
            attempt,
            writer,
            started,
            ended,
            end: outcome.end,
            caveats: outcome.caveats,
            exception: outcome.exception.clone(),
            exit_code: outcome.exit_code,
            usage: outcome.usage,
        }
    }
}

/// Why an attempt failed, as far as it was told.
#[derive(Debug, Default)]
pub(super) struct Failure {
    pub exception: Option<ExceptionInfo>,
    pub exit_code: Option<i32>,
}

/// Some ends, in the order in which they were told.
#[derive(Debug, Default)]
pub(super) struct EndChunk {
    pub rows: Vec<EndRow>,
    /// One for each row, or none at all if no attempt was measured.
    usage: Vec<ResourceUsage>,
    inputs: Vec<u32>,
    // What few ends have, by row.
    caveats: Vec<(u32, u32)>,
    failures: Vec<(u32, Failure)>,
}

impl EndChunk {
    /// Adds an end. Its inputs are those that [were added](Self::push_input) since the one before:
    /// first so many available ones, then those that were read.
    pub fn push(&mut self, fields: EndFields, first_input: usize, n_available: usize) {
        let EndFields { quantum, attempt, writer, started, ended, end, .. } = fields;
        let row = self.rows.len() as u32;
        let (available, actual) = self.inputs[first_input..].split_at(n_available);
        let n_actual = actual.len() as u32;
        let all_were_read = available == actual;
        if all_were_read {
            self.inputs.truncate(first_input + n_available);
        }
        if let Some(caveats) = fields.caveats.filter(|&caveats| caveats != 0) {
            self.caveats.push((row, caveats));
        }
        if fields.exception.is_some() || fields.exit_code.is_some() {
            let (exception, exit_code) = (fields.exception, fields.exit_code);
            self.failures.push((row, Failure { exception, exit_code }));
        }
        let has_usage = fields.usage.is_some();
        if has_usage || !self.usage.is_empty() {
            self.usage.resize(self.rows.len(), ResourceUsage::default());
            self.usage.push(fields.usage.unwrap_or_default());
        }
        self.rows.push(EndRow {
            started,
            ended,
            quantum,
            attempt,
            writer,
            first_input: first_input as u32,
            n_available: n_available as u32,
            n_actual,
            end,
            all_were_read,
            has_usage,
        });
    }

    /// Adds an input of the end that will be added next.
    pub fn push_input(&mut self, dataset: u32) {
        self.inputs.push(dataset);
    }

    /// Takes back the inputs from one on.
    pub fn forget_inputs(&mut self, first: usize) {
        self.inputs.truncate(first);
    }

    /// Where the inputs of the next end begin.
    pub fn n_inputs(&self) -> usize {
        self.inputs.len()
    }

    /// Positions of available inputs, and of those that were read.
    pub fn inputs(&self, row: usize) -> (&[u32], &[u32]) {
        let EndRow { first_input, n_available, n_actual, all_were_read, .. } = self.rows[row];
        let (available, rest) = self.inputs[first_input as usize..].split_at(n_available as usize);
        (available, if all_were_read { available } else { &rest[..n_actual as usize] })
    }

    /// What an attempt cost.
    pub fn usage(&self, row: usize) -> Option<ResourceUsage> {
        self.rows[row].has_usage.then(|| self.usage.get(row).copied()).flatten()
    }

    pub fn caveats(&self, row: usize) -> Option<u32> {
        let at = self.caveats.binary_search_by_key(&(row as u32), |(row, _)| *row).ok()?;
        Some(self.caveats[at].1)
    }

    pub fn failure(&self, row: usize) -> Option<&Failure> {
        let at = self.failures.binary_search_by_key(&(row as u32), |(row, _)| *row).ok()?;
        Some(&self.failures[at].1)
    }

    /// Takes the ends of another chunk behind its own.
    fn extend(&mut self, other: Self) {
        let (first, first_input) = (self.rows.len() as u32, self.inputs.len() as u32);
        if !(self.usage.is_empty() && other.usage.is_empty()) {
            self.usage.resize(self.rows.len(), ResourceUsage::default());
            self.usage.extend_from_slice(&other.usage);
        }
        let rows = other.rows.into_iter();
        self.rows
            .extend(rows.map(|row| EndRow { first_input: row.first_input + first_input, ..row }));
        if !self.usage.is_empty() {
            self.usage.resize(self.rows.len(), ResourceUsage::default());
        }
        self.inputs.extend_from_slice(&other.inputs);
        self.caveats.extend(other.caveats.into_iter().map(|(row, bits)| (row + first, bits)));
        self.failures.extend(other.failures.into_iter().map(|(row, why)| (row + first, why)));
    }

    fn shrink(&mut self) {
        self.rows.shrink_to_fit();
        self.usage.shrink_to_fit();
        self.inputs.shrink_to_fit();
    }
}

/// All ends that were told, numbered in that order, also those that do not count.
///
/// Chunks are kept as they were read, so that nothing is copied when a journal is.
#[derive(Debug, Default)]
pub(super) struct EndTable {
    chunks: Vec<EndChunk>,
    /// Number of the first end of each chunk.
    firsts: Vec<u32>,
    len: u32,
    /// Whether the last chunk was made of small ones.
    open: bool,
}

impl EndTable {
    /// Adds a chunk and tells the numbers of its ends, which are [in one piece](Self::place).
    pub fn add(&mut self, mut chunk: EndChunk) -> Range<u32> {
        let first = self.len;
        let added = chunk.rows.len();
        if added < FEW {
            self.open_chunk().extend(chunk);
        } else {
            chunk.shrink();
            self.chunks.push(chunk);
            self.firsts.push(first);
            self.open = false;
        }
        self.len += added as u32;
        first..self.len
    }

    /// Adds an end and tells its number.
    pub fn push(
        &mut self,
        fields: EndFields,
        available: &[DatasetIx],
        actual: &[DatasetIx],
    ) -> u32 {
        let chunk = self.open_chunk();
        let first_input = chunk.inputs.len();
        chunk.inputs.extend(available.iter().chain(actual).map(|dataset| dataset.0));
        chunk.push(fields, first_input, available.len());
        self.len += 1;
        self.len - 1
    }

    /// The last chunk if it takes more rows, otherwise a new one.
    fn open_chunk(&mut self) -> &mut EndChunk {
        let is_full = |chunk: &EndChunk| chunk.rows.len() >= MANY || chunk.inputs.len() >= 4 * MANY;
        if !self.open || self.chunks.last().is_none_or(is_full) {
            self.chunks.push(EndChunk::default());
            self.firsts.push(self.len);
            self.open = true;
        }
        let last = self.chunks.len() - 1;
        &mut self.chunks[last]
    }

    /// The chunk that has an end, and its row there.
    pub fn place(&self, number: u32) -> Option<(&EndChunk, usize)> {
        if number >= self.len {
            return None;
        }
        let chunk = match self.firsts.last() {
            // Nearly always asked for while it is read.
            Some(&first) if first <= number => self.firsts.len() - 1,
            _ => self.firsts.partition_point(|&first| first <= number).checked_sub(1)?,
        };
        Some((&self.chunks[chunk], (number - self.firsts[chunk]) as usize))
    }

    /// The end with a number, if there is one.
    pub fn get(&self, number: u32) -> Option<&EndRow> {
        self.place(number).map(|(chunk, row)| &chunk.rows[row])
    }
}
