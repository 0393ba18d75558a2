//! The scheduler.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use qbb::journal::{QuantumProgress, RepeatReason};
use qbb_graph::QuantumIx;
use rustc_hash::FxHashMap;

use super::resources::Ledger;
use super::retries::{FailureCause, RetryPolicy};
use super::state::{QuantumCounts, QuantumState, StateTable};
use super::surroundings::{Dependencies, Effects, Limits, Past, Repetition, StopReason};

/// How many quanta may start before one that is preferred to them and for which there is no room.
/// After that nothing starts until there is.
const PATIENCE: u32 = 64;

/// Decides which quantum runs next.
///
/// Quanta start as soon as all quanta that they read from have succeeded and there is room for what
/// they ask for; of several, the first in the order of preference. One that asks for more than there
/// is starts when nothing else runs. A failure is repeated if that is worth it, and otherwise blocks
/// all that depends on it and nothing else.
///
/// Times are counted from any fixed moment, and never go back.
#[derive(Debug)]
pub struct Scheduler {
    table: StateTable,
    ledger: Ledger,
    retries: RetryPolicy,
    /// Attempts made so far; absent for none.
    attempts: FxHashMap<u32, u32>,
    /// How often quanta were repeated in this run; absent for never.
    repeated: FxHashMap<u32, u32>,
    /// When delayed quanta become ready, earliest first.
    wakeups: BinaryHeap<Reverse<(Duration, u32)>>,
    /// The preferred quantum for which there is no room, and how many have started before it.
    held: Option<(QuantumIx, u32)>,
    max_failures: u32,
    failures: u32,
    stop: Option<StopReason>,
}

impl Scheduler {
    /// A scheduler over all quanta for which `selected` is true.
    ///
    /// Quanta that succeeded in the past are not run again; all other selected ones are, those
    /// that failed included. A quantum that is not selected holds nobody up unless it is known to
    /// have failed or to be blocked: whoever selected is responsible for the order.
    ///
    /// `effects` is told what is blocked from the beginning.
    pub fn new(
        dependencies: &impl Dependencies,
        past: &impl Past,
        selected: impl Fn(QuantumIx) -> bool,
        limits: Limits,
        effects: &mut impl Effects,
    ) -> Self {
        let n_quanta = dependencies.n_quanta();
        let all = || (0..n_quanta as u32).map(QuantumIx);
        let ledger = Ledger::new(limits.budget, limits.requests);
        let classes = all().map(|quantum| dependencies.class(quantum) as u16).collect();
        // Each class has a second queue, for quanta that ask for more memory than the others.
        let n_queues = 2 * ledger.classes();
        let ranks = dependencies.ranks();
        let mut scheduler = Self {
            table: StateTable::new(QuantumState::Elsewhere, ranks, classes, n_queues),
            ledger,
            retries: limits.retries,
            attempts: FxHashMap::default(),
            repeated: FxHashMap::default(),
            wakeups: BinaryHeap::new(),
            held: None,
            max_failures: if limits.max_failures == 0 { u32::MAX } else { limits.max_failures },
            failures: 0,
            stop: None,
        };
        let mut unmet = vec![0u32; n_quanta];
        let mut failed_elsewhere = Vec::new();
        for quantum in all() {
            let progress = past.progress(quantum);
            if progress.is_success() {
                scheduler.table.set(quantum, QuantumState::Succeeded);
                continue;
            }
            if selected(quantum) {
                let attempt = past.next_attempt(quantum);
                if attempt > 0 {
                    scheduler.attempts.insert(quantum.0, attempt);
                    if let Some(memory) = past.promised_memory(quantum) {
                        scheduler.raise(quantum, memory);
                    }
                }
                // Its real state follows below, when all predecessors are known.
                scheduler.table.set(quantum, QuantumState::Waiting { unmet: 1 });
                for successor in dependencies.successors(quantum) {
                    unmet[successor.index()] += 1;
                }
            } else if let QuantumProgress::Ended(_) | QuantumProgress::Blocked { .. } = progress {
                failed_elsewhere.push(quantum);
            }
        }
        for quantum in all() {
            if let QuantumState::Waiting { .. } = scheduler.table.get(quantum) {
                let state = match unmet[quantum.index()] {
                    0 => QuantumState::Ready,
                    unmet => QuantumState::Waiting { unmet },
                };
                scheduler.table.set(quantum, state);
            }
        }
        for quantum in failed_elsewhere {
            scheduler.block_successors(dependencies, quantum, effects);
        }
        scheduler
    }

