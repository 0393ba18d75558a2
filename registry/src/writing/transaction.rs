//! A write transaction over the tables of any database.

use std::sync::Arc;

use qbb_dimensions::{DatasetType, ElementIx, RecordTable, Symbols, Timespan, Universe};

use super::memberships::{decertify, disassociate};
use super::removal::{remove_collections, remove_datasets, remove_runs};
use super::repairs::{document, record_locations, record_sizes};
use super::source::{Staged, Violation, ViolationKind, WriteSource, statement};
use super::trash::{forget_trash, read_trash, trash_datasets};
use super::value::{Value, describe};
use crate::changes::{
    Association, ChainChange, ChainEdit, DataIdColumns, DatasetBatch, Decertified, NewCollection,
    RemovedCollections, Trash, TrueSize,
};
use crate::collection::CollectionKind;
use crate::error::RegistryError;
use crate::reader::RegisteredDatasetType;
use crate::reading::{
    DatastoreTable, Query, ResultRow as _, has_records_table, quoted, read_collections,
    read_dataset_types,
};
use crate::schema::{key_column_name, records_table};
use crate::writer::Transaction;

/// A write transaction, undone when dropped.
pub(crate) struct TableTransaction<'a, S> {
    pub(super) source: S,
    pub(super) universe: &'a Arc<Universe>,
    pub(super) datastore: &'a DatastoreTable,
    /// Dataset types by name, until others are registered.
    dataset_types: Option<Vec<RegisteredDatasetType>>,
    /// The operation that failed half-way.
    failed: Option<&'static str>,
}

impl<'a, S: WriteSource> TableTransaction<'a, S> {
    /// Takes a source that has begun its transaction.
    pub(crate) fn new(
        source: S,
        universe: &'a Arc<Universe>,
        datastore: &'a DatastoreTable,
    ) -> Self {
        Self { source, universe, datastore, dataset_types: None, failed: None }
    }

    /// Makes the table of the datastore's records where the middleware has not yet.
    pub(crate) fn with_records_table(self) -> Result<Self, RegistryError> {
        if has_records_table(&self.source, self.datastore)? {
            return Ok(self);
        }
        let name = &self.datastore.records_table;
        // Somebody else may be about to make it.
        self.source.lock_table("opaque_meta")?;
        self.source.ensure_table(&records_table(name))?;
        let mut insertion = statement(&self.source, "opaque_meta");
        insertion.push("INSERT INTO ").push_table("opaque_meta").push(" (table_name) VALUES (");
        insertion.bind(name.clone()).push(") ON CONFLICT DO NOTHING");
        self.source.run("register the table of the datastore's records", &insertion)?;
        Ok(self)
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
            let types = read_dataset_types(&self.source, self.universe)?;
            self.dataset_types = Some(types);
        }
        Ok(self.dataset_types.as_deref().unwrap_or_default())
    }

    /// Makes [`TableTransaction::dataset_types`] read again.
    pub(super) fn forget_dataset_types(&mut self) {
        self.dataset_types = None;
    }

    /// Key and type of the collection of that name.
    pub(super) fn collection(&self, name: &str) -> Result<(i64, CollectionKind), RegistryError> {
        let columns = [("c", "collection_id"), ("c", "type")];
        let mut query = Query::select(self.source.dialect(), "collection", &columns);
        query.push(" FROM ").push_table("collection");
        query.push(" c WHERE c.name = ").bind(name.to_owned());
        let mut found = None;
        self.source.each(&query, |row| {
            let kind = CollectionKind::from_number(row.int(1)?)
                .ok_or_else(|| row.corrupt(1, "unknown collection type"))?;
            found = Some((row.int(0)?, kind));
            Ok(())
        })?;
        match found {
            Some(found) => Ok(found),
            // The catalog knows which name was meant.
            None => match read_collections(&self.source)?.require(name) {
                Ok(_) => {
                    Err(RegistryError::UnknownCollection { name: name.to_owned(), similar: None })
                }
                Err(unknown) => Err(unknown),
            },
        }
    }

    /// Runs an operation unless one has failed before, and remembers if it fails.
    pub(super) fn guarded<T>(
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

/// The dimensions of staged rows whose records must be there, with the columns that hold them.
pub(super) struct StagedDimensions<'a> {
    pub(super) universe: &'a Universe,
    /// Dimensions and the staged columns of their values.
    pub(super) columns: Vec<(ElementIx, &'a str)>,
}

impl StagedDimensions<'_> {
    /// The error of a statement that has inserted staged rows: names the row and the record that a
    /// foreign key missed. `value` gives a row's value of a column, by position.
    pub(super) fn failure<'v, S: WriteSource>(
        &self,
        staged: &Staged<'_, S>,
        violation: Violation,
        what: impl Fn(Option<usize>) -> String,
        value: impl Fn(usize, usize) -> Value<'v>,
    ) -> RegistryError {
        if violation.kind == ViolationKind::ForeignKey {
            match self.missing_record(staged) {
                Ok(Some((row, dimension))) => {
                    let dimension = self.universe.element(dimension);
                    let values = self.positions(dimension.ix).into_iter().flatten();
                    let values = values.map(|at| (self.columns[at].0, value(at, row)));
                    return RegistryError::MissingRecord {
                        what: what(Some(row)),
                        dimension: dimension.name.clone(),
                        data_id: describe(self.universe, values),
                    };
                }
                Ok(None) => {}
                Err(error) => return error,
            }
        }
        RegistryError::Invalid { what: what(None), reason: violation.message }
    }

    /// The positions of a dimension's required dimensions, if all are there.
    fn positions(&self, dimension: ElementIx) -> Option<Vec<usize>> {
        let required = self.universe.element(dimension).required.iter();
        required.map(|&ix| self.columns.iter().position(|&(known, _)| known == ix)).collect()
    }

    /// The first row, and of that dimension which has no record.
    fn missing_record<S: WriteSource>(
        &self,
        staged: &Staged<'_, S>,
    ) -> Result<Option<(usize, ElementIx)>, RegistryError> {
        for &(ix, _) in &self.columns {
            let dimension = self.universe.element(ix);
            let Some(positions) = self.positions(ix).filter(|_| dimension.has_table()) else {
                continue;
            };
            let missing = staged.first_where(&dimension.name, |query| {
                for &at in &positions {
                    query.push(&format!("s.{} IS NOT NULL AND ", quoted(self.columns[at].1)));
                }
                query.push("NOT EXISTS (SELECT 1 FROM ").push_table(&dimension.name);
                for (i, &at) in positions.iter().enumerate() {
                    let (ix, column) = self.columns[at];
                    query.push(if i == 0 { " d WHERE " } else { " AND " });
                    let key = quoted(key_column_name(self.universe, dimension, ix));
                    query.push(&format!("d.{key} = s.{}", quoted(column)));
                }
                query.push(")");
            })?;
            if let Some(row) = missing {
                return Ok(Some((row, ix)));
            }
        }
        Ok(None)
    }
}

