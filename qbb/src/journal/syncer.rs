//! Making outputs and journal durable in the background.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use camino::Utf8Path;

use super::error::JournalError;
use super::event::Event;
use super::time::Timestamp;
use super::writer::JournalWriter;

/// How long a claim may wait for being durable.
const PERIOD: Duration = Duration::from_secs(5);

/// How long a writer may be silent; a third of what makes it count as dead.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);

/// A thread that makes claims durable; see "What is durable when" in `docs/formats/journal.md`.
///
/// Dropping it ends the thread without a last sync; [`Syncer::finish`] is for the end of a run.
#[derive(Debug)]
pub struct Syncer {
    // Dropping the sender ends the thread.
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<Result<(), JournalError>>>,
    journal: Arc<JournalWriter>,
}

impl Syncer {
    /// Starts the thread. `sync_outputs` must not return before all files written so far are on
    /// disk.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start(
        journal: Arc<JournalWriter>,
        sync_outputs: impl Fn() -> io::Result<()> + Send + 'static,
    ) -> Result<Self, JournalError> {
        let (stop, stopped) = sync_channel::<()>(0);
        let path = journal.path().to_owned();
        let writer = journal.clone();
        let thread = std::thread::Builder::new()
            .name("qbb-sync".to_owned())
            .spawn(move || {
                let mut rounds = Rounds { journal: &writer, sync_outputs: &sync_outputs, done: 0 };
                let mut last_sign = Instant::now();
                while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                    if rounds.round(last_sign.elapsed() >= SIGN_OF_LIFE)? {
                        last_sign = Instant::now();
                    }
                }
                rounds.round(false).map(drop)
            })
            .map_err(JournalError::io("sync", path))?;
        Ok(Self { stop: Some(stop), thread: Some(thread), journal })
    }

    /// A function for [`Syncer::start`] that syncs the file system of a local folder.
    ///
    /// # Errors
    /// If the folder cannot be opened.
    pub fn sync_file_system(
        root: &Utf8Path,
    ) -> io::Result<impl Fn() -> io::Result<()> + Send + 'static> {
        let folder = File::open(root)?;
        Ok(move || rustix::fs::syncfs(&folder).map_err(io::Error::from))
    }

    /// Syncs a last time and ends the thread.
    ///
    /// # Errors
    /// If any sync failed, now or before; claims since then are not known to be durable.
    pub fn finish(mut self) -> Result<(), JournalError> {
        self.stop = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(JournalError::Poisoned { path: self.journal.path().to_owned() }),
            None => Ok(()),
        }
    }
}

struct Rounds<'a> {
    journal: &'a JournalWriter,
    sync_outputs: &'a dyn Fn() -> io::Result<()>,
    /// Where the journal ended after the last round.
    done: u64,
}

impl Rounds<'_> {
    /// Makes durable what is new; returns whether anything was recorded.
    fn round(&mut self, sign_of_life: bool) -> Result<bool, JournalError> {
        let end = self.journal.end();
        if end == self.done && !sign_of_life {
            return Ok(false);
        }
        if end != self.done {
            (self.sync_outputs)()
                .map_err(JournalError::io("sync outputs of", self.journal.path()))?;
        }
        self.journal.record([&Event::OutputsDurable { time: Timestamp::now(), end }])?;
        self.journal.sync()?;
        self.done = self.journal.end();
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphIdentity;
    use crate::journal::JournalReader;

    fn journal() -> (tempfile::TempDir, Arc<JournalWriter>) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap();
        let journal = JournalWriter::create(path, GraphIdentity([0; 32])).unwrap();
        (folder, Arc::new(journal))
    }

    fn started() -> Event {
        let quantum = qbb_graph::QuantumIx(0);
        Event::QuantumStarted { time: Timestamp(0), quantum, attempt: 0 }
    }

    #[test]
    fn at_the_end_all_claims_are_covered() {
        let (_folder, journal) = journal();
        let syncer = Syncer::start(journal.clone(), || Ok(())).unwrap();
        journal.record([&started()]).unwrap();
        let claimed = journal.end();
        syncer.finish().unwrap();
        let mut reader = JournalReader::open(journal.path()).unwrap();
        reader.next_event().unwrap();
        let (_, mark) = reader.next_event().unwrap().unwrap();
        assert!(matches!(mark, Event::OutputsDurable { end, .. } if end == claimed), "{mark:?}");
    }

    #[test]
    fn what_could_not_be_synced_is_not_said_to_be_durable() {
        let (_folder, journal) = journal();
        let syncer = Syncer::start(journal.clone(), || Err(io::Error::other("lost"))).unwrap();
        journal.record([&started()]).unwrap();
        let claimed = journal.end();
        assert!(syncer.finish().unwrap_err().to_string().contains("lost"));
        assert_eq!(journal.end(), claimed);
    }
}
