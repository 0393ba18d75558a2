//! Every attempt at every quantum, in columns.
//!
//! The merged [`JournalState`](qbb::journal::JournalState) knows the attempt that counts; who wants
//! to see how a run went needs the others as well, and when the present ones began.

use qbb::journal::{AttemptEnd, AttemptSink, QuantumEnd, Timestamp};
use qbb_graph::QuantumIx;
use rustc_hash::FxHashMap;
use uuid::Uuid;

/// One attempt at a quantum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attempt {
    /// Which quantum.
    pub quantum: QuantumIx,
    /// How many attempts came before.
    pub attempt: u32,
    /// Number of the writer whose process made it, see [`AttemptTable::writer`].
    pub writer: u32,
    /// When it began.
    pub started: Timestamp,
    /// How and when it ended; `None` if nobody recorded an end, since it runs or was cut off.
    pub ended: Option<(QuantumEnd, Timestamp)>,
    /// Number of its place among those of its process, if that was recorded.
    pub place: Option<u32>,
    /// Peak memory of its process in bytes, if measured.
    pub memory: Option<u64>,
}

impl Attempt {
    /// Seconds that it took, if it ended. Clocks that were set back make no negative times.
    pub fn seconds(&self) -> Option<f64> {
        self.ended.map(|(_, ended)| ended.seconds_since(self.started).max(0.0))
    }

    /// Whether it ended by doing something, which finding everything done is not.
    pub fn did_work(&self) -> bool {
        self.ended.is_some_and(|(end, _)| end != QuantumEnd::SkippedExisting)
    }
}

const NO_PLACE: u32 = u32::MAX;

/// Until when attempts are shown, whether an end of theirs is known or not.
#[derive(Debug)]
pub(crate) struct Ends {
    /// By writer, for attempts without an end.
    pub unknown: Vec<Timestamp>,
}

impl Ends {
    /// When an attempt ended, or was last known to go on. Not before its start, whatever clocks
    /// say.
    pub fn of(&self, attempt: &Attempt) -> Timestamp {
        let ended = match attempt.ended {
            Some((_, ended)) => ended,
            None => self.unknown[attempt.writer as usize],
        };
        ended.max(attempt.started)
    }
}

/// All attempts that journal files tell of, in no particular order.
#[derive(Debug, Default)]
pub struct AttemptTable {
    quantum: Vec<u32>,
    attempt: Vec<u32>,
    writer: Vec<u32>,
    started: Vec<i64>,
    ended: Vec<i64>,
    end: Vec<Option<QuantumEnd>>,
    /// Zero where nothing was measured.
    memory: Vec<u64>,
    /// [`NO_PLACE`] where none was recorded.
    place: Vec<u32>,
    writers: Vec<Uuid>,
    /// Places of attempts that are not known to have begun.
    early_places: FxHashMap<(u32, u32, u32), u32>,
    /// Rows without an end, by writer, quantum and attempt.
    open: FxHashMap<(u32, u32, u32), u32>,
    /// For failed attempts, the number of the exception's type.
    failed_with: FxHashMap<u32, u32>,
    exception_types: Vec<String>,
    exception_numbers: FxHashMap<String, u32>,
}

impl AttemptTable {
    /// Number of attempts.
    pub fn len(&self) -> usize {
        self.quantum.len()
    }

    /// Whether nothing was tried.
    pub fn is_empty(&self) -> bool {
        self.quantum.is_empty()
    }

    /// An attempt by its row.
    pub fn get(&self, row: u32) -> Attempt {
        let i = row as usize;
        Attempt {
            quantum: QuantumIx(self.quantum[i]),
            attempt: self.attempt[i],
            writer: self.writer[i],
            started: Timestamp(self.started[i]),
            ended: self.end[i].map(|end| (end, Timestamp(self.ended[i]))),
            place: Some(self.place[i]).filter(|&place| place != NO_PLACE),
            memory: Some(self.memory[i]).filter(|&memory| memory != 0),
        }
    }

    /// All attempts.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Attempt> + use<'_> {
        (0..self.len() as u32).map(|row| self.get(row))
    }

    /// Attempts of which no end is known.
    pub fn without_end(&self) -> impl Iterator<Item = Attempt> + use<'_> {
        self.open.values().map(|&row| self.get(row))
    }

    /// Rows in order of their starts.
    pub fn rows_by_start(&self) -> Vec<u32> {
        let mut rows: Vec<u32> = (0..self.len() as u32).collect();
        let key = |&row: &u32| {
            let i = row as usize;
            (self.started[i], self.quantum[i], self.attempt[i])
        };
        rows.sort_unstable_by_key(key);
        rows
    }

    /// The UUID of a writer.
    pub fn writer(&self, writer: u32) -> Uuid {
        self.writers[writer as usize]
    }

    /// Number of writers.
    pub fn n_writers(&self) -> usize {
        self.writers.len()
    }

    /// Type of the exception with which the attempt in a row failed, if one was recorded.
    pub fn exception_type(&self, row: u32) -> Option<&str> {
        let number = self.failed_with.get(&row)?;
        Some(&self.exception_types[*number as usize])
    }

    fn push(&mut self, writer: u32, quantum: QuantumIx, attempt: u32, started: Timestamp) -> u32 {
        self.quantum.push(quantum.0);
        self.attempt.push(attempt);
        self.writer.push(writer);
        self.started.push(started.0);
        self.ended.push(0);
        self.end.push(None);
        self.memory.push(0);
        let place = self.early_places.remove(&(writer, quantum.0, attempt));
        self.place.push(place.unwrap_or(NO_PLACE));
        self.quantum.len() as u32 - 1
    }

    /// The row of an attempt without an end.
    fn open_row(&self, writer: u32, quantum: QuantumIx, attempt: u32) -> Option<u32> {
        self.open.get(&(writer, quantum.0, attempt)).copied()
    }
}

