//! The one consumer of contents: writes them in a transaction.

use qbb_dimensions::Symbols;
use qbb_registry::{Association, DatasetBatch, StoredFile, Transaction};
use serde::Serialize;

use crate::contents::{BATCH, DatasetColumns, Definitions, MemberColumns};
use crate::error::TransferError;
use crate::interruption::check_interruption;

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
        self.all_datasets(std::slice::from_ref(datasets), symbols)
    }

    /// The same for datasets of any types in any RUNs, of which as many as make a batch are inserted
    /// at once.
    ///
    /// # Errors
    /// As [`Insertion::datasets`].
    pub fn all_datasets(
        &mut self,
        datasets: &[DatasetColumns],
        symbols: &Symbols,
    ) -> Result<(), TransferError> {
        for datasets in in_batches(datasets, DatasetColumns::len) {
            let files: Vec<Vec<(u32, StoredFile)>> = (datasets.iter())
                .map(|datasets| datasets.files.iter().map(|(at, file)| (at, file.into())).collect())
                .collect();
            let batches: Vec<DatasetBatch<'_>> = (datasets.iter().zip(&files))
                .map(|(datasets, files)| DatasetBatch {
                    dataset_type: &datasets.dataset_type,
                    run: &datasets.run,
                    keys: &datasets.keys,
                    id: &datasets.id,
                    files,
                })
                .collect();
            check_interruption()?;
            self.report.datasets_inserted +=
                self.transaction.insert_dataset_batches(&batches, symbols)?;
            self.report.datasets += datasets.iter().map(|d| d.len() as u64).sum::<u64>();
        }
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

    /// Associates datasets with TAGGED collections, or certifies them in CALIBRATION ones.
    ///
    /// # Errors
    /// If one is not registered, or another dataset has its place.
    pub fn members(
        &mut self,
        members: &[MemberColumns],
        symbols: &Symbols,
    ) -> Result<(), TransferError> {
        for members in in_batches(members, |members| members.id.len()) {
            let associations: Vec<Association<'_>> = (members.iter())
                .map(|members| Association {
                    dataset_type: &members.dataset_type,
                    collection: &members.collection,
                    keys: &members.keys,
                    id: &members.id,
                    timespan: members.timespan.as_deref(),
                })
                .collect();
            self.report.associations_inserted +=
                self.transaction.associate_all(&associations, symbols)?;
        }
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

/// Neighbours that together have at most as many rows as make a batch.
fn in_batches<T>(mut groups: &[T], len: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut batches = Vec::new();
    while !groups.is_empty() {
        let mut room = BATCH;
        let end = groups.iter().position(|group| match room.checked_sub(len(group)) {
            Some(left) => {
                room = left;
                false
            }
            None => true,
        });
        let (batch, rest) = groups.split_at(end.unwrap_or(groups.len()).max(1));
        batches.push(batch);
        groups = rest;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_a_batch_as_long_as_there_is_room() {
        let lengths = [10, 0, BATCH - 10, 1, BATCH + 1, BATCH, 1];
        let batches = in_batches(&lengths, |length| *length);
        let expected: [&[usize]; 5] = [&[10, 0, BATCH - 10], &[1], &[BATCH + 1], &[BATCH], &[1]];
        assert_eq!(batches, expected);
        assert!(in_batches(&[], |length| *length).is_empty());
    }
}
