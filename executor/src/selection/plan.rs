//! From what was asked for to what will be done.

use std::str::FromStr;

use qbb::journal::{JournalState, QuantumEnd, QuantumProgress};
use qbb_graph::{GraphError, QuantumGraph, QuantumIx};
use serde::Serialize;

use super::terms::QuantumTerm;

/// States of quanta that are not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnlyState {
    /// The last attempt failed.
    Failed,
    /// They depend on a failure.
    Blocked,
    /// They were not tried, or cut off.
    Unfinished,
}

impl FromStr for OnlyState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "failed" => Ok(Self::Failed),
            "blocked" => Ok(Self::Blocked),
            "unfinished" => Ok(Self::Unfinished),
            _ => Err(format!("`{text}` is none of failed, blocked and unfinished")),
        }
    }
}

/// Which quanta a run is about. The default is all that have not succeeded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only quanta in one of these states; empty is any.
    pub only: Vec<OnlyState>,
    /// Only quanta of one of these sets; empty is all.
    pub select: Vec<QuantumTerm>,
    /// Only quanta of these tasks and what they need; empty is all.
    pub until: Vec<String>,
    /// Quanta that are executed again although they have succeeded, with all that depends on them.
    pub rerun: Vec<QuantumTerm>,
}

/// What a [`Selection`] comes to in the present state of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectionPlan {
    /// By quantum, whether the run is about it.
    pub selected: Vec<bool>,
    /// Quanta whose success no longer counts, ascending.
    pub reset: Vec<QuantumIx>,
    /// Those among them that are only executed again because others need outputs that were deleted.
    pub restored: Vec<QuantumIx>,
    /// Quanta that fit the selection but need others that are neither done nor selected.
    pub left_out: Vec<QuantumIx>,
}

/// What will be done with the quanta of one task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TaskPlan {
    /// Label.
    pub task: String,
    /// All quanta.
    pub quanta: u32,
    /// Those that have succeeded and are left alone.
    pub done: u32,
    /// Those that the run will execute.
    pub run: u32,
    /// Those among them that had succeeded and are executed again.
    pub again: u32,
    /// Those among these whose deleted outputs others need.
    pub restored: u32,
    /// Those that fit the selection but need others that are neither done nor selected.
    pub left_out: u32,
}

impl Selection {
    /// Whether all quanta that have not succeeded are meant.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Finds out what is to be done.
    ///
    /// # Errors
    /// If a task, a dimension or a UUID is unknown.
    pub fn plan(
        &self,
        graph: &QuantumGraph,
        state: &JournalState,
    ) -> Result<SelectionPlan, GraphError> {
        let n_quanta = graph.quanta.len();
        let again = self.with_successors(graph)?;
        let mut wanted = match self.select.is_empty() {
            true => vec![true; n_quanta],
            false => mark(n_quanta, terms(&self.select, graph)?),
        };
        if !self.until.is_empty() {
            let needed = needed_for(graph, &self.until)?;
            intersect(&mut wanted, &needed);
        }
        if !self.only.is_empty() {
            let states = graph.quanta.iter().map(|quantum| self.has_state(state.progress(quantum)));
            intersect(&mut wanted, &states.collect::<Vec<_>>());
        }
        let mut plan = Planner { graph, state, wanted, reset: vec![false; n_quanta] };
        for quantum in again {
            plan.reset[quantum.index()] = state.progress(quantum).is_success();
            // Asking for it includes it, but not beyond where the run is to end.
            plan.wanted[quantum.index()] |= self.until.is_empty();
        }
        Ok(plan.finish(!self.is_everything()))
    }

    fn has_state(&self, progress: QuantumProgress) -> bool {
        let state = match progress {
            QuantumProgress::NotStarted | QuantumProgress::InFlight => OnlyState::Unfinished,
            QuantumProgress::Ended(QuantumEnd::Failed) => OnlyState::Failed,
            QuantumProgress::Blocked { .. } => OnlyState::Blocked,
            QuantumProgress::Ended(_) => return false,
        };
        self.only.contains(&state)
    }

    /// Quanta that are to be executed again, with all that depends on them.
    fn with_successors(&self, graph: &QuantumGraph) -> Result<Vec<QuantumIx>, GraphError> {
        let mut found = terms(&self.rerun, graph)?;
        found.sort_unstable();
        found.dedup();
        let mut seen = mark(graph.quanta.len(), found.iter().copied());
        let mut next = 0;
        while let Some(&quantum) = found.get(next) {
            next += 1;
            for successor in graph.flow().successors(quantum) {
                if !std::mem::replace(&mut seen[successor.index()], true) {
                    found.push(successor);
                }
            }
        }
        Ok(found)
    }
}

fn terms(terms: &[QuantumTerm], graph: &QuantumGraph) -> Result<Vec<QuantumIx>, GraphError> {
    let mut found = Vec::new();
    for term in terms {
        found.extend(term.quanta(graph)?);
    }
    Ok(found)
}

