//! Deleting the files of datasets that are in the trash.

use qbb_datastore::{ArtifactPath, ArtifactStore, ArtifactUri, StoreError};
use qbb_registry::{RegistryWriter, Trash};
use rustc_hash::FxHashSet;

use crate::error::UpkeepError;

/// Most datasets whose files are deleted in one transaction. Other writers wait as long as that
/// takes.
const BATCH: u32 = 10_000;

/// What emptying the trash has done.
#[derive(Debug, Default)]
pub struct EmptiedTrash {
    /// Datasets that were forgotten.
    pub datasets: u64,
    /// Files that were deleted.
    pub files: u64,
    /// Files that were gone already; object stores do not tell of these.
    pub gone: u64,
    /// Files that stay because other datasets refer to them.
    pub shared: u64,
    /// Files that stay because they are not the datastore's: recorded by absolute URI.
    pub referenced: u64,
    /// Files that could not be deleted; their datasets stay in the trash.
    pub refused: Vec<StoreError>,
}

/// Deletes all files that only datasets in the trash refer to, and then forgets these datasets:
/// whatever is interrupted, by whomever, is finished by the next one who does this.
///
/// # Errors
/// If the registry cannot be read or written. A file that cannot be deleted is no error; see
/// [`EmptiedTrash::refused`].
pub fn empty_trash(
    registry: &mut dyn RegistryWriter,
    store: &dyn ArtifactStore,
    progress: &mut dyn FnMut(u64),
) -> Result<EmptiedTrash, UpkeepError> {
    let mut emptied = EmptiedTrash::default();
    // What cannot be deleted stays in the trash, and would come first again and again.
    let mut stuck: FxHashSet<[u8; 16]> = FxHashSet::default();
    loop {
        let mut transaction = registry.begin()?;
        let trash = transaction.trash(BATCH.saturating_add(stuck.len() as u32))?;
        if trash.id.iter().all(|id| stuck.contains(id)) {
            return Ok(emptied);
        }
        delete_files(store, &trash, &mut stuck, &mut emptied);
        let done: Vec<[u8; 16]> =
            trash.id.iter().copied().filter(|id| !stuck.contains(id)).collect();
        emptied.datasets += transaction.forget_trash(&done)?;
        transaction.commit()?;
        progress(emptied.datasets);
    }
}

/// Deletes files in parallel; datasets of those that cannot be deleted are stuck.
fn delete_files(
    store: &dyn ArtifactStore,
    trash: &Trash,
    stuck: &mut FxHashSet<[u8; 16]>,
    emptied: &mut EmptiedTrash,
) {
    let mut seen = FxHashSet::default();
    let mut doomed = Vec::new();
    for file in trash.files.iter().filter(|file| !stuck.contains(&file.id)) {
        if !seen.insert(file.file()) {
            continue;
        }
        if file.shared {
            emptied.shared += 1;
        } else if is_absolute(file.file()) {
            emptied.referenced += 1;
        } else {
            doomed.push(file.file());
        }
    }
    let (mut paths, mut artifacts, mut results) = (Vec::new(), Vec::new(), Vec::new());
    for path in doomed {
        match ArtifactPath::of_record(path) {
            Ok(artifact) => {
                paths.push(path);
                artifacts.push(artifact);
            }
            Err(error) => results.push((path, Err(error))),
        }
    }
    results.extend(paths.into_iter().zip(store.delete_many(&artifacts)));
    let mut failed = FxHashSet::default();
    for (path, result) in results {
        match result {
            Ok(true) => emptied.files += 1,
            Ok(false) => emptied.gone += 1,
            Err(error) => {
                failed.insert(path);
                emptied.refused.push(error);
            }
        }
    }
    let of_failed = trash.files.iter().filter(|file| failed.contains(file.file()));
    stuck.extend(of_failed.map(|file| file.id));
}

/// Whether a record's path is a URI or an absolute path: such a file belongs to somebody else.
pub(crate) fn is_absolute(path: &str) -> bool {
    path.starts_with('/') || path.contains("://") && ArtifactUri::parse(path).is_ok()
}
