//! Quanta by state and task.

use qbb::journal::{JournalState, QuantumEnd, QuantumProgress};
use qbb_graph::{QuantumGraph, QuantumIx};
use qbb_pipeline::Task;
use serde::Serialize;

/// How many quanta are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct QuantumCounts {
    /// All of them.
    pub quanta: u64,
    /// Succeeded, with or without caveats.
    pub succeeded: u64,
    /// Succeeded with a caveat: no work, partial outputs, missing outputs.
    pub with_caveats: u64,
    /// Failed in their last attempt.
    pub failed: u64,
    /// Succeeded, but their metadata or log is missing, so that the middleware would not say so.
    pub wonky: u64,
    /// Cannot run because of a failure before them.
    pub blocked: u64,
    /// Started and not ended: being executed, or cut off.
    pub in_flight: u64,
    /// Not tried yet.
    pub waiting: u64,
    /// Attempts of all quanta together.
    pub attempts: u64,
}

impl QuantumCounts {
    /// Tried or not, what the middleware's report calls unknown: neither metadata nor log, and no
    /// failure before.
    pub fn unknown(&self) -> u64 {
        self.in_flight + self.waiting
    }

    /// Ended, one way or the other, or never to run.
    pub fn ended(&self) -> u64 {
        self.quanta - self.unknown()
    }

    fn add(&mut self, progress: QuantumProgress, remark: Remark, attempts: u32) {
        self.quanta += 1;
        self.attempts += u64::from(attempts);
        let state = match progress {
            QuantumProgress::NotStarted => &mut self.waiting,
            QuantumProgress::InFlight => &mut self.in_flight,
            QuantumProgress::Blocked { .. } => &mut self.blocked,
            QuantumProgress::Ended(QuantumEnd::Failed) => &mut self.failed,
            QuantumProgress::Ended(_) if remark == Remark::Wonky => &mut self.wonky,
            QuantumProgress::Ended(_) => {
                self.with_caveats += u64::from(remark == Remark::Caveats);
                &mut self.succeeded
            }
        };
        *state += 1;
    }
}

impl std::iter::Sum for QuantumCounts {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), |a, b| Self {
            quanta: a.quanta + b.quanta,
            succeeded: a.succeeded + b.succeeded,
            with_caveats: a.with_caveats + b.with_caveats,
            failed: a.failed + b.failed,
            wonky: a.wonky + b.wonky,
            blocked: a.blocked + b.blocked,
            in_flight: a.in_flight + b.in_flight,
            waiting: a.waiting + b.waiting,
            attempts: a.attempts + b.attempts,
        })
    }
}

/// What is to be said about a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remark {
    Nothing,
    Caveats,
    Wonky,
}

/// Numbers of a task's metadata and log among the outputs of its quanta.
fn books(task: &Task) -> impl Iterator<Item = u16> {
    let n = task.quantum_outputs().count() as u16;
    n - 1 - u16::from(task.log_output.is_some())..n
}

/// The quanta of one task by state, and what they cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskCounts {
    /// Label.
    pub task: String,
    /// Quanta by state.
    #[serde(flatten)]
    pub counts: QuantumCounts,
    /// Seconds that ended attempts took, all together.
    pub seconds: f64,
    /// Peak memory of any attempt, bytes, if measured.
    pub peak_memory: Option<u64>,
}

/// Counts the quanta of every task that has any, in the order of the pipeline.
pub fn count_by_task(graph: &QuantumGraph, journal: &JournalState) -> Vec<TaskCounts> {
    let mut tasks: Vec<TaskCounts> = (graph.pipeline.tasks.iter())
        .map(|task| TaskCounts {
            task: task.label.clone(),
            counts: QuantumCounts::default(),
            seconds: 0.0,
            peak_memory: None,
        })
        .collect();
    let books: Vec<Vec<u16>> = graph.pipeline.tasks.iter().map(|t| books(t).collect()).collect();
    for quantum in graph.quanta.iter() {
        let index = graph.quanta.task(quantum).index();
        let task = &mut tasks[index];
        let finished = journal.finished(quantum);
        let remark = match finished.filter(|f| f.end.is_success()) {
            None => Remark::Nothing,
            Some(_) if !is_on_the_books(graph, journal, quantum, &books[index]) => Remark::Wonky,
            Some(f)
                if f.caveats.is_some_and(|bits| bits != 0)
                    || matches!(f.end, QuantumEnd::NoWork | QuantumEnd::PartialOutputs) =>
            {
                Remark::Caveats
            }
            Some(_) => Remark::Nothing,
        };
        let progress = match will_be_repeated(journal, quantum) {
            true => QuantumProgress::NotStarted,
            false => journal.progress(quantum),
        };
        task.counts.add(progress, remark, journal.next_attempt(quantum));
        if let Some(finished) = finished {
            task.seconds += finished.ended.seconds_since(finished.started).max(0.0);
            let memory = finished.usage.map(|usage| usage.memory);
            task.peak_memory = task.peak_memory.max(memory);
        }
    }
    tasks.retain(|task| task.counts.quanta != 0);
    tasks
}

/// Whether a quantum has failed and its run, which has not finished, is to try it again: it waits,
/// rather than having failed.
pub(crate) fn will_be_repeated(journal: &JournalState, quantum: QuantumIx) -> bool {
    journal.repeated(quantum).is_some() && journal.runs().iter().any(|run| run.finished.is_none())
}

/// Whether metadata and log of a quantum were written, as far as the graph has them.
fn is_on_the_books(
    graph: &QuantumGraph,
    journal: &JournalState,
    quantum: QuantumIx,
    books: &[u16],
) -> bool {
    (books.iter())
        .flat_map(|&connection| graph.outputs.of_connection(quantum, connection))
        .all(|dataset| journal.is_written(dataset))
}
