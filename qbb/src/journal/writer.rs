//! Appending events.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use uuid::Uuid;

use super::codec::{Encoder, TextNumbers};
use super::error::JournalError;
use super::event::Event;
use super::frame::append_frame;
use super::header::{HEADER, JournalHeader};
use super::time::Timestamp;
use crate::GraphIdentity;

/// Ending of journal files.
pub(super) const EXTENSION: &str = "journal";

/// Writes the journal file of this process. May be shared by threads.
#[derive(Debug)]
pub struct JournalWriter {
    path: Utf8PathBuf,
    writer: Uuid,
    state: Mutex<WriterState>,
}

#[derive(Debug)]
struct WriterState {
    file: File,
    /// Where the next frame goes; all before is whole.
    end: u64,
    /// Whether a write failed.
    poisoned: bool,
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
        fs_err::create_dir_all(directory).map_err(JournalError::io("create", directory))?;
        let writer = Uuid::new_v4();
        let path = directory.join(format!("{writer}.{EXTENSION}"));
        let mut file = File::create_new(&path).map_err(JournalError::io("create", &path))?;
        let header = JournalHeader { writer, graph, created: Timestamp::now() };
        file.write_all(&header.to_bytes()).map_err(JournalError::io("write", &path))?;
        // The name must survive a crash of the machine as well as the content.
        file.sync_all().map_err(JournalError::io("sync", &path))?;
        File::open(directory)
            .and_then(|folder| folder.sync_all())
            .map_err(JournalError::io("sync", directory))?;
        let state = WriterState {
            file,
            end: HEADER as u64,
            poisoned: false,
            texts: TextNumbers::default(),
            payload: Vec::new(),
            block: Vec::new(),
        };
        Ok(Self { path, writer, state: Mutex::new(state) })
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
    /// process; surviving the end of the machine takes [`JournalWriter::sync`].
    ///
    /// # Errors
    /// If writing fails, now or in an earlier call. The file is then cut back to its last whole
    /// frame, as far as that is possible.
    pub fn record<'e>(
        &self,
        events: impl IntoIterator<Item = &'e Event>,
    ) -> Result<(), JournalError> {
        let mut state = self.lock();
        let state = &mut *state;
        if state.poisoned {
            return Err(JournalError::Poisoned { path: self.path.clone() });
        }
        let WriterState { texts, payload, block, end, .. } = state;
        block.clear();
        for event in events {
            let mut emit = |payload: &[u8]| append_frame(block, *end, payload);
            let mut encoder = Encoder { texts, payload, emit: &mut emit };
            if let Err(reason) = encoder.event(event) {
                // Texts may have been numbered that will not be written.
                state.poisoned = true;
                return Err(JournalError::Encode { path: self.path.clone(), reason });
            }
        }
        if let Err(source) = state.file.write_all(&state.block) {
            state.poisoned = true;
            // If this fails too, readers find a torn tail, which they tolerate.
            let _ = state.file.set_len(state.end);
            let _ = state.file.seek(SeekFrom::Start(state.end));
            return Err(JournalError::Io { action: "write", path: self.path.clone(), source });
        }
        state.end += state.block.len() as u64;
        Ok(())
    }

    /// Waits until all that was recorded is on disk.
    ///
    /// # Errors
    /// If the operating system reports that it is not.
    pub fn sync(&self) -> Result<(), JournalError> {
        // Not under the lock: recording must not wait for the disk.
        let file = self.lock().file.try_clone().map_err(JournalError::io("sync", &self.path))?;
        file.sync_data().map_err(JournalError::io("sync", &self.path))
    }

    fn lock(&self) -> MutexGuard<'_, WriterState> {
        // A panic while the lock was held leaves the state usable: `end` moves only after a write.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let process = crate::journal::ProcessIdentity::current();
        let event = Event::RunStarted { time: Timestamp(0), process, options };
        let refused = journal.record([&event]).unwrap_err();
        assert!(matches!(refused, JournalError::Encode { .. }), "{refused}");
    }
}
