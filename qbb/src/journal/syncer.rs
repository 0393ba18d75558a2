//! Making outputs and journal durable in the background.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use qbb_datastore::disk;

use super::durability::Durability;
use super::error::JournalError;
use super::event::Event;
use super::time::Timestamp;
use super::writer::JournalWriter;

/// How long a writer may be silent; a third of what makes it count as dead.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);

/// A thread that makes claims durable and gives signs of life; see "What is durable when" and "Who
/// is running" in `docs/formats/journal.md`.
///
/// If it fails, the journal takes no more events, so that the run stops soon. Dropping it ends the
/// thread without a last sync; [`Syncer::finish`] is for the end of a run.
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
        durability: Durability,
        sync_outputs: impl Fn() -> io::Result<()> + Send + Sync + 'static,
    ) -> Result<Self, JournalError> {
        let sync_outputs: SyncOutputs = Arc::new(sync_outputs);
        if durability == Durability::Quantum {
            journal.sync_before_claims(sync_outputs.clone());
        }
        let (stop, stopped) = sync_channel::<()>(0);
        let path = journal.path().to_owned();
        let writer = journal.clone();
        let thread = std::thread::Builder::new()
            .name("qbb-sync".to_owned())
            .spawn(move || {
                let mut rounds = Rounds { journal: &writer, sync_outputs, done: 0, proven: 0 };
                let result = rounds.until(durability, || {
                    let period = match durability {
                        Durability::Batch(period) => period.min(SIGN_OF_LIFE),
                        Durability::Quantum | Durability::Exit => SIGN_OF_LIFE,
                    };
                    stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout)
                });
                if let Err(error) = &result {
                    writer.close_because_of(error);
                }
                result
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
    ) -> io::Result<impl Fn() -> io::Result<()> + Send + Sync + 'static> {
        let (folder, root) = (File::open(root)?, root.to_owned());
        Ok(move || disk::sync_file_system(&folder, &root))
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

/// Syncs what was written to the output datastore.
pub(super) type SyncOutputs = Arc<dyn Fn() -> io::Result<()> + Send + Sync>;

struct Rounds<'a> {
    journal: &'a JournalWriter,
    sync_outputs: SyncOutputs,
    /// Where the journal ended after the last round.
    done: u64,
    /// Claims before this offset are durable.
    proven: u64,
}

impl Rounds<'_> {
    /// Does what a policy says until `wait` says that it is over, and once more.
    fn until(
        &mut self,
        durability: Durability,
        mut wait: impl FnMut() -> bool,
    ) -> Result<(), JournalError> {
        let mut last_sign = Instant::now();
        while wait() {
            let sign_is_due = last_sign.elapsed() >= SIGN_OF_LIFE;
            if let Durability::Batch(_) = durability
                && self.journal.end() != self.done
            {
                self.make_durable()?;
            } else if sign_is_due {
                self.give_sign()?;
            } else {
                continue;
            }
            self.journal.look_for_successor()?;
            last_sign = Instant::now();
        }
        if self.journal.end() != self.done { self.make_durable() } else { Ok(()) }
    }

    /// Makes durable what was claimed so far.
    fn make_durable(&mut self) -> Result<(), JournalError> {
        let end = self.journal.end();
        (self.sync_outputs)().map_err(JournalError::io("sync outputs of", self.journal.path()))?;
        self.proven = end;
        self.give_sign()
    }

    fn give_sign(&mut self) -> Result<(), JournalError> {
        let end = self.proven;
        self.journal.record([&Event::OutputsDurable { time: Timestamp::now(), end }])?;
        self.journal.sync()?;
        self.done = self.journal.end();
        Ok(())
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
        let syncer = Syncer::start(journal.clone(), Durability::DEFAULT, || Ok(())).unwrap();
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
        let syncer =
            Syncer::start(journal.clone(), Durability::DEFAULT, || Err(io::Error::other("lost")))
                .unwrap();
        journal.record([&started()]).unwrap();
        let claimed = journal.end();
        assert!(syncer.finish().unwrap_err().to_string().contains("lost"));
        assert_eq!(journal.end(), claimed);
    }
}
