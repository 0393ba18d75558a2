//! Looking at a submit directory again and again while it is worked on.

use std::sync::Arc;

use camino::Utf8Path;
use qbb::journal::{
    Detail, GraphOutline, JournalFollower, JournalState, ProcessIdentity, Timestamp,
};
use qbb_graph::QuantumGraph;

use crate::attempts::{AttemptTable, Ends};
use crate::directory::SubmitDirectory;
use crate::error::SubmitError;
use crate::status::{Status, Viewpoint};

/// What the journal tells: where everything stands, and how it came about.
#[derive(Debug)]
pub struct History {
    follower: JournalFollower,
    attempts: AttemptTable,
}

impl History {
    /// Reads a journal.
    ///
    /// # Errors
    /// If a file cannot be read, is not a journal, or belongs to another graph.
    pub fn read(directory: &Utf8Path, graph: &QuantumGraph) -> Result<Self, SubmitError> {
        let mut attempts = AttemptTable::default();
        let graph = GraphOutline::of(graph);
        let follower =
            JournalFollower::open_with(directory, graph, Detail::Progress, &mut attempts)?;
        Ok(Self { follower, attempts })
    }

    /// Reads what was appended; tells whether anything was.
    ///
    /// # Errors
    /// As for [`History::read`].
    pub fn refresh(&mut self) -> Result<bool, SubmitError> {
        Ok(self.follower.poll_with(&mut self.attempts)?)
    }

    /// Where everything stands.
    pub fn journal(&self) -> &JournalState {
        self.follower.state()
    }

    /// All attempts.
    pub fn attempts(&self) -> &AttemptTable {
        &self.attempts
    }

    /// Until when attempts are shown: those without an end until now if their run goes on,
    /// otherwise until their process was last heard of.
    pub(crate) fn ends(&self, now: Timestamp) -> Ends {
        let here = ProcessIdentity::current();
        let mut unknown = vec![Timestamp(i64::MIN); self.attempts.n_writers()];
        for (number, unknown) in unknown.iter_mut().enumerate() {
            let writer = self.attempts.writer(number as u32);
            for run in self.journal().runs().iter().filter(|run| run.writer == writer) {
                let until = if run.is_live(&here, now) { now } else { run.last_seen };
                *unknown = until.max(*unknown);
            }
        }
        Ends { unknown }
    }

    /// The process that is a writer, for people.
    pub(crate) fn writer_name(&self, writer: u32) -> String {
        let uuid = self.attempts.writer(writer);
        match self.journal().runs().iter().find(|run| run.writer == uuid) {
            Some(run) => run.process.to_string(),
            None => format!("writer {uuid}"),
        }
    }
}

/// A submit directory that is looked at repeatedly. Of the journal only what was appended is read,
/// and nothing else; outputs are never looked at.
#[derive(Debug)]
pub struct Watch {
    directory: SubmitDirectory,
    graph: Arc<QuantumGraph>,
    history: History,
}

impl Watch {
    /// Opens a directory and reads what happened so far.
    ///
    /// # Errors
    /// If it is none, or if its graph or journal cannot be used.
    pub fn open(root: &Utf8Path) -> Result<Self, SubmitError> {
        let directory = SubmitDirectory::open(root)?;
        let graph = qbb_graph::open(&directory.graph())?;
        let history = History::read(&directory.journal(), &graph)?;
        Ok(Self { directory, graph: Arc::new(graph), history })
    }

    /// The directory.
    pub fn directory(&self) -> &SubmitDirectory {
        &self.directory
    }

    /// Its graph.
    pub fn graph(&self) -> &Arc<QuantumGraph> {
        &self.graph
    }

    /// What happened, as of the last look.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Looks again; tells whether anything was new.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn refresh(&mut self) -> Result<bool, SubmitError> {
        self.history.refresh()
    }

    /// How far it is, as of the last look; lists of quanta have at most `limit` items.
    pub fn status(&self, limit: usize) -> Status {
        Status::of(&self.graph, &self.history, &Viewpoint::current(), limit)
    }
}
