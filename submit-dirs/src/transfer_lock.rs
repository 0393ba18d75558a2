//! Transfers of one run that would change the same files, one after the other.
//!
//! Most transfers only add to a repository, and its database keeps them apart. One that moves
//! metadata and logs into a provenance graph replaces and removes files, too, and must be alone. Where
//! the file system has no locks nobody waits: files appear whole all the same, and a transfer whose
//! provenance graph was replaced before its registry was written says so.

use std::fs::TryLockError;
use std::io::ErrorKind;
use std::thread::sleep;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use fs_err::{File, OpenOptions};

use crate::directory::SubmitDirectory;
use crate::error::SubmitError;

/// How long a transfer waits for others. Large ones take minutes.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// How long it waits before it looks again.
const PAUSE: Duration = Duration::from_millis(20);

/// What a transfer must not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferLock {
    /// It goes on beside others that only add.
    Shared,
    /// It must be alone.
    Exclusive,
}

/// A transfer that others wait for, until this is dropped or the process ends.
#[derive(Debug)]
pub struct TransferLocked {
    _file: Option<File>,
}

impl SubmitDirectory {
    /// The file that transfers lock. It is empty, and stays.
    pub fn transfer_lock(&self) -> Utf8PathBuf {
        self.root().join("transfer.lock")
    }

    /// Waits until a transfer may begin; `waiting` is called once if it has to wait. What was read
    /// of the directory before may be out of date then.
    ///
    /// # Errors
    /// If it would have to wait for more than ten minutes.
    pub fn lock_transfers(
        &self,
        lock: TransferLock,
        waiting: &mut dyn FnMut(),
    ) -> Result<TransferLocked, SubmitError> {
        self.lock_transfers_within(LONGEST_WAIT, lock, waiting)
    }

    fn lock_transfers_within(
        &self,
        longest: Duration,
        lock: TransferLock,
        waiting: &mut dyn FnMut(),
    ) -> Result<TransferLocked, SubmitError> {
        let path = self.transfer_lock();
        let mut options = OpenOptions::new();
        let file = match options.create(true).truncate(false).write(true).open(&path) {
            Ok(file) => file,
            // Of somebody else's directory.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                return Ok(TransferLocked { _file: None });
            }
            Err(source) => return Err(SubmitError::Io { path, action: "opened", source }),
        };
        let begin = Instant::now();
        loop {
            let locked = match lock {
                TransferLock::Shared => file.file().try_lock_shared(),
                TransferLock::Exclusive => file.file().try_lock(),
            };
            match locked {
                Ok(()) => return Ok(TransferLocked { _file: Some(file) }),
                // There are no locks here.
                Err(TryLockError::Error(_)) => return Ok(TransferLocked { _file: None }),
                Err(TryLockError::WouldBlock) => {}
            }
            if begin.elapsed() >= longest {
                return Err(SubmitError::BeingTransferred {
                    path: self.root().to_owned(),
                    waited: begin.elapsed(),
                });
            }
            waiting();
            sleep(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Submission;
    use camino::Utf8Path;

    #[test]
    fn those_that_only_add_are_together_and_one_that_replaces_is_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap().join("run");
        let submission = Submission::new("release", Utf8Path::new("/me"), "pipeline.yaml");
        let directory =
            SubmitDirectory::create(&root, submission, |_| Ok::<(), SubmitError>(())).unwrap();
        let lock = |lock| {
            let mut waits = 0;
            let locked = directory.lock_transfers_within(Duration::ZERO, lock, &mut || waits += 1);
            (locked, waits)
        };
        let refused = |(locked, _): (Result<TransferLocked, SubmitError>, u32)| {
            let said = locked.unwrap_err().to_string();
            assert!(said.contains("another transfer"), "{said}");
        };
        let (one, other) = (lock(TransferLock::Shared).0.unwrap(), lock(TransferLock::Shared).0);
        refused(lock(TransferLock::Exclusive));
        drop((one, other.unwrap()));
        let alone = lock(TransferLock::Exclusive).0.unwrap();
        refused(lock(TransferLock::Exclusive));
        refused(lock(TransferLock::Shared));
        // Who waits goes on when the other one ends.
        let mut held = Some(alone);
        let mut waits = 0;
        let locked = directory.lock_transfers(TransferLock::Exclusive, &mut || {
            waits += 1;
            held.take();
        });
        assert!(locked.is_ok() && waits > 0);
    }
}
