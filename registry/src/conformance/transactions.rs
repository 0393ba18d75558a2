//! What is visible when, and what a failure leaves behind.

use super::RepositoryUnderTest;
use super::sample::{Sample, id};
use crate::changes::DatasetBatch;
use crate::error::RegistryError;

pub(super) fn check(repository: &dyn RepositoryUnderTest, mut sample: Sample) {
    let mut reader = repository.reader();
    let mut writer = repository.writer();
    let is_empty = |reader: &mut dyn crate::RegistryReader| {
        let mut snapshot = reader.snapshot().unwrap();
        let types = snapshot.dataset_types().unwrap().is_empty();
        types && snapshot.collections().unwrap().collections.is_empty()
    };

    let mut transaction = writer.begin().unwrap();
    sample.insert_all(&mut *transaction);
    drop(transaction);
    assert!(is_empty(&mut *reader), "a dropped transaction leaves nothing");

    // A dataset that fails leaves nothing of the whole transaction, even if nobody looked.
    let mut transaction = writer.begin().unwrap();
    sample.insert_all(&mut *transaction);
    let keys = sample.image_keys();
    let batch = DatasetBatch {
        dataset_type: "image",
        run: "run1",
        keys: &keys,
        id: &[id(110), id(111), id(112)],
        files: &[],
    };
    transaction.insert_datasets(&batch, &sample.symbols).unwrap_err();
    let later = transaction.register_collections(&Sample::collections()).unwrap_err();
    assert!(matches!(later, RegistryError::Aborted { operation: "insert_datasets" }), "{later}");
    let late = transaction.commit().unwrap_err();
    assert!(matches!(late, RegistryError::Aborted { operation: "insert_datasets" }), "{late}");
    assert!(is_empty(&mut *reader));

    let mut transaction = writer.begin().unwrap();
    sample.insert_all(&mut *transaction);
    assert!(is_empty(&mut *reader), "nothing is visible before the commit");
    transaction.commit().unwrap();
    assert!(!is_empty(&mut *reader), "and all of it after");
}
