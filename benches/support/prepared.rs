//! The floor of whatever inserts into SQLite: the same rows through prepared statements, in one
//! transaction, into the same tables, by a bare program.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;

use super::Result;

/// Memory for pages, KiB; more than we take ourselves.
const CACHE_KIB: i64 = 256 * 1024;

/// What becomes of indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indexes {
    /// Each row is entered into them.
    Kept,
    /// They are dropped, and made again when all rows are there.
    Remade,
}

/// What one state of a registry has more than an earlier one, in memory.
pub struct Rows {
    /// Definitions of tables and indexes that were not there.
    definitions: Vec<String>,
    /// Rows by table, in the order in which they were inserted.
    tables: Vec<(String, Vec<Vec<Value>>)>,
}

impl Rows {
    /// Reads them all; no row that was there before may have changed.
    pub fn added(after: &Path, before: &Path) -> Result<Self> {
        let connection = Connection::open(after)?;
        connection.execute("ATTACH ?1 AS before", [before.to_str()])?;
        let strings = |sql: &str| -> Result<Vec<String>> {
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        };
        let known = strings("SELECT name FROM before.sqlite_master")?;
        // Tables come before their indexes, and those referred to before those that refer.
        let definitions = strings(
            "SELECT sql FROM main.sqlite_master WHERE sql IS NOT NULL \
             AND name NOT IN (SELECT name FROM before.sqlite_master) ORDER BY rowid",
        )?;
        let mut tables = Vec::new();
        for name in strings(
            "SELECT name FROM main.sqlite_master WHERE type = 'table' \
             AND name NOT LIKE 'sqlite_%' ORDER BY rowid",
        )? {
            let new = match known.contains(&name) {
                true => {
                    format!("WHERE rowid > (SELECT coalesce(max(rowid), 0) FROM before.\"{name}\")")
                }
                false => String::new(),
            };
            let sql = format!("SELECT * FROM main.\"{name}\" {new} ORDER BY rowid");
            let mut statement = connection.prepare(&sql)?;
            let width = statement.column_count();
            let rows = statement
                .query_map([], |row| (0..width).map(|at| row.get(at)).collect())?
                .collect::<rusqlite::Result<Vec<Vec<Value>>>>()?;
            if !rows.is_empty() {
                tables.push((name, rows));
            }
        }
        Ok(Self { definitions, tables })
    }

    /// Brings a registry from the earlier state to the later one.
    pub fn insert(&self, registry: &Path, indexes: Indexes, foreign_keys: bool) -> Result<()> {
        let mut connection = Connection::open(registry)?;
        connection.pragma_update(None, "foreign_keys", foreign_keys)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        let transaction = connection.transaction()?;
        for definition in &self.definitions {
            transaction.execute_batch(definition)?;
        }
        let mut dropped = Vec::new();
        if indexes == Indexes::Remade {
            for (table, _) in &self.tables {
                let found = transaction
                    .prepare(
                        "SELECT name, sql FROM sqlite_master \
                         WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
                    )?
                    .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect::<rusqlite::Result<Vec<(String, String)>>>()?;
                for (name, definition) in found {
                    transaction.execute_batch(&format!("DROP INDEX \"{name}\""))?;
                    dropped.push(definition);
                }
            }
        }
        for (table, rows) in &self.tables {
            let parameters = vec!["?"; rows[0].len()].join(", ");
            let sql = format!("INSERT INTO \"{table}\" VALUES ({parameters})");
            let mut insert = transaction.prepare(&sql)?;
            for row in rows {
                insert.execute(rusqlite::params_from_iter(row))?;
            }
        }
        for definition in dropped {
            transaction.execute_batch(&definition)?;
        }
        Ok(transaction.commit()?)
    }
}
