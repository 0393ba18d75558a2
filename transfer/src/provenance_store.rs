//! Provenance graphs in datastores that are no local folders.

use std::collections::BTreeMap;

use camino::Utf8Path;
use qbb::journal::JournalState;
use qbb_datastore::{ArtifactPath, ArtifactStore, Placing, PutOptions, StoreError};
use qbb_graph::QuantumGraph;
use qbb_registry::RegistryWriter;
use rustc_hash::FxHashSet;

use crate::error::TransferError;
use crate::provenance::PackedProducts;

impl PackedProducts {
    /// Puts the file, which was written to `staged`, into its place in a store, where it appears as a
    /// whole; as [`PackedProducts::put_in_place`] does for a folder. `staged` stays.
    ///
    /// # Errors
    /// If the store or the registry refuses. What was there before is there still.
    pub fn put_in_store(
        &mut self,
        staged: &Utf8Path,
        store: &dyn ArtifactStore,
        personal: &mut dyn RegistryWriter,
    ) -> Result<(), TransferError> {
        let path = ArtifactPath::of_record(&self.dataset.path)?;
        match store.holds_copy(&path, staged) {
            Ok(true) => {
                self.has_come(store, store.identity(&path));
                return Ok(());
            }
            Ok(false) | Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let mut transaction = personal.begin()?;
        transaction.forget_file_size(&self.dataset.path)?;
        transaction.commit()?;
        store.place(&path, staged, Placing::Copy, false, PutOptions::default())?;
        self.has_come(store, store.own_identity(&path));
        Ok(())
    }

    /// Removes the artifacts of a store in which the datasets were before: those that an earlier
    /// transfer has brought. To be called when the transfer is committed; what is gone already is
    /// passed over. The files that the run has written stay where they are, below its submit
    /// directory. Returns how many artifacts were removed.
    ///
    /// # Errors
    /// If the store refuses. The transfer is complete nevertheless, and another call goes on.
    pub fn remove_stored_originals(
        &self,
        graph: &QuantumGraph,
        journal: &JournalState,
        store: &dyn ArtifactStore,
    ) -> Result<u64, TransferError> {
        let failed = |source| TransferError::Originals { source };
        // Most of the time none is there, so folders are listed and not each is asked for.
        let mut former: BTreeMap<u32, FxHashSet<String>> = BTreeMap::new();
        for dataset in graph.datasets.iter().filter(|&dataset| self.holds(dataset)) {
            for record in journal.records(dataset) {
                let path = ArtifactPath::of_record(record.path).map_err(failed)?;
                // What is a part of something else is not ours to remove.
                if path.zip_member().is_none() && path.as_str() != self.dataset.path {
                    let dataset_type = graph.datasets.dataset_type(dataset).0;
                    former.entry(dataset_type).or_default().insert(path.as_str().to_owned());
                }
            }
        }
        let mut removed = 0;
        for paths in former.values() {
            let found = store.list(&common_folder(paths)).map_err(failed)?;
            let found = found.into_iter().filter(|artifact| paths.contains(&artifact.path));
            let found: Result<Vec<ArtifactPath>, StoreError> =
                found.map(|artifact| ArtifactPath::plain(&artifact.path)).collect();
            for deleted in store.delete_many(&found.map_err(failed)?) {
                removed += u64::from(deleted.map_err(failed)?);
            }
        }
        Ok(removed)
    }
}

/// The innermost folder in which all paths are; empty for the root.
fn common_folder(paths: &FxHashSet<String>) -> String {
    let mut paths = paths.iter().map(|path| path.rsplit_once('/').map_or("", |(folder, _)| folder));
    let first = paths.next().unwrap_or_default();
    let mut common: Vec<&str> = first.split('/').collect();
    for folder in paths {
        let shared = common.iter().zip(folder.split('/')).take_while(|(a, b)| *a == b).count();
        common.truncate(shared);
    }
    common.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_folder_holds_all_and_is_a_folder() {
        for (paths, folder) in [
            (&["r/t/1/a", "r/t/2/b"][..], "r/t"),
            (&["r/t/1/a", "r/t/1/b"], "r/t/1"),
            (&["r/ta/1", "r/tb/1"], "r"),
            (&["r/a", "r/a.b/c"], "r"),
            (&["x", "r/a"], ""),
            (&["x/a", "y/a"], ""),
            (&["x"], ""),
        ] {
            let paths = paths.iter().map(|path| (*path).to_owned()).collect();
            assert_eq!(common_folder(&paths), folder, "{paths:?}");
        }
    }
}
