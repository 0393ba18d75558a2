//! A read transaction.

use std::cell::Cell;
use std::sync::Arc;

use qbb_dimensions::{DataValue, ElementIx, Symbols, Universe};

use super::collections::{read_collections, read_dataset_types};
use super::datastore::{DatastoreTable, has_records_table};
use super::row::RowSource;
use crate::collection::{CollectionCatalog, CollectionIx};
use crate::error::RegistryError;
use crate::filter::Filter;
use crate::reader::{
    CalibrationRows, DatasetRows, DatastoreContents, DatastoreRecordRows, OverlapRows,
    RegisteredDatasetType, Snapshot,
};

/// A consistent view of a registry's tables: a transaction of the source, as old as it is.
pub(crate) struct TableSnapshot<'a, S> {
    source: S,
    pub(super) universe: &'a Arc<Universe>,
    pub(super) datastore: &'a DatastoreTable,
    statements: Cell<u64>,
    /// Whether there is a table of the datastore's records, once that was asked.
    has_records: Cell<Option<bool>>,
}

impl<'a, S: RowSource> TableSnapshot<'a, S> {
    /// Takes a source that has begun its transaction.
    pub(crate) fn new(
        source: S,
        universe: &'a Arc<Universe>,
        datastore: &'a DatastoreTable,
    ) -> Self {
        Self { source, universe, datastore, statements: Cell::new(0), has_records: Cell::new(None) }
    }

    /// The source, for looking at.
    pub(super) fn source(&self) -> &S {
        &self.source
    }

    pub(super) fn has_records(&self) -> Result<bool, RegistryError> {
        if let Some(known) = self.has_records.get() {
            return Ok(known);
        }
        let found = has_records_table(self.counted(), self.datastore)?;
        self.has_records.set(Some(found));
        Ok(found)
    }

    /// The source, for one statement.
    pub(super) fn counted(&self) -> &S {
        self.statements.set(self.statements.get() + 1);
        &self.source
    }
}

impl<S: RowSource> Snapshot for TableSnapshot<'_, S> {
    fn collections(&mut self) -> Result<CollectionCatalog, RegistryError> {
        read_collections(self.counted())
    }

    fn dataset_types(&mut self) -> Result<Vec<RegisteredDatasetType>, RegistryError> {
        read_dataset_types(self.counted(), self.universe)
    }

    fn summaries(
        &mut self,
        catalog: &CollectionCatalog,
        collections: &[CollectionIx],
    ) -> Result<Vec<Vec<String>>, RegistryError> {
        self.read_summaries(catalog, collections)
    }

    fn governor_values(
        &mut self,
        catalog: &CollectionCatalog,
        collections: &[CollectionIx],
    ) -> Result<Vec<(ElementIx, Vec<DataValue>)>, RegistryError> {
        self.read_governor_values(catalog, collections)
    }

    fn ingest_dates(
        &mut self,
        dataset_type: &RegisteredDatasetType,
    ) -> Result<Vec<([u8; 16], i64)>, RegistryError> {
        self.read_ingest_dates(dataset_type)
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

    fn datastore_contents(&mut self) -> Result<DatastoreContents, RegistryError> {
        self.read_datastore_contents()
    }

    fn statements(&self) -> u64 {
        self.statements.get()
    }
}
