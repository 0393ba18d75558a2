//! Between the scheduler and the graph: what it sees of one, and what it wants.

use qbb_graph::{QuantumGraph, QuantumIx};

use crate::python::QuantumJob;
use crate::scheduler::{Dependencies, Effects, Repetition};

/// The quanta of a graph as the scheduler sees them; each task has a request of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct GraphOrder<'g>(pub &'g QuantumGraph);

impl Dependencies for GraphOrder<'_> {
    fn n_quanta(&self) -> usize {
        self.0.quanta.len()
    }

    fn successors(&self, quantum: QuantumIx) -> impl Iterator<Item = QuantumIx> {
        self.0.flow().successors(quantum)
    }

    fn predecessors(&self, quantum: QuantumIx) -> impl Iterator<Item = QuantumIx> {
        self.0.flow().predecessors(quantum)
    }

    fn class(&self, quantum: QuantumIx) -> usize {
        self.0.quanta.task(quantum).index()
    }
}

/// What the scheduler wants to be done.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub starts: Vec<QuantumJob>,
    pub repeats: Vec<Repetition>,
    pub blocked: Vec<(QuantumIx, Vec<QuantumIx>)>,
}

impl Effects for Wishes {
    fn start(&mut self, quantum: QuantumIx, attempt: u32, memory: Option<u64>) {
        self.starts.push(QuantumJob { quantum, attempt, memory });
    }

    fn repeat(&mut self, repetition: Repetition) {
        self.repeats.push(repetition);
    }

    fn blocked(&mut self, cause: QuantumIx, quanta: &[QuantumIx]) {
        self.blocked.push((cause, quanta.to_vec()));
    }
}
