//! A folder into which artifacts are brought, and what is unfinished in it.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{FlockOperation, flock};
use tempfile::{NamedTempFile, TempDir};

use crate::store_error::StoreError;
use crate::stores::Origins;

/// How names of folders with unfinished files begin.
const UNFINISHED: &str = ".qbb-retrieval-";

/// A folder into which artifacts are brought. Files are made in a hidden folder inside of it and
/// renamed, so that what has its name is whole; that folder is locked while somebody uses it, and
/// goes with whoever made it or comes next.
#[derive(Debug)]
pub struct RetrievalFolder {
    root: Utf8PathBuf,
    unfinished: TempDir,
    /// Holds the lock.
    _lock: Option<File>,
    next: AtomicU64,
    /// Where artifacts come from.
    pub(crate) origins: Origins,
}

impl RetrievalFolder {
    /// Makes the folder if it is not there, and removes what others who were killed have left.
    ///
    /// # Errors
    /// If the folder cannot be made or written.
    pub fn open(root: &Utf8Path) -> Result<Self, StoreError> {
        let failed = |e| StoreError::of_io("write", root, e);
        std::fs::create_dir_all(root).map_err(|e| StoreError::of_io("make folder", root, e))?;
        remove_abandoned(root).map_err(failed)?;
        loop {
            let unfinished =
                tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(root).map_err(failed)?;
            let lock = lock(unfinished.path()).map_err(failed)?;
            // Somebody else may have thought it abandoned before it was locked.
            if unfinished.path().is_dir() {
                let root = root.canonicalize_utf8().map_err(failed)?;
                let (next, origins) = (AtomicU64::new(0), Origins::default());
                return Ok(Self { root, unfinished, _lock: lock, next, origins });
            }
        }
    }

    /// Where unfinished files are, for whoever has to remove them at the end of the process.
    #[must_use]
    pub fn unfinished(&self) -> &std::path::Path {
        self.unfinished.path()
    }

    /// A place in the folder.
    #[must_use]
    pub fn place(&self, target: &Utf8Path) -> Utf8PathBuf {
        self.root.join(target)
    }

    /// Makes something under another name and gives it its own when it is whole; what is there is
    /// replaced only if `replace` is set.
    ///
    /// # Errors
    /// Whatever `make` fails with, or if the name cannot be given.
    pub fn publish(
        &self,
        target: &Utf8Path,
        replace: bool,
        make: impl FnOnce(&Utf8Path) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let place = self.place(target);
        let folder = place.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(folder).map_err(|e| StoreError::of_io("make folder", folder, e))?;
        let failed = |e| StoreError::of_io("write", &place, e);
        let unfinished = self.unfinished_file().map_err(failed)?;
        make(&unfinished)?;
        match replace {
            true => std::fs::rename(&unfinished, &place).map(|()| {
                // Renaming a name of the file that is there already does nothing.
                let _ = std::fs::remove_file(&unfinished);
            }),
            false => match std::fs::hard_link(&unfinished, &place) {
                Ok(()) => std::fs::remove_file(&unfinished),
                // Some file systems have no links.
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    std::fs::rename(&unfinished, &place)
                }
                Err(e) => Err(e),
            },
        }
        .map_err(failed)
    }

    /// The name of a file that is not there yet.
    pub(crate) fn unfinished_file(&self) -> io::Result<Utf8PathBuf> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Utf8PathBuf::from_path_buf(self.unfinished().join(number.to_string()))
            .map_err(|_| io::ErrorKind::InvalidFilename.into())
    }

    /// A file that goes when it is dropped.
    pub(crate) fn scratch(&self) -> Result<NamedTempFile, StoreError> {
        NamedTempFile::new_in(self.unfinished())
            .map_err(|e| StoreError::of_io("write", &self.root, e))
    }
}

/// Locks a folder, where that is possible.
fn lock(folder: &std::path::Path) -> io::Result<Option<File>> {
    let file = match File::open(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    Ok(flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok().then_some(file))
}

/// Removes folders that nobody has locked.
fn remove_abandoned(root: &Utf8Path) -> io::Result<()> {
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        let is_ours = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
        if is_ours && entry.file_type()?.is_dir() && lock(&entry.path())?.is_some() {
            // Somebody else may do the same.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_killed_have_left_goes_and_what_is_in_use_stays() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(scratch.path()).unwrap();
        let abandoned = root.join(".qbb-retrieval-abc");
        fs_err::create_dir(&abandoned).unwrap();
        fs_err::write(abandoned.join("0"), "half").unwrap();
        fs_err::create_dir(root.join("other")).unwrap();
        let first = RetrievalFolder::open(root).unwrap();
        let second = RetrievalFolder::open(root).unwrap();
        assert!(!abandoned.exists());
        assert!(first.unfinished().is_dir() && second.unfinished().is_dir());
        drop((first, second));
        assert_eq!(fs_err::read_dir(root).unwrap().count(), 1);
    }

    #[test]
    fn what_could_not_be_made_has_no_name() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(scratch.path()).unwrap();
        let folder = RetrievalFolder::open(root).unwrap();
        let failed = folder.publish("a/x".into(), true, |unfinished| {
            fs_err::write(unfinished, "half").unwrap();
            Err(StoreError::NotFound { place: "y".to_owned() })
        });
        failed.unwrap_err();
        assert!(!root.join("a/x").exists());
        folder
            .publish("a/x".into(), false, |to| {
                fs_err::write(to, "all").unwrap();
                Ok(())
            })
            .unwrap();
        assert_eq!(fs_err::read_to_string(root.join("a/x")).unwrap(), "all");
    }
}
