//! The scheduler.

use qbb::journal::{JournalState, QuantumProgress};
use qbb_graph::QuantumIx;
use rustc_hash::FxHashMap;

use super::state::{QuantumCounts, QuantumState, StateTable};

/// Which quanta must wait for which.
pub trait Dependencies {
    /// Number of quanta.
    fn n_quanta(&self) -> usize;

    /// Quanta that read what this one writes, each once.
    fn successors(&self, quantum: QuantumIx) -> impl Iterator<Item = QuantumIx>;
}

/// What is known of quanta from earlier runs.
pub trait Past {
    /// Where a quantum stands.
    fn progress(&self, quantum: QuantumIx) -> QuantumProgress;

    /// Number that its next attempt must have.
    fn next_attempt(&self, quantum: QuantumIx) -> u32;
}

impl Past for JournalState {
    fn progress(&self, quantum: QuantumIx) -> QuantumProgress {
        Self::progress(self, quantum)
    }

    fn next_attempt(&self, quantum: QuantumIx) -> u32 {
        Self::next_attempt(self, quantum)
    }
}

/// What must be done because of an event.
pub trait Effects {
    /// A quantum must be run.
    fn start(&mut self, quantum: QuantumIx, attempt: u32);

    /// Quanta can no longer run because `cause` failed. Each quantum is told at most once.
    fn blocked(&mut self, cause: QuantumIx, quanta: &[QuantumIx]);
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

/// Decides which quantum runs next.
///
/// Quanta start in the order of tasks and then of data IDs, as soon as all quanta that they read
/// from have succeeded. A failure blocks all that depends on it and nothing else.
#[derive(Debug)]
pub struct Scheduler {
    table: StateTable,
    /// Attempts made by earlier runs; absent for none.
    earlier_attempts: FxHashMap<u32, u32>,
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
    /// `max_failures` is the number of failures after which no more quanta are started; 0 means
    /// no limit. `effects` is told what is blocked from the beginning.
    pub fn new(
        dependencies: &impl Dependencies,
        past: &impl Past,
        selected: impl Fn(QuantumIx) -> bool,
        max_failures: u32,
        effects: &mut impl Effects,
    ) -> Self {
        let n_quanta = dependencies.n_quanta();
        let mut scheduler = Self {
            table: StateTable::new(n_quanta, QuantumState::Elsewhere),
            earlier_attempts: FxHashMap::default(),
            max_failures: if max_failures == 0 { u32::MAX } else { max_failures },
            failures: 0,
            stop: None,
        };
        let mut unmet = vec![0u32; n_quanta];
        let mut failed_elsewhere = Vec::new();
        for quantum in (0..n_quanta as u32).map(QuantumIx) {
            let progress = past.progress(quantum);
            if progress.is_success() {
                scheduler.table.set(quantum, QuantumState::Succeeded);
                continue;
            }
            if selected(quantum) {
                let attempt = past.next_attempt(quantum);
                if attempt > 0 {
                    scheduler.earlier_attempts.insert(quantum.0, attempt);
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
        for quantum in (0..n_quanta as u32).map(QuantumIx) {
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
        counts.running == 0 && (counts.ready == 0 || self.stop.is_some())
    }

    /// There is room for `free` more quanta to run.
    pub fn on_capacity(&mut self, free: usize, effects: &mut impl Effects) {
        for _ in 0..free {
            if self.stop.is_some() {
                return;
            }
            let Some(quantum) = self.table.first_ready() else { return };
            let attempt = self.earlier_attempts.get(&quantum.0).copied().unwrap_or(0);
            self.table.set(quantum, QuantumState::Running { attempt });
            effects.start(quantum, attempt);
        }
    }

    /// A running quantum ended with success. Of a quantum that is not running, this and the other
    /// reports are ignored.
    pub fn on_succeeded(&mut self, dependencies: &impl Dependencies, quantum: QuantumIx) {
        if !self.is_running(quantum) {
            return;
        }
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
        effects: &mut impl Effects,
    ) {
        if !self.is_running(quantum) {
            return;
        }
        self.table.set(quantum, QuantumState::Failed);
        self.block_successors(dependencies, quantum, effects);
        self.failures += 1;
        if self.failures >= self.max_failures {
            self.stop.get_or_insert(StopReason::TooManyFailures);
        }
    }

    /// A running quantum was stopped before it ended; it is as if it had not been started, except
    /// that the attempt is spent.
    pub fn on_interrupted(&mut self, quantum: QuantumIx) {
        if let QuantumState::Running { attempt } = self.table.get(quantum) {
            self.earlier_attempts.insert(quantum.0, attempt + 1);
            self.table.set(quantum, QuantumState::Ready);
        }
    }

    /// A quantum was found invalid, which says the same of the others.
    pub fn on_invalid_quantum(&mut self) {
        self.stop.get_or_insert(StopReason::InvalidQuantum);
    }

    /// No more quanta must be started.
    pub fn on_cancelled(&mut self) {
        self.stop.get_or_insert(StopReason::Cancelled);
    }

    fn is_running(&self, quantum: QuantumIx) -> bool {
        matches!(self.table.get(quantum), QuantumState::Running { .. })
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
mod tests {
    use super::super::model_tests::{Links, NoPast, PastOf, Recorder};
    use super::*;
    use qbb::journal::QuantumEnd;

    /// 0 → 2, 1 → 2, 2 → 3, 1 → 4.
    fn links() -> Links {
        Links::new(5, &[(0, 2), (1, 2), (2, 3), (1, 4)])
    }

    fn scheduler(links: &Links, max_failures: u32) -> Scheduler {
        Scheduler::new(links, &NoPast, |_| true, max_failures, &mut Recorder::default())
    }

    fn starts(scheduler: &mut Scheduler, free: usize) -> Vec<(u32, u32)> {
        let mut recorder = Recorder::default();
        scheduler.on_capacity(free, &mut recorder);
        recorder.started
    }

    #[test]
    fn quanta_start_in_order_when_all_predecessors_have_succeeded() {
        let links = links();
        let mut scheduler = scheduler(&links, 0);
        assert_eq!(starts(&mut scheduler, 9), [(0, 0), (1, 0)]);
        scheduler.on_succeeded(&links, QuantumIx(1));
        assert_eq!(starts(&mut scheduler, 9), [(4, 0)], "2 still waits for 0");
        scheduler.on_succeeded(&links, QuantumIx(0));
        assert_eq!(starts(&mut scheduler, 9), [(2, 0)]);
        scheduler.on_succeeded(&links, QuantumIx(4));
        scheduler.on_succeeded(&links, QuantumIx(2));
        assert_eq!(starts(&mut scheduler, 9), [(3, 0)]);
        assert!(!scheduler.is_finished());
        scheduler.on_succeeded(&links, QuantumIx(3));
        assert!(scheduler.is_finished());
        assert_eq!(scheduler.counts(), QuantumCounts { succeeded: 5, ..Default::default() });
    }

    #[test]
    fn capacity_limits_what_starts() {
        let links = Links::new(3, &[]);
        let mut scheduler = scheduler(&links, 0);
        assert_eq!(starts(&mut scheduler, 1), [(0, 0)]);
        assert_eq!(starts(&mut scheduler, 0), []);
        assert_eq!(starts(&mut scheduler, 2), [(1, 0), (2, 0)]);
    }

    #[test]
    fn a_failure_blocks_all_that_depends_on_it_and_nothing_else() {
        let links = links();
        let mut scheduler = scheduler(&links, 0);
        starts(&mut scheduler, 9);
        let mut recorder = Recorder::default();
        scheduler.on_failed(&links, QuantumIx(0), &mut recorder);
        assert_eq!(recorder.blocked, [(0, vec![2, 3])]);
        scheduler.on_succeeded(&links, QuantumIx(1));
        assert_eq!(starts(&mut scheduler, 9), [(4, 0)]);
        let mut recorder = Recorder::default();
        scheduler.on_failed(&links, QuantumIx(4), &mut recorder);
        assert_eq!(recorder.blocked, []);
        assert!(scheduler.is_finished());
        let counts = QuantumCounts { succeeded: 1, failed: 2, blocked: 2, ..Default::default() };
        assert_eq!(scheduler.counts(), counts);
        let blocked = QuantumState::Blocked { cause: QuantumIx(0) };
        assert_eq!(scheduler.state(QuantumIx(3)), blocked);
    }

    #[test]
    fn at_the_limit_of_failures_nothing_more_starts() {
        let links = Links::new(4, &[]);
        let mut scheduler = scheduler(&links, 2);
        starts(&mut scheduler, 3);
        scheduler.on_failed(&links, QuantumIx(0), &mut Recorder::default());
        assert_eq!(scheduler.stop_reason(), None);
        scheduler.on_failed(&links, QuantumIx(1), &mut Recorder::default());
        assert_eq!(scheduler.stop_reason(), Some(StopReason::TooManyFailures));
        assert_eq!(starts(&mut scheduler, 9), []);
        assert!(!scheduler.is_finished(), "2 still runs");
        scheduler.on_succeeded(&links, QuantumIx(2));
        assert!(scheduler.is_finished());
    }

    #[test]
    fn after_cancellation_what_runs_may_end_or_be_interrupted() {
        let links = Links::new(3, &[]);
        let mut scheduler = scheduler(&links, 0);
        starts(&mut scheduler, 2);
        scheduler.on_cancelled();
        assert_eq!(starts(&mut scheduler, 9), []);
        scheduler.on_succeeded(&links, QuantumIx(0));
        scheduler.on_interrupted(QuantumIx(1));
        assert!(scheduler.is_finished());
        assert_eq!(scheduler.counts().ready, 2);
    }

    #[test]
    fn a_resumed_run_repeats_nothing_that_succeeded() {
        let links = links();
        let past = PastOf(vec![
            (QuantumProgress::Ended(QuantumEnd::Succeeded), 1),
            (QuantumProgress::Ended(QuantumEnd::Failed), 1),
            (QuantumProgress::Blocked { cause: QuantumIx(1) }, 0),
            (QuantumProgress::NotStarted, 0),
            (QuantumProgress::Ended(QuantumEnd::NoWork), 1),
        ]);
        let mut scheduler = Scheduler::new(&links, &past, |_| true, 0, &mut Recorder::default());
        assert_eq!(starts(&mut scheduler, 9), [(1, 1)], "the failure is tried again");
        scheduler.on_succeeded(&links, QuantumIx(1));
        assert_eq!(starts(&mut scheduler, 9), [(2, 0)]);
    }

    #[test]
    fn a_selection_waits_for_itself_and_fails_with_others() {
        let links = links();
        let selected = |quantum: QuantumIx| [2, 3, 4].contains(&quantum.0);
        let mut recorder = Recorder::default();
        let mut ours = Scheduler::new(&links, &NoPast, selected, 0, &mut recorder);
        assert_eq!(starts(&mut ours, 9), [(2, 0), (4, 0)]);

        let mut past = PastOf(vec![(QuantumProgress::NotStarted, 0); 5]);
        past.0[0] = (QuantumProgress::Ended(QuantumEnd::Failed), 1);
        let mut ours = Scheduler::new(&links, &past, selected, 0, &mut recorder);
        assert_eq!(recorder.blocked, [(0, vec![2, 3])]);
        assert_eq!(starts(&mut ours, 9), [(4, 0)]);
    }
}
