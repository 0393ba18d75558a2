//! What [`crate::writing`] asks of a database.

use rusqlite::ffi;

use super::insertion::{Insertion, Manner, affinity};
use super::rows::{SqliteRow, SqliteRows};
use super::transaction::SqliteTransaction;
use super::unchecked::{Foreseen, foreseen};
use crate::error::RegistryError;
use crate::reading::{Dialect, Query, ResultRow as _, RowSource, quoted};
use crate::schema::{ColumnType, Table, create_statements};
use crate::writing::{
    BulkColumn, ROW, Staged, Stretch, Value, Violation, ViolationKind, WriteSource,
};

const STAGED: &str = "staged_";

impl RowSource for SqliteTransaction<'_> {
    type Row<'r> = SqliteRow<'r>;

    fn dialect(&self) -> Dialect<'_> {
        Dialect::Sqlite
    }

    fn database(&self) -> String {
        self.database.path.to_string()
    }

    fn each(
        &self,
        query: &Query<'_>,
        take: impl FnMut(&SqliteRow<'_>) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        let (connection, database) = (self.connection(), self.database);
        SqliteRows { connection, database }.each(query, take)
    }
}

impl WriteSource for SqliteTransaction<'_> {
    fn run(&self, action: &str, statement: &Query<'_>) -> Result<u64, RegistryError> {
        self.change(statement).map_err(|error| self.database.failure(action, error))
    }

    fn attempt(
        &self,
        action: &str,
        statement: &Query<'_>,
    ) -> Result<Result<u64, Violation>, RegistryError> {
        // A statement that fails leaves no trace in its transaction.
        self.sorted(action, self.change(statement))
    }

    fn stage(
        &self,
        columns: &[BulkColumn<'_>],
        rows: impl Iterator<Item = usize>,
    ) -> Result<Staged<'_, Self>, RegistryError> {
        let fail = |error| self.database.failure("make a temporary table", error);
        let number = self.take_number();
        let staged = Staged::new(self, format!("{STAGED}{number}"));
        let definitions: Vec<String> = (columns.iter())
            .flat_map(|column| {
                let names = Dialect::Sqlite.physical_columns(column.name);
                names
                    .into_iter()
                    .map(|name| format!(", {} {}", quoted(name), affinity(column.kind)))
            })
            .collect();
        let creation = format!(
            "CREATE TABLE {} ({ROW} INTEGER PRIMARY KEY{})",
            staged.table(),
            definitions.concat()
        );
        self.connection().execute_batch(&creation).map_err(fail)?;
        let number = BulkColumn::new(ROW, ColumnType::BigInt, |row: usize| Value::Int(row as i64));
        let columns = std::iter::once(&number).chain(columns);
        let insertion = Insertion::new(&staged.table(), columns, Manner::Together);
        let len = insertion.run(self.connection(), rows).map_err(fail)?;
        Ok(staged.filled(len))
    }

    fn unstage(&self, name: &str) {
        // What stays is gone with the connection.
        let _ = self
            .connection()
            .execute_batch(&format!("DROP TABLE {}", Dialect::Sqlite.temporary(name)));
        if let Some(number) = name.strip_prefix(STAGED).and_then(|text| text.parse().ok()) {
            self.give_number(number);
        }
    }

    fn insert_rows(
        &self,
        action: &str,
        table: &str,
        columns: &[BulkColumn<'_>],
        rows: impl Iterator<Item = usize>,
    ) -> Result<Result<u64, Violation>, RegistryError> {
        let insertion = Insertion::new(&quoted(table), columns, Manner::SkipKnown);
        self.sorted(action, insertion.run(self.connection(), rows))
    }

    fn expect_rows(&self, table: &str, rows: usize) -> Result<(), RegistryError> {
        SqliteTransaction::expect_rows(self, table, rows)
    }

    fn send_rows(
        &self,
        action: &str,
        table: &str,
        columns: &[BulkColumn<'_>],
        rows: impl ExactSizeIterator<Item = usize> + Clone,
    ) -> Result<Result<u64, Violation>, RegistryError> {
        let connection = self.connection();
        let fail = |error| self.database.failure(action, error);
        let unchecked = match foreseen(connection, table, columns, rows.clone()).map_err(fail)? {
            Foreseen::Valid(unchecked) => Some(unchecked),
            Foreseen::Violated(violation) => return Ok(Err(violation)),
            Foreseen::Unknown => None,
        };
        let manner = if unchecked.is_some() { Manner::Together } else { Manner::OneByOne };
        let sent = Insertion::new(&quoted(table), columns, manner).run(connection, rows);
        drop(unchecked);
        self.sorted(action, sent)
    }

    fn stretch(
        &self,
        table: &str,
        column: &str,
        id: &[[u8; 16]],
    ) -> Result<Option<Stretch>, RegistryError> {
        let mut query = Query::statement(Dialect::Sqlite, table);
        query.columns = vec!["first".to_owned(), "last".to_owned()];
        query.push("SELECT min(t.rowid), max(t.rowid) FROM ").push_uuids("v", id);
        query.push(" CROSS JOIN ").push_table(table);
        query.push(&format!(" t ON t.{} = v.value", quoted(column)));
        let mut ends = None;
        self.each(&query, |row| {
            ends = row.optional_int(0)?.zip(row.optional_int(1)?);
            Ok(())
        })?;
        Ok(ends.map(|(first, last)| Stretch {
            rows: last.abs_diff(first).saturating_add(1),
            // No index has the order of the rows.
            from: format!(
                " FROM {} t NOT INDEXED WHERE t.rowid BETWEEN {first} AND {last}",
                quoted(table)
            ),
        }))
    }

    fn ensure_table(&self, table: &Table) -> Result<(), RegistryError> {
        let fail = |error| self.database.failure(&format!("create table `{}`", table.name), error);
        if self.connection().table_exists(None, table.name.as_str()).map_err(fail)? {
            return Ok(());
        }
        for statement in create_statements(Dialect::Sqlite, table) {
            self.connection().execute_batch(&statement).map_err(fail)?;
        }
        Ok(())
    }

    /// The whole file is locked by the transaction.
    fn lock_collection(&self, _: i64) -> Result<(), RegistryError> {
        Ok(())
    }

    fn lock_table(&self, _: &str) -> Result<(), RegistryError> {
        Ok(())
    }

    fn commit(self) -> Result<(), RegistryError> {
        SqliteTransaction::commit(self)
    }
}

impl SqliteTransaction<'_> {
    fn change(&self, statement: &Query<'_>) -> rusqlite::Result<u64> {
        let mut prepared = self.connection().prepare_cached(&statement.sql)?;
        let changed = prepared.execute(rusqlite::params_from_iter(&statement.parameters))?;
        Ok(changed as u64)
    }

    /// Tells violated constraints from other errors.
    fn sorted(
        &self,
        action: &str,
        result: rusqlite::Result<u64>,
    ) -> Result<Result<u64, Violation>, RegistryError> {
        let error = match result {
            Ok(changed) => return Ok(Ok(changed)),
            Err(error) => error,
        };
        let kind = match error.sqlite_error().map(|error| error.extended_code) {
            Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => ViolationKind::ForeignKey,
            Some(
                ffi::SQLITE_CONSTRAINT_UNIQUE
                | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                | ffi::SQLITE_CONSTRAINT_ROWID,
            ) => ViolationKind::Unique,
            Some(ffi::SQLITE_CONSTRAINT_CHECK | ffi::SQLITE_CONSTRAINT_NOTNULL) => {
                ViolationKind::Value
            }
            _ => return Err(self.database.failure(action, error)),
        };
        Ok(Err(Violation { kind, message: error.to_string() }))
    }
}
