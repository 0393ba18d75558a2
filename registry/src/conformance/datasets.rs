//! Datasets: imported again, imported differently, and their files.

use super::RepositoryUnderTest;
use super::sample::{Sample, file, id};
use crate::changes::{Association, DatasetBatch, StoredFile};
use crate::error::{Conflict, ConflictKind, RegistryError};
use crate::writer::RegistryWriter;

fn conflict(error: RegistryError) -> Conflict {
    match error {
        RegistryError::Conflict(conflict) => *conflict,
        other => panic!("{other}"),
    }
}

pub(super) fn check(repository: &dyn RepositoryUnderTest, mut sample: Sample) {
    let mut writer = repository.writer();
    let mut transaction = writer.begin().unwrap();
    assert_eq!(sample.insert_all(&mut *transaction), 19 + 6 + 6 + 9 + 3);
    assert_eq!(sample.insert_all(&mut *transaction), 0, "nothing is new");
    transaction.commit().unwrap();
    check_contradictions(&mut *writer, &mut sample);
    check_files(repository, &mut *writer, &mut sample);
}

/// Inserts datasets without files, and undoes it.
fn insert(
    writer: &mut dyn RegistryWriter,
    sample: &Sample,
    (run, dataset_type): (&str, &str),
    keys: &[Vec<i64>],
    id: &[[u8; 16]],
) -> Result<u64, RegistryError> {
    let batch = DatasetBatch { dataset_type, run, keys, id, files: &[] };
    writer.begin()?.insert_datasets(&batch, &sample.symbols)
}

fn check_contradictions(writer: &mut dyn RegistryWriter, sample: &mut Sample) {
    let keys = sample.image_keys();
    // The same UUIDs with other data IDs, in another run, of another type.
    let shifted = [keys[0].clone(), vec![1, 0, 0], keys[2].clone()];
    let ids = [id(10), id(11), id(12)];
    for (run, dataset_type, keys) in
        [("run1", "image", &shifted), ("run2", "image", &keys), ("run1", "mask", &keys)]
    {
        let found = conflict(insert(writer, sample, (run, dataset_type), keys, &ids).unwrap_err());
        assert_eq!(found.kind, ConflictKind::Dataset, "{found}");
        assert!(found.existing.starts_with("image"), "{found}");
        assert!(found.existing.ends_with("in `run1`"), "{found}");
    }
    // The same data IDs with other UUIDs, in the repository and within a batch.
    let others = [id(110), id(111), id(112)];
    let found = conflict(insert(writer, sample, ("run1", "image"), &keys, &others).unwrap_err());
    assert_eq!(found.kind, ConflictKind::DataId);
    assert!(found.existing.contains("019f0000-0000-7000-8000-00000000000a"), "{found}");
    assert!(found.requested.contains("019f0000-0000-7000-8000-00000000006e"), "{found}");
    let same = [keys[0].clone(), vec![1, 1, 1], vec![10; 3]];
    let found = conflict(insert(writer, sample, ("run2", "mask"), &same, &others).unwrap_err());
    assert_eq!(found.kind, ConflictKind::DataId);
    // A batch may name a dataset twice, if it says the same of it.
    let twice = [id(120), id(120), id(121)];
    let repeated = [keys[0].clone(), vec![0, 0, 1], vec![11; 3]];
    assert_eq!(insert(writer, sample, ("run2", "mask"), &repeated, &twice).unwrap(), 2);

    let unknown = [keys[0].clone(), vec![0, 1, 9], keys[2].clone()];
    match insert(writer, sample, ("run1", "mask"), &unknown, &others).unwrap_err() {
        RegistryError::MissingRecord { dimension, data_id, .. } => {
            assert_eq!(dimension, "sensor");
            assert_eq!(data_id, "{telescope: 'T1', sensor: 9}");
        }
        other => panic!("{other}"),
    }
    let error = insert(writer, sample, ("tag", "mask"), &keys, &others).unwrap_err();
    assert!(matches!(error, RegistryError::WrongCollectionKind { .. }), "{error}");
    let error = insert(writer, sample, ("run1", "mask"), &keys[..2], &others).unwrap_err();
    assert!(matches!(error, RegistryError::Invalid { .. }), "{error}");
    let error = insert(writer, sample, ("run1", "mask"), &keys, &others[..2]).unwrap_err();
    assert!(matches!(error, RegistryError::Invalid { .. }), "{error}");

    // In TAGGED collections, too, a data ID belongs to one dataset.
    let first = keys.clone().map(|column| column[..1].to_vec());
    let mut tag = |id: [u8; 16], keys: &[Vec<i64>]| {
        let association = Association {
            dataset_type: "image",
            collection: "tag",
            keys,
            id: &[id],
            timespan: None,
        };
        writer.begin().unwrap().associate(&association, &sample.symbols)
    };
    assert_eq!(conflict(tag(id(10), &first).unwrap_err()).kind, ConflictKind::DataId);
    let wrong = keys.clone().map(|column| column[1..2].to_vec());
    assert_eq!(conflict(tag(id(10), &wrong).unwrap_err()).kind, ConflictKind::Dataset);
    let error = tag(id(99), &first).unwrap_err();
    assert!(matches!(error, RegistryError::Invalid { .. }), "{error}");
}

