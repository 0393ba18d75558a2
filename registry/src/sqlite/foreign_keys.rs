//! Foreign keys of many rows at once, each distinct value looked up a single time.
//!
//! SQLite looks up what every single row refers to, although most rows refer to what the row before
//! does: a hundred thousand datasets to the same few hundred visits. So where many rows come, the
//! same look-ups are made here, once for each value, in the transaction that inserts the rows, and
//! SQLite makes none meanwhile. Which foreign keys there are is asked of the database itself. If
//! one of them is of a kind that is not known here, SQLite looks as ever.

use std::collections::BTreeMap;

use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rustc_hash::FxHashSet;

use super::insertion::{borrowed, uuid_text};
use crate::reading::quoted;
use crate::writing::{BulkColumn, Value};

/// A foreign key that is looked up by distinct values.
#[derive(Debug)]
pub(super) struct ForeignKey {
    /// Finds the row that is referred to.
    sql: String,
    /// Positions of columns among those that are inserted.
    columns: Vec<usize>,
}

/// A part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part<'a> {
    Int(i64),
    Text(&'a str),
    Uuid([u8; 16]),
}

/// Foreign keys of a table into which rows of columns are to go, except those that rows satisfy by
/// what was inserted before. `None` if SQLite must look.
pub(super) fn foreign_keys(
    connection: &Connection,
    table: &str,
    columns: &[BulkColumn<'_>],
) -> rusqlite::Result<Option<Vec<ForeignKey>>> {
    /// The table referred to, and pairs of columns.
    type Definition = (String, Vec<(String, Option<String>)>);
    let mut definitions: BTreeMap<i64, Definition> = BTreeMap::new();
    let mut statement = connection.prepare_cached(
        "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?) ORDER BY id, seq",
    )?;
    let mut rows = statement.query([table])?;
    while let Some(row) = rows.next()? {
        let definition = definitions.entry(row.get(0)?).or_default();
        definition.0 = row.get(1)?;
        definition.1.push((row.get(2)?, row.get(3)?));
    }
    let mut keys = Vec::new();
    for (referred, pairs) in definitions.into_values() {
        let find = |name: &str| columns.iter().position(|column| column.name == name);
        let positions: Option<Vec<usize>> = pairs.iter().map(|(name, _)| find(name)).collect();
        let names: Option<Vec<&str>> = pairs.iter().map(|(_, name)| name.as_deref()).collect();
        let (Some(positions), Some(names)) = (positions, names) else { return Ok(None) };
        if let [position] = positions[..]
            && columns[position].refers == Some(referred.as_str())
        {
            continue;
        }
        let conditions: Vec<String> =
            names.into_iter().map(|name| format!("{} = ?", quoted(name))).collect();
        let conditions = conditions.join(" AND ");
        let sql = format!("SELECT 1 FROM {} WHERE {conditions}", quoted(&referred));
        keys.push(ForeignKey { sql, columns: positions });
    }
    Ok(Some(keys))
}

impl ForeignKey {
    /// Whether all rows refer to what is there. `None` if a value is of a kind that no key has.
    pub(super) fn holds(
        &self,
        connection: &Connection,
        columns: &[BulkColumn<'_>],
        rows: impl Iterator<Item = usize>,
    ) -> rusqlite::Result<Option<bool>> {
        let mut statement = connection.prepare_cached(&self.sql)?;
        let mut seen: FxHashSet<Box<[Part<'_>]>> = FxHashSet::default();
        let (mut key, mut last) = (Vec::new(), Vec::new());
        'rows: for row in rows {
            key.clear();
            for &at in &self.columns {
                key.push(match (columns[at].value)(row) {
                    Value::Int(value) => Part::Int(value),
                    Value::Text(text) => Part::Text(text),
                    Value::Uuid(id) => Part::Uuid(id),
                    // A row that has not all of a key refers to nothing.
                    Value::Null => continue 'rows,
                    _ => return Ok(None),
                });
            }
            if key == last || seen.contains(key.as_slice()) {
                continue;
            }
            seen.insert(key.as_slice().into());
            for (at, part) in key.iter().enumerate() {
                let mut buffer = [0; 32];
                let value = match part {
                    Part::Int(value) => ToSqlOutput::from(*value),
                    Part::Text(text) => borrowed(ValueRef::Text(text.as_bytes())),
                    Part::Uuid(id) => {
                        borrowed(ValueRef::Text(uuid_text(id, &mut buffer).as_bytes()))
                    }
                };
                statement.raw_bind_parameter(1 + at, value)?;
            }
            if statement.raw_query().next()?.is_none() {
                return Ok(Some(false));
            }
            std::mem::swap(&mut key, &mut last);
        }
        Ok(Some(true))
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::*;
    use crate::DatastoreTable;
    use crate::conformance::Sample;
    use crate::schema::{Access, ColumnType};
    use crate::sqlite::SqliteRegistry;
    use crate::sqlite::connection::DatabaseFile;
    use crate::sqlite::open_transaction::OpenTransaction;
    use crate::sqlite::transaction::Publication;
    use crate::sqlite::transaction::SqliteTransaction;
    use crate::writing::{ViolationKind, WriteSource as _};

    const ROWS: usize = 10;

    /// A row that a table has: names of columns and their values.
    fn some_row(connection: &Connection, table: &str) -> Vec<(String, rusqlite::types::Value)> {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table} LIMIT 1")).unwrap();
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let take = |row: &rusqlite::Row<'_>| (0..names.len()).map(|at| row.get(at)).collect();
        let values: Vec<rusqlite::types::Value> = statement.query_row([], take).unwrap();
        names.into_iter().zip(values).collect()
    }

    /// Sends a row many times, with another value of one column in the last one.
    fn send(
        source: &SqliteTransaction<'_>,
        table: &str,
        row: &[(String, rusqlite::types::Value)],
        wrong: Option<(&str, Value<'static>)>,
    ) -> ViolationKind {
        let columns: Vec<BulkColumn<'_>> = (row.iter())
            .map(|(name, value)| {
                BulkColumn::new(name, ColumnType::Text, move |at: usize| match (wrong, value) {
                    (Some((wrong, value)), _) if wrong == name && at + 1 == ROWS => value,
                    (_, rusqlite::types::Value::Integer(value)) => Value::Int(*value),
                    (_, rusqlite::types::Value::Text(text)) => Value::Text(text),
                    _ => Value::Null,
                })
            })
            .collect();
        source.send_rows("test", table, &columns, 0..ROWS).unwrap().unwrap_err().kind
    }

    #[test]
    fn every_foreign_key_of_tables_of_datasets_is_looked_up() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap().join("me");
        let mut sample = Sample::new();
        SqliteRegistry::create(&root, sample.universe()).unwrap();
        let path = root.join("gen3.sqlite3");
        sample.fill(&mut SqliteRegistry::open_write(&path, DatastoreTable::default()).unwrap());
        let database = DatabaseFile::new(&path);
        let (connection, _) = database.open(Access::Write).unwrap();
        let tags: String = connection
            .query_row(
                "SELECT tag_association_table FROM dataset_type WHERE name = 'image'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        let begun = OpenTransaction::begin(&connection).unwrap();
        let source = SqliteTransaction::new(begun, Publication::InPlace(None), &database);
        let mut violated = 0;
        for table in ["dataset", &tags, "dataset_location"] {
            let row = some_row(&connection, table);
            assert_eq!(send(&source, table, &row, None), ViolationKind::Unique, "all is there");
            let sql = format!("SELECT DISTINCT \"from\" FROM pragma_foreign_key_list('{table}')");
            let mut statement = connection.prepare(&sql).unwrap();
            let names = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
            for name in names.map(Result::unwrap) {
                let before = row.iter().find(|(known, _)| *known == name).unwrap();
                let missing = match &before.1 {
                    rusqlite::types::Value::Integer(_) => Value::Int(987_654),
                    _ => Value::Text("nowhere"),
                };
                let found = send(&source, table, &row, Some((&name, missing)));
                assert_eq!(found, ViolationKind::ForeignKey, "{name} of {table}");
                // A row without one of a key's parts refers to nothing.
                let found = send(&source, table, &row, Some((&name, Value::Null)));
                assert_ne!(found, ViolationKind::ForeignKey, "{name} of {table}");
                violated += 1;
            }
            let on: i64 = connection.query_row("PRAGMA foreign_keys", [], |r| r.get(0)).unwrap();
            assert_eq!(on, 1, "SQLite looks again");
        }
        // Type and RUN; type, dataset, collection and data ID; dataset.
        assert_eq!(violated, 2 + (3 + 3) + 1);
    }

    #[test]
    fn sqlite_looks_where_a_key_is_not_known_here() {
        let connection = Connection::open_in_memory().unwrap();
        let sql = "PRAGMA foreign_keys = ON; CREATE TABLE a (id INTEGER PRIMARY KEY); \
                   CREATE TABLE b (a INTEGER REFERENCES a, c INTEGER);";
        connection.execute_batch(sql).unwrap();
        let column = |name| BulkColumn::new(name, ColumnType::BigInt, |_| Value::Int(1));
        // The key that is referred to has no name.
        assert!(foreign_keys(&connection, "b", &[column("a")]).unwrap().is_none());
        assert!(foreign_keys(&connection, "b", &[column("c")]).unwrap().is_none());
        assert!(foreign_keys(&connection, "a", &[column("id")]).unwrap().unwrap().is_empty());
    }
}
