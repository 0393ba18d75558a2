//! Chosen datasets in pieces that fit into memory with their files, whatever RUNs they are in.

use std::ops::Range;

use qbb_datastore::RepositoryConfig;
use qbb_dimensions::Symbols;
use qbb_registry::Snapshot;
use qbb_transfer::{BATCH, DatasetColumns, File, FileColumns};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::selection_error::SelectionError;

/// Datasets of one type in one RUN, some of the rows.
pub(crate) type Part<'a> = (&'a DatasetColumns, Range<usize>);

/// All datasets of groups in their order, as many in each piece as a statement may name.
pub(crate) fn pieces(groups: &[DatasetColumns]) -> Vec<Vec<Part<'_>>> {
    let mut pieces: Vec<Vec<Part<'_>>> = Vec::new();
    let mut room = 0;
    for group in groups {
        let mut begin = 0;
        while begin < group.len() {
            if room == 0 {
                pieces.push(Vec::new());
                room = BATCH;
            }
            let end = group.len().min(begin + room);
            if let Some(piece) = pieces.last_mut() {
                piece.push((group, begin..end));
            }
            room -= end - begin;
            begin = end;
        }
    }
    pieces
}

/// UUIDs of the datasets of a piece.
pub(crate) fn ids(piece: &[Part<'_>]) -> Vec<[u8; 16]> {
    piece.iter().flat_map(|(group, rows)| &group.id[rows.clone()]).copied().collect()
}

/// Reads where the files of datasets are, in one statement; datasets without a file that can be told
/// are left out, and named.
pub(crate) fn with_files(
    snapshot: &mut dyn Snapshot,
    config: &RepositoryConfig,
    piece: &[Part<'_>],
) -> Result<(Vec<DatasetColumns>, Vec<[u8; 16]>), SelectionError> {
    let mut symbols = Symbols::new();
    let records = snapshot.datastore_records_of(&ids(piece), &mut symbols)?;
    let own = symbols.find(&config.datastore.name);
    let mut of_dataset: FxHashMap<[u8; 16], Vec<u32>> = FxHashMap::default();
    for (record, id) in records.id.iter().enumerate() {
        if Some(records.datastore[record]) == own {
            of_dataset.entry(*id).or_default().push(record as u32);
        }
    }
    let text = |symbol| symbols.get(symbol).unwrap_or_default();
    let mut missing = Vec::new();
    let mut batches = Vec::with_capacity(piece.len());
    for (group, rows) in piece {
        let mut batch = DatasetColumns::new(&group.dataset_type, &group.run, group.keys.len());
        for row in rows.clone() {
            let Some(files) = of_dataset.get(&group.id[row]) else {
                missing.push(group.id[row]);
                continue;
            };
            let position = batch.push(group.id[row], group.keys.iter().map(|column| column[row]));
            for &record in files {
                let record = record as usize;
                let uri = config.datastore.root.join(&records.path[record])?;
                let file = File {
                    path: uri.as_str(),
                    formatter: text(records.formatter[record]),
                    storage_class: text(records.storage_class[record]),
                    component: records.component[record].map(text),
                    checksum: records.checksum[record].as_deref(),
                    file_size: records.file_size[record],
                };
                batch.files.push(position, file);
            }
        }
        batches.push(batch);
    }
    Ok((batches, missing))
}

/// A batch without the files of datasets that are stored already.
pub(crate) fn without_files_of(
    batch: DatasetColumns,
    stored: &FxHashSet<[u8; 16]>,
) -> DatasetColumns {
    if batch.id.iter().all(|id| !stored.contains(id)) {
        return batch;
    }
    let mut files = FileColumns::default();
    for (dataset, file) in batch.files.iter() {
        if !stored.contains(&batch.id[dataset as usize]) {
            files.push(dataset, file);
        }
    }
    DatasetColumns { files, ..batch }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(run: &str, n: usize) -> DatasetColumns {
        let mut group = DatasetColumns::new("image", run, 0);
        for number in 0..n {
            group.push((number as u128).to_be_bytes(), []);
        }
        group
    }

    #[test]
    fn small_groups_share_a_piece_and_large_ones_have_several() {
        let groups = [group("a", 10), group("b", 0), group("c", BATCH), group("d", BATCH - 10)];
        let found: Vec<Vec<(&str, Range<usize>)>> = (pieces(&groups).iter())
            .map(|piece| piece.iter().map(|(group, rows)| (&*group.run, rows.clone())).collect())
            .collect();
        let expected = [
            vec![("a", 0..10), ("c", 0..BATCH - 10)],
            vec![("c", BATCH - 10..BATCH), ("d", 0..BATCH - 10)],
        ];
        assert_eq!(found, expected);
        assert!(pieces(&[]).is_empty());
        assert_eq!(ids(&pieces(&groups)[1]).len(), BATCH);
    }
}
