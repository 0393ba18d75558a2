//! What the scheduler is told of quanta and their past, and what it tells.

use std::time::Duration;

use qbb::journal::{JournalState, QuantumProgress, RepeatReason};
use qbb_graph::QuantumIx;

use super::order::depth_first;
use super::resources::{Amounts, MemoryRequest, Request};
use super::retries::RetryPolicy;

/// Which quanta must wait for which, and how they differ.
pub trait Dependencies: Sized {
    /// Number of quanta.
    fn n_quanta(&self) -> usize;

    /// Quanta that read what this one writes, each once.
    fn successors(&self, quantum: QuantumIx) -> impl Iterator<Item = QuantumIx>;

    /// Quanta that write what this one reads, each once.
    fn predecessors(&self, quantum: QuantumIx) -> impl Iterator<Item = QuantumIx>;

    /// Number of the request, see [`Limits::requests`], that this quantum makes.
    fn class(&self, _: QuantumIx) -> usize {
        0
    }

    /// Position of each quantum in the order of preference.
    fn ranks(&self) -> Vec<u32> {
        depth_first(self)
    }
}

/// What is known of quanta from earlier runs.
pub trait Past {
    /// Where a quantum stands.
    fn progress(&self, quantum: QuantumIx) -> QuantumProgress;

    /// Number that its next attempt must have.
    fn next_attempt(&self, quantum: QuantumIx) -> u32;

    /// Memory that the next attempt was promised, because the last one had too little.
    fn promised_memory(&self, _: QuantumIx) -> Option<u64> {
        None
    }
}

impl Past for JournalState {
    fn progress(&self, quantum: QuantumIx) -> QuantumProgress {
        Self::progress(self, quantum)
    }

    fn next_attempt(&self, quantum: QuantumIx) -> u32 {
        Self::next_attempt(self, quantum)
    }

    fn promised_memory(&self, quantum: QuantumIx) -> Option<u64> {
        self.repeated(quantum)?.memory
    }
}

/// What must be done because of an event.
pub trait Effects {
    /// A quantum must be run. `memory` is what is set aside for it, in bytes, if that is known.
    fn start(&mut self, quantum: QuantumIx, attempt: u32, memory: Option<u64>);

    /// A failed attempt will be followed by another one.
    fn repeat(&mut self, repeated: Repetition);

    /// Quanta can no longer run because `cause` failed. Each quantum is told at most once.
    fn blocked(&mut self, cause: QuantumIx, quanta: &[QuantumIx]);
}

/// A failed attempt that will be followed by another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repetition {
    /// Which quantum.
    pub quantum: QuantumIx,
    /// The attempt that failed.
    pub attempt: u32,
    /// Why it is repeated.
    pub reason: RepeatReason,
    /// How long the next attempt must wait.
    pub wait: Duration,
    /// Memory that it is given, in bytes, if that is more than before.
    pub memory: Option<u64>,
}

/// Why no more quanta are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// As many quanta failed as may fail.
    TooManyFailures,
    /// A quantum shows that the graph is no good.
    InvalidQuantum,
    /// Somebody asked for it, or nothing can be recorded any more.
    Cancelled,
}

/// What a run may do and take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Failures after which no more quanta are started; 0 means no limit.
    pub max_failures: u32,
    /// Which failures are repeated.
    pub retries: RetryPolicy,
    /// What there is.
    pub budget: Amounts,
    /// What quanta ask for, by class. Each has as many amounts as the budget.
    pub requests: Vec<Request>,
}

impl Default for Limits {
    /// None.
    fn default() -> Self {
        let amounts = Amounts::new(1, 0, 0, []);
        Self {
            max_failures: 0,
            retries: RetryPolicy::default(),
            budget: Amounts::new(u64::MAX, u64::MAX, u64::MAX, []),
            requests: vec![Request { amounts, memory: MemoryRequest::Declared }],
        }
    }
}
