//! Appending events.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use qbb_datastore::disk;
use uuid::Uuid;

use super::codec::{Encoder, TextNumbers};
use super::error::JournalError;
use super::event::Event;
use super::frame::append_frame;
use super::guard::{self, Guard};
use super::header::{HEADER, JournalHeader};
use super::process::ProcessIdentity;
use super::syncer::SyncOutputs;
use super::time::Timestamp;
use crate::GraphIdentity;

/// Ending of journal files.
pub(super) const EXTENSION: &str = "journal";

/// Writes the journal file of this process. May be shared by threads.
pub struct JournalWriter {
    path: Utf8PathBuf,
    writer: Uuid,
    state: Mutex<WriterState>,
    guard: Guard,
    sync_before_claims: OnceLock<SyncOutputs>,
}

/// Why nothing more is recorded.
#[derive(Debug, Clone)]
enum Closed {
    /// A write failed.
    Write,
    /// What was written could not be synced.
    Sync(String),
    /// Another run has declared this one dead.
    TakenOver(Option<ProcessIdentity>),
}

#[derive(Debug)]
struct WriterState {
    file: File,
    /// Where the next frame goes; all before is whole.
    end: u64,
    /// Whether, and why, it takes no more events.
    closed: Option<Closed>,
    texts: TextNumbers,
    // Kept between calls to save allocations.
    payload: Vec<u8>,
    block: Vec<u8>,
}

impl JournalWriter {
    /// Makes a new file in a journal directory, which is created if missing.
    ///
    /// # Errors
    /// If the directory or the file cannot be made or written.
    pub fn create(directory: &Utf8Path, graph: GraphIdentity) -> Result<Self, JournalError> {
        make_folders(directory)?;
        let writer = Uuid::new_v4();
        let path = directory.join(format!("{writer}.{EXTENSION}"));
        let file = disk::create(&path).map_err(JournalError::io("create", &path))?;
        let header = JournalHeader { writer, graph, created: Timestamp::now() };
        disk::append(&file, &path, &header.to_bytes()).map_err(JournalError::io("write", &path))?;
        // The name must survive a crash of the machine as well as the content.
        disk::sync_file(&file, &path).map_err(JournalError::io("sync", &path))?;
        disk::sync_folder(directory).map_err(JournalError::io("sync", directory))?;
        let state = WriterState {
            file,
            end: HEADER as u64,
            closed: None,
            texts: TextNumbers::default(),
            payload: Vec::new(),
            block: Vec::new(),
        };
        let guard = Guard::new(directory, writer);
        let (state, sync_before_claims) = (Mutex::new(state), OnceLock::new());
        Ok(Self { path, writer, state, guard, sync_before_claims })
    }

    /// Time without a sign of life after which it makes sure of its place.
    pub const LEASE: Duration = guard::LEASE;

