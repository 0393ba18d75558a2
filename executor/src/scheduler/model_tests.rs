//! The scheduler against a model that recomputes everything from sets after each event.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use qbb::journal::{QuantumProgress, RepeatReason};
use qbb_graph::QuantumIx;

use super::machine::Scheduler;
use super::resources::{Amounts, MemoryRequest, Request};
use super::retries::{FailureCause, RetryPolicy};
use super::surroundings::{Dependencies, Effects, Limits, Past, Repetition};

/// Edges of an imagined graph.
#[derive(Debug, Clone)]
pub struct Links {
    successors: Vec<Vec<u32>>,
    classes: Vec<usize>,
    ranks: Vec<u32>,
}

impl Links {
    pub fn new(n_quanta: usize, edges: &[(u32, u32)]) -> Self {
        let mut successors = vec![BTreeSet::new(); n_quanta];
        for &(from, to) in edges {
            successors[from as usize].insert(to);
        }
        let successors = successors.into_iter().map(|set| set.into_iter().collect()).collect();
        Self { successors, classes: vec![0; n_quanta], ranks: (0..n_quanta as u32).collect() }
    }

    /// Quanta that ask for different things.
    pub fn with_classes(self, classes: &[usize]) -> Self {
        Self { classes: classes.to_vec(), ..self }
    }
}

impl Dependencies for Links {
    fn n_quanta(&self) -> usize {
        self.successors.len()
    }

    fn successors(&self, quantum: QuantumIx) -> impl Iterator<Item = QuantumIx> {
        self.successors[quantum.index()].iter().copied().map(QuantumIx)
    }

    fn predecessors(&self, quantum: QuantumIx) -> impl Iterator<Item = QuantumIx> {
        (0..self.successors.len() as u32)
            .filter(move |&other| self.successors[other as usize].contains(&quantum.0))
            .map(QuantumIx)
    }

    fn class(&self, quantum: QuantumIx) -> usize {
        self.classes[quantum.index()]
    }

    fn ranks(&self) -> Vec<u32> {
        self.ranks.clone()
    }
}

/// Nothing happened before.
pub struct NoPast;

impl Past for NoPast {
    fn progress(&self, _: QuantumIx) -> QuantumProgress {
        QuantumProgress::NotStarted
    }

    fn next_attempt(&self, _: QuantumIx) -> u32 {
        0
    }
}

/// Given progress and next attempts.
pub struct PastOf(pub Vec<(QuantumProgress, u32)>);

impl Past for PastOf {
    fn progress(&self, quantum: QuantumIx) -> QuantumProgress {
        self.0[quantum.index()].0
    }

    fn next_attempt(&self, quantum: QuantumIx) -> u32 {
        self.0[quantum.index()].1
    }
}

/// Remembers all effects.
#[derive(Debug, Default)]
pub struct Recorder {
    pub started: Vec<(u32, u32)>,
    /// Of what started.
    pub memory: Vec<Option<u64>>,
    pub repeated: Vec<Repetition>,
    pub blocked: Vec<(u32, Vec<u32>)>,
}

impl Effects for Recorder {
    fn start(&mut self, quantum: QuantumIx, attempt: u32, memory: Option<u64>) {
        self.started.push((quantum.0, attempt));
        self.memory.push(memory);
    }

    fn repeat(&mut self, repeated: Repetition) {
        self.repeated.push(repeated);
    }

    fn blocked(&mut self, cause: QuantumIx, quanta: &[QuantumIx]) {
        self.blocked.push((cause.0, quanta.iter().map(|quantum| quantum.0).collect()));
    }
}

/// What must hold, by definition rather than by bookkeeping.
struct Model<'a> {
    links: &'a Links,
    limits: &'a Limits,
    predecessors: BTreeMap<u32, BTreeSet<u32>>,
    /// Running quanta with the memory that they were given.
    running: BTreeMap<u32, u64>,
    succeeded: BTreeSet<u32>,
    failed: BTreeSet<u32>,
    /// When quanta may be tried again.
    delayed: BTreeMap<u32, Duration>,
    attempts: BTreeMap<u32, u32>,
    /// Memory of quanta that had too little.
    raised: BTreeMap<u32, u64>,
}

impl<'a> Model<'a> {
    fn new(links: &'a Links, limits: &'a Limits) -> Self {
        let mut predecessors: BTreeMap<u32, BTreeSet<u32>> =
            (0..links.n_quanta() as u32).map(|quantum| (quantum, BTreeSet::new())).collect();
        for (from, successors) in links.successors.iter().enumerate() {
            for to in successors {
                predecessors.entry(*to).or_default().insert(from as u32);
            }
        }
        let (running, succeeded, failed, delayed) = Default::default();
        let (attempts, raised) = Default::default();
        Self { links, limits, predecessors, running, succeeded, failed, delayed, attempts, raised }
    }

