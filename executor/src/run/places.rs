//! Places of quanta that run at the same time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use qbb::journal::{Event, Timestamp};
use qbb_graph::QuantumIx;
use rustc_hash::FxHashMap;

/// Numbers for what runs at the same time, as low as possible, so that there are as many as there
/// are workers.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: FxHashMap<u32, u32>,
    /// Places that were given back.
    free: BinaryHeap<Reverse<u32>>,
    /// All places below this one were given.
    next: u32,
}

impl Places {
    /// A place for a quantum that is about to run.
    pub fn take(&mut self, quantum: QuantumIx) -> u32 {
        let place = match self.free.pop() {
            Some(Reverse(place)) => place,
            None => {
                self.next += 1;
                self.next - 1
            }
        };
        self.taken.insert(quantum.0, place);
        place
    }

    /// The quantum no longer runs. Gives the place that it had.
    pub fn give_back(&mut self, quantum: QuantumIx) -> Option<u32> {
        let place = self.taken.remove(&quantum.0)?;
        self.free.push(Reverse(place));
        Some(place)
    }
}

/// Attempts that have ended and that threads have taken from a queue, so that their places were not
/// known before, or were others.
#[derive(Debug, Default)]
pub(super) struct ThreadPlaces {
    /// By number of the thread.
    quanta: Vec<Vec<(QuantumIx, u32)>>,
}

impl ThreadPlaces {
    /// An attempt has ended that a thread ran.
    pub fn add(&mut self, thread: u32, quantum: QuantumIx, attempt: u32) {
        let thread = thread as usize;
        if self.quanta.len() <= thread {
            self.quanta.resize_with(thread + 1, Vec::new);
        }
        self.quanta[thread].push((quantum, attempt));
    }

    /// What is to be recorded before the ends of these attempts.
    pub fn take(&mut self, time: Timestamp) -> impl Iterator<Item = Event> {
        (self.quanta.iter_mut().enumerate()).filter(|(_, quanta)| !quanta.is_empty()).map(
            move |(thread, quanta)| Event::QuantaPlaced {
                time,
                worker: thread as u32,
                quanta: std::mem::take(quanta),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again_lowest_first() {
        let mut places = Places::default();
        let taken: Vec<u32> = (0..3).map(|quantum| places.take(QuantumIx(quantum))).collect();
        assert_eq!(taken, [0, 1, 2]);
        assert_eq!(places.give_back(QuantumIx(2)), Some(2));
        assert_eq!(places.give_back(QuantumIx(0)), Some(0));
        assert_eq!(places.give_back(QuantumIx(0)), None);
        assert_eq!(places.take(QuantumIx(9)), 0);
        assert_eq!(places.take(QuantumIx(8)), 2);
        assert_eq!(places.take(QuantumIx(7)), 3);
    }
}
