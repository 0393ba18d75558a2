//! Opening the journal of a run, and making sure that nobody else runs.

use std::fs::File;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use qbb::journal::{
    Detail, Event, GraphOutline, JournalError, JournalFollower, JournalState, JournalWriter,
    ProcessIdentity, RunCounts, RunOutcome, Timestamp,
};
use qbb::{GraphIdentity, QuantumBackedButler};
use qbb_datastore::disk;
use qbb_graph::QuantumGraph;
use uuid::Uuid;

use super::request::{Exclusivity, RunOptions};
use crate::progress::{Progress, ProgressEvent};

/// The journal of this run. Unless it was [closed](Self::close), dropping it says that the run was
/// stopped early, so that nobody waits for it.
pub(super) struct OpenJournal {
    pub writer: Arc<JournalWriter>,
    closed: bool,
}

/// What is known when a run begins.
pub(super) struct Opened {
    pub journal: OpenJournal,
    pub state: JournalState,
    /// Whether an earlier run was cut off elsewhere or before this machine's last start, so that
    /// the journal may lack what it recorded last, and files may be empty or lack their ends.
    pub after_crash: bool,
}

/// How often to look whether another run that has announced itself gives up.
const POLL: Duration = Duration::from_millis(20);

/// How long to wait for it.
const PATIENCE: Duration = Duration::from_secs(15);

impl OpenJournal {
    /// Announces a run, makes sure that it is alone, and reads what happened before it; see "Who
    /// is running" in `docs/formats/journal.md`.
    pub fn open(
        directory: &Utf8Path,
        graph: &QuantumGraph,
        options: &RunOptions,
        jobs: NonZeroUsize,
        output_root: &Utf8Path,
        progress: &dyn Progress,
    ) -> Result<Opened, JournalError> {
        let identity = GraphIdentity::of(graph);
        let process = options.identity.clone().unwrap_or_else(ProcessIdentity::current);
        let writer = JournalWriter::create(directory, identity)?.with_lease(options.lease);
        let writer = Arc::new(writer);
        let journal = Self { writer, closed: false };
        let read = journal.announce(&process, options.to_json(jobs)).and_then(|()| {
            let graph = GraphOutline::known(graph, identity);
            let mut follower = JournalFollower::open_with(directory, graph, Detail::Full, &mut ())?;
            let superseded = journal.make_sure_of_place(&mut follower, &process, options)?;
            let beside: Vec<_> = follower.files().map(ToOwned::to_owned).collect();
            journal.writer.go_on(beside, superseded)?;
            Ok(follower.into_state())
        });
        let mut state = match read {
            Ok(state) => state,
            Err(error) => {
                journal.abandon();
                return Err(error);
            }
        };
        for warning in state.warnings() {
            progress.event(&ProgressEvent::Warning { text: &warning.to_string() });
        }
        // What another live run claims may be on its way to the disk; that is its business.
        let denied = match options.exclusivity {
            Exclusivity::Shared => 0,
            Exclusivity::Exclusive | Exclusivity::Forced => {
                state.verify(|record| QuantumBackedButler::file_matches(output_root, record))
            }
        };
        if denied > 0 {
            let text = format!(
                "{denied} recorded results are not on disk, as after a crash of the machine; \
                 they are made again"
            );
            progress.event(&ProgressEvent::Warning { text: &text });
        }
        let after_crash = options.exclusivity != Exclusivity::Shared
            && (state.runs().iter())
                .any(|run| run.finished.is_none() && !process.shares_host(&run.process));
        Ok(Opened { journal, state, after_crash })
    }

    /// Durably, as other hosts may see only what was synced.
    fn announce(&self, process: &ProcessIdentity, options: String) -> Result<(), JournalError> {
        let (time, process) = (Timestamp::now(), process.clone());
        self.writer.record([&Event::RunStarted { time, process, options }])?;
        self.writer.sync()
    }

    /// Finds out whether this run may go on. Gives the files of dead runs, with their ends.
    ///
    /// Everybody announces a run before looking for others. So of two, one sees the other's
    /// announcement at least; if both do, the later one gives up, and the earlier one waits for
    /// that. One that has looked around before the other came has said that it goes on, or will.
    fn make_sure_of_place(
        &self,
        follower: &mut JournalFollower,
        process: &ProcessIdentity,
        options: &RunOptions,
    ) -> Result<Vec<(Uuid, u64)>, JournalError> {
        if options.exclusivity == Exclusivity::Shared {
            return Ok(Vec::new());
        }
        let begin = Instant::now();
        let own = self.writer.writer();
        loop {
            let runs = follower.state().runs();
            let ours = runs.iter().find(|run| run.writer == own).map(|run| run.started);
            let mut waits_for = None;
            let mut dead = Vec::new();
            for run in runs.iter().filter(|run| run.writer != own && run.finished.is_none()) {
                let live = (run.is_live_beside(process, self.writer.path()))
                    .map_err(|source| refused("look at", &run.path, source))?;
                if !live || options.exclusivity == Exclusivity::Forced {
                    // What it wrote was perhaps never synced, and nobody else will do that.
                    sync_file(&run.path).map_err(|e| refused("sync", &run.path, e))?;
                    dead.push((run.writer, run.end));
                } else if run.goes_on
                    || Some((run.started, run.writer)) < ours.map(|started| (started, own))
                    || begin.elapsed() > PATIENCE
                {
                    let (path, process) = (run.path.clone(), run.process.clone());
                    return Err(JournalError::LiveRun { path, process });
                } else {
                    waits_for = Some(run.writer);
                }
            }
            if waits_for.is_some() {
                sleep(POLL);
                follower.poll()?;
            } else if !follower.poll()? {
                // Nobody has said anything more before the end that was noticed above.
                return Ok(dead);
            }
        }
    }

    /// Takes the announcement back, as nothing was done.
    pub fn abandon(mut self) {
        self.closed = true;
        // If it cannot be removed, it says at least that nobody runs.
        let nothing = RunCounts::default();
        let event = Event::RunFinished {
            time: Timestamp::now(),
            outcome: RunOutcome::StoppedEarly,
            counts: nothing,
        };
        let _ = self.writer.record([&event]);
        let _ = disk::remove(self.writer.path());
    }

    /// Says how the run ended.
    pub fn close(mut self, outcome: RunOutcome, counts: RunCounts) -> Result<(), JournalError> {
        self.closed = true;
        // A run whose claims do not count has not come to an end that is worth anything.
        self.writer.look_for_successor()?;
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

fn sync_file(path: &Utf8Path) -> std::io::Result<()> {
    match File::open(path) {
        Ok(file) => disk::sync_file(&file, path),
        // A run that gave up has removed it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn refused(action: &'static str, path: &Utf8Path, source: std::io::Error) -> JournalError {
    JournalError::Io { action, path: path.to_owned(), source }
}
