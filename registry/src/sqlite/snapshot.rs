//! A read transaction.

use std::cell::Cell;
use std::sync::Arc;

use qbb_dimensions::{ElementIx, Symbols, Universe};
use rusqlite::{Connection, Transaction};

use super::connection::DatabaseFile;
use super::query::Query;
use super::read_collections::{read_collections, read_dataset_types};
use super::registry::DatastoreTable;
use super::rows::{ResultRow, each_row};
use crate::collection::{CollectionCatalog, CollectionIx};
use crate::error::RegistryError;
use crate::filter::Filter;
use crate::reader::{
    CalibrationRows, DatasetRows, DatastoreRecordRows, OverlapRows, RegisteredDatasetType, Snapshot,
};

/// A consistent view of a SQLite registry: one deferred transaction, rolled back when dropped.
pub(super) struct SqliteSnapshot<'a> {
    transaction: Transaction<'a>,
    database: &'a DatabaseFile,
    pub(super) universe: &'a Arc<Universe>,
    pub(super) datastore: &'a DatastoreTable,
    statements: Cell<u64>,
}

impl<'a> SqliteSnapshot<'a> {
    pub(super) fn new(
        transaction: Transaction<'a>,
        database: &'a DatabaseFile,
        universe: &'a Arc<Universe>,
        datastore: &'a DatastoreTable,
    ) -> Self {
        Self { transaction, database, universe, datastore, statements: Cell::new(0) }
    }

    /// Runs a query and hands each row to `take`.
    pub(super) fn each(
        &self,
        query: &Query,
        take: impl FnMut(&ResultRow<'_>) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        each_row(self.counted(), self.database, query, take)
    }

    /// The connection, for one statement.
    fn counted(&self) -> &Connection {
        self.statements.set(self.statements.get() + 1);
        &self.transaction
    }
}

impl Snapshot for SqliteSnapshot<'_> {
    fn collections(&mut self) -> Result<CollectionCatalog, RegistryError> {
        read_collections(self.counted(), self.database)
    }

    fn dataset_types(&mut self) -> Result<Vec<RegisteredDatasetType>, RegistryError> {
        read_dataset_types(self.counted(), self.database, self.universe)
    }

    fn summaries(
        &mut self,
        catalog: &CollectionCatalog,
        collections: &[CollectionIx],
    ) -> Result<Vec<Vec<String>>, RegistryError> {
        self.read_summaries(catalog, collections)
    }

    fn records(
        &mut self,
        element: ElementIx,
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<qbb_dimensions::RecordTable, RegistryError> {
        self.read_records(element, filter, symbols)
    }

    fn overlaps(
        &mut self,
        element: ElementIx,
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<OverlapRows, RegistryError> {
        self.read_overlaps(element, filter, symbols)
    }

    fn datasets(
        &mut self,
        dataset_type: &RegisteredDatasetType,
        catalog: &CollectionCatalog,
        collections: &[CollectionIx],
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<DatasetRows, RegistryError> {
        self.read_datasets(dataset_type, catalog, collections, filter, symbols)
    }

    fn calibrations(
        &mut self,
        dataset_type: &RegisteredDatasetType,
        catalog: &CollectionCatalog,
        collections: &[CollectionIx],
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<CalibrationRows, RegistryError> {
        self.read_calibrations(dataset_type, catalog, collections, filter, symbols)
    }

    fn datastore_records(
        &mut self,
        dataset_type: &RegisteredDatasetType,
        catalog: &CollectionCatalog,
        runs: &[CollectionIx],
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<DatastoreRecordRows, RegistryError> {
        self.read_records_of_runs(dataset_type, catalog, runs, filter, symbols)
    }

    fn datastore_records_of(
        &mut self,
        datasets: &[[u8; 16]],
        symbols: &mut Symbols,
    ) -> Result<DatastoreRecordRows, RegistryError> {
        self.read_records_of_datasets(datasets, symbols)
    }

    fn statements(&self) -> u64 {
        self.statements.get()
    }
}