    fn is_blocked(&self, quantum: u32) -> bool {
        self.predecessors[&quantum]
            .iter()
            .any(|&other| self.failed.contains(&other) || self.is_blocked(other))
    }

    fn all_blocked(&self) -> BTreeSet<u32> {
        self.predecessors.keys().copied().filter(|&quantum| self.is_blocked(quantum)).collect()
    }

    /// Ready quanta in the order of preference.
    fn ready(&self, now: Duration) -> Vec<u32> {
        let mut ready: Vec<u32> = (self.predecessors.iter())
            .filter(|(quantum, before)| {
                before.is_subset(&self.succeeded)
                    && !self.running.contains_key(quantum)
                    && !self.succeeded.contains(quantum)
                    && !self.failed.contains(quantum)
                    && self.delayed.get(quantum).is_none_or(|&at| at <= now)
            })
            .map(|(&quantum, _)| quantum)
            .collect();
        ready.sort_by_key(|&quantum| self.links.ranks[quantum as usize]);
        ready
    }

    fn request(&self, quantum: u32) -> &Amounts {
        &self.limits.requests[self.links.classes[quantum as usize]].amounts
    }

    fn memory(&self, quantum: u32) -> u64 {
        self.raised.get(&quantum).copied().unwrap_or_else(|| self.request(quantum).memory())
    }

    fn fits(&self, quantum: u32) -> bool {
        let cores: u64 = self.running.keys().map(|&other| self.request(other).cores()).sum();
        let memory: u64 = self.running.values().sum();
        let named: u64 = self.running.keys().map(|&other| self.request(other).named()[0]).sum();
        let budget = &self.limits.budget;
        let wants = self.request(quantum);
        let ok = |used: u64, wanted: u64, there: u64| wanted == 0 || used + wanted <= there;
        ok(cores, wants.cores(), budget.cores())
            && ok(memory, self.memory(quantum), budget.memory())
            && ok(named, wants.named()[0], budget.named()[0])
    }

    /// What must start when there is room for `free` quanta.
    fn start(&mut self, free: usize, now: Duration) -> Vec<(u32, u32)> {
        let mut started = Vec::new();
        for _ in 0..free {
            let ready = self.ready(now);
            let alone = if self.running.is_empty() { ready.first() } else { None };
            let Some(&quantum) = alone.or_else(|| ready.iter().find(|&&q| self.fits(q))) else {
                break;
            };
            self.running.insert(quantum, self.memory(quantum));
            self.delayed.remove(&quantum);
            started.push((quantum, self.attempts.get(&quantum).copied().unwrap_or(0)));
        }
        started
    }

    /// Whether a failure is followed by another attempt, and after which time.
    fn fail(&mut self, quantum: u32, cause: &FailureCause, now: Duration) -> Option<Duration> {
        let given = self.running.remove(&quantum).unwrap();
        let attempts = self.attempts.entry(quantum).or_default();
        let all = self.limits.budget.memory();
        let hopeless = cause.kind == RepeatReason::OutOfMemory && given >= all;
        if *attempts >= self.limits.retries.retries || hopeless {
            self.failed.insert(quantum);
            return None;
        }
        let wait = self.limits.retries.delay * 2u32.pow(*attempts);
        *attempts += 1;
        if cause.kind == RepeatReason::OutOfMemory {
            let more = if given == 0 { all } else { all.min(2 * given) };
            self.raised.insert(quantum, more);
        }
        self.delayed.insert(quantum, now + wait);
        Some(wait)
    }
}

