//! What a run came to.

use std::time::Duration;

use camino::Utf8PathBuf;
use qbb::journal::{ExceptionInfo, JournalState, QuantumEnd, RunOutcome};
use qbb_graph::QuantumIx;
use qbb_pipeline::Runner;

use crate::scheduler::{QuantumCounts, StopReason};

/// What a failure means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Only what depends on the quantum is concerned.
    Ordinary,
    /// A task raised `RepeatableQuantumError` or a class derived from it: the same would happen
    /// again.
    Repeatable,
    /// A task raised `InvalidQuantumError`: the graph is no good, and the run stops.
    Invalid,
}

impl FailureKind {
    /// Tells by the exit code that the middleware gives to these exceptions.
    pub(super) fn of(runner: &Runner, exit_code: Option<i32>) -> Self {
        match (runner, exit_code) {
            (Runner::PipelineTask(_), Some(20)) => Self::Repeatable,
            (Runner::PipelineTask(_), Some(21)) => Self::Invalid,
            _ => Self::Ordinary,
        }
    }
}

/// A quantum that failed in this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedQuantum {
    /// Which.
    pub quantum: QuantumIx,
    /// Why.
    pub exception: Option<ExceptionInfo>,
    /// Exit code; negative is a signal.
    pub exit_code: Option<i32>,
    /// What that means.
    pub kind: FailureKind,
}

/// What a run came to.
#[derive(Debug)]
pub struct RunReport {
    /// How it went.
    pub outcome: RunOutcome,
    /// Why no more quanta were started, if that was before the end.
    pub stop_reason: Option<StopReason>,
    /// Quanta by state, those that succeeded in earlier runs included.
    pub counts: QuantumCounts,
    /// Quanta that ended in this run.
    pub executed: u32,
    /// Intermediate datasets that it deleted.
    pub removed: u64,
    /// Quanta that had succeeded before it.
    pub done_before: u32,
    /// Quanta that failed in this run, in order of their ends.
    pub failures: Vec<FailedQuantum>,
    /// How long it took.
    pub elapsed: Duration,
    /// The file that this run wrote.
    pub journal: Utf8PathBuf,
    /// All that is known after it.
    pub state: JournalState,
}

impl RunReport {
    /// Whether every quantum of the run has succeeded.
    pub fn is_complete(&self) -> bool {
        self.outcome == RunOutcome::Complete
    }

    /// Quanta that ended in this or an earlier run in a given way.
    pub fn quanta_with_end(&self, end: QuantumEnd) -> impl Iterator<Item = QuantumIx> {
        (0..self.state.n_quanta() as u32)
            .map(QuantumIx)
            .filter(move |&quantum| self.state.finished(quantum).is_some_and(|q| q.end == end))
    }
}
