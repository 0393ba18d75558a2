//! A write transaction, and what [`crate::writing`] asks of it.

use std::cell::Cell;

use tokio_postgres::error::SqlState;

use super::changes::violation;
use super::connection::Server;
use super::rows::{PostgresRow, copy_rows};
use crate::error::RegistryError;
use crate::reading::{Dialect, Query, RowSource, quoted};
use crate::schema::{ColumnType, Table, create_statements};
use crate::writing::{BulkColumn, ROW, Staged, Value, Violation, WriteSource};

/// A transaction that is rolled back when it is dropped.
pub(super) struct PostgresTransaction<'s> {
    server: &'s Server,
    schema: &'s str,
    /// Temporary tables made so far; each has a name of its own.
    staged: Cell<u32>,
    /// Whether something has failed, after which the server takes nothing more.
    broken: Cell<bool>,
    ended: bool,
}

impl<'s> PostgresTransaction<'s> {
    pub(super) fn begin(server: &'s Server, schema: &'s str) -> Result<Self, RegistryError> {
        server.begin_write()?;
        Ok(Self { server, schema, staged: Cell::new(0), broken: Cell::new(false), ended: false })
    }

    /// Notes that something has failed.
    fn noted<T>(&self, result: Result<T, RegistryError>) -> Result<T, RegistryError> {
        if result.is_err() {
            self.broken.set(true);
        }
        result
    }
}

impl Drop for PostgresTransaction<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.server.end();
        }
    }
}

impl RowSource for PostgresTransaction<'_> {
    type Row<'r> = PostgresRow<'r>;

    fn dialect(&self) -> Dialect<'_> {
        Dialect::Postgres { schema: self.schema }
    }

    fn database(&self) -> String {
        self.server.place.clone()
    }

    fn each(
        &self,
        query: &Query<'_>,
        take: impl FnMut(&PostgresRow<'_>) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        self.noted(copy_rows(self.server, self.schema, query, take))
    }
}

impl WriteSource for PostgresTransaction<'_> {
    fn run(&self, action: &str, statement: &Query<'_>) -> Result<u64, RegistryError> {
        let changed = self.server.change(&statement.sql);
        self.noted(changed.map_err(|error| self.server.failure(action, error)))
    }

    fn attempt(
        &self,
        action: &str,
        statement: &Query<'_>,
    ) -> Result<Result<u64, Violation>, RegistryError> {
        self.noted(self.server.attempt(action, &statement.sql))
    }

    fn stage(
        &self,
        columns: &[BulkColumn<'_>],
        rows: impl Iterator<Item = usize>,
    ) -> Result<Staged<'_, Self>, RegistryError> {
        let number = self.staged.get();
        self.staged.set(number + 1);
        let staged = Staged::new(self, format!("staged_{number}"));
        let table = staged.table();
        let definitions: Vec<String> = std::iter::once(format!("{ROW} BIGINT"))
            .chain(columns.iter().map(|c| format!("{} {}", quoted(c.name), staged_type(c.kind))))
            .collect();
        let creation = format!("CREATE TABLE {table} ({}) ON COMMIT DROP", definitions.join(", "));
        self.noted(self.server.batch("make a temporary table", &creation))?;
        let number = BulkColumn::new(ROW, ColumnType::BigInt, |row: usize| Value::Int(row as i64));
        let columns: Vec<&BulkColumn<'_>> = std::iter::once(&number).chain(columns).collect();
        let copied = self.server.copy_in(&table, &columns, rows);
        let len = copied.map_err(|error| match violation(&error) {
            // Not a byte of text that is not text goes into a database.
            Some(violation) => RegistryError::Invalid {
                what: "values to be written".to_owned(),
                reason: violation.message,
            },
            None => self.server.failure("send rows", error),
        });
        Ok(staged.filled(self.noted(len)?))
    }

    fn send_rows(
        &self,
        action: &str,
        table: &str,
        columns: &[BulkColumn<'_>],
        rows: impl ExactSizeIterator<Item = usize> + Clone,
    ) -> Result<Result<u64, Violation>, RegistryError> {
        let table = self.dialect().table(table);
        let columns: Vec<&BulkColumn<'_>> = columns.iter().collect();
        match self.server.copy_in(&table, &columns, rows) {
            Ok(sent) => Ok(Ok(sent)),
            Err(error) => match violation(&error) {
                Some(violation) => Ok(Err(violation)),
                None => self.noted(Err(self.server.failure(action, error))),
            },
        }
    }

    fn unstage(&self, name: &str) {
        // What stays is gone with the transaction.
        if !self.broken.get() {
            let _ = self.server.change(&format!("DROP TABLE {}", self.dialect().temporary(name)));
        }
    }

    fn ensure_table(&self, table: &Table) -> Result<(), RegistryError> {
        let mut query = Query::select(self.dialect(), "pg_tables", &[("t", "tablename")]);
        query.push(" FROM pg_catalog.pg_tables t WHERE t.schemaname = ");
        query.bind(self.schema.to_owned()).push(" AND t.tablename = ").bind(table.name.clone());
        let mut exists = false;
        self.each(&query, |_| {
            exists = true;
            Ok(())
        })?;
        if exists {
            return Ok(());
        }
        for sql in create_statements(self.dialect(), table) {
            let action = format!("create table `{}`", table.name);
            let created = self.server.change(&sql).map_err(|error| match error.code() {
                Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => RegistryError::Server {
                    database: self.server.place.clone(),
                    action,
                    reason: super::connection::reason(&error),
                    advice: "the first dataset type with some set of dimensions needs a table of its \
                             own: ask for CREATE on the schema and REFERENCES on its tables, or \
                             have its owner register the dataset type",
                    source: None,
                },
                _ => self.server.failure(&action, error),
            });
            self.noted(created)?;
        }
        Ok(())
    }

    fn lock_collection(&self, collection: i64) -> Result<(), RegistryError> {
        let table = self.dialect().table("collection");
        let sql = format!("SELECT FROM {table} WHERE collection_id = {collection} FOR UPDATE");
        let locked = self.server.change(&sql);
        self.noted(locked.map_err(|error| self.server.failure("lock a collection", error)))?;
        Ok(())
    }

    fn lock_table(&self, table: &str) -> Result<(), RegistryError> {
        let sql = format!("LOCK TABLE {} IN EXCLUSIVE MODE", self.dialect().table(table));
        let action = format!("lock table `{table}`");
        self.noted(self.server.change(&sql).map_err(|error| self.server.failure(&action, error)))?;
        Ok(())
    }

    fn commit(mut self) -> Result<(), RegistryError> {
        if self.broken.get() {
            return Err(RegistryError::Aborted { operation: "an earlier statement" });
        }
        let committed = self.server.commit();
        self.ended = committed.is_ok();
        committed
    }
}

/// The type of a temporary column.
fn staged_type(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Serial | ColumnType::SmallInt | ColumnType::BigInt => "BIGINT",
        ColumnType::Text | ColumnType::ShortText(_) => "TEXT",
        ColumnType::Uuid => "UUID",
        ColumnType::Float => "DOUBLE PRECISION",
        ColumnType::Bool => "BOOLEAN",
        ColumnType::Timespan => "INT8RANGE",
    }
}
