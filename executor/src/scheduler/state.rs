//! States of quanta, and the one place that changes them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use qbb_graph::QuantumIx;

/// Where a quantum stands in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuantumState {
    /// Needs other quanta to succeed first.
    Waiting {
        /// How many of them have not, at least one.
        unmet: u32,
    },
    /// May run.
    Ready,
    /// Was handed to a runner.
    Running {
        /// How many attempts came before.
        attempt: u32,
    },
    /// Ended with success, in this run or an earlier one.
    Succeeded,
    /// Ended without success in this run.
    Failed,
    /// Depends on a quantum that failed.
    Blocked {
        /// That quantum.
        cause: QuantumIx,
    },
    /// Not part of this run, and not known to have succeeded.
    Elsewhere,
}

// A million of these exist.
const _: () = assert!(size_of::<QuantumState>() == 8);

/// How many quanta are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuantumCounts {
    /// Waiting for others.
    pub waiting: u32,
    /// Ready to run.
    pub ready: u32,
    /// Running.
    pub running: u32,
    /// Succeeded, in this run or before.
    pub succeeded: u32,
    /// Failed.
    pub failed: u32,
    /// Blocked by a failure.
    pub blocked: u32,
    /// Not part of this run.
    pub elsewhere: u32,
}

impl QuantumCounts {
    fn of(&mut self, state: QuantumState) -> &mut u32 {
        match state {
            QuantumState::Waiting { .. } => &mut self.waiting,
            QuantumState::Ready => &mut self.ready,
            QuantumState::Running { .. } => &mut self.running,
            QuantumState::Succeeded => &mut self.succeeded,
            QuantumState::Failed => &mut self.failed,
            QuantumState::Blocked { .. } => &mut self.blocked,
            QuantumState::Elsewhere => &mut self.elsewhere,
        }
    }
}

/// All states, with what must agree with them.
#[derive(Debug)]
pub(super) struct StateTable {
    states: Vec<QuantumState>,
    counts: QuantumCounts,
    /// Exactly the ready quanta, and such that ceased to be ready, which are skipped when they come
    /// up. Lowest position first, which is by task and then by data ID.
    ready: BinaryHeap<Reverse<u32>>,
}

impl StateTable {
    /// All quanta in one state, which must not be ready.
    pub fn new(n_quanta: usize, state: QuantumState) -> Self {
        debug_assert_ne!(state, QuantumState::Ready);
        let mut counts = QuantumCounts::default();
        *counts.of(state) = n_quanta as u32;
        Self { states: vec![state; n_quanta], counts, ready: BinaryHeap::new() }
    }

    pub fn get(&self, quantum: QuantumIx) -> QuantumState {
        self.states[quantum.index()]
    }

    /// The only place where a state changes.
    pub fn set(&mut self, quantum: QuantumIx, state: QuantumState) {
        let cell = &mut self.states[quantum.index()];
        *self.counts.of(*cell) -= 1;
        *self.counts.of(state) += 1;
        if state == QuantumState::Ready && *cell != QuantumState::Ready {
            self.ready.push(Reverse(quantum.0));
        }
        *cell = state;
    }

    /// The first ready quantum; it stays ready until set to something else.
    pub fn first_ready(&mut self) -> Option<QuantumIx> {
        while let Some(&Reverse(quantum)) = self.ready.peek() {
            if self.states[quantum as usize] == QuantumState::Ready {
                return Some(QuantumIx(quantum));
            }
            self.ready.pop();
        }
        None
    }

    pub fn counts(&self) -> QuantumCounts {
        self.counts
    }

    pub fn len(&self) -> usize {
        self.states.len()
    }
}
