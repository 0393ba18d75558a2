//! Where the artifacts of datasets are.

use qbb_registry::{CollectionIx, DatastoreRecordRows, Filter, Snapshot};

use crate::datasets::FoundDatasets;
use crate::error::QueryError;

/// More datasets of a type than this are looked up by reading the records of their RUNs.
const MANY: usize = 20_000;

/// Datastore records of what was found; datasets without artifacts have none, composites that were
/// taken apart several. Few datasets of all types are looked up in one statement, many by the RUNs
/// that they are in, with one statement for each type.
///
/// # Errors
/// If the repository cannot be read.
pub fn files(
    snapshot: &mut dyn Snapshot,
    found: &mut FoundDatasets,
) -> Result<DatastoreRecordRows, QueryError> {
    let FoundDatasets { tables, symbols, collections, .. } = found;
    let mut rows = DatastoreRecordRows::default();
    let mut few: Vec<[u8; 16]> = Vec::new();
    for table in tables.iter() {
        if table.len() <= MANY {
            few.extend(&table.id);
            continue;
        }
        let mut runs: Vec<CollectionIx> = table.run.clone();
        runs.sort_unstable();
        runs.dedup();
        let mut wanted = table.id.clone();
        wanted.sort_unstable();
        let catalog = &collections.catalog;
        let filter = Filter::default();
        let read =
            snapshot.datastore_records(&table.dataset_type, catalog, &runs, &filter, symbols)?;
        append(&mut rows, read, |id| wanted.binary_search(id).is_ok());
    }
    few.sort_unstable();
    few.dedup();
    for chunk in few.chunks(MANY * 5) {
        append(&mut rows, snapshot.datastore_records_of(chunk, symbols)?, |_| true);
    }
    Ok(rows)
}

fn append(
    rows: &mut DatastoreRecordRows,
    more: DatastoreRecordRows,
    wanted: impl Fn(&[u8; 16]) -> bool,
) {
    let kept: Vec<bool> = more.id.iter().map(wanted).collect();
    fn extend<T>(into: &mut Vec<T>, from: Vec<T>, kept: &[bool]) {
        into.extend(from.into_iter().zip(kept).filter(|(_, kept)| **kept).map(|(value, _)| value));
    }
    extend(&mut rows.id, more.id, &kept);
    extend(&mut rows.datastore, more.datastore, &kept);
    extend(&mut rows.path, more.path, &kept);
    extend(&mut rows.formatter, more.formatter, &kept);
    extend(&mut rows.storage_class, more.storage_class, &kept);
    extend(&mut rows.component, more.component, &kept);
    extend(&mut rows.checksum, more.checksum, &kept);
    extend(&mut rows.file_size, more.file_size, &kept);
}
