//! Datasets whose files are to be deleted.
//!
//! The middleware's protocol: what is to go is moved from `dataset_location` to
//! `dataset_location_trash` in the transaction that removes datasets. Files are deleted after that
//! was committed, and only then records and trash are forgotten, so whoever is interrupted leaves
//! what another can finish.

use rustc_hash::{FxHashMap, FxHashSet};

use super::removal::{CHUNK, Chosen};
use super::source::{WriteSource, statement};
use crate::changes::{Trash, TrashedFile};
use crate::error::RegistryError;
use crate::reading::{DatastoreTable, Dialect, Query, ResultRow as _};

/// What stands between an archive's path and the member's in paths of records.
const MEMBER: &str = "#zip-path=";
/// The text after all that begin with [`MEMBER`].
const BEHIND_MEMBERS: &str = "#zip-path>";

/// Moves datasets to the trash, those with records although they count as not stored, too.
/// Returns the number of those that were stored.
pub(super) fn trash_datasets(
    source: &impl WriteSource,
    datastore: &DatastoreTable,
    id: &[[u8; 16]],
) -> Result<u64, RegistryError> {
    let mut moved = 0;
    for id in id.chunks(CHUNK) {
        moved += move_to_trash(source, datastore, Chosen::Datasets(id))?;
    }
    Ok(moved)
}

pub(super) fn move_to_trash(
    source: &impl WriteSource,
    datastore: &DatastoreTable,
    chosen: Chosen<'_>,
) -> Result<u64, RegistryError> {
    let action = "move datasets to the trash";
    for table in ["dataset_location", datastore.records_table.as_str()] {
        let mut change = statement(source, "dataset_location_trash");
        change.push("INSERT INTO ").push_table("dataset_location_trash");
        change.push(" (dataset_id, datastore_name) SELECT DISTINCT x.dataset_id, ");
        change.bind(datastore.name.clone()).push(" FROM ");
        chosen.push_table(&mut change);
        change.push(&format!(" {} ", source.dialect().ordered_join()));
        change.push_table(table).push(" x ON x.dataset_id = u.value WHERE ");
        if table == "dataset_location" {
            change.push("x.datastore_name = ").bind(datastore.name.clone());
        } else {
            change.push("TRUE");
        }
        change.push(" ON CONFLICT DO NOTHING");
        source.run(action, &change)?;
    }
    let mut change = statement(source, "dataset_location");
    change.push("DELETE FROM ").push_table("dataset_location");
    change.push(" WHERE datastore_name = ").bind(datastore.name.clone());
    change.push(" AND dataset_id");
    chosen.push_in(&mut change);
    source.run(action, &change)
}

/// Looks at up to `most` datasets in the trash.
pub(super) fn read_trash(
    source: &impl WriteSource,
    datastore: &DatastoreTable,
    most: u32,
) -> Result<Trash, RegistryError> {
    let dialect = source.dialect();
    let columns = [("t", "dataset_id"), ("r", "path"), ("l", "datastore_name")];
    let mut query = Query::select(dialect, "dataset_location_trash", &columns);
    query.push(" FROM (SELECT dataset_id FROM ").push_table("dataset_location_trash");
    query.push(" WHERE datastore_name = ").bind(datastore.name.clone());
    query.push(" ORDER BY dataset_id LIMIT ").bind(i64::from(most));
    // What another process deletes at the moment is its business.
    if matches!(dialect, Dialect::Postgres { .. }) {
        query.push(" FOR UPDATE SKIP LOCKED");
    }
    query.push(") t LEFT JOIN ").push_table(&datastore.records_table);
    query.push(" r ON r.dataset_id = t.dataset_id LEFT JOIN ").push_table("dataset_location");
    query.push(" l ON l.dataset_id = t.dataset_id AND l.datastore_name = ");
    query.bind(datastore.name.clone());
    let mut trash = Trash::default();
    let mut seen = FxHashSet::default();
    source.each(&query, |row| {
        let id = row.uuid(0)?;
        if seen.insert(id) {
            trash.id.push(id);
        }
        match row.optional_text(1)? {
            // Stored again since, so its file is not trash.
            _ if row.optional_text(2)?.is_some() => trash.stored_again.push(id),
            Some(path) => trash.files.push(TrashedFile { id, path: path.into(), shared: false }),
            None => {}
        }
        Ok(())
    })?;
    trash.stored_again.dedup();
    mark_shared(source, datastore, &mut trash.files)?;
    Ok(trash)
}

