//! Which worker made an attempt, for pictures.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use qbb::journal::Timestamp;

use crate::attempts::{AttemptTable, Ends};

/// More than any process has.
const MOST_PLACES: u32 = 1 << 16;

/// A lane for each attempt, so that no two attempts in a lane overlap.
///
/// An attempt's lane is its place, where the journal has it. Otherwise it gets the first lane of its
/// process that was free when it began, which is what a process with slots does.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// By row.
    lane: Vec<u32>,
    /// Writer of each lane; those of one writer are adjacent.
    writers: Vec<u32>,
}

impl Lanes {
    /// Assigns lanes to attempts, given in order of their starts.
    pub fn assign(attempts: &AttemptTable, by_start: &[u32], ends: &Ends) -> Self {
        let n_writers = attempts.n_writers();
        let mut slots: Vec<Slots> = Vec::new();
        slots.resize_with(n_writers, Slots::default);
        let mut lane = vec![0; attempts.len()];
        for &row in by_start {
            let attempt = attempts.get(row);
            let slots = &mut slots[attempt.writer as usize];
            lane[row as usize] = match attempt.place {
                // A number out of all proportion is not taken for a number of lanes.
                Some(place) if place < MOST_PLACES => {
                    slots.count = slots.count.max(place + 1);
                    place
                }
                _ => slots.take(attempt.started, ends.of(&attempt)),
            };
        }
        let mut first = Vec::with_capacity(n_writers);
        let mut writers = Vec::new();
        for (writer, slots) in slots.iter().enumerate() {
            first.push(writers.len() as u32);
            writers.extend((0..slots.count).map(|_| writer as u32));
        }
        for (row, lane) in lane.iter_mut().enumerate() {
            *lane += first[attempts.get(row as u32).writer as usize];
        }
        Self { lane, writers }
    }

    /// The lane of the attempt in a row.
    pub fn of(&self, row: u32) -> u32 {
        self.lane[row as usize]
    }

    /// Number of lanes.
    pub fn len(&self) -> usize {
        self.writers.len()
    }

    /// The writer whose attempts a lane holds, and the lane's number among those of that writer.
    pub fn place(&self, lane: u32) -> (u32, u32) {
        let writer = self.writers[lane as usize];
        let first = self.writers.partition_point(|&other| other < writer);
        (writer, lane - first as u32)
    }
}

/// Slots of one process.
#[derive(Default)]
struct Slots {
    count: u32,
    free: BinaryHeap<Reverse<u32>>,
    busy: BinaryHeap<Reverse<(Timestamp, u32)>>,
}

impl Slots {
    fn take(&mut self, start: Timestamp, end: Timestamp) -> u32 {
        while let Some(&Reverse((until, slot))) = self.busy.peek()
            && until <= start
        {
            self.busy.pop();
            self.free.push(Reverse(slot));
        }
        let slot = match self.free.pop() {
            Some(Reverse(slot)) => slot,
            None => {
                self.count += 1;
                self.count - 1
            }
        };
        self.busy.push(Reverse((end, slot)));
        slot
    }
}

#[cfg(test)]
mod tests {
    use qbb::journal::{AttemptEnd, AttemptSink as _, QuantumEnd};
    use qbb_graph::QuantumIx;
    use uuid::Uuid;

    use super::*;

    fn table(attempts: &[(u32, i64, Option<i64>)]) -> AttemptTable {
        let mut table = AttemptTable::default();
        for (i, &(writer, started, ended)) in attempts.iter().enumerate() {
            table.begin_writer(writer, Uuid::from_u128(u128::from(writer)));
            let (started, quantum) = (Timestamp(started), QuantumIx(i as u32));
            table.started(writer, quantum, 0, started);
            if let Some(ended) = ended.map(Timestamp) {
                let (end, memory, exception) = (QuantumEnd::Succeeded, None, None);
                let attempt = 0;
                let end = AttemptEnd { quantum, attempt, started, ended, end, memory, exception };
                table.ended(writer, end);
            }
        }
        table
    }

    fn lanes(table: &AttemptTable) -> (Vec<u32>, Lanes) {
        let ends = Ends { unknown: vec![Timestamp(1000); table.n_writers()] };
        let lanes = Lanes::assign(table, &table.rows_by_start(), &ends);
        ((0..table.len() as u32).map(|row| lanes.of(row)).collect(), lanes)
    }

    #[test]
    fn lanes_are_used_again_as_soon_as_they_are_free() {
        let table = table(&[
            (0, 0, Some(10)),
            (0, 0, Some(30)),
            (0, 10, Some(20)),
            (0, 15, None),
            (0, 40, Some(50)),
        ]);
        assert_eq!(lanes(&table).0, [0, 1, 0, 2, 0]);
    }

    #[test]
    fn each_process_has_lanes_of_its_own() {
        let table = table(&[(0, 0, Some(10)), (1, 1, Some(9)), (0, 2, Some(3)), (1, 9, Some(12))]);
        let (assigned, lanes) = lanes(&table);
        assert_eq!(assigned, [0, 2, 1, 2]);
        assert_eq!(lanes.len(), 3);
        assert_eq!((lanes.place(1), lanes.place(2)), ((0, 1), (1, 0)));
    }

    #[test]
    fn a_clock_that_was_set_back_does_no_harm() {
        let table = table(&[(0, 50, Some(10)), (0, 50, Some(60))]);
        assert_eq!(lanes(&table).1.len(), 1);
    }

    #[test]
    fn places_that_were_recorded_are_lanes() {
        let mut table = table(&[(0, 0, None), (0, 1, None)]);
        table.placed(0, QuantumIx(0), 0, 3);
        table.placed(0, QuantumIx(1), 0, u32::MAX - 1);
        assert_eq!(lanes(&table).0, [3, 4]);
    }
}