fn check_files(
    repository: &dyn RepositoryUnderTest,
    writer: &mut dyn RegistryWriter,
    sample: &mut Sample,
) {
    let keys = sample.image_keys().map(|column| column[2..].to_vec());
    let store = |writer: &mut dyn RegistryWriter, sample: &Sample, stored: StoredFile| {
        let files = [(0, stored)];
        let batch = DatasetBatch {
            dataset_type: "image",
            run: "run1",
            keys: &keys,
            id: &[id(12)],
            files: &files,
        };
        let mut transaction = writer.begin()?;
        let new = transaction.insert_datasets(&batch, &sample.symbols)?;
        transaction.commit()?;
        Ok(new)
    };
    // A dataset that was known may become stored; what is unknown about a file contradicts nothing.
    for stored in [
        file("run1/c", None, None, 7),
        file("run1/c", None, None, -1),
        file("run1/c", None, Some("aa"), 7),
    ] {
        let new: Result<u64, RegistryError> = store(writer, sample, stored);
        assert_eq!(new.unwrap(), 0, "the dataset itself is not new");
    }
    for stored in [file("run1/d", None, None, 7), file("run1/c", None, None, 8)] {
        let found = conflict(store(writer, sample, stored).unwrap_err());
        assert_eq!(found.kind, ConflictKind::DatastoreRecord);
    }
    let error = store(writer, sample, file("run1/c", Some(""), None, 7)).unwrap_err();
    assert!(matches!(error, RegistryError::Invalid { .. }), "{error}");

    let mut reader = repository.reader();
    let mut snapshot = reader.snapshot().unwrap();
    let found = snapshot.datastore_records_of(&[id(12)], &mut sample.symbols).unwrap();
    assert_eq!(found.file_size, [7]);
    assert_eq!(&*found.path[0], "run1/c");
    assert_eq!(found.checksum, [None]);
    drop(snapshot);
    drop(reader);

    let mut transaction = writer.begin().unwrap();
    assert_eq!(transaction.forget_file_size("run1/elsewhere").unwrap(), 0);
    assert_eq!(transaction.forget_file_size("run1/c").unwrap(), 1);
    assert_eq!(transaction.forget_file_size("run1/c").unwrap(), 0, "it is unknown already");
    transaction.commit().unwrap();
    let mut reader = repository.reader();
    let mut snapshot = reader.snapshot().unwrap();
    let found = snapshot.datastore_records_of(&[id(12)], &mut sample.symbols).unwrap();
    assert_eq!((&*found.path[0], found.file_size[0]), ("run1/c", -1));
}
