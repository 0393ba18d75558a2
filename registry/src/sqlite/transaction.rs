//! A write transaction.

use std::sync::Arc;

use qbb_dimensions::{DatasetType, ElementIx, RecordTable, Symbols, Universe};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, ffi};

use super::connection::DatabaseFile;
use super::data_ids::{borrowed, describe};
use super::rows::{SqliteRow, SqliteRows, select};
use crate::collection::CollectionKind;
use crate::error::RegistryError;
use crate::reader::RegisteredDatasetType;
use crate::reading::{
    DatastoreTable, Query, ResultRow as _, RowSource as _, quoted, read_collections,
    read_dataset_types,
};
use crate::schema::key_column_name;
use crate::writer::{Association, DatasetBatch, NewCollection, Transaction};

/// A write transaction on a SQLite registry, rolled back when dropped.
pub(super) struct SqliteTransaction<'a> {
    transaction: rusqlite::Transaction<'a>,
    pub(super) database: &'a DatabaseFile,
    pub(super) universe: &'a Arc<Universe>,
    pub(super) datastore: &'a DatastoreTable,
    /// Dataset types by name, until others are registered.
    dataset_types: Option<Vec<RegisteredDatasetType>>,
    /// The operation that failed half-way.
    failed: Option<&'static str>,
}

impl<'a> SqliteTransaction<'a> {
    pub(super) fn new(
        transaction: rusqlite::Transaction<'a>,
        database: &'a DatabaseFile,
        universe: &'a Arc<Universe>,
        datastore: &'a DatastoreTable,
    ) -> Self {
        Self { transaction, database, universe, datastore, dataset_types: None, failed: None }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.transaction
    }

    /// Runs a query and hands each row to `take`.
    pub(super) fn each(
        &self,
        query: &Query<'_>,
        take: impl FnMut(&SqliteRow<'_>) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        self.rows().each(query, take)
    }

    /// The transaction as a source of rows.
    pub(super) fn rows(&self) -> SqliteRows<'_, &Connection> {
        SqliteRows { connection: &self.transaction, database: self.database }
    }

