//! Indexes that are made when all rows are there.
//!
//! Keeping an index up to date while rows come in no order of its own costs several times what
//! sorting all of its rows once does. So when a transaction is about to at least double a table, the
//! table's indexes are dropped, and made again with the very same definitions before the commit.
//! They only serve to find rows; those behind primary keys and unique constraints stay. A rollback
//! brings them back as it does everything else.

use rustc_hash::FxHashMap;

use super::connection::{SORTER_CACHE_KIB, WRITER_CACHE_KIB};
use super::transaction::SqliteTransaction;
use crate::error::RegistryError;
use crate::reading::quoted;

/// Fewest new rows of a table for which it pays: below, changing the schema costs more.
const WORTH: u64 = 5_000;

/// What is known of the tables that rows are inserted into.
#[derive(Debug, Default)]
pub(super) struct PostponedIndexes(FxHashMap<String, Growth>);

#[derive(Debug)]
struct Growth {
    /// At least the number of rows before the transaction.
    before: u64,
    inserted: u64,
    /// Definitions of indexes to be made.
    dropped: Option<Vec<String>>,
}

impl SqliteTransaction<'_> {
    /// To be told before rows are inserted into a table.
    pub(super) fn expect_rows(&self, table: &str, rows: usize) -> Result<(), RegistryError> {
        let mut postponed = self.postponed.borrow_mut();
        if !postponed.0.contains_key(table) {
            let sql = format!("SELECT coalesce(max(rowid), 0) FROM {}", quoted(table));
            let before = (self.connection().query_row(&sql, [], |row| row.get::<_, i64>(0)))
                .map_err(|error| self.database.failure("count rows", error))?;
            let before = u64::try_from(before).unwrap_or(0);
            let growth = Growth { before, inserted: 0, dropped: None };
            postponed.0.insert(table.to_owned(), growth);
        }
        let Some(growth) = postponed.0.get_mut(table) else { return Ok(()) };
        growth.inserted += rows as u64;
        let pays = growth.inserted >= WORTH && growth.inserted >= growth.before;
        if pays && growth.dropped.is_none() {
            growth.dropped = Some(self.drop_indexes(table)?);
        }
        Ok(())
    }

    /// Drops the indexes of a table; returns their definitions.
    fn drop_indexes(&self, table: &str) -> Result<Vec<String>, RegistryError> {
        let fail = |error| self.database.failure("drop indexes", error);
        let mut statement = (self.connection())
            .prepare(
                "SELECT name, sql FROM sqlite_master \
                 WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL ORDER BY rowid",
            )
            .map_err(fail)?;
        let indexes = (statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?))))
            .and_then(Iterator::collect::<Result<Vec<(String, String)>, _>>)
            .map_err(fail)?;
        let mut definitions = Vec::with_capacity(indexes.len());
        for (name, definition) in indexes {
            // Unique indexes that somebody has added constrain rows as they come.
            if definition.trim_start().to_ascii_uppercase().starts_with("CREATE INDEX") {
                (self.connection().execute_batch(&format!("DROP INDEX {}", quoted(&name))))
                    .map_err(fail)?;
                definitions.push(definition);
            }
        }
        Ok(definitions)
    }

    /// Makes all indexes that were dropped.
    pub(super) fn make_indexes(&self) -> Result<(), RegistryError> {
        let fail = |error| self.database.failure("make indexes", error);
        let cache = |kib: i64| self.connection().pragma_update(None, "cache_size", -kib);
        let dropped: Vec<String> = (self.postponed.borrow_mut().0.values_mut())
            .flat_map(|growth| growth.dropped.take().unwrap_or_default())
            .collect();
        if dropped.is_empty() {
            return Ok(());
        }
        // Each of the threads that sort may take as much memory as the cache.
        cache(SORTER_CACHE_KIB).map_err(fail)?;
        for definition in dropped {
            self.connection().execute_batch(&definition).map_err(fail)?;
        }
        cache(WRITER_CACHE_KIB).map_err(fail)
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;
    use qbb_dimensions::Symbols;
    use rusqlite::Connection;

    use super::*;
    use crate::changes::{DatasetBatch, StoredFile};
    use crate::conformance::Sample;
    use crate::sqlite::SqliteRegistry;
    use crate::writer::RegistryWriter as _;
    use crate::{DatastoreTable, Transaction};

    /// Names and definitions of all that the database has, by name.
    fn schema(connection: &Connection) -> Vec<(String, Option<String>)> {
        let sql = "SELECT name, sql FROM sqlite_master ORDER BY name, sql";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    /// Inserts as many datasets as are worth it, by pixels.
    fn insert(transaction: &mut dyn Transaction) -> Result<u64, RegistryError> {
        const FIRST_PIXEL: i64 = 8192;
        let pixels = FIRST_PIXEL..FIRST_PIXEL + WORTH as i64;
        let id: Vec<[u8; 16]> = pixels.clone().map(|i| ((i as u128) << 64).to_be_bytes()).collect();
        let file = |dataset: u32| StoredFile {
            path: format!("run1/{dataset}.json"),
            formatter: "x.JsonFormatter".to_owned(),
            storage_class: "StructuredDataDict".to_owned(),
            component: None,
            checksum: None,
            file_size: 1,
        };
        let files: Vec<(u32, StoredFile)> =
            (0..WORTH as u32).map(|dataset| (dataset, file(dataset))).collect();
        let batch = DatasetBatch {
            dataset_type: "stars",
            run: "run1",
            keys: &[pixels.collect()],
            id: &id,
            files: &files,
        };
        transaction.insert_datasets(&batch, &Symbols::new())
    }

    #[test]
    fn indexes_are_the_same_after_a_commit_a_rollback_and_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap().join("me");
        let mut sample = Sample::new();
        SqliteRegistry::create(&root, sample.universe()).unwrap();
        let database = root.join("gen3.sqlite3");
        let open = || SqliteRegistry::open_write(&database, DatastoreTable::default()).unwrap();
        sample.fill(&mut open());
        let own = "CREATE INDEX mine ON dataset (ingest_date) WHERE ingest_date > 0; \
                   CREATE UNIQUE INDEX only ON dataset (id, run_id)";
        let connection = Connection::open(&database).unwrap();
        connection.execute_batch(own).unwrap();
        let before = schema(&connection);

        let mut registry = open();
        let mut transaction = registry.begin().unwrap();
        assert_eq!(insert(&mut *transaction).unwrap(), WORTH);
        drop(transaction);
        assert_eq!(schema(&connection), before);

        let mut transaction = registry.begin().unwrap();
        insert(&mut *transaction).unwrap();
        let batch = DatasetBatch {
            dataset_type: "stars",
            run: "run2",
            keys: &[vec![8192]],
            id: &[(8192_u128 << 64).to_be_bytes()],
            files: &[],
        };
        transaction.insert_datasets(&batch, &Symbols::new()).unwrap_err();
        transaction.commit().unwrap_err();
        assert_eq!(schema(&connection), before);

        let mut transaction = registry.begin().unwrap();
        assert_eq!(insert(&mut *transaction).unwrap(), WORTH);
        assert_eq!(insert(&mut *transaction).unwrap(), 0);
        transaction.commit().unwrap();
        assert_eq!(schema(&connection), before);
        let check = |sql: &str| -> Vec<String> {
            let mut statement = connection.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| row.get(0)).unwrap();
            rows.collect::<Result<_, _>>().unwrap()
        };
        // Compares every index with its table.
        assert_eq!(check("PRAGMA integrity_check"), ["ok"]);
        assert!(check("PRAGMA foreign_key_check").is_empty());
    }
}