/// Marks files to which datasets refer that are not in the trash. Members of archives are
/// references to the archive.
fn mark_shared(
    source: &impl WriteSource,
    datastore: &DatastoreTable,
    files: &mut Vec<TrashedFile>,
) -> Result<(), RegistryError> {
    let mut places: FxHashMap<&str, bool> = FxHashMap::default();
    for file in files.iter() {
        *places.entry(file.file()).or_default() |= file.path.contains(MEMBER);
    }
    let mut shared: FxHashSet<Box<str>> = FxHashSet::default();
    let whole: Vec<&str> = places.keys().copied().collect();
    let archives: Vec<&str> =
        places.iter().filter(|(_, archive)| **archive).map(|(&place, _)| place).collect();
    let exact = "r.path = p.value";
    let member = match source.dialect() {
        Dialect::Sqlite => {
            format!("r.path >= p.value || '{MEMBER}' AND r.path < p.value || '{BEHIND_MEMBERS}'")
        }
        Dialect::Postgres { .. } => format!("split_part(r.path, '{MEMBER}', 1) = p.value"),
    };
    for (places, condition) in [(whole, exact), (archives, member.as_str())] {
        for places in places.chunks(CHUNK) {
            let columns = [("p", "value")];
            let mut query = Query::select(source.dialect(), &datastore.records_table, &columns);
            query.push(" FROM ").push_texts("p", places);
            query.push(&format!(" {} ", source.dialect().ordered_join()));
            query
                .push_table(&datastore.records_table)
                .push(&format!(" r ON {condition} LEFT JOIN "));
            query.push_table("dataset_location_trash");
            query.push(" t ON t.dataset_id = r.dataset_id AND t.datastore_name = ");
            query.bind(datastore.name.clone());
            query.push(" LEFT JOIN ").push_table("dataset_location");
            query.push(" l ON l.dataset_id = r.dataset_id AND l.datastore_name = ");
            query.bind(datastore.name.clone());
            query.push(" WHERE t.dataset_id IS NULL OR l.dataset_id IS NOT NULL");
            source.each(&query, |row| {
                shared.insert(row.text(0)?.into());
                Ok(())
            })?;
        }
    }
    drop(places);
    for file in files {
        file.shared = shared.contains(file.file());
    }
    Ok(())
}

/// Forgets datasets in the trash, and the records of those that are not stored again.
pub(super) fn forget_trash(
    source: &impl WriteSource,
    datastore: &DatastoreTable,
    id: &[[u8; 16]],
) -> Result<u64, RegistryError> {
    let action = "forget datasets in the trash";
    let mut forgotten = 0;
    for id in id.chunks(CHUNK) {
        let mut change = statement(source, &datastore.records_table);
        change.push("DELETE FROM ").push_table(&datastore.records_table);
        change.push(" WHERE dataset_id");
        Chosen::Datasets(id).push_in(&mut change);
        change.push(" AND NOT EXISTS (SELECT 1 FROM ").push_table("dataset_location");
        change.push(" l WHERE l.dataset_id = ").push_table(&datastore.records_table);
        change.push(".dataset_id AND l.datastore_name = ").bind(datastore.name.clone());
        change.push(")");
        source.run(action, &change)?;
        let mut change = statement(source, "dataset_location_trash");
        change.push("DELETE FROM ").push_table("dataset_location_trash");
        change.push(" WHERE datastore_name = ").bind(datastore.name.clone());
        change.push(" AND dataset_id");
        Chosen::Datasets(id).push_in(&mut change);
        forgotten += source.run(action, &change)?;
    }
    Ok(forgotten)
}
