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
    /// Failed, and waits for another attempt.
    Delayed {
        /// How many attempts were made.
        attempts: u32,
    },
    /// Ended with success, in this run or an earlier one.
    Succeeded,
    /// Ended without success in this run, for good.
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
    /// Failed, and waiting for another attempt.
    pub delayed: u32,
    /// Failed for good.
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
            QuantumState::Delayed { .. } => &mut self.delayed,
            QuantumState::Succeeded => &mut self.succeeded,
            QuantumState::Failed => &mut self.failed,
            QuantumState::Blocked { .. } => &mut self.blocked,
            QuantumState::Elsewhere => &mut self.elsewhere,
        }
    }
}

/// A ready quantum and when its turn is; earlier is greater, as in a heap.
type Turn = Reverse<(u32, u32)>;

/// All states, with what must agree with them.
#[derive(Debug)]
pub(super) struct StateTable {
    states: Vec<QuantumState>,
    counts: QuantumCounts,
    /// Position of each quantum in the order of preference.
    ranks: Vec<u32>,
    /// Which queue each quantum belongs to.
    classes: Vec<u16>,
    /// By class, exactly the ready quanta, and such that ceased to be ready, which are skipped when
    /// they come up.
    ready: Vec<BinaryHeap<Turn>>,
}

impl StateTable {
    /// All quanta in one state, which must not be ready. Of `ranks` and `classes` there is one for
    /// each quantum, and classes are less than `n_classes`.
    pub fn new(state: QuantumState, ranks: Vec<u32>, classes: Vec<u16>, n_classes: usize) -> Self {
        debug_assert_ne!(state, QuantumState::Ready);
        debug_assert_eq!(ranks.len(), classes.len());
        let mut counts = QuantumCounts::default();
        *counts.of(state) = ranks.len() as u32;
        let states = vec![state; ranks.len()];
        Self { states, counts, ranks, classes, ready: vec![BinaryHeap::new(); n_classes] }
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
            let turn = Reverse((self.ranks[quantum.index()], quantum.0));
            self.ready[usize::from(self.classes[quantum.index()])].push(turn);
        }
        *cell = state;
    }

    /// The first ready quantum of a class with its rank; it stays ready until set to something
    /// else.
    pub fn first_ready(&mut self, class: usize) -> Option<(u32, QuantumIx)> {
        let queue = &mut self.ready[class];
        while let Some(&Reverse((rank, quantum))) = queue.peek() {
            let is_of_class = usize::from(self.classes[quantum as usize]) == class;
            if self.states[quantum as usize] == QuantumState::Ready && is_of_class {
                return Some((rank, QuantumIx(quantum)));
            }
            queue.pop();
        }
        None
    }

    /// Puts a quantum that is not ready into another class.
    pub fn reclassify(&mut self, quantum: QuantumIx, class: usize) {
        debug_assert_ne!(self.get(quantum), QuantumState::Ready);
        // What its old queue may still hold of it is skipped there.
        self.classes[quantum.index()] = class as u16;
    }

    pub fn class(&self, quantum: QuantumIx) -> usize {
        usize::from(self.classes[quantum.index()])
    }

    pub fn n_classes(&self) -> usize {
        self.ready.len()
    }

    pub fn counts(&self) -> QuantumCounts {
        self.counts
    }

    pub fn len(&self) -> usize {
        self.states.len()
    }
}
