//! Packed datasets as the files that every Butler looks for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use qbb::QuantumBackedButler;
use qbb::journal::{FileRecord, JournalState, Syncer};
use qbb::pack::PackedPlace;
use qbb_datastore::DatastoreConfig;
use qbb_graph::{DatasetIx, QuantumGraph};
use rayon::prelude::*;

use crate::error::TransferError;

/// Writes every packed dataset that counts to its predicted path, and makes the journal's state tell
/// of these files, so that [`transfer`](crate::transfer) registers them like any others. Also gives
/// their number. `progress` is told how many are done.
///
/// Files appear whole or not at all and are on disk when this returns. Those that are there with the
/// same content are left alone, so doing it again costs little.
///
/// # Errors
/// If a pack cannot be read, or a file not be written.
pub fn unpack(
    graph: &Arc<QuantumGraph>,
    journal: JournalState,
    datastore: &DatastoreConfig,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<(JournalState, u64), TransferError> {
    let mut packed: Vec<(PackedPlace, DatasetIx)> = (graph.datasets.iter())
        .filter_map(|dataset| Some((journal.packed(dataset)?, dataset)))
        .collect();
    if packed.is_empty() {
        return Ok((journal, 0));
    }
    packed.sort_unstable();
    let butler = QuantumBackedButler::new(graph.clone(), datastore, journal)?;
    let (total, done) = (packed.len() as u64, AtomicU64::new(0));
    let blocks: Vec<&[(PackedPlace, DatasetIx)]> =
        packed.chunk_by(|a, b| (a.0.pack, a.0.block) == (b.0.pack, b.0.block)).collect();
    let records = (blocks.into_par_iter())
        .map(|entries| {
            let records = unpack_block(&butler, entries)?;
            let so_far = done.fetch_add(entries.len() as u64, Ordering::Relaxed);
            progress(so_far + entries.len() as u64, total);
            Ok(records)
        })
        .collect::<Result<Vec<_>, TransferError>>()?;
    let sync = |root| Syncer::sync_file_system(root).and_then(|sync| sync());
    sync(butler.root())
        .map_err(|source| TransferError::Sync { path: butler.root().to_owned(), source })?;
    let mut journal = butler.into_journal();
    for (dataset, record) in records.into_iter().flatten() {
        journal.unpacked(dataset, &record);
    }
    Ok((journal, total))
}

/// Writes the datasets of one block, which is decompressed once.
fn unpack_block(
    butler: &QuantumBackedButler,
    entries: &[(PackedPlace, DatasetIx)],
) -> Result<Vec<(DatasetIx, FileRecord)>, TransferError> {
    let Some((PackedPlace { pack, block, .. }, _)) = entries.first() else {
        return Ok(Vec::new());
    };
    let content = butler.packs().pack(*pack)?.block(*block)?;
    let mut records = Vec::with_capacity(entries.len());
    for &(PackedPlace { begin, length, .. }, dataset) in entries {
        let bytes = content.slice(begin, length).ok_or_else(|| TransferError::NotInPack {
            dataset: butler.describe_dataset(dataset),
            pack: *pack,
        })?;
        records.push((dataset, butler.unpack(dataset, bytes)?));
    }
    Ok(records)
}