fn links() -> impl Strategy<Value = Links> {
    (1..14u32).prop_flat_map(|n| {
        let ranks = Just((0..n).collect::<Vec<u32>>()).prop_shuffle();
        (vec((0..n, 0..n), 0..30), vec(0..3usize, n as usize), ranks).prop_map(
            move |(pairs, classes, ranks)| {
                let edges: Vec<_> = (pairs.into_iter())
                    .filter(|(a, b)| a != b)
                    .map(|(a, b)| (a.min(b), a.max(b)))
                    .collect();
                Links { classes, ranks, ..Links::new(n as usize, &edges) }
            },
        )
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let request = (1..4u64, 0..60u64, 0..2u64).prop_map(|(cores, memory, named)| Request {
        amounts: Amounts::new(cores, memory, 0, [named]),
        memory: MemoryRequest::Declared,
    });
    (1..6u64, 1..100u64, 1..3u64, vec(request, 3), 0..3u32).prop_map(
        |(cores, memory, named, requests, retries)| Limits {
            max_failures: 0,
            retries: RetryPolicy {
                retries,
                delay: Duration::from_secs(1),
                on: "any".parse().unwrap(),
                ..RetryPolicy::default()
            },
            budget: Amounts::new(cores, memory, 0, [named]),
            requests,
        },
    )
}

proptest! {
    #[test]
    fn the_scheduler_agrees_with_the_model(
        links in links(),
        limits in limits(),
        steps in vec((0..3usize, any::<prop::sample::Index>(), 0..5u8, 0..3u64), 0..60),
    ) {
        let mut model = Model::new(&links, &limits);
        let mut recorder = Recorder::default();
        let mut scheduler =
            Scheduler::new(&links, &NoPast, |_| true, limits.clone(), &mut recorder);
        let mut told_blocked = BTreeSet::new();
        let mut now = Duration::ZERO;
        for (free, which, outcome, seconds) in steps {
            now += Duration::from_secs(seconds);
            let expected = model.start(free, now);
            recorder.started.clear();
            scheduler.on_capacity(free, now, &mut recorder);
            prop_assert_eq!(&recorder.started, &expected);

            if !model.running.is_empty() {
                let running = which.index(model.running.len());
                let quantum = *model.running.keys().nth(running).unwrap();
                recorder.blocked.clear();
                recorder.repeated.clear();
                if outcome < 2 {
                    let kind = [RepeatReason::OutOfMemory, RepeatReason::Failure];
                    let kind = kind[usize::from(outcome)];
                    let cause = FailureCause { kind, exit_code: None, peak_memory: None };
                    let wait = model.fail(quantum, &cause, now);
                    scheduler.on_failed(&links, QuantumIx(quantum), &cause, now, &mut recorder);
                    let told = recorder.repeated.first().map(|repetition| repetition.wait);
                    prop_assert_eq!(told, wait);
                } else {
                    model.running.remove(&quantum);
                    model.succeeded.insert(quantum);
                    scheduler.on_succeeded(&links, QuantumIx(quantum));
                }
                for blocked in recorder.blocked.iter().flat_map(|(_, quanta)| quanta) {
                    prop_assert!(told_blocked.insert(*blocked), "{} is told twice", blocked);
                }
            }
            let counts = scheduler.counts();
            prop_assert_eq!(&told_blocked, &model.all_blocked());
            prop_assert_eq!(counts.blocked as usize, told_blocked.len());
            // A quantum whose time has come is ready when the scheduler is next asked.
            let startable = model.ready(Duration::MAX).len();
            prop_assert_eq!((counts.ready + counts.delayed) as usize, startable);
            prop_assert_eq!(counts.running as usize, model.running.len());
            prop_assert_eq!(counts.succeeded as usize, model.succeeded.len());
            prop_assert_eq!(counts.failed as usize, model.failed.len());
            let done = model.running.is_empty() && startable == 0;
            prop_assert_eq!(scheduler.is_finished(), done);
        }
    }

    /// Whatever quanta ask for and however often they fail, the run comes to an end.
    #[test]
    fn nothing_waits_for_ever(links in links(), limits in limits(), failing in vec(0..4u8, 100)) {
        let mut recorder = Recorder::default();
        let mut scheduler =
            Scheduler::new(&links, &NoPast, |_| true, limits, &mut recorder);
        let (mut now, mut running, mut failing) = (Duration::ZERO, Vec::new(), failing.iter());
        while !scheduler.is_finished() {
            now = scheduler.next_wakeup().unwrap_or(now).max(now);
            scheduler.on_capacity(9, now, &mut recorder);
            running.extend(recorder.started.drain(..).map(|(quantum, _)| QuantumIx(quantum)));
            prop_assert!(!running.is_empty(), "nothing runs: {:?}", scheduler.counts());
            let quantum = running.remove(0);
            match failing.next() {
                Some(0) => {
                    let kind = RepeatReason::OutOfMemory;
                    let cause = FailureCause { kind, exit_code: None, peak_memory: Some(7) };
                    scheduler.on_failed(&links, quantum, &cause, now, &mut recorder);
                }
                _ => scheduler.on_succeeded(&links, quantum),
            }
        }
        let counts = scheduler.counts();
        prop_assert_eq!(counts.waiting + counts.ready + counts.delayed, 0);
    }
}
