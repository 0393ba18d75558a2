//! A write transaction.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use qbb_dimensions::{ElementIx, Universe};
use rusqlite::{Connection, OptionalExtension as _, ffi};

use super::connection::DatabaseFile;
use super::data_ids::{borrowed, stored};
use super::open_transaction::OpenTransaction;
use super::postponed_indexes::PostponedIndexes;
use super::replacement::Replacement;
use super::rows::SqliteRows;
use crate::error::RegistryError;
use crate::reading::{DatastoreTable, quoted};
use crate::schema::key_column_name;
use crate::writing::{Value, describe};

/// A write transaction on a SQLite registry, rolled back when dropped.
pub(super) struct SqliteTransaction<'a> {
    transaction: OpenTransaction<'a>,
    /// What becomes of the file, if all happens in a copy of it.
    replacement: Option<Replacement<'a>>,
    pub(super) database: &'a DatabaseFile,
    pub(super) universe: &'a Arc<Universe>,
    pub(super) datastore: &'a DatastoreTable,
    /// One bit for each temporary table that is in use.
    staged: Cell<u64>,
    pub(super) postponed: RefCell<PostponedIndexes>,
}

impl<'a> SqliteTransaction<'a> {
    pub(super) fn new(
        transaction: OpenTransaction<'a>,
        replacement: Option<Replacement<'a>>,
        database: &'a DatabaseFile,
        universe: &'a Arc<Universe>,
        datastore: &'a DatastoreTable,
    ) -> Self {
        let (staged, postponed) = (Cell::new(0), RefCell::default());
        Self { transaction, replacement, database, universe, datastore, staged, postponed }
    }

    pub(super) fn connection(&self) -> &Connection {
        self.transaction.connection()
    }

    /// Makes everything visible at once.
    pub(super) fn commit(self) -> Result<(), RegistryError> {
        self.make_indexes()?;
        let database = self.database;
        self.transaction
            .commit()
            .map_err(|error| database.failure("commit the transaction", error))?;
        self.replacement.map_or(Ok(()), Replacement::publish)
    }

    /// A number that no temporary table in use has.
    pub(super) fn take_number(&self) -> u32 {
        let number = self.staged.get().trailing_ones();
        self.staged.set(self.staged.get() | 1 << number);
        number
    }

    /// Makes a number of [`SqliteTransaction::take_number`] free again.
    pub(super) fn give_number(&self, number: u32) {
        self.staged.set(self.staged.get() & !(1 << number));
    }

    /// The transaction as a source of rows.
    pub(super) fn rows(&self) -> SqliteRows<'_, &Connection> {
        SqliteRows { connection: self.connection(), database: self.database }
    }

    /// Runs a statement without result; returns the number of rows it changed.
    pub(super) fn execute(
        &self,
        action: &str,
        sql: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<usize, RegistryError> {
        (self.connection().prepare_cached(sql))
            .and_then(|mut statement| statement.execute(parameters))
            .map_err(|error| self.database.failure(action, error))
    }

    /// An error of a statement that inserted one row: names the record that a foreign key missed.
    /// `value` gives the row's values of dimensions.
    pub(super) fn insertion_failure<'v>(
        &self,
        error: rusqlite::Error,
        what: impl Fn() -> String,
        dimensions: &[ElementIx],
        value: impl Fn(ElementIx) -> Option<Value<'v>>,
    ) -> RegistryError {
        let code = error.sqlite_error().map(|error| error.extended_code);
        match code {
            Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => {
                match self.missing_record(dimensions, &value) {
                    Ok(Some((dimension, data_id))) => {
                        RegistryError::MissingRecord { what: what(), dimension, data_id }
                    }
                    Ok(None) => self.database.failure(&format!("insert {}", what()), error),
                    Err(error) => error,
                }
            }
            Some(ffi::SQLITE_CONSTRAINT_CHECK | ffi::SQLITE_CONSTRAINT_NOTNULL) => {
                RegistryError::Invalid { what: what(), reason: error.to_string() }
            }
            _ => self.database.failure(&format!("insert {}", what()), error),
        }
    }

    /// The first of these dimensions of which the values have no record.
    fn missing_record<'v>(
        &self,
        dimensions: &[ElementIx],
        value: &impl Fn(ElementIx) -> Option<Value<'v>>,
    ) -> Result<Option<(String, String)>, RegistryError> {
        for dimension in dimensions.iter().map(|&ix| self.universe.element(ix)) {
            let values: Option<Vec<(ElementIx, Value<'_>)>> =
                dimension.required.iter().map(|&ix| Some((ix, value(ix)?))).collect();
            let Some(values) = values.filter(|_| dimension.has_table()) else { continue };
            let conditions: Vec<String> = (dimension.required.iter())
                .map(|&ix| format!("{} = ?", quoted(key_column_name(self.universe, dimension, ix))))
                .collect();
            let sql = format!(
                "SELECT 1 FROM {} WHERE {}",
                quoted(&dimension.name),
                conditions.join(" AND ")
            );
            let parameters = rusqlite::params_from_iter(
                values.iter().map(|&(_, value)| borrowed(stored(value))),
            );
            let found = (self.connection().prepare_cached(&sql))
                .and_then(|mut statement| statement.query_row(parameters, |_| Ok(())).optional())
                .map_err(|error| self.database.failure("look a record up", error))?;
            if found.is_none() {
                return Ok(Some((dimension.name.clone(), describe(self.universe, values))));
            }
        }
        Ok(None)
    }
}
