//! What a personal repository must be able to take.

use std::sync::Arc;

use qbb_dimensions::{DatasetType, RecordTable, Symbols, Timespan, Universe};

use crate::changes::{
    Association, ChainChange, ChainEdit, DataIdColumns, DatasetBatch, Decertified, NewCollection,
    RemovedCollections, Trash, TrueSize,
};
use crate::error::RegistryError;

/// A repository that can be written.
pub trait RegistryWriter: Send {
    /// The repository's universe.
    fn universe(&self) -> &Arc<Universe>;

    /// Begins the one transaction in which a transfer happens. Dropping it undoes everything.
    ///
    /// # Errors
    /// If the repository cannot be written, or somebody else is writing for too long.
    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>, RegistryError>;

    /// The same for a transaction that changes much, as a transfer does: where large changes of a
    /// database cost more than a copy of it, as on network file systems, it happens in a copy.
    ///
    /// # Errors
    /// As [`RegistryWriter::begin`].
    fn begin_large(&mut self) -> Result<Box<dyn Transaction + '_>, RegistryError> {
        self.begin()
    }
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
    ) -> Result<u64, RegistryError>;

    /// Registers dataset types with their dimension groups and tables.
    ///
    /// # Errors
    /// If one is registered with another definition.
    fn register_dataset_types(
        &mut self,
        dataset_types: &[DatasetType],
    ) -> Result<u64, RegistryError>;

    /// Registers collections; children of chains must be registered or in the same list.
    /// An existing chain keeps its children.
    ///
    /// # Errors
    /// If one exists with another type.
    fn register_collections(&mut self, collections: &[NewCollection])
    -> Result<u64, RegistryError>;

    /// Names of a CHAINED collection's direct children in search order; `None` if there is no
    /// collection of that name.
    ///
    /// # Errors
    /// If it exists and is not CHAINED.
    fn chain_children(&mut self, chain: &str) -> Result<Option<Vec<String>>, RegistryError>;

    /// Puts `children` in front of a CHAINED collection, moving those already in it.
    ///
    /// # Errors
    /// If a collection does not exist or a cycle would arise.
    fn prepend_to_chain(&mut self, chain: &str, children: &[String]) -> Result<(), RegistryError>;

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
    ) -> Result<u64, RegistryError> {
        self.insert_dataset_batches(std::slice::from_ref(batch), symbols)
    }

    /// The same for datasets of several types in several RUNs, in as many statements as for one as
    /// long as their dimensions are the same.
    ///
    /// # Errors
    /// As [`Transaction::insert_datasets`].
    fn insert_dataset_batches(
        &mut self,
        batches: &[DatasetBatch<'_>],
        symbols: &Symbols,
    ) -> Result<u64, RegistryError>;

    /// Forgets where datasets are stored, so that other files can be recorded. Those that are not
    /// stored are passed over. Returns the number of records that were deleted.
    ///
    /// # Errors
    /// If the database cannot.
    fn forget_files(&mut self, id: &[[u8; 16]]) -> Result<u64, RegistryError>;

    /// Makes the size of a file unknown for all datasets that are in it, so that it can be replaced
    /// without any moment in which its recorded size is wrong. The path is as in its records.
    /// Returns the number of records that were changed.
    ///
    /// # Errors
    /// If the database cannot.
    fn forget_file_size(&mut self, path: &str) -> Result<u64, RegistryError>;

    /// Associates datasets with a TAGGED collection, or certifies them in a CALIBRATION one.
    /// Returns the number of associations that were new.
    ///
    /// # Errors
    /// If a dataset is not registered with this type and data ID.
    /// If another dataset holds the same data ID there (for an overlapping validity range).
    fn associate(
        &mut self,
        association: &Association<'_>,
        symbols: &Symbols,
    ) -> Result<u64, RegistryError> {
        self.associate_all(std::slice::from_ref(association), symbols)
    }

    /// The same for datasets of several types and several collections, in as many statements as for
    /// one as long as their dimensions are the same.
    ///
    /// # Errors
    /// As [`Transaction::associate`].
    fn associate_all(
        &mut self,
        associations: &[Association<'_>],
        symbols: &Symbols,
    ) -> Result<u64, RegistryError>;

    /// Removes datasets of one type from a TAGGED collection; those not in it are passed over.
    /// Returns the number of memberships that ended.
    ///
    /// # Errors
    /// If the collection is not TAGGED.
    fn disassociate(
        &mut self,
        dataset_type: &str,
        collection: &str,
        id: &[[u8; 16]],
    ) -> Result<u64, RegistryError>;

    /// Takes a validity range away from the certifications of a dataset type in a CALIBRATION
    /// collection, of all data IDs or of those given: certifications inside of the range go,
    /// others are shortened, and those that reach over both of its ends are split.
    ///
    /// # Errors
    /// If the collection is not CALIBRATION, the dataset type no calibration, or the range empty.
    fn decertify(
        &mut self,
        dataset_type: &str,
        collection: &str,
        timespan: Timespan,
        data_ids: Option<DataIdColumns<'_>>,
        symbols: &Symbols,
    ) -> Result<Decertified, RegistryError>;

    /// Edits the children of a CHAINED collection and keeps others from doing so until the end of
    /// the transaction.
    ///
    /// # Errors
    /// If the chain or a child does not exist, the collection is not CHAINED, or a cycle would
    /// arise.
    fn edit_chain(
        &mut self,
        chain: &str,
        edit: &ChainEdit<'_>,
    ) -> Result<ChainChange, RegistryError>;

    /// Sets or deletes the documentation of a collection.
    ///
    /// # Errors
    /// If it does not exist.
    fn document(&mut self, collection: &str, doc: Option<&str>) -> Result<(), RegistryError>;

    /// Removes TAGGED, CALIBRATION and CHAINED collections with all memberships in them; datasets
    /// stay. Names without a collection are passed over. With `unlink` they are taken out of the
    /// chains that hold them.
    ///
    /// # Errors
    /// If one is a RUN.
    /// [`InUse`](RegistryError::InUse) if one is in a chain that stays, without `unlink`.
    fn remove_collections(
        &mut self,
        names: &[String],
        unlink: bool,
    ) -> Result<RemovedCollections, RegistryError>;

    /// Removes RUN collections with their datasets and all memberships of these; the files go to
    /// the trash. Names without a collection are passed over. With `unlink` the RUNs are taken out
    /// of the chains that hold them.
    ///
    /// # Errors
    /// If one is no RUN.
    /// [`InUse`](RegistryError::InUse) if one is in a chain, without `unlink`, or another
    /// datastore holds a dataset.
    fn remove_runs(
        &mut self,
        names: &[String],
        unlink: bool,
    ) -> Result<RemovedCollections, RegistryError>;

    /// Moves datasets to the trash of the datastore: from now on they are not stored, and whoever
    /// empties the trash deletes their files. Those that are not stored are passed over. Returns
    /// the number of those that were.
    ///
    /// # Errors
    /// If the database cannot.
    fn trash_datasets(&mut self, id: &[[u8; 16]]) -> Result<u64, RegistryError>;

    /// Removes datasets with all their memberships. Those that are not there are passed over.
    /// Returns the number of those that were.
    ///
    /// # Errors
    /// [`InUse`](RegistryError::InUse) if one is stored.
    fn remove_datasets(&mut self, id: &[[u8; 16]]) -> Result<u64, RegistryError>;

    /// Looks at up to `most` datasets in the datastore's trash, of which no other process may be
    /// deleting the files.
    ///
    /// # Errors
    /// If the database cannot.
    fn trash(&mut self, most: u32) -> Result<Trash, RegistryError>;

    /// Forgets datasets in the trash whose files are deleted, with their records. Returns the
    /// number of datasets.
    ///
    /// # Errors
    /// If the database cannot.
    fn forget_trash(&mut self, id: &[[u8; 16]]) -> Result<u64, RegistryError>;

    /// Records sizes of files where none was known. Returns the number of records.
    ///
    /// # Errors
    /// If the database cannot.
    fn record_sizes(&mut self, sizes: &[TrueSize<'_>]) -> Result<u64, RegistryError>;

    /// Says of registered datasets with records that they are stored. Returns the number of those
    /// of which that was not said.
    ///
    /// # Errors
    /// If the database cannot.
    fn record_locations(&mut self, id: &[[u8; 16]]) -> Result<u64, RegistryError>;

    /// Makes everything visible at once.
    ///
    /// # Errors
    /// If the database cannot; nothing was changed then.
    fn commit(self: Box<Self>) -> Result<(), RegistryError>;
}
