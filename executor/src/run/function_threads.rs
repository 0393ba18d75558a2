//! Threads that run Rust functions, and how many quanta they are given ahead.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::Sender;
use qbb::journal::Timestamp;

use super::error::RunError;
use super::lanes::Message;
use super::quantum_threads::QuantumThreads;
use crate::local::LocalRunner;

/// Threads for Rust functions, which tell the ends of quanta, and their own numbers from the given one
/// on.
pub(super) fn function_threads(
    n: NonZeroUsize,
    first: u32,
    local: &Arc<LocalRunner>,
    messages: &Sender<Message>,
) -> Result<QuantumThreads, RunError> {
    QuantumThreads::start(n, "function", |number| {
        let (local, messages) = (local.clone(), messages.clone());
        move |job| {
            let started = Timestamp::now();
            let end = Some(Box::new(local.run_function(job)));
            let ended = Timestamp::now();
            // The dispatcher may have left because of an error.
            let thread = first + number;
            let _ = messages.send(Message::Ended { job, thread, started, ended, end });
        }
    })
}

/// How many quanta of functions and programs are handed out ahead, so that threads find work while the
/// dispatcher records what was done.
///
/// A thread is given what will take it no longer than [`AHEAD`], by what quanta took lately. With
/// quanta of milliseconds that is one, which begins at once; those that take microseconds are handed
/// out, and recorded, by the hundred.
#[derive(Debug)]
pub(super) struct Lookahead {
    /// Whether no quantum is of a `PipelineTask`.
    possible: bool,
    /// Microseconds that a quantum usually takes, smoothed.
    usual: f64,
}

/// Work that a thread is given at once, in microseconds.
const AHEAD: f64 = 8000.0;

/// Most quanta that a thread is given at once.
const MOST: f64 = 256.0;

/// Share of what threads have before them in which ends may gather.
const GATHERING: f64 = 0.5;

/// Longest time in which ends gather, in microseconds: it is lost if the run is killed.
const LONGEST: f64 = AHEAD / 4.0;

/// Gathering for less time than this takes more than it saves, in microseconds.
const SHORTEST: f64 = 150.0;

/// Share of the newest quantum in what is usual.
const WEIGHT: f64 = 1.0 / 16.0;

/// What takes so many times what is usual counts as if it took just that, unless it takes longer than
/// [`AHEAD`]: something else may have run on its core.
const EXCEPTIONAL: f64 = 4.0;

impl Lookahead {
    /// Nothing is known of any quantum yet.
    pub fn new(possible: bool) -> Self {
        Self { possible, usual: AHEAD }
    }

    /// Most that [`depth`](Self::depth) will ever give.
    pub fn most(&self) -> usize {
        if self.possible { MOST as usize } else { 1 }
    }

    /// A quantum took so long.
    pub fn learn(&mut self, started: Timestamp, ended: Timestamp) {
        let took = (ended.0.saturating_sub(started.0)).clamp(1, 3_600_000_000) as f64;
        // One that takes long counts at once: what is handed out behind it would wait.
        self.usual = match took {
            _ if took > AHEAD => took,
            _ => self.usual + (took.min(EXCEPTIONAL * self.usual) - self.usual) * WEIGHT,
        };
    }

    /// Quanta that each thread may have, the one that it runs included.
    pub fn depth(&self) -> usize {
        if self.possible { (AHEAD / self.usual).clamp(1.0, MOST) as usize } else { 1 }
    }

    /// How long to let ends gather before they are recorded, if so many quanta are handed out to so many
    /// threads: none unless threads have enough to do meanwhile.
    pub fn pause(&self, handed_out: usize, threads: usize) -> Option<Duration> {
        let waiting = handed_out.saturating_sub(threads) as f64;
        let pause = (waiting * self.usual / threads.max(1) as f64 * GATHERING).min(LONGEST);
        (pause >= SHORTEST).then_some(Duration::from_micros(pause as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_quanta_are_handed_out_ahead_and_long_ones_are_not() {
        let mut lookahead = Lookahead::new(true);
        let mut learn = |micros: i64, times| {
            for _ in 0..times {
                lookahead.learn(Timestamp(100), Timestamp(100 + micros));
            }
            let depth = lookahead.depth();
            (depth, lookahead.pause(2 * depth, 2).map(|pause| pause.as_micros()))
        };
        assert_eq!(learn(8000, 1), (1, None));
        assert_eq!(learn(4100, 200), (1, None));
        assert_eq!(learn(3000, 200), (2, Some(1500)), "one that runs and one behind it");
        assert_eq!(learn(500, 200), (15, Some(2000)));
        assert_eq!(learn(20, 200).0, 256);
        assert_eq!(learn(4000, 1).0, 256, "one that was held up says little");
        assert_eq!(learn(0, 500), (256, None), "what takes a microsecond leaves no time to gather");
        assert_eq!(learn(5_000_000, 1), (1, None), "one is enough to be careful again");
        assert_eq!(learn(-5, 300), (256, None), "a clock that was set back");
        let mut never = Lookahead::new(false);
        never.learn(Timestamp(0), Timestamp(1));
        assert_eq!(never.depth(), 1);
    }

    #[test]
    fn ends_gather_only_while_threads_have_work() {
        let mut lookahead = Lookahead::new(true);
        for _ in 0..200 {
            lookahead.learn(Timestamp(0), Timestamp(600));
        }
        let pause = |handed_out, threads| {
            lookahead.pause(handed_out, threads).map_or(0, |pause| pause.as_micros())
        };
        assert_eq!((pause(0, 2), pause(2, 2)), (0, 0), "links of chains are not held up");
        assert_eq!((pause(4, 2), pause(12, 2), pause(100, 2)), (300, 1500, 2000));
    }
}
