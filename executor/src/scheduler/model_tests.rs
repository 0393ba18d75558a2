//! The scheduler against a model that recomputes everything from sets after each event.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use qbb::journal::QuantumProgress;
use qbb_graph::QuantumIx;

use super::machine::{Dependencies, Effects, Past, Scheduler};

/// Edges of an imagined graph.
#[derive(Debug, Clone)]
pub struct Links {
    successors: Vec<Vec<u32>>,
}

impl Links {
    pub fn new(n_quanta: usize, edges: &[(u32, u32)]) -> Self {
        let mut successors = vec![BTreeSet::new(); n_quanta];
        for &(from, to) in edges {
            successors[from as usize].insert(to);
        }
        let successors = successors.into_iter().map(|set| set.into_iter().collect()).collect();
        Self { successors }
    }
}

impl Dependencies for Links {
    fn n_quanta(&self) -> usize {
        self.successors.len()
    }

    fn successors(&self, quantum: QuantumIx) -> impl Iterator<Item = QuantumIx> {
        self.successors[quantum.index()].iter().copied().map(QuantumIx)
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
    pub blocked: Vec<(u32, Vec<u32>)>,
}

impl Effects for Recorder {
    fn start(&mut self, quantum: QuantumIx, attempt: u32) {
        self.started.push((quantum.0, attempt));
    }

    fn blocked(&mut self, cause: QuantumIx, quanta: &[QuantumIx]) {
        self.blocked.push((cause.0, quanta.iter().map(|quantum| quantum.0).collect()));
    }
}

/// What must hold, by definition rather than by bookkeeping.
struct Model {
    predecessors: BTreeMap<u32, BTreeSet<u32>>,
    running: BTreeSet<u32>,
    succeeded: BTreeSet<u32>,
    failed: BTreeSet<u32>,
}

impl Model {
    fn new(links: &Links) -> Self {
        let mut predecessors: BTreeMap<u32, BTreeSet<u32>> =
            (0..links.n_quanta() as u32).map(|quantum| (quantum, BTreeSet::new())).collect();
        for (from, successors) in links.successors.iter().enumerate() {
            for to in successors {
                predecessors.entry(*to).or_default().insert(from as u32);
            }
        }
        let (running, succeeded, failed) = Default::default();
        Self { predecessors, running, succeeded, failed }
    }

    fn is_blocked(&self, quantum: u32) -> bool {
        self.predecessors[&quantum]
            .iter()
            .any(|&other| self.failed.contains(&other) || self.is_blocked(other))
    }

    fn all_blocked(&self) -> BTreeSet<u32> {
        self.predecessors.keys().copied().filter(|&quantum| self.is_blocked(quantum)).collect()
    }

    /// Ready quanta in the order in which they must start.
    fn ready(&self) -> Vec<u32> {
        (self.predecessors.iter())
            .filter(|(quantum, before)| {
                before.is_subset(&self.succeeded)
                    && ![&self.running, &self.succeeded, &self.failed]
                        .iter()
                        .any(|set| set.contains(quantum))
            })
            .map(|(&quantum, _)| quantum)
            .collect()
    }
}

fn links() -> impl Strategy<Value = Links> {
    (1..14u32).prop_flat_map(|n| {
        vec((0..n, 0..n), 0..30).prop_map(move |pairs| {
            let edges: Vec<_> = (pairs.into_iter())
                .filter(|(a, b)| a != b)
                .map(|(a, b)| (a.min(b), a.max(b)))
                .collect();
            Links::new(n as usize, &edges)
        })
    })
}

proptest! {
    #[test]
    fn the_scheduler_agrees_with_the_model(
        links in links(),
        steps in vec((0..3usize, any::<prop::sample::Index>(), 0..4u8), 0..60),
    ) {
        let mut model = Model::new(&links);
        let mut recorder = Recorder::default();
        let mut scheduler = Scheduler::new(&links, &NoPast, |_| true, 0, &mut recorder);
        let mut told_blocked = BTreeSet::new();
        for (free, which, outcome) in steps {
            let expected: Vec<_> =
                model.ready().into_iter().take(free).map(|quantum| (quantum, 0)).collect();
            recorder.started.clear();
            scheduler.on_capacity(free, &mut recorder);
            prop_assert_eq!(&recorder.started, &expected);
            model.running.extend(expected.iter().map(|&(quantum, _)| quantum));

            if !model.running.is_empty() {
                let quantum = *model.running.iter().nth(which.index(model.running.len())).unwrap();
                model.running.remove(&quantum);
                recorder.blocked.clear();
                if outcome == 0 {
                    model.failed.insert(quantum);
                    scheduler.on_failed(&links, QuantumIx(quantum), &mut recorder);
                } else {
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
            prop_assert_eq!(counts.ready as usize, model.ready().len());
            prop_assert_eq!(counts.running as usize, model.running.len());
            prop_assert_eq!(counts.succeeded as usize, model.succeeded.len());
            prop_assert_eq!(counts.failed as usize, model.failed.len());
            let done = model.running.is_empty() && model.ready().is_empty();
            prop_assert_eq!(scheduler.is_finished(), done);
        }
    }
}
