//! How many attempts ran at a time, and what memory they had.

use qbb::journal::Timestamp;

use crate::attempts::{AttemptTable, Ends};

/// What ran from some moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    /// From when on.
    pub time: Timestamp,
    /// How many attempts ran.
    pub running: u64,
    /// The sum of their peaks in bytes, which is more than they had at any moment. Attempts whose
    /// memory is not known count for nothing.
    pub memory: u64,
}

/// Goes through all moments at which the load changed, in order.
pub(crate) fn sweep(
    attempts: &AttemptTable,
    by_start: &[u32],
    ends: &Ends,
    mut seen: impl FnMut(Load),
) {
    // Of those that end at one moment, those that only began at it come last.
    let mut by_end: Vec<(Timestamp, bool, u32)> = (by_start.iter())
        .map(|&row| {
            let attempt = attempts.get(row);
            let ended = ends.of(&attempt);
            (ended, ended == attempt.started, row)
        })
        .collect();
    by_end.sort_unstable();
    let mut ends = by_end.into_iter().peekable();
    let mut load = Load { time: Timestamp(i64::MIN), running: 0, memory: 0 };
    let change = |load: &mut Load, time: Timestamp, seen: &mut dyn FnMut(Load)| {
        if load.time != time {
            if load.time.0 != i64::MIN {
                seen(*load);
            }
            load.time = time;
        }
    };
    for &row in by_start {
        let attempt = attempts.get(row);
        // What ends when this one begins has made room for it.
        while let Some(&(ended, at_once, row)) = ends.peek()
            && (ended < attempt.started || (ended == attempt.started && !at_once))
        {
            ends.next();
            change(&mut load, ended, &mut seen);
            load.running -= 1;
            load.memory = load.memory.saturating_sub(attempts.get(row).memory.unwrap_or(0));
        }
        change(&mut load, attempt.started, &mut seen);
        load.running += 1;
        load.memory = load.memory.saturating_add(attempt.memory.unwrap_or(0));
    }
    for (ended, _, row) in ends {
        change(&mut load, ended, &mut seen);
        load.running -= 1;
        load.memory = load.memory.saturating_sub(attempts.get(row).memory.unwrap_or(0));
    }
    if load.time.0 != i64::MIN {
        seen(load);
    }
}

/// Keeps at most one load for each of some steps of time: the greatest in it. What follows a peak
/// is told at the next step.
#[derive(Debug)]
pub(crate) struct Thinned {
    step: i64,
    held: Option<Load>,
    last: Load,
}

impl Thinned {
    /// Of a stretch of time, which is divided into steps.
    pub fn new(from: Timestamp, to: Timestamp, steps: i64) -> Self {
        let step = (to.0.saturating_sub(from.0) / steps).max(1);
        Self { step, held: None, last: Load { time: from, running: 0, memory: 0 } }
    }

    /// Takes a load, and hands on what is known by now.
    pub fn push(&mut self, load: Load, mut tell: impl FnMut(Load)) {
        match &mut self.held {
            Some(held) if load.time.0 - held.time.0 < self.step => {
                held.running = held.running.max(load.running);
                held.memory = held.memory.max(load.memory);
            }
            held => {
                if let Some(held) = held.take() {
                    tell(held);
                }
                *held = Some(load);
            }
        }
        self.last = load;
    }

    /// Hands on what is left; the last load is told as it was.
    pub fn finish(self, mut tell: impl FnMut(Load)) {
        if let Some(held) = self.held {
            tell(held);
            if held != self.last {
                tell(Load { time: self.last.time.max(held.time), ..self.last });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::{Story, at};

    fn loads(story: &Story) -> Vec<(f64, u64, u64)> {
        let history = story.history();
        let attempts = history.attempts();
        let ends = Ends { unknown: vec![at(100.0); attempts.n_writers()] };
        let mut told = Vec::new();
        sweep(attempts, &attempts.rows_by_start(), &ends, |load| {
            let seconds = load.time.seconds_since(at(0.0));
            told.push((seconds, load.running, load.memory / 1_000_000));
        });
        told
    }

    #[test]
    fn attempts_that_follow_each_other_do_not_add_up() {
        let story = Story::new();
        let isr = story.quanta("isr");
        let mut process = story.process("node", 2, 0);
        process.attempt(isr[0], 0, 0.0, 1.0, story.success(isr[0], 100));
        process.attempt(isr[1], 0, 1.0, 3.0, story.success(isr[1], 200));
        process.attempt(isr[2], 0, 2.0, 3.0, story.success(isr[2], 50));
        process.start(isr[3], 0, 5.0);
        let expected =
            [(0.0, 1, 100), (1.0, 1, 200), (2.0, 2, 250), (3.0, 0, 0), (5.0, 1, 0), (100.0, 0, 0)];
        assert_eq!(loads(&story), expected);
    }

    #[test]
    fn attempts_that_took_no_time_are_gone_at_once() {
        let story = Story::new();
        let isr = story.quanta("isr");
        let mut process = story.process("node", 2, 0);
        process.attempt(isr[0], 0, 1.0, 1.0, story.success(isr[0], 1));
        process.attempt(isr[1], 0, 1.0, 1.0, story.success(isr[1], 1));
        process.attempt(isr[2], 0, 1.0, 2.0, story.success(isr[2], 1));
        process.attempt(isr[3], 0, 2.0, 3.0, story.success(isr[3], 1));
        assert_eq!(loads(&story), [(1.0, 1, 1), (2.0, 1, 1), (3.0, 0, 0)]);
    }

    #[test]
    fn thinning_keeps_peaks_and_the_end() {
        let load = |time, running| Load { time: Timestamp(time), running, memory: 0 };
        let mut thinned = Thinned::new(Timestamp(0), Timestamp(100), 10);
        let mut told = Vec::new();
        for (time, running) in [(0, 1), (3, 9), (5, 2), (10, 1), (50, 4), (51, 0)] {
            thinned.push(load(time, running), |load| told.push((load.time.0, load.running)));
        }
        thinned.finish(|load| told.push((load.time.0, load.running)));
        assert_eq!(told, [(0, 9), (10, 1), (50, 4), (51, 0)]);
    }
}
