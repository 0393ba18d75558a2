//! What a personal repository must be able to take.

use std::sync::Arc;

use qbb_dimensions::{DatasetType, RecordTable, Symbols, Timespan, Universe};

use crate::collection::CollectionKind;

/// A repository that can be written.
pub trait RegistryWriter: Send {
    /// The repository's universe.
    fn universe(&self) -> &Arc<Universe>;

    /// Begins the one transaction in which a transfer happens. Dropping it undoes everything.
    ///
    /// # Errors
    /// If the repository cannot be written, or somebody else is writing for too long.
    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>, crate::RegistryError>;
}

/// A write transaction. Every insertion of what is there already, unchanged, is a no-op; a
/// different definition under the same key is an error that leaves the repository untouched:
/// after a failed insertion the transaction can only be dropped.
pub trait Transaction {
    /// Inserts dimension records with their skypix overlaps; elements may come in any order, and
    /// those without a table of their own are passed over. The tables must be of the repository's
    /// universe. Returns the number of records that were new.
    ///
    /// # Errors
    /// If a record contradicts an existing one or refers to what is not there.
    fn insert_records(
        &mut self,
        tables: &[RecordTable],
        symbols: &Symbols,
    ) -> Result<u64, crate::RegistryError>;

    /// Registers dataset types with their dimension groups and tables.
    ///
    /// # Errors
    /// If one is registered with another definition.
    fn register_dataset_types(
        &mut self,
        dataset_types: &[DatasetType],
    ) -> Result<u64, crate::RegistryError>;

    /// Registers collections; children of chains must be registered or in the same list.
    /// An existing chain keeps its children.
    ///
    /// # Errors
    /// If one exists with another type.
    fn register_collections(
        &mut self,
        collections: &[NewCollection],
    ) -> Result<u64, crate::RegistryError>;

    /// Names of a CHAINED collection's direct children in search order; `None` if there is no
    /// collection of that name.
    ///
    /// # Errors
    /// If it exists and is not CHAINED.
    fn chain_children(&mut self, chain: &str) -> Result<Option<Vec<String>>, crate::RegistryError>;

    /// Puts `children` in front of a CHAINED collection, moving those already in it.
    ///
    /// # Errors
    /// If a collection does not exist or a cycle would arise.
    fn prepend_to_chain(
        &mut self,
        chain: &str,
        children: &[String],
    ) -> Result<(), crate::RegistryError>;

    /// Inserts datasets of one type into one RUN with summaries, tags, locations and records.
    /// Files of datasets that are known already are recorded too. Returns the number of datasets
    /// that were new.
    ///
    /// # Errors
    /// If a UUID exists with other contents, or the data ID exists in the RUN with another UUID.
    fn insert_datasets(
        &mut self,
        batch: &DatasetBatch<'_>,
        symbols: &Symbols,
    ) -> Result<u64, crate::RegistryError>;

    /// Forgets where datasets are stored, so that other files can be recorded. Those that are not
    /// stored are passed over. Returns the number of records that were deleted.
    ///
    /// # Errors
    /// If the database cannot.
    fn forget_files(&mut self, id: &[[u8; 16]]) -> Result<u64, crate::RegistryError>;

    /// Associates datasets with TAGGED collections, or certifies them in CALIBRATION ones.
    /// Returns the number of associations that were new.
    ///
    /// # Errors
    /// If a dataset is not registered with this type and data ID.
    /// If another dataset holds the same data ID there (for an overlapping validity range).
    fn associate(
        &mut self,
        association: &Association<'_>,
        symbols: &Symbols,
    ) -> Result<u64, crate::RegistryError>;

    /// Makes everything visible at once.
    ///
    /// # Errors
    /// If the database cannot; nothing was changed then.
    fn commit(self: Box<Self>) -> Result<(), crate::RegistryError>;
}

/// A collection to register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCollection {
    /// Name.
    pub name: String,
    /// Type.
    pub kind: CollectionKind,
    /// Documentation.
    pub doc: Option<String>,
    /// Children of a CHAINED collection, in search order.
    pub children: Vec<String>,
}

/// Datasets of one type in one RUN, as columns.
#[derive(Debug, Clone, Copy)]
pub struct DatasetBatch<'a> {
    /// Name of the dataset type.
    pub dataset_type: &'a str,
    /// Name of the RUN.
    pub run: &'a str,
    /// One column of cells for each required dimension.
    pub keys: &'a [Vec<i64>],
    /// Dataset UUIDs.
    pub id: &'a [[u8; 16]],
    /// Stored files with the position in `id` of their dataset; datasets without one are
    /// recorded but not stored.
    pub files: &'a [(u32, StoredFile)],
}

/// A row of the datastore's record table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Relative to the datastore root, or an absolute URI.
    pub path: String,
    /// Formatter class path.
    pub formatter: String,
    /// Storage class as written.
    pub storage_class: String,
    /// Component; `None` for the whole dataset.
    pub component: Option<String>,
    /// Checksum.
    pub checksum: Option<String>,
    /// Size in bytes; −1 is unknown.
    pub file_size: i64,
}

/// Memberships of datasets of one type in one TAGGED or CALIBRATION collection.
#[derive(Debug, Clone, Copy)]
pub struct Association<'a> {
    /// Name of the dataset type.
    pub dataset_type: &'a str,
    /// Name of the collection.
    pub collection: &'a str,
    /// One column of cells for each required dimension.
    pub keys: &'a [Vec<i64>],
    /// Dataset UUIDs.
    pub id: &'a [[u8; 16]],
    /// Validity ranges, for CALIBRATION collections.
    pub timespan: Option<&'a [Timespan]>,
}
