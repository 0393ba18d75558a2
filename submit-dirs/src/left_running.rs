//! Tasks that leave threads or processes running.

use std::collections::BTreeMap;

use qbb::journal::JournalState;
use qbb_graph::{QuantumGraph, QuantumIx};
use serde::Serialize;

/// Quanta of a task that have left something running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftRunningByTask {
    /// Label of the task.
    pub task: String,
    /// Number of such quanta.
    pub quanta: u64,
    /// Threads that they have left, all together.
    pub threads: u64,
    /// Processes that they have left, all together; these were ended.
    pub processes: u64,
    /// One of them: the first in the order of the graph.
    pub example: QuantumThatLeft,
}

/// What one quantum has left running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuantumThatLeft {
    /// UUID of the quantum.
    pub quantum: uuid::Uuid,
    /// Data ID for people.
    pub data_id: String,
    /// What it has left.
    #[serde(flatten)]
    pub left: LeftRunningExplanation,
}

/// Threads and processes that an attempt has left running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftRunningExplanation {
    /// How many attempts came before.
    pub attempt: u32,
    /// Number of threads.
    pub threads: u32,
    /// Names of threads; of many the first ones.
    pub thread_names: Vec<String>,
    /// Number of processes.
    pub processes: u32,
}

impl LeftRunningExplanation {
    /// Of a quantum that has left anything.
    pub fn of(journal: &JournalState, quantum: QuantumIx) -> Option<Self> {
        let (attempt, left) = journal.left_running(quantum)?;
        Some(Self {
            attempt,
            threads: left.threads,
            thread_names: left.names.clone(),
            processes: left.processes,
        })
    }

    /// For people: `threads a, b and 2 processes`.
    pub fn text(&self) -> String {
        let mut parts = Vec::new();
        if self.threads != 0 {
            let what = if self.threads == 1 { "thread" } else { "threads" };
            let mut text = format!("{what} {}", self.thread_names.join(", "));
            if self.threads as usize > self.thread_names.len() {
                text.push_str(&format!(", … ({} in all)", self.threads));
            }
            parts.push(text);
        }
        match self.processes {
            0 => {}
            1 => parts.push("a process".to_owned()),
            n => parts.push(format!("{n} processes")),
        }
        parts.join(" and ")
    }
}

/// What quanta have left running, by task in the order of the pipeline.
pub fn left_running_by_task(
    graph: &QuantumGraph,
    journal: &JournalState,
) -> Vec<LeftRunningByTask> {
    let mut found: BTreeMap<u32, LeftRunningByTask> = BTreeMap::new();
    for quantum in journal.quanta_that_left() {
        let Some(left) = LeftRunningExplanation::of(journal, quantum) else { continue };
        let task = graph.quanta.task(quantum);
        let (threads, processes) = (u64::from(left.threads), u64::from(left.processes));
        let sum = found.entry(task.0).or_insert_with(|| {
            let row = graph.quanta.data_id[quantum.index()];
            LeftRunningByTask {
                task: graph.pipeline.task(task).label.clone(),
                quanta: 0,
                threads: 0,
                processes: 0,
                example: QuantumThatLeft {
                    quantum: graph.quanta.uuid(quantum),
                    data_id: graph.task_data_ids(task).describe(row, &graph.symbols),
                    left,
                },
            }
        });
        sum.quanta += 1;
        sum.threads += threads;
        sum.processes += processes;
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use qbb::journal::{Event, LeftRunning};

    use super::*;
    use crate::synthetic::{Story, at};

    #[test]
    fn quanta_are_counted_by_task_with_the_first_as_an_example() {
        let story = Story::new();
        let (isr, calibrate) = (story.quanta("isr"), story.quanta("calibrate"));
        let mut process = story.process("node", 1, 0);
        for (quantum, processes, threads) in
            [(isr[3], 0, &["late"][..]), (isr[1], 2, &["a", "b"]), (calibrate[0], 1, &[])]
        {
            let threads = threads.iter().map(|&name| name.to_owned()).collect();
            let left = LeftRunning::new(processes, threads);
            process.write(&Event::LeftRunning { time: at(1.0), quantum, attempt: 0, left });
        }
        let history = story.history();
        let found = left_running_by_task(&story.graph, history.journal());
        let counts: Vec<_> = (found.iter())
            .map(|f| (f.task.as_str(), f.quanta, f.threads, f.processes, f.example.left.text()))
            .collect();
        let example = "threads a, b and 2 processes".to_owned();
        let of_calibrate = ("calibrate", 1, 0, 1, "a process".to_owned());
        assert_eq!(counts, [("isr", 2, 3, 2, example), of_calibrate]);
        assert_eq!(found[0].example.quantum, story.graph.quanta.uuid(isr[1]));
    }

    #[test]
    fn names_that_were_not_kept_are_counted() {
        let thread_names = vec!["a".to_owned()];
        let left = LeftRunningExplanation { attempt: 0, threads: 3, thread_names, processes: 0 };
        assert_eq!(left.text(), "threads a, … (3 in all)");
    }
}