    /// The state of a quantum.
    pub fn state(&self, quantum: QuantumIx) -> QuantumState {
        self.table.get(quantum)
    }

    /// How many quanta are in each state.
    pub fn counts(&self) -> QuantumCounts {
        self.table.counts()
    }

    /// Number of quanta of the graph.
    pub fn n_quanta(&self) -> usize {
        self.table.len()
    }

    /// Why no more quanta are started, if so.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.stop
    }

    /// Whether nothing runs and nothing will.
    pub fn is_finished(&self) -> bool {
        let counts = self.counts();
        counts.running == 0 && (self.stop.is_some() || (counts.ready == 0 && counts.delayed == 0))
    }

    /// When something is to be done although nothing happens: [`Scheduler::on_capacity`] should
    /// then be called. `None` if there is no such time.
    pub fn next_wakeup(&self) -> Option<Duration> {
        let Reverse((at, _)) = self.wakeups.peek()?;
        self.stop.is_none().then_some(*at)
    }

    /// There is room for `free` more quanta to run.
    pub fn on_capacity(&mut self, free: usize, now: Duration, effects: &mut impl Effects) {
        while let Some(&Reverse((at, quantum))) = self.wakeups.peek()
            && at <= now
        {
            self.wakeups.pop();
            if let QuantumState::Delayed { .. } = self.table.get(QuantumIx(quantum)) {
                self.table.set(QuantumIx(quantum), QuantumState::Ready);
            }
        }
        for _ in 0..free {
            if self.stop.is_some() {
                return;
            }
            let Some(quantum) = self.choose() else { return };
            let attempt = self.attempts.get(&quantum.0).copied().unwrap_or(0);
            let memory = self.ledger.give(self.class(quantum), quantum);
            self.table.set(quantum, QuantumState::Running { attempt });
            // No bound is not something that was set aside.
            let memory = (memory != 0 && memory != u64::MAX).then_some(memory);
            effects.start(quantum, attempt, memory);
        }
    }

    /// The quantum that should start now.
    fn choose(&mut self) -> Option<QuantumIx> {
        let mut first: Option<(u32, QuantumIx)> = None;
        let mut fitting: Option<(u32, QuantumIx)> = None;
        let classes = self.ledger.classes();
        for queue in 0..self.table.n_classes() {
            let Some((rank, quantum)) = self.table.first_ready(queue) else { continue };
            let is_before = |other: Option<(u32, QuantumIx)>| other.is_none_or(|(r, _)| rank < r);
            if is_before(first) {
                first = Some((rank, quantum));
            }
            if is_before(fitting) && self.ledger.fits(queue % classes, quantum) {
                fitting = Some((rank, quantum));
            }
        }
        let (rank, first) = first?;
        if self.table.counts().running == 0 || fitting.is_some_and(|(r, _)| r == rank) {
            self.held = None;
            return Some(first);
        }
        let (_, fitting) = fitting?;
        let passed = match self.held {
            Some((held, passed)) if held == first => passed,
            _ => 0,
        };
        if passed >= PATIENCE {
            return None;
        }
        self.held = Some((first, passed + 1));
        Some(fitting)
    }

    /// A running quantum ended with success. Of a quantum that is not running, this and the other
    /// reports are ignored.
    pub fn on_succeeded(&mut self, dependencies: &impl Dependencies, quantum: QuantumIx) {
        if self.running_attempt(quantum).is_none() {
            return;
        }
        self.ledger.take_back(self.class(quantum), quantum);
        self.table.set(quantum, QuantumState::Succeeded);
        for successor in dependencies.successors(quantum) {
            match self.table.get(successor) {
                QuantumState::Waiting { unmet: 1 } => {
                    self.table.set(successor, QuantumState::Ready);
                }
                QuantumState::Waiting { unmet } => {
                    self.table.set(successor, QuantumState::Waiting { unmet: unmet - 1 });
                }
                // Blocked by another one, done before, or not ours.
                _ => {}
            }
        }
    }

    /// A running quantum failed.
    pub fn on_failed(
        &mut self,
        dependencies: &impl Dependencies,
        quantum: QuantumIx,
        cause: &FailureCause,
        now: Duration,
        effects: &mut impl Effects,
    ) {
        let Some(attempt) = self.running_attempt(quantum) else { return };
        let given = self.ledger.take_back(self.class(quantum), quantum);
        if let Some(repetition) = self.repetition(quantum, attempt, cause, given) {
            *self.repeated.entry(quantum.0).or_default() += 1;
            self.attempts.insert(quantum.0, attempt + 1);
            if let Some(memory) = repetition.memory {
                self.raise(quantum, memory);
            }
            self.table.set(quantum, QuantumState::Delayed { attempts: attempt + 1 });
            self.wakeups.push(Reverse((now.saturating_add(repetition.wait), quantum.0)));
            effects.repeat(repetition);
            return;
        }
        self.table.set(quantum, QuantumState::Failed);
        self.block_successors(dependencies, quantum, effects);
        self.failures += 1;
        if self.failures >= self.max_failures {
            self.stop.get_or_insert(StopReason::TooManyFailures);
        }
    }

    /// How a failure is repeated, if it is.
    fn repetition(
        &self,
        quantum: QuantumIx,
        attempt: u32,
        cause: &FailureCause,
        given: u64,
    ) -> Option<Repetition> {
        if self.stop.is_some() {
            return None;
        }
        let repeated = self.repeated.get(&quantum.0).copied().unwrap_or(0);
        let wait = self.retries.wait(cause, repeated)?;
        let memory = match cause.kind {
            // With all there is it would fail again.
            RepeatReason::OutOfMemory => Some(self.ledger.more_memory(given, cause.peak_memory)?),
            _ => None,
        };
        let memory = memory.filter(|&memory| memory != u64::MAX);
        Some(Repetition { quantum, attempt, reason: cause.kind, wait, memory })
    }

    /// A running quantum was stopped before it ended; it is as if it had not been started, except
    /// that the attempt is spent.
    pub fn on_interrupted(&mut self, quantum: QuantumIx) {
        if let Some(attempt) = self.running_attempt(quantum) {
            self.ledger.take_back(self.class(quantum), quantum);
            self.attempts.insert(quantum.0, attempt + 1);
            self.table.set(quantum, QuantumState::Ready);
        }
    }

    /// An attempt was seen to need so many bytes of memory: quanta of its task that start from now on
    /// ask for the most that was needed lately. Returns whether that has changed.
    pub fn on_peak_memory(&mut self, quantum: QuantumIx, peak: u64) -> bool {
        self.ledger.learn(self.class(quantum), peak)
    }

    /// A quantum was found invalid, which says the same of the others.
    pub fn on_invalid_quantum(&mut self) {
        self.stop.get_or_insert(StopReason::InvalidQuantum);
    }

    /// No more quanta must be started.
    pub fn on_cancelled(&mut self) {
        self.stop.get_or_insert(StopReason::Cancelled);
    }

    /// Number of a quantum's request.
    fn class(&self, quantum: QuantumIx) -> usize {
        self.table.class(quantum) % self.ledger.classes()
    }

    /// Lets a quantum that is not ready ask for more memory than others of its class.
    fn raise(&mut self, quantum: QuantumIx, memory: u64) {
        let class = self.class(quantum);
        self.ledger.raise(quantum, memory);
        self.table.reclassify(quantum, class + self.ledger.classes());
    }

    fn running_attempt(&self, quantum: QuantumIx) -> Option<u32> {
        match self.table.get(quantum) {
            QuantumState::Running { attempt } => Some(attempt),
            _ => None,
        }
    }

    fn block_successors(
        &mut self,
        dependencies: &impl Dependencies,
        cause: QuantumIx,
        effects: &mut impl Effects,
    ) {
        let mut blocked: Vec<QuantumIx> = Vec::new();
        let mut next = 0;
        let mut current = cause;
        loop {
            for successor in dependencies.successors(current) {
                // A successor of something that failed elsewhere may seem ready, as others are not
                // waited for.
                if let QuantumState::Waiting { .. } | QuantumState::Ready =
                    self.table.get(successor)
                {
                    self.table.set(successor, QuantumState::Blocked { cause });
                    blocked.push(successor);
                }
            }
            let Some(&quantum) = blocked.get(next) else { break };
            current = quantum;
            next += 1;
        }
        if !blocked.is_empty() {
            effects.blocked(cause, &blocked);
        }
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
