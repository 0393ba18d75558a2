//! All files of a datastore.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use qbb_datastore::{ArtifactStore, ListedArtifact, LocalStore, RepositoryConfig, StoreError};
use rayon::Scope;
use rustc_hash::FxHashMap;

use crate::error::UpkeepError;

/// Endings that SQLite gives to files beside a database.
const BESIDE_DATABASE: [&str; 3] = ["-journal", "-wal", "-shm"];

/// The files of a datastore that could be artifacts.
pub(crate) struct Listing {
    pub(crate) files: Vec<ListedArtifact>,
    /// Positions by path.
    pub(crate) by_path: FxHashMap<String, u32>,
}

impl Listing {
    /// Lists a datastore. What belongs to the repository itself, and unfinished writes, is left out.
    pub(crate) fn read(
        config: &RepositoryConfig,
        store: &dyn ArtifactStore,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Self, UpkeepError> {
        let mut files = match config.datastore.local_root() {
            Some(root) => Walk::new(&root, progress).files()?,
            None => store.list("")?,
        };
        let own = own_files(config);
        files.retain(|file| !own.contains(&file.path));
        Ok(Self::new(files))
    }

    pub(crate) fn new(files: Vec<ListedArtifact>) -> Self {
        let by_path = (files.iter().zip(0..)).map(|(file, at)| (file.path.clone(), at)).collect();
        Self { files, by_path }
    }
}

/// Files of the repository that are not artifacts, by their path in the datastore.
fn own_files(config: &RepositoryConfig) -> Vec<String> {
    let mut places: Vec<Utf8PathBuf> = vec![config.file.clone()];
    if let Some(database) = config.registry.database.sqlite_path() {
        places.extend(BESIDE_DATABASE.map(|end| Utf8PathBuf::from(format!("{database}{end}"))));
        places.push(database);
    }
    let root = config.datastore.local_root().unwrap_or_default();
    let inside = places.iter().filter_map(|place| place.strip_prefix(&root).ok());
    inside.map(|path| path.to_string()).collect()
}

/// A walk through folders, several at a time. Each folder is read once.
struct Walk<'a> {
    root: &'a Utf8Path,
    found: Mutex<Vec<ListedArtifact>>,
    failed: Mutex<Option<UpkeepError>>,
    count: AtomicU64,
    progress: &'a (dyn Fn(u64) + Sync),
}

impl<'a> Walk<'a> {
    fn new(root: &'a Utf8Path, progress: &'a (dyn Fn(u64) + Sync)) -> Self {
        let count = AtomicU64::new(0);
        Self { root, found: Mutex::default(), failed: Mutex::default(), count, progress }
    }

    fn files(self) -> Result<Vec<ListedArtifact>, UpkeepError> {
        rayon::scope(|scope| self.folder(self.root.to_owned(), scope));
        if let Some(error) = self.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let mut found = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        rayon::slice::ParallelSliceMut::par_sort_unstable(found.as_mut_slice());
        Ok(found)
    }

    fn folder<'s>(&'s self, folder: Utf8PathBuf, scope: &Scope<'s>) {
        match self.read(&folder, scope) {
            Ok(files) => {
                let count = self.count.fetch_add(files.len() as u64, Ordering::Relaxed);
                (self.progress)(count + files.len() as u64);
                self.found.lock().unwrap_or_else(PoisonError::into_inner).extend(files);
            }
            // Others may delete folders at the same time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                let error = StoreError::of_io("list", &folder, source).into();
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        }
    }

    fn read<'s>(&'s self, folder: &Utf8Path, scope: &Scope<'s>) -> io::Result<Vec<ListedArtifact>> {
        let mut files = Vec::new();
        for entry in folder.read_dir_utf8()? {
            let entry = entry?;
            if LocalStore::is_unfinished(entry.file_name()) {
                continue;
            }
            let kind = entry.file_type()?;
            let path = entry.path();
            if kind.is_dir() {
                let path = path.to_owned();
                scope.spawn(move |scope| self.folder(path, scope));
                continue;
            }
            // Links to files count as files; links to folders are not followed.
            let metadata = match kind.is_symlink() {
                true => std::fs::metadata(path),
                false => entry.metadata(),
            };
            let metadata = match metadata {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            if let (true, Ok(inside)) = (metadata.is_file(), path.strip_prefix(self.root)) {
                files.push(ListedArtifact { path: inside.to_string(), size: metadata.len() });
            }
        }
        Ok(files)
    }
}