impl<S: WriteSource> Transaction for TableTransaction<'_, S> {
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
        self.edit_chain(chain, &ChainEdit::Prepend(children)).map(drop)
    }

    fn insert_dataset_batches(
        &mut self,
        batches: &[DatasetBatch<'_>],
        symbols: &Symbols,
    ) -> Result<u64, RegistryError> {
        self.guarded("insert_datasets", |this| this.write_datasets(batches, symbols))
    }

    fn forget_files(&mut self, id: &[[u8; 16]]) -> Result<u64, RegistryError> {
        self.guarded("forget_files", |this| this.delete_files(id))
    }

    fn forget_file_size(&mut self, path: &str) -> Result<u64, RegistryError> {
        self.guarded("forget_file_size", |this| this.unset_file_size(path))
    }

    fn associate_all(
        &mut self,
        associations: &[Association<'_>],
        symbols: &Symbols,
    ) -> Result<u64, RegistryError> {
        self.guarded("associate", |this| this.write_associations(associations, symbols))
    }

    fn disassociate(
        &mut self,
        dataset_type: &str,
        collection: &str,
        id: &[[u8; 16]],
    ) -> Result<u64, RegistryError> {
        self.guarded("disassociate", |this| {
            let dataset_type = this.dataset_type(dataset_type)?;
            disassociate(&this.source, &dataset_type, collection, id)
        })
    }

    fn decertify(
        &mut self,
        dataset_type: &str,
        collection: &str,
        timespan: Timespan,
        data_ids: Option<DataIdColumns<'_>>,
        symbols: &Symbols,
    ) -> Result<Decertified, RegistryError> {
        self.guarded("decertify", |this| {
            let dataset_type = this.dataset_type(dataset_type)?;
            decertify(&this.source, &dataset_type, collection, timespan, data_ids, symbols)
        })
    }

    fn edit_chain(
        &mut self,
        chain: &str,
        edit: &ChainEdit<'_>,
    ) -> Result<ChainChange, RegistryError> {
        self.guarded("edit_chain", |this| this.write_chain(chain, edit))
    }

    fn document(&mut self, collection: &str, doc: Option<&str>) -> Result<(), RegistryError> {
        self.guarded("document", |this| document(&this.source, collection, doc))
    }

    fn remove_collections(
        &mut self,
        names: &[String],
        unlink: bool,
    ) -> Result<RemovedCollections, RegistryError> {
        self.guarded("remove_collections", |this| remove_collections(&this.source, names, unlink))
    }

    fn remove_runs(
        &mut self,
        names: &[String],
        unlink: bool,
    ) -> Result<RemovedCollections, RegistryError> {
        self.guarded("remove_runs", |this| remove_runs(&this.source, this.datastore, names, unlink))
    }

    fn trash_datasets(&mut self, id: &[[u8; 16]]) -> Result<u64, RegistryError> {
        self.guarded("trash_datasets", |this| trash_datasets(&this.source, this.datastore, id))
    }

    fn remove_datasets(&mut self, id: &[[u8; 16]]) -> Result<u64, RegistryError> {
        self.guarded("remove_datasets", |this| remove_datasets(&this.source, id))
    }

    fn trash(&mut self, most: u32) -> Result<Trash, RegistryError> {
        read_trash(&self.source, self.datastore, most)
    }

    fn forget_trash(&mut self, id: &[[u8; 16]]) -> Result<u64, RegistryError> {
        self.guarded("forget_trash", |this| forget_trash(&this.source, this.datastore, id))
    }

    fn record_sizes(&mut self, sizes: &[TrueSize<'_>]) -> Result<u64, RegistryError> {
        self.guarded("record_sizes", |this| record_sizes(&this.source, this.datastore, sizes))
    }

    fn record_locations(&mut self, id: &[[u8; 16]]) -> Result<u64, RegistryError> {
        self.guarded("record_locations", |this| record_locations(&this.source, this.datastore, id))
    }

    fn commit(self: Box<Self>) -> Result<(), RegistryError> {
        if let Some(operation) = self.failed {
            return Err(RegistryError::Aborted { operation });
        }
        self.source.commit()
    }
}
