//! The one consumer of contents: writes them in a transaction.

use qbb_dimensions::Symbols;
use qbb_registry::{Association, DatasetBatch, StoredFile, Transaction};
use serde::Serialize;

use crate::contents::{DatasetColumns, Definitions, MemberColumns};
use crate::error::TransferError;

/// What was inserted. What was there already is not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct InsertionReport {
    /// Datasets that were handed over, known ones too.
    pub datasets: u64,
    /// Datasets that were new to the registry.
    pub datasets_inserted: u64,
    /// Dimension records that were new.
    pub records_inserted: u64,
    /// Dataset types that were new.
    pub dataset_types_registered: u64,
    /// Collections that were new.
    pub collections_registered: u64,
    /// TAGGED and CALIBRATION memberships that were new.
    pub associations_inserted: u64,
}

/// Contents on their way into a transaction, which whoever began it commits.
///
/// Files are recorded as they are given: a relative path must be in the repository's datastore
/// already, see [`Placement`](crate::Placement).
pub struct Insertion<'t> {
    transaction: &'t mut dyn Transaction,
    report: InsertionReport,
}

impl<'t> Insertion<'t> {
    /// Nothing inserted yet.
    pub fn new(transaction: &'t mut dyn Transaction) -> Self {
        Self { transaction, report: InsertionReport::default() }
    }

    /// Inserts dimension records and registers dataset types and collections.
    ///
    /// # Errors
    /// If one is registered with another definition, or refers to what is not there.
    pub fn define(
        &mut self,
        definitions: &Definitions<'_>,
        symbols: &Symbols,
    ) -> Result<(), TransferError> {
        let Self { transaction, report } = self;
        report.records_inserted += transaction.insert_records(&definitions.records, symbols)?;
        report.dataset_types_registered +=
            transaction.register_dataset_types(&definitions.dataset_types)?;
        report.collections_registered +=
            transaction.register_collections(&definitions.collections)?;
        Ok(())
    }

    /// Inserts datasets with the records of their files.
    ///
    /// # Errors
    /// If a UUID is that of something else, or the RUN has another dataset with a data ID.
    pub fn datasets(
        &mut self,
        datasets: &DatasetColumns,
        symbols: &Symbols,
    ) -> Result<(), TransferError> {
        let files: Vec<(u32, StoredFile)> =
            datasets.files.iter().map(|(dataset, file)| (dataset, file.into())).collect();
        let batch = DatasetBatch {
            dataset_type: &datasets.dataset_type,
            run: &datasets.run,
            keys: &datasets.keys,
            id: &datasets.id,
            files: &files,
        };
        self.report.datasets_inserted += self.transaction.insert_datasets(&batch, symbols)?;
        self.report.datasets += datasets.len() as u64;
        Ok(())
    }

    /// Forgets where datasets are stored, before they are inserted with other files.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn forget_files(&mut self, id: &[[u8; 16]]) -> Result<(), TransferError> {
        if !id.is_empty() {
            self.transaction.forget_files(id)?;
        }
        Ok(())
    }

    /// Associates datasets with a TAGGED collection, or certifies them in a CALIBRATION one.
    ///
    /// # Errors
    /// If one is not registered, or another dataset has its place.
    pub fn members(
        &mut self,
        members: &MemberColumns,
        symbols: &Symbols,
    ) -> Result<(), TransferError> {
        let association = Association {
            dataset_type: &members.dataset_type,
            collection: &members.collection,
            keys: &members.keys,
            id: &members.id,
            timespan: members.timespan.as_deref(),
        };
        self.report.associations_inserted += self.transaction.associate(&association, symbols)?;
        Ok(())
    }

    /// The transaction, for what contents do not say.
    pub fn transaction(&mut self) -> &mut dyn Transaction {
        self.transaction
    }

    /// What was inserted.
    pub fn report(&self) -> InsertionReport {
        self.report
    }
}