    /// Sets the time without a sign of life after which it makes sure of its place.
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.guard.lease = lease;
        self
    }

    /// Makes sure that no other run has taken the place of this one, if that is possible by now.
    ///
    /// # Errors
    /// If one has, or if that cannot be found out.
    pub fn check_place(&self) -> Result<(), JournalError> {
        if self.guard.was_silent() {
            self.make_sure_of_place()?;
        }
        match &self.lock().closed {
            Some(closed @ Closed::TakenOver(_)) => Err(self.error_of(closed)),
            _ => Ok(()),
        }
    }

    /// The file.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Identifies the file among those of its directory.
    pub fn writer(&self) -> Uuid {
        self.writer
    }

    /// Where the next frame will begin.
    pub fn end(&self) -> u64 {
        self.lock().end
    }

    /// Appends events with one system call. When this returns they survive the end of this
    /// process; surviving the end of the machine takes [`JournalWriter::sync`], unless the
    /// durability of the run is that of each quantum.
    ///
    /// # Errors
    /// If writing fails, now or in an earlier call. The file is then cut back to its last whole
    /// frame, as far as that is possible. Also if another run has taken over while this process was
    /// suspended.
    pub fn record<'e>(
        &self,
        events: impl IntoIterator<Item = &'e Event>,
    ) -> Result<(), JournalError> {
        self.check_place()?;
        let events: Vec<&Event> = events.into_iter().collect();
        match self.sync_before_claims.get() {
            Some(sync_outputs) if events.iter().any(|event| event.claims_outputs()) => {
                if let Err(source) = sync_outputs() {
                    let path = self.path.clone();
                    let error = JournalError::Io { action: "sync outputs of", path, source };
                    self.close_because_of(&error);
                    return Err(error);
                }
                self.append(&events, true)?;
                self.sync()
            }
            _ => self.append(&events, false),
        }
    }

    /// Writes events; `durable` says that the outputs which they claim are on disk.
    fn append(&self, events: &[&Event], durable: bool) -> Result<(), JournalError> {
        let mut state = self.lock();
        let state = &mut *state;
        if let Some(closed) = &state.closed {
            return Err(self.error_of(closed));
        }
        let WriterState { texts, payload, block, end, .. } = state;
        block.clear();
        let mut encode = |event: &Event| {
            let mut emit = |payload: &[u8]| append_frame(block, *end, payload);
            Encoder { texts, payload, emit: &mut emit }.event(event)
        };
        let mut encoded = events.iter().try_for_each(|event| encode(event));
        if durable && encoded.is_ok() {
            let end = *end + block.len() as u64;
            let mut emit = |payload: &[u8]| append_frame(block, state.end, payload);
            let mark = Event::OutputsDurable { time: Timestamp::now(), end };
            encoded = Encoder { texts, payload, emit: &mut emit }.event(&mark);
        }
        if let Err(reason) = encoded {
            // Texts may have been numbered that will not be written.
            state.closed = Some(Closed::Write);
            return Err(JournalError::Encode { path: self.path.clone(), reason });
        }
        if let Err(source) = disk::append(&state.file, &self.path, &state.block) {
            state.closed = Some(Closed::Write);
            // If this fails too, readers find a torn tail, which they tolerate.
            let _ = disk::cut(&state.file, &self.path, state.end);
            let _ = state.file.seek(SeekFrom::Start(state.end));
            return Err(JournalError::Io { action: "write", path: self.path.clone(), source });
        }
        state.end += state.block.len() as u64;
        Ok(())
    }

    /// Waits until all that was recorded is on disk.
    ///
    /// # Errors
    /// If the operating system reports that it is not. Nothing more is recorded then, as what was
    /// lost is not known.
    pub fn sync(&self) -> Result<(), JournalError> {
        // Not under the lock: recording must not wait for the disk.
        let file = self.lock().file.try_clone().map_err(JournalError::io("sync", &self.path))?;
        let begin = (Instant::now(), SystemTime::now());
        match disk::sync_file(&file, &self.path) {
            Ok(()) => {
                self.guard.signed(begin);
                Ok(())
            }
            Err(source) => {
                let error = JournalError::Io { action: "sync", path: self.path.clone(), source };
                self.close_because_of(&error);
                Err(error)
            }
        }
    }

    /// Says that this run goes on, having looked at the files `beside` its own, and that others are
    /// taken for dead: of those files nothing counts any more from the given offsets on.
    ///
    /// # Errors
    /// As for [`JournalWriter::record`] and [`JournalWriter::sync`].
    pub fn go_on(
        &self,
        beside: impl IntoIterator<Item = Utf8PathBuf>,
        superseded: Vec<(Uuid, u64)>,
    ) -> Result<(), JournalError> {
        self.guard.goes_on(beside);
        self.record([&Event::RunGoesOn { time: Timestamp::now(), superseded }])?;
        self.sync()
    }

    /// From now on outputs are synced before they are claimed.
    pub(super) fn sync_before_claims(&self, sync_outputs: SyncOutputs) {
        let _ = self.sync_before_claims.set(sync_outputs);
    }

    /// Takes no more events, because of an error that the journal's background thread had.
    pub(super) fn close_because_of(&self, error: &JournalError) {
        let closed = match error {
            JournalError::TakenOver { by, .. } => Closed::TakenOver(by.clone()),
            error => Closed::Sync(error.to_string()),
        };
        self.lock().closed.get_or_insert(closed);
    }

    /// Looks whether another run has declared this one dead.
    ///
    /// # Errors
    /// [`JournalError::TakenOver`] if so, or if the directory cannot be read.
    pub fn look_for_successor(&self) -> Result<(), JournalError> {
        self.guard.look(false)
    }

    /// After a silence: gives a sign of life before looking, so that of two runs at least one
    /// notices the other.
    fn make_sure_of_place(&self) -> Result<(), JournalError> {
        loop {
            let begin = (Instant::now(), SystemTime::now());
            let looked = self
                .append(&[&Event::OutputsDurable { time: Timestamp::now(), end: 0 }], false)
                .and_then(|()| {
                    let file = self.lock().file.try_clone();
                    file.and_then(|file| disk::sync_file(&file, &self.path))
                        .map_err(JournalError::io("sync", &self.path))
                })
                .and_then(|()| self.guard.look(true));
            if let Err(error) = looked {
                self.close_because_of(&error);
                return Err(error);
            }
            // Not so if it was suspended once more meanwhile.
            if self.guard.looked(begin) {
                return Ok(());
            }
        }
    }

    fn error_of(&self, closed: &Closed) -> JournalError {
        let path = self.path.clone();
        match closed.clone() {
            Closed::Write => JournalError::Poisoned { path },
            Closed::Sync(reason) => JournalError::NotDurable { path, reason },
            Closed::TakenOver(by) => {
                let directory = path.parent().map(ToOwned::to_owned).unwrap_or_default();
                JournalError::TakenOver { directory, by }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, WriterState> {
        // A panic while the lock was held leaves the state usable: `end` moves only after a write.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for JournalWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JournalWriter").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Makes a folder and those above it, so that a crash of the machine leaves them.
fn make_folders(directory: &Utf8Path) -> Result<(), JournalError> {
    let is_missing = |folder: &&Utf8Path| !folder.as_str().is_empty() && !folder.is_dir();
    let missing: Vec<&Utf8Path> = directory.ancestors().take_while(is_missing).collect();
    for folder in missing.into_iter().rev() {
        match disk::make_folder(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => made.map_err(JournalError::io("create", folder))?,
        }
        let parent = match folder.parent() {
            Some(parent) if !parent.as_str().is_empty() => parent,
            _ => Utf8Path::new("."),
        };
        disk::sync_folder(parent).map_err(JournalError::io("sync", parent))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> (tempfile::TempDir, JournalWriter) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("new/journal");
        (folder, JournalWriter::create(&path, GraphIdentity([0; 32])).unwrap())
    }

    fn event() -> Event {
        Event::OutputsDurable { time: Timestamp(0), end: 0 }
    }

    #[test]
    fn after_a_failed_write_nothing_more_is_recorded() {
        let (_folder, journal) = journal();
        journal.record([&event()]).unwrap();
        let end = journal.end();
        // As a full disk would have it, a file that cannot be written.
        journal.lock().file = File::open(journal.path()).unwrap();
        let failed = journal.record([&event()]).unwrap_err();
        assert!(matches!(failed, JournalError::Io { action: "write", .. }), "{failed}");
        let refused = journal.record([&event()]).unwrap_err();
        assert!(matches!(refused, JournalError::Poisoned { .. }), "{refused}");
        assert_eq!(journal.end(), end);
    }

    #[test]
    fn an_event_that_is_too_large_is_refused() {
        let (_folder, journal) = journal();
        let options = "x".repeat(crate::wire::LIMIT + 1);
        let process = ProcessIdentity::current();
        let event = Event::RunStarted { time: Timestamp(0), process, options };
        let refused = journal.record([&event]).unwrap_err();
        assert!(matches!(refused, JournalError::Encode { .. }), "{refused}");
    }
}
