//! What a run came to.

use std::time::Duration;

use camino::Utf8PathBuf;
use qbb::journal::{ExceptionInfo, JournalState, QuantumEnd, RunOutcome};
use qbb_graph::QuantumIx;

use crate::scheduler::QuantumCounts;

/// A quantum that failed in this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedQuantum {
    /// Which.
    pub quantum: QuantumIx,
    /// Why.
    pub exception: Option<ExceptionInfo>,
    /// Exit code; negative is a signal.
    pub exit_code: Option<i32>,
}

/// What a run came to.
#[derive(Debug)]
pub struct RunReport {
    /// How it went.
    pub outcome: RunOutcome,
    /// Quanta by state, those that succeeded in earlier runs included.
    pub counts: QuantumCounts,
    /// Quanta that ended in this run.
    pub executed: u32,
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
