//! What a release must be able to answer.
//!
//! The traits fit a database as well as a server: every call is one statement or request whose
//! result is streamed into columns, and none depends on the number of quanta.

use std::sync::Arc;

use qbb_dimensions::{DataValue, DatasetType, ElementIx, RecordTable, Symbols, Timespan, Universe};

use crate::collection::{CollectionCatalog, CollectionIx};
use crate::filter::Filter;

/// A repository that can be read.
pub trait RegistryReader: Send {
    /// The repository's universe.
    fn universe(&self) -> &Arc<Universe>;

    /// Begins a read transaction in which everything seen is of one moment.
    ///
    /// # Errors
    /// If the repository cannot be reached.
    fn snapshot(&mut self) -> Result<Box<dyn Snapshot + '_>, crate::RegistryError>;
}

/// A consistent view of a repository.
pub trait Snapshot {
    /// All collections and chains.
    ///
    /// # Errors
    /// If the database fails or holds what the schema does not allow.
    fn collections(&mut self) -> Result<CollectionCatalog, crate::RegistryError>;

    /// All registered dataset types, sorted by name.
    ///
    /// # Errors
    /// As for [`Snapshot::collections`].
    fn dataset_types(&mut self) -> Result<Vec<RegisteredDatasetType>, crate::RegistryError>;

    /// For each of the given collections, names of the dataset types that it may contain, sorted.
    /// A chain may contain what its children may.
    ///
    /// # Errors
    /// As for [`Snapshot::collections`].
    fn summaries(
        &mut self,
        catalog: &CollectionCatalog,
        collections: &[CollectionIx],
    ) -> Result<Vec<Vec<String>>, crate::RegistryError>;

    /// For each governor dimension, the values that datasets in the given collections may have, as
    /// summaries say; chains are not followed.
    ///
    /// # Errors
    /// As for [`Snapshot::collections`].
    fn governor_values(
        &mut self,
        catalog: &CollectionCatalog,
        collections: &[CollectionIx],
    ) -> Result<Vec<(ElementIx, Vec<DataValue>)>, crate::RegistryError>;

    /// When the datasets of a type were ingested, TAI nanoseconds.
    ///
    /// # Errors
    /// As for [`Snapshot::collections`], and for old schemas, which have texts instead.
    fn ingest_dates(
        &mut self,
        dataset_type: &RegisteredDatasetType,
    ) -> Result<Vec<([u8; 16], i64)>, crate::RegistryError>;

