//! What a database must be able to do so that registries can be written in it.

use crate::error::RegistryError;
use crate::reading::{Query, RowSource, quoted};
use crate::schema::{ColumnType, Table};

use super::value::Value;

/// Column of staged rows that holds the numbers which the caller gave them.
pub(crate) const ROW: &str = "staged_row";

/// A write transaction of a database, which is undone if it is dropped.
pub(crate) trait WriteSource: RowSource {
    /// Runs a statement; returns the number of rows that it changed.
    fn run(&self, action: &str, statement: &Query<'_>) -> Result<u64, RegistryError>;

    /// As [`WriteSource::run`], but what violates a constraint is handed back, and the transaction
    /// is as if the statement had never been.
    fn attempt(
        &self,
        action: &str,
        statement: &Query<'_>,
    ) -> Result<Result<u64, Violation>, RegistryError>;

    /// Puts rows of columns into a temporary table, after a column [`ROW`] with their numbers.
    fn stage(
        &self,
        columns: &[BulkColumn<'_>],
        rows: impl Iterator<Item = usize>,
    ) -> Result<Staged<'_, Self>, RegistryError>
    where
        Self: Sized;

    /// Forgets a temporary table.
    fn unstage(&self, name: &str);

    /// Inserts rows of columns into a table, except those that contradict another one's key.
    /// Returns how many were inserted.
    fn insert_rows(
        &self,
        action: &str,
        table: &str,
        columns: &[BulkColumn<'_>],
        rows: impl Iterator<Item = usize>,
    ) -> Result<Result<u64, Violation>, RegistryError>
    where
        Self: Sized,
    {
        let staged = self.stage(columns, rows)?;
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        self.attempt(action, &staged.insertion(table, &names))
    }

    /// To be told, outside of savepoints, before so many rows are sent into a table.
    fn expect_rows(&self, table: &str, rows: usize) -> Result<(), RegistryError> {
        let _ = (table, rows);
        Ok(())
    }

    /// Inserts rows that contradict none that are there. If they do, or refer to what is not there,
    /// the transaction is lost up to the savepoint before.
    fn send_rows(
        &self,
        action: &str,
        table: &str,
        columns: &[BulkColumn<'_>],
        rows: impl ExactSizeIterator<Item = usize> + Clone,
    ) -> Result<Result<u64, Violation>, RegistryError>
    where
        Self: Sized;

    /// The stretch of a table from the first to the last row that has one of UUIDs in a column, if the
    /// database keeps rows in the order in which they came.
    fn stretch(
        &self,
        table: &str,
        column: &str,
        id: &[[u8; 16]],
    ) -> Result<Option<Stretch>, RegistryError> {
        let _ = (table, column, id);
        Ok(None)
    }

    /// Creates a table with its indexes, if there is none of that name.
    fn ensure_table(&self, table: &Table) -> Result<(), RegistryError>;

    /// Keeps others from changing a collection's row until the transaction ends.
    fn lock_collection(&self, collection: i64) -> Result<(), RegistryError>;

    /// Keeps others from changing a table until the transaction ends.
    fn lock_table(&self, table: &str) -> Result<(), RegistryError>;

    /// Makes everything visible at once.
    fn commit(self) -> Result<(), RegistryError>;
}

/// Begins a statement that is about a table.
pub(crate) fn statement<'s, S: RowSource>(source: &'s S, table: &str) -> Query<'s> {
    Query::statement(source.dialect(), table)
}

/// A column of values to insert.
pub(crate) struct BulkColumn<'a> {
    /// Name; of a timespan it is `timespan`, however many columns it has in the database.
    pub(crate) name: &'a str,
    pub(crate) kind: ColumnType,
    /// The value of a row. Without form in the database where it is no value of that kind.
    pub(crate) value: Box<dyn Fn(usize) -> Value<'a> + 'a>,
    /// A table that has a row for each of the values, since they were just inserted there.
    pub(crate) refers: Option<&'a str>,
}

impl<'a> BulkColumn<'a> {
    pub(crate) fn new(
        name: &'a str,
        kind: ColumnType,
        value: impl Fn(usize) -> Value<'a> + 'a,
    ) -> Self {
        Self { name, kind, value: Box::new(value), refers: None }
    }

    /// The same, of values that were just inserted into a table, as its key.
    pub(crate) fn referring_to(self, table: &'a str) -> Self {
        Self { refers: Some(table), ..self }
    }
}

/// Neighbours in a table.
pub(crate) struct Stretch {
    /// The most rows that there can be.
    pub(crate) rows: u64,
    /// ` FROM table t WHERE …` of a statement that selects all of them.
    pub(crate) from: String,
}

/// A constraint that a statement would have violated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) kind: ViolationKind,
    /// What the database says.
    pub(crate) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ViolationKind {
    /// A row refers to what is not there.
    ForeignKey,
    /// Another row has the same key.
    Unique,
    /// A value is not allowed.
    Value,
}

/// Rows in a temporary table, which lasts as long as this.
pub(crate) struct Staged<'s, S: WriteSource> {
    source: &'s S,
    name: String,
    len: u64,
}

impl<'s, S: WriteSource> Staged<'s, S> {
    /// A table that the source is about to make.
    pub(crate) fn new(source: &'s S, name: String) -> Self {
        Self { source, name, len: 0 }
    }

    /// The table when it has so many rows.
    pub(crate) fn filled(mut self, len: u64) -> Self {
        self.len = len;
        self
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The table as statements name it.
    pub(crate) fn table(&self) -> String {
        self.source.dialect().temporary(&self.name)
    }

    /// `INSERT INTO table (columns) SELECT columns FROM staged ON CONFLICT DO NOTHING`.
    pub(crate) fn insertion(&self, table: &str, columns: &[&str]) -> Query<'s> {
        let dialect = self.source.dialect();
        let names: Vec<String> =
            (columns.iter()).flat_map(|name| dialect.physical_columns(name)).map(quoted).collect();
        let names = names.join(", ");
        let mut insertion = statement(self.source, table);
        insertion.push("INSERT INTO ").push_table(table);
        insertion.push(&format!(" ({names}) SELECT {names} FROM {}", self.table()));
        // Without a condition, SQLite would take ON for that of a join.
        insertion.push(" WHERE TRUE ON CONFLICT DO NOTHING");
        insertion
    }

    /// The first staged row, by number, of which a condition holds. `s` is the staged row.
    pub(crate) fn first_where(
        &self,
        table: &str,
        condition: impl FnOnce(&mut Query<'s>),
    ) -> Result<Option<usize>, RegistryError> {
        let mut query = Query::select(self.source.dialect(), table, &[("s", ROW)]);
        query.push(&format!(" FROM {} s WHERE ", self.table()));
        condition(&mut query);
        query.push(&format!(" ORDER BY s.{ROW} LIMIT 1"));
        let mut found = None;
        self.source.each(&query, |row| {
            found = Some(staged_row(row, 0)?);
            Ok(())
        })?;
        Ok(found)
    }
}

impl<S: WriteSource> Drop for Staged<'_, S> {
    fn drop(&mut self) {
        self.source.unstage(&self.name);
    }
}

/// The number of a staged row, from a column of a result.
pub(crate) fn staged_row(
    row: &impl crate::reading::ResultRow,
    column: usize,
) -> Result<usize, RegistryError> {
    usize::try_from(row.int(column)?).map_err(|_| row.corrupt(column, "row out of range"))
}
