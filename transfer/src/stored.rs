//! Datasets that a repository stores already.

use qbb_datastore::ArtifactUri;
use qbb_dimensions::Symbols;
use qbb_registry::RegistryReader;
use rustc_hash::FxHashSet;

use crate::contents::BATCH;
use crate::error::TransferError;

/// Which datasets a repository has files of.
#[derive(Debug, Default)]
pub(crate) struct StoredDatasets {
    /// Those whose files are all in its own datastore.
    pub own: FxHashSet<[u8; 16]>,
    /// Those of which it refers to files elsewhere.
    pub referenced: FxHashSet<[u8; 16]>,
}

impl StoredDatasets {
    /// Asks about datasets, in a statement for each batch.
    ///
    /// # Errors
    /// If the registry cannot be read.
    pub(crate) fn of(
        personal: &mut dyn RegistryReader,
        ids: impl Iterator<Item = [u8; 16]>,
    ) -> Result<Self, TransferError> {
        let ids: Vec<[u8; 16]> = ids.collect();
        let mut stored = Self::default();
        let mut snapshot = personal.snapshot()?;
        for ids in ids.chunks(BATCH) {
            let records = snapshot.datastore_records_of(ids, &mut Symbols::new())?;
            for (id, path) in records.id.iter().zip(&records.path) {
                match ArtifactUri::parse(path).is_ok() {
                    true => stored.referenced.insert(*id),
                    false => stored.own.insert(*id),
                };
            }
        }
        // Of a composite some parts may be here: what is not whole is not stored.
        stored.own.retain(|id| !stored.referenced.contains(id));
        Ok(stored)
    }
}
