//! Opening the journal of a run, and making sure that nobody else runs.

use std::num::NonZeroUsize;
use std::sync::Arc;

use camino::Utf8Path;
use qbb::journal::{
    Event, JournalError, JournalState, JournalWriter, ProcessIdentity, RunCounts, RunOutcome,
    Timestamp, read_state,
};
use qbb::{GraphIdentity, QuantumBackedButler};
use qbb_graph::QuantumGraph;

use super::request::{Exclusivity, RunOptions};
use crate::progress::{Progress, ProgressEvent};

/// The journal of this run. Unless it was [closed](Self::close), dropping it says that the run was
/// stopped early, so that nobody waits for it.
pub(super) struct OpenJournal {
    pub writer: Arc<JournalWriter>,
    closed: bool,
}

impl OpenJournal {
    /// Announces a run, then reads what happened before it.
    pub fn open(
        directory: &Utf8Path,
        graph: &QuantumGraph,
        options: &RunOptions,
        jobs: NonZeroUsize,
        output_root: &Utf8Path,
        progress: &dyn Progress,
    ) -> Result<(Self, JournalState), JournalError> {
        let identity = GraphIdentity::of(graph);
        let process = ProcessIdentity::current();
        let writer = Arc::new(JournalWriter::create(directory, identity)?);
        let journal = Self { writer, closed: false };
        journal.writer.record([&Event::RunStarted {
            time: Timestamp::now(),
            process: process.clone(),
            options: options.to_json(jobs),
        }])?;
        // Announced before looking, so that of two runs at least one sees the other.
        let mut state = match read_state(directory, graph, identity) {
            Ok(state) => state,
            Err(error) => {
                journal.abandon();
                return Err(error);
            }
        };
        let now = Timestamp::now();
        let live = (state.runs().iter())
            .find(|run| run.writer != journal.writer.writer() && run.is_live(&process, now));
        if let (Some(run), Exclusivity::Exclusive) = (live, options.exclusivity) {
            let (path, process) = (run.path.clone(), run.process.clone());
            journal.abandon();
            return Err(JournalError::LiveRun { path, process });
        }
        for warning in state.warnings() {
            progress.event(&ProgressEvent::Warning { text: &warning.to_string() });
        }
        // What another live run claims may be on its way to the disk; that is its business.
        let denied = if live.is_some() && options.exclusivity == Exclusivity::Shared {
            0
        } else {
            state.verify(|record| QuantumBackedButler::file_matches(output_root, record))
        };
        if denied > 0 {
            let text = format!(
                "{denied} recorded results are not on disk, as after a crash of the machine; \
                 they are made again"
            );
            progress.event(&ProgressEvent::Warning { text: &text });
        }
        Ok((journal, state))
    }

    /// Takes the announcement back, as nothing was done.
    fn abandon(mut self) {
        self.closed = true;
        // If it cannot be removed, it says at least that nobody runs.
        let nothing = RunCounts::default();
        let event = Event::RunFinished {
            time: Timestamp::now(),
            outcome: RunOutcome::StoppedEarly,
            counts: nothing,
        };
        let _ = self.writer.record([&event]);
        let _ = fs_err::remove_file(self.writer.path());
    }

    /// Says how the run ended.
    pub fn close(mut self, outcome: RunOutcome, counts: RunCounts) -> Result<(), JournalError> {
        self.closed = true;
        self.writer.record([&Event::RunFinished { time: Timestamp::now(), outcome, counts }])?;
        self.writer.sync()
    }
}

impl Drop for OpenJournal {
    fn drop(&mut self) {
        if !self.closed {
            let event = Event::RunFinished {
                time: Timestamp::now(),
                outcome: RunOutcome::StoppedEarly,
                counts: RunCounts::default(),
            };
            // The error that led here is what is reported.
            let _ = self.writer.record([&event]);
        }
    }
}