impl AttemptSink for AttemptTable {
    fn begin_writer(&mut self, number: u32, writer: Uuid) {
        let n = self.writers.len().max(number as usize + 1);
        self.writers.resize(n, Uuid::nil());
        self.writers[number as usize] = writer;
    }

    fn started(&mut self, writer: u32, quantum: QuantumIx, attempt: u32, time: Timestamp) {
        if let Some(row) = self.open_row(writer, quantum, attempt) {
            self.started[row as usize] = time.0;
            return;
        }
        let row = self.push(writer, quantum, attempt, time);
        self.open.insert((writer, quantum.0, attempt), row);
    }

    fn placed(&mut self, writer: u32, quantum: QuantumIx, attempt: u32, place: u32) {
        // A place may be given before the attempt is said to begin.
        let row = match self.open_row(writer, quantum, attempt) {
            Some(row) => row,
            None => {
                self.early_places.insert((writer, quantum.0, attempt), place);
                return;
            }
        };
        self.place[row as usize] = place;
    }

    fn ended(&mut self, writer: u32, end: AttemptEnd<'_>) {
        let row = match self.open.remove(&(writer, end.quantum.0, end.attempt)) {
            Some(row) => row,
            // The start is in what a damaged file has lost.
            None => self.push(writer, end.quantum, end.attempt, end.started),
        };
        let i = row as usize;
        // When the task began, which is later than its dispatch.
        self.started[i] = end.started.0;
        self.ended[i] = end.ended.0;
        self.end[i] = Some(end.end);
        self.memory[i] = end.memory.unwrap_or(0);
        if let Some(exception) = end.exception {
            let number = match self.exception_numbers.get(exception) {
                Some(&number) => number,
                None => {
                    let number = self.exception_types.len() as u32;
                    self.exception_types.push(exception.to_owned());
                    self.exception_numbers.insert(exception.to_owned(), number);
                    number
                }
            };
            self.failed_with.insert(row, number);
        }
    }

    fn start_again(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(quantum: u32, attempt: u32, times: (i64, i64), end: QuantumEnd) -> AttemptEnd<'static> {
        AttemptEnd {
            quantum: QuantumIx(quantum),
            attempt,
            started: Timestamp(times.0),
            ended: Timestamp(times.1),
            end,
            memory: None,
            exception: (end == QuantumEnd::Failed).then_some("ValueError"),
        }
    }

    #[test]
    fn an_end_belongs_to_its_start_and_needs_none() {
        let mut table = AttemptTable::default();
        table.begin_writer(0, Uuid::max());
        table.started(0, QuantumIx(7), 0, Timestamp(10));
        table.started(0, QuantumIx(8), 0, Timestamp(11));
        table.placed(0, QuantumIx(8), 0, 3);
        table.ended(0, end(7, 0, (12, 20), QuantumEnd::Failed));
        table.placed(0, QuantumIx(7), 1, 2);
        table.started(0, QuantumIx(7), 1, Timestamp(21));
        table.ended(0, end(9, 0, (5, 1_000_005), QuantumEnd::Succeeded));
        let rows: Vec<_> = table.iter().collect();
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[0].ended, Some((QuantumEnd::Failed, Timestamp(20))));
        assert_eq!(rows[0].started, Timestamp(12), "when the task began, not its dispatch");
        assert_eq!(table.exception_type(0), Some("ValueError"));
        assert_eq!((rows[1].place, rows[2].place, rows[3].place), (Some(3), Some(2), None));
        assert_eq!(rows[3].seconds(), Some(1.0));
        assert_eq!(table.rows_by_start(), [3, 1, 0, 2]);
        let mut open: Vec<_> =
            table.without_end().map(|row| (row.quantum.0, row.attempt)).collect();
        open.sort_unstable();
        assert_eq!(open, [(7, 1), (8, 0)]);
    }

    #[test]
    fn writers_do_not_end_the_attempts_of_others() {
        let mut table = AttemptTable::default();
        table.begin_writer(0, Uuid::from_u128(1));
        table.begin_writer(1, Uuid::from_u128(2));
        table.started(0, QuantumIx(7), 0, Timestamp(10));
        table.started(1, QuantumIx(7), 0, Timestamp(11));
        table.ended(1, end(7, 0, (11, 12), QuantumEnd::NoWork));
        let open: Vec<_> = table.without_end().map(|row| row.writer).collect();
        assert_eq!((open, table.writer(1)), (vec![0], Uuid::from_u128(2)));
    }
}