    /// Records of an element, in the order of the database's keys: rows of its table or, if it is
    /// a view of another element, the distinct values there.
    ///
    /// # Errors
    /// As for [`Snapshot::collections`], and for elements that are computed.
    fn records(
        &mut self,
        element: ElementIx,
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<RecordTable, crate::RegistryError>;

    /// Overlaps of a spatial element with the pixels of the common skypix dimension; a restriction
    /// of that dimension applies to the pixels.
    ///
    /// # Errors
    /// As for [`Snapshot::collections`], and for elements without regions in a table.
    fn overlaps(
        &mut self,
        element: ElementIx,
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<OverlapRows, crate::RegistryError>;

    /// Datasets of a type in RUN and TAGGED collections, of all of them, not find-first. Chains
    /// are not followed; collections of other types have no rows.
    ///
    /// # Errors
    /// As for [`Snapshot::collections`].
    fn datasets(
        &mut self,
        dataset_type: &RegisteredDatasetType,
        catalog: &CollectionCatalog,
        collections: &[CollectionIx],
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<DatasetRows, crate::RegistryError>;

    /// Datasets of a type in CALIBRATION collections, with their validity ranges.
    ///
    /// # Errors
    /// As for [`Snapshot::collections`].
    fn calibrations(
        &mut self,
        dataset_type: &RegisteredDatasetType,
        catalog: &CollectionCatalog,
        collections: &[CollectionIx],
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<CalibrationRows, crate::RegistryError>;

    /// Datastore records of datasets of a type in the given RUN collections; for when most of them
    /// are wanted.
    ///
    /// # Errors
    /// As for [`Snapshot::collections`].
    fn datastore_records(
        &mut self,
        dataset_type: &RegisteredDatasetType,
        catalog: &CollectionCatalog,
        runs: &[CollectionIx],
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<DatastoreRecordRows, crate::RegistryError>;

    /// Datastore records of the given datasets, of whatever types; for when few datasets of a RUN
    /// are wanted. Datasets without records have no rows.
    ///
    /// # Errors
    /// As for [`Snapshot::collections`].
    fn datastore_records_of(
        &mut self,
        datasets: &[[u8; 16]],
        symbols: &mut Symbols,
    ) -> Result<DatastoreRecordRows, crate::RegistryError>;

    /// All that the registry says about files of the datastore.
    ///
    /// # Errors
    /// As for [`Snapshot::collections`].
    fn datastore_contents(&mut self) -> Result<DatastoreContents, crate::RegistryError>;

    /// Number of statements or requests sent so far, for the claim that it does not grow.
    fn statements(&self) -> u64;
}

/// A dataset type and where the database keeps its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredDatasetType {
    /// Key in the database.
    pub id: i64,
    /// The definition.
    pub dataset_type: DatasetType,
    /// Table of its RUN and TAGGED memberships.
    pub tags_table: String,
    /// Table of its certifications, if it is a calibration.
    pub calibs_table: Option<String>,
}

/// Pixels of the common skypix dimension that records' regions may touch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OverlapRows {
    /// One column of cells for each required dimension of the element.
    pub keys: Vec<Vec<i64>>,
    /// Pixel of each row.
    pub pixel: Vec<i64>,
}

/// Memberships in RUN and TAGGED collections.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DatasetRows {
    /// One column of cells for each required dimension of the dataset type.
    pub keys: Vec<Vec<i64>>,
    /// Dataset UUIDs.
    pub id: Vec<[u8; 16]>,
    /// For each row, position in the `collections` argument of the collection it was found in.
    pub rank: Vec<u32>,
    /// The RUN that owns the dataset.
    pub run: Vec<CollectionIx>,
}

/// Certifications in CALIBRATION collections.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CalibrationRows {
    /// The datasets.
    pub datasets: DatasetRows,
    /// Validity range of each row.
    pub timespan: Vec<Timespan>,
}

/// Rows of the datastore's record table, joined with the datastore that holds the dataset.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DatastoreRecordRows {
    /// Dataset UUIDs; a disassembled composite has several rows.
    pub id: Vec<[u8; 16]>,
    /// Datastore names, interned.
    pub datastore: Vec<qbb_dimensions::Symbol>,
    /// Paths as recorded: relative to the datastore root, or absolute URIs.
    pub path: Vec<Box<str>>,
    /// Formatter class paths, interned.
    pub formatter: Vec<qbb_dimensions::Symbol>,
    /// Storage classes as written, interned.
    pub storage_class: Vec<qbb_dimensions::Symbol>,
    /// Component names, interned; `None` for whole datasets.
    pub component: Vec<Option<qbb_dimensions::Symbol>>,
    /// Checksums.
    pub checksum: Vec<Option<Box<str>>>,
    /// Sizes in bytes; −1 is unknown.
    pub file_size: Vec<i64>,
}

/// The datastore's record table beside the registry's tables about stored datasets. All columns
/// but the last four lists have one entry for each record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DatastoreContents {
    /// Dataset UUIDs.
    pub id: Vec<[u8; 16]>,
    /// Paths as recorded: relative to the datastore root, or absolute URIs.
    pub path: Vec<Box<str>>,
    /// Positions of component names; `None` for whole datasets.
    pub component: Vec<Option<u32>>,
    /// Checksums.
    pub checksum: Vec<Option<Box<str>>>,
    /// Sizes in bytes; −1 is unknown.
    pub file_size: Vec<i64>,
    /// Names of components.
    pub components: Vec<Box<str>>,
    /// Datasets that are said to be stored in the datastore.
    pub located: Vec<[u8; 16]>,
    /// Datasets in its trash.
    pub trashed: Vec<[u8; 16]>,
    /// All datasets of the repository.
    pub registered: Vec<[u8; 16]>,
}
