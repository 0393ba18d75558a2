//! Outputs whose files somebody has deleted since they were written.
//!
//! The journal knows nothing of what `remove-runs` and its like delete, and looking at each file
//! would cost more than the transfer. But only what was registered is deleted by anything but hand.
//! So a run that the registry does not have gets a few of its files looked at: if it was transferred
//! and removed, all of them are gone. Of one that it has, or that lacks one of these, folders are
//! listed.

use std::hash::{BuildHasher as _, RandomState};
use std::io::ErrorKind;

use camino::{Utf8Path, Utf8PathBuf};
use qbb::journal::JournalState;
use qbb_datastore::{ArtifactPath, StoreError};
use qbb_graph::{DatasetIx, QuantumGraph};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::error::TransferError;

/// Outputs that are looked at, evenly spread, if the registry does not have their run.
const SAMPLES: usize = 64;

/// Takes back what the journal says of outputs whose files are gone, and returns their number.
/// `is_kept` is true of those that are not in the files that the journal names.
///
/// # Errors
/// If a folder cannot be listed.
pub fn forget_deleted_outputs(
    graph: &QuantumGraph,
    journal: &mut JournalState,
    root: &Utf8Path,
    is_registered: bool,
    is_kept: impl Fn(DatasetIx) -> bool,
) -> Result<u64, TransferError> {
    let outputs: Vec<DatasetIx> = (graph.datasets.iter())
        .filter(|&dataset| journal.records(dataset).len() != 0 && !is_kept(dataset))
        .collect();
    let step = outputs.len().div_ceil(SAMPLES).max(1);
    let is_there = |dataset: DatasetIx| {
        journal.records(dataset).all(|record| {
            // Whatever else is wrong with a path is told where it is registered.
            ArtifactPath::of_record(record.path)
                .map_or(true, |path| root.join(path.as_str()).symlink_metadata().is_ok())
        })
    };
    if !is_registered && outputs.iter().step_by(step).all(|&dataset| is_there(dataset)) {
        return Ok(0);
    }
    let mut folders = ListedFolders::new(root);
    let mut deleted = Vec::new();
    for dataset in outputs {
        for record in journal.records(dataset) {
            let Ok(path) = ArtifactPath::of_record(record.path) else { continue };
            if !folders.hold(path.as_str())? {
                deleted.push(dataset);
                break;
            }
        }
    }
    journal.forget(&deleted);
    Ok(deleted.len() as u64)
}

/// Names of files, by folder; each folder is listed once.
struct ListedFolders<'a> {
    root: &'a Utf8Path,
    hasher: RandomState,
    /// Hashes of the names.
    folders: FxHashMap<Utf8PathBuf, FxHashSet<u64>>,
}

impl<'a> ListedFolders<'a> {
    fn new(root: &'a Utf8Path) -> Self {
        Self { root, hasher: RandomState::new(), folders: FxHashMap::default() }
    }

    fn hold(&mut self, path: &str) -> Result<bool, StoreError> {
        let path = Utf8Path::new(path);
        let folder = path.parent().unwrap_or(Utf8Path::new(""));
        let name = self.hasher.hash_one(path.file_name().unwrap_or_default());
        if let Some(names) = self.folders.get(folder) {
            return Ok(names.contains(&name));
        }
        let names = self.list(&self.root.join(folder))?;
        let holds = names.contains(&name);
        self.folders.insert(folder.to_owned(), names);
        Ok(holds)
    }

    fn list(&self, folder: &Utf8Path) -> Result<FxHashSet<u64>, StoreError> {
        let failed = |error| StoreError::of_io("list", folder, error);
        let mut names = FxHashSet::default();
        let entries = match folder.read_dir_utf8() {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(names);
            }
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            names.insert(self.hasher.hash_one(entry.map_err(failed)?.file_name()));
        }
        Ok(names)
    }
}
