//! Folders of a local store, made when they are needed and remembered.

use std::io;
use std::sync::{MutexGuard, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use rustc_hash::FxHashSet;

use crate::disk;
use crate::local_store::LocalStore;
use crate::store_error::StoreError;

impl LocalStore {
    /// Does something in a folder, which is made if it was not seen yet, and once more if somebody
    /// has deleted it since.
    pub(crate) fn with_folder<T>(
        &self,
        folder: &Utf8Path,
        durable: bool,
        mut action: impl FnMut() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.ensure_folder(folder, durable)?;
        match action() {
            Err(StoreError::NotFound { .. }) => {
                self.known_folders().clear();
                self.ensure_folder(folder, durable)?;
                action()
            }
            result => result,
        }
    }

    pub(crate) fn known_folders(&self) -> MutexGuard<'_, FxHashSet<Utf8PathBuf>> {
        // The set is whole between any two operations on it.
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ensure_folder(&self, folder: &Utf8Path, durable: bool) -> Result<(), StoreError> {
        if self.known_folders().contains(folder) {
            return Ok(());
        }
        // Top down, starting below the deepest folder that is known.
        let mut missing: Vec<&Utf8Path> = Vec::new();
        {
            let known = self.known_folders();
            missing.extend(folder.ancestors().take_while(|ancestor| !known.contains(*ancestor)));
        }
        let inside = missing.iter().filter(|f| f.starts_with(self.root_path())).count();
        let outside: &[&Utf8Path] = &missing[inside..];
        if !outside.is_empty() && !self.root_path().is_dir() {
            make_folders(outside.iter().rev(), durable)?;
        }
        make_folders(missing[..inside].iter().rev(), durable)?;
        self.known_folders().extend(missing[..inside].iter().map(|&f| f.to_owned()));
        Ok(())
    }
}

fn make_folders<'f>(
    folders: impl Iterator<Item = &'f &'f Utf8Path>,
    durable: bool,
) -> Result<(), StoreError> {
    for &folder in folders {
        match disk::make_folder(folder) {
            Ok(()) if durable => {
                if let Some(parent) = folder.parent() {
                    sync_folder(parent)?;
                }
            }
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(StoreError::of_io("make", folder, error)),
        }
    }
    Ok(())
}

/// Waits until the names in a folder are on disk.
pub(crate) fn sync_folder(folder: &Utf8Path) -> Result<(), StoreError> {
    disk::sync_folder(folder).map_err(|error| StoreError::of_io("sync", folder, error))
}