fn mark(n_quanta: usize, quanta: impl IntoIterator<Item = QuantumIx>) -> Vec<bool> {
    let mut marked = vec![false; n_quanta];
    for quantum in quanta {
        marked[quantum.index()] = true;
    }
    marked
}

fn intersect(wanted: &mut [bool], with: &[bool]) {
    wanted.iter_mut().zip(with).for_each(|(wanted, with)| *wanted &= with);
}

/// Quanta of some tasks and all that they need.
fn needed_for(graph: &QuantumGraph, tasks: &[String]) -> Result<Vec<bool>, GraphError> {
    let mut found = Vec::new();
    for task in tasks {
        // A label is a term.
        let term: Result<QuantumTerm, String> = task.parse();
        let term = term.map_err(|reason| GraphError::NoQuantum { name: task.clone(), reason })?;
        found.extend(term.quanta(graph)?);
    }
    let mut needed = mark(graph.quanta.len(), found.iter().copied());
    while let Some(quantum) = found.pop() {
        for before in graph.flow().predecessors(quantum) {
            if !std::mem::replace(&mut needed[before.index()], true) {
                found.push(before);
            }
        }
    }
    Ok(needed)
}

struct Planner<'a> {
    graph: &'a QuantumGraph,
    state: &'a JournalState,
    wanted: Vec<bool>,
    reset: Vec<bool>,
}

impl Planner<'_> {
    fn finish(mut self, complete: bool) -> SelectionPlan {
        let restored = self.restore_inputs();
        let left_out = if complete { self.leave_out() } else { Vec::new() };
        let all = self.graph.quanta.iter();
        let reset = all.filter(|quantum| self.reset[quantum.index()]).collect();
        SelectionPlan { selected: self.wanted, reset, restored, left_out }
    }

    fn is_done(&self, quantum: QuantumIx) -> bool {
        self.state.progress(quantum).is_success() && !self.reset[quantum.index()]
    }

    /// Adds the quanta whose deleted outputs are needed, and what these need in turn.
    fn restore_inputs(&mut self) -> Vec<QuantumIx> {
        let mut restored = Vec::new();
        if !self.state.has_removed() {
            return restored;
        }
        let to_run = |planner: &Self, quantum: QuantumIx| {
            planner.wanted[quantum.index()] && !planner.is_done(quantum)
        };
        let mut open: Vec<QuantumIx> =
            self.graph.quanta.iter().filter(|&quantum| to_run(self, quantum)).collect();
        while let Some(quantum) = open.pop() {
            for (_, dataset) in self.graph.inputs.edges(quantum) {
                if !self.state.is_removed(dataset) {
                    continue;
                }
                let Some(producer) = self.graph.producer(dataset) else { continue };
                let is_new = !std::mem::replace(&mut self.reset[producer.index()], true);
                let is_wanted = std::mem::replace(&mut self.wanted[producer.index()], true);
                if is_new {
                    restored.push(producer);
                }
                if is_new || !is_wanted {
                    open.push(producer);
                }
            }
        }
        restored.sort_unstable();
        restored
    }

    /// Leaves out what cannot run because something before it is neither done nor selected; without
    /// its inputs it would only find that it has nothing to do.
    fn leave_out(&mut self) -> Vec<QuantumIx> {
        let mut left_out = Vec::new();
        let mut open: Vec<QuantumIx> = (self.graph.quanta.iter())
            .filter(|&quantum| !self.wanted[quantum.index()] && !self.is_done(quantum))
            .collect();
        while let Some(quantum) = open.pop() {
            for successor in self.graph.flow().successors(quantum) {
                let is_wanted = self.wanted[successor.index()] && !self.is_done(successor);
                if is_wanted {
                    self.wanted[successor.index()] = false;
                    left_out.push(successor);
                    open.push(successor);
                }
            }
        }
        left_out.sort_unstable();
        left_out
    }
}

impl SelectionPlan {
    /// Counts by task, in the order of the pipeline; tasks without quanta are left out.
    pub fn by_task(&self, graph: &QuantumGraph, state: &JournalState) -> Vec<TaskPlan> {
        let mut tasks: Vec<TaskPlan> = (graph.pipeline.tasks.iter())
            .map(|task| TaskPlan { task: task.label.clone(), ..TaskPlan::default() })
            .collect();
        let reset = mark(graph.quanta.len(), self.reset.iter().copied());
        for quantum in graph.quanta.iter() {
            let counts = &mut tasks[graph.quanta.task(quantum).index()];
            counts.quanta += 1;
            let is_reset = reset[quantum.index()];
            if state.progress(quantum).is_success() && !is_reset {
                counts.done += 1;
            } else if self.selected[quantum.index()] {
                counts.run += 1;
                counts.again += u32::from(is_reset);
            }
        }
        for quantum in &self.restored {
            tasks[graph.quanta.task(*quantum).index()].restored += 1;
        }
        for quantum in &self.left_out {
            tasks[graph.quanta.task(*quantum).index()].left_out += 1;
        }
        tasks.retain(|counts| counts.quanta != 0);
        tasks
    }
}
