//! Artifacts that other programs write.

use std::fs::File;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::artifact::PutOptions;
use crate::disk;
use crate::local_store::{LocalStore, split};
use crate::store_error::StoreError;

/// The place of an artifact that another program writes; dropped without commit, it is deleted.
#[derive(Debug)]
pub struct StagedArtifact<'a> {
    store: &'a LocalStore,
    folder: Utf8PathBuf,
    file: Utf8PathBuf,
    target: Utf8PathBuf,
    done: bool,
}

impl<'a> StagedArtifact<'a> {
    /// Makes the folder in which the file of `target` is to be written.
    pub(crate) fn prepare(store: &'a LocalStore, target: Utf8PathBuf) -> Result<Self, StoreError> {
        let (parent, name) = split(&target);
        let folder = parent.join(store.unfinished_name());
        store.with_folder(parent, false, || {
            disk::make_folder(&folder).map_err(|e| StoreError::of_io("make", &folder, e))
        })?;
        Ok(Self { store, file: folder.join(name), folder, target, done: false })
    }

    /// The file to be written. It has the artifact's own name, and does not exist yet.
    pub fn file(&self) -> &Utf8Path {
        &self.file
    }

    /// Makes the file the artifact; gives its size.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the file was not written; or if it cannot be moved.
    pub fn commit(mut self, options: PutOptions) -> Result<u64, StoreError> {
        let failed = |error| StoreError::of_io("read", &self.file, error);
        let metadata = std::fs::symlink_metadata(&self.file).map_err(failed)?;
        if !metadata.is_file() {
            return Err(StoreError::Occupied {
                action: "use",
                path: self.file.clone(),
                source: io::Error::from(io::ErrorKind::IsADirectory),
            });
        }
        if options.durable {
            (File::open(&self.file).and_then(|file| disk::sync_file(&file, &self.file)))
                .map_err(failed)?;
        }
        self.store.publish(&self.file, &self.target, options)?;
        self.done = std::fs::remove_dir(&self.folder).is_ok();
        Ok(metadata.len())
    }
}

impl Drop for StagedArtifact<'_> {
    fn drop(&mut self) {
        if !self.done {
            // What cannot be deleted is recognisable as a leftover.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