    /// Runs a statement without result; returns the number of rows it changed.
    pub(super) fn execute(
        &self,
        action: &str,
        sql: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<usize, RegistryError> {
        (self.transaction.prepare_cached(sql))
            .and_then(|mut statement| statement.execute(parameters))
            .map_err(|error| self.database.failure(action, error))
    }

    /// The dataset type of that name.
    pub(super) fn dataset_type(
        &mut self,
        name: &str,
    ) -> Result<RegisteredDatasetType, RegistryError> {
        let types = self.dataset_types()?;
        match types.binary_search_by(|known| known.dataset_type.name.as_str().cmp(name)) {
            Ok(at) => Ok(types[at].clone()),
            Err(_) => Err(RegistryError::UnknownDatasetType {
                name: name.to_owned(),
                similar: qbb_dimensions::nearest_name(
                    name,
                    types.iter().map(|known| known.dataset_type.name.as_str()),
                )
                .map(str::to_owned),
            }),
        }
    }

    /// All dataset types, by name.
    pub(super) fn dataset_types(&mut self) -> Result<&[RegisteredDatasetType], RegistryError> {
        if self.dataset_types.is_none() {
            let types = read_dataset_types(&self.rows(), self.universe)?;
            self.dataset_types = Some(types);
        }
        Ok(self.dataset_types.as_deref().unwrap_or_default())
    }

    /// Makes [`SqliteTransaction::dataset_types`] read again.
    pub(super) fn forget_dataset_types(&mut self) {
        self.dataset_types = None;
    }

    /// Key and type of the collection of that name.
    pub(super) fn collection(&self, name: &str) -> Result<(i64, CollectionKind), RegistryError> {
        let mut query = select("collection", &[("c", "collection_id"), ("c", "type")]);
        query.push(" FROM collection c WHERE c.name = ").bind(name.to_owned());
        let mut found = None;
        self.each(&query, |row| {
            let kind = CollectionKind::from_number(row.int(1)?)
                .ok_or_else(|| row.corrupt(1, "unknown collection type"))?;
            found = Some((row.int(0)?, kind));
            Ok(())
        })?;
        match found {
            Some(found) => Ok(found),
            // The catalog knows which name was meant.
            None => match read_collections(&self.rows())?.require(name) {
                Ok(_) => {
                    Err(RegistryError::UnknownCollection { name: name.to_owned(), similar: None })
                }
                Err(unknown) => Err(unknown),
            },
        }
    }

    /// An error of a statement that inserted one row: names the record that a foreign key missed.
    /// `value` gives the row's values of dimensions.
    pub(super) fn insertion_failure<'v>(
        &self,
        error: rusqlite::Error,
        what: impl Fn() -> String,
        dimensions: &[ElementIx],
        value: impl Fn(ElementIx) -> Option<ValueRef<'v>>,
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
        value: &impl Fn(ElementIx) -> Option<ValueRef<'v>>,
    ) -> Result<Option<(String, String)>, RegistryError> {
        for dimension in dimensions.iter().map(|&ix| self.universe.element(ix)) {
            let values: Option<Vec<(ElementIx, ValueRef<'_>)>> =
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
            let parameters = rusqlite::params_from_iter(values.iter().map(|&(_, v)| borrowed(v)));
            let found = (self.transaction.prepare_cached(&sql))
                .and_then(|mut statement| statement.query_row(parameters, |_| Ok(())).optional())
                .map_err(|error| self.database.failure("look a record up", error))?;
            if found.is_none() {
                return Ok(Some((dimension.name.clone(), describe(self.universe, values))));
            }
        }
        Ok(None)
    }

    /// Runs an operation unless one has failed before, and remembers if it fails.
    fn guarded<T>(
        &mut self,
        operation: &'static str,
        run: impl FnOnce(&mut Self) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        if let Some(operation) = self.failed {
            return Err(RegistryError::Aborted { operation });
        }
        let result = run(self);
        if result.is_err() {
            self.failed = Some(operation);
        }
        result
    }
}

impl Transaction for SqliteTransaction<'_> {
    fn insert_records(
        &mut self,
        tables: &[RecordTable],
        symbols: &Symbols,
    ) -> Result<u64, RegistryError> {
        self.guarded("insert_records", |this| this.write_records(tables, symbols))
    }

    fn register_dataset_types(
        &mut self,
        dataset_types: &[DatasetType],
    ) -> Result<u64, RegistryError> {
        self.guarded("register_dataset_types", |this| this.write_dataset_types(dataset_types))
    }

    fn register_collections(
        &mut self,
        collections: &[NewCollection],
    ) -> Result<u64, RegistryError> {
        self.guarded("register_collections", |this| this.write_collections(collections))
    }

    fn chain_children(&mut self, chain: &str) -> Result<Option<Vec<String>>, RegistryError> {
        self.read_chain(chain)
    }

    fn prepend_to_chain(&mut self, chain: &str, children: &[String]) -> Result<(), RegistryError> {
        self.guarded("prepend_to_chain", |this| this.write_chain_front(chain, children))
    }

    fn insert_datasets(
        &mut self,
        batch: &DatasetBatch<'_>,
        symbols: &Symbols,
    ) -> Result<u64, RegistryError> {
        self.guarded("insert_datasets", |this| this.write_datasets(batch, symbols))
    }

    fn forget_files(&mut self, id: &[[u8; 16]]) -> Result<u64, RegistryError> {
        self.guarded("forget_files", |this| this.delete_files(id))
    }

    fn associate(
        &mut self,
        association: &Association<'_>,
        symbols: &Symbols,
    ) -> Result<u64, RegistryError> {
        self.guarded("associate", |this| this.write_association(association, symbols))
    }

    fn commit(self: Box<Self>) -> Result<(), RegistryError> {
        if let Some(operation) = self.failed {
            return Err(RegistryError::Aborted { operation });
        }
        let database = self.database;
        self.transaction.commit().map_err(|error| database.failure("commit the transaction", error))
    }
}
