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
