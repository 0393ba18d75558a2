//! Datasets and collections that are removed, and the trash.

use super::RepositoryUnderTest;
use super::sample::{Sample, file, id};
use crate::changes::{DatasetBatch, Trash, TrueSize};
use crate::error::RegistryError;
use crate::reader::DatastoreContents;
use crate::writer::RegistryWriter;

fn contents(repository: &dyn RepositoryUnderTest) -> DatastoreContents {
    repository.reader().snapshot().unwrap().datastore_contents().unwrap()
}

/// Last bytes of UUIDs, sorted.
fn numbers(id: &[[u8; 16]]) -> Vec<u8> {
    let mut numbers: Vec<u8> = id.iter().map(|id| id[15]).collect();
    numbers.sort_unstable();
    numbers
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn collections(repository: &dyn RepositoryUnderTest) -> Vec<String> {
    let catalog = repository.reader().snapshot().unwrap().collections().unwrap();
    catalog.collections.into_iter().map(|collection| collection.name).collect()
}

/// Paths in the trash, those that others need, too, with an exclamation mark.
fn paths(trash: &Trash) -> Vec<String> {
    let show = |shared: bool| if shared { "!" } else { "" };
    let mut paths: Vec<String> =
        trash.files.iter().map(|file| format!("{}{}", file.path, show(file.shared))).collect();
    paths.sort_unstable();
    paths
}

pub(super) fn check(repository: &dyn RepositoryUnderTest, mut sample: Sample) {
    let mut writer = repository.writer();
    sample.fill(&mut *writer);
    check_datasets(repository, &mut *writer);
    check_shared_files(&mut *writer, &mut sample);
    check_collections(repository, &mut *writer);
    check_repairs(repository, &mut *writer);
}

fn check_datasets(repository: &dyn RepositoryUnderTest, writer: &mut dyn RegistryWriter) {
    // Stored datasets cannot be removed before they are in the trash.
    let error = writer.begin().unwrap().remove_datasets(&[id(10)]).unwrap_err();
    assert!(matches!(error, RegistryError::InUse { .. }), "{error}");

    let doomed = [id(10), id(12), id(99)];
    let mut transaction = writer.begin().unwrap();
    assert_eq!(transaction.trash_datasets(&doomed).unwrap(), 1);
    assert_eq!(transaction.trash_datasets(&doomed).unwrap(), 0, "it is there already");
    assert_eq!(transaction.remove_datasets(&doomed).unwrap(), 2);
    transaction.commit().unwrap();
    let after = contents(repository);
    assert_eq!(numbers(&after.registered), [1, 11, 20, 21, 22, 30, 31]);
    assert_eq!((numbers(&after.located), numbers(&after.trashed)), (vec![11, 20, 21], vec![10]));
    assert_eq!(numbers(&after.id), [10, 10, 11, 20, 20, 21], "records stay until files are gone");

    let mut transaction = writer.begin().unwrap();
    let trash = transaction.trash(10).unwrap();
    assert_eq!((trash.id.as_slice(), trash.stored_again.as_slice()), (&[id(10)][..], &[][..]));
    assert_eq!(paths(&trash), ["run1/a.pixels", "run1/a.wcs"]);
    assert_eq!(transaction.forget_trash(&trash.id).unwrap(), 1);
    assert_eq!(transaction.trash(10).unwrap(), Trash::default());
    transaction.commit().unwrap();
    assert_eq!(numbers(&contents(repository).id), [11, 20, 20, 21]);

    // What is only taken out of the datastore stays registered.
    let mut transaction = writer.begin().unwrap();
    assert_eq!(transaction.trash_datasets(&[id(11)]).unwrap(), 1);
    assert_eq!(transaction.forget_trash(&[id(11)]).unwrap(), 1);
    transaction.commit().unwrap();
    let after = contents(repository);
    assert!(after.registered.contains(&id(11)) && !after.id.contains(&id(11)));
}

fn check_shared_files(writer: &mut dyn RegistryWriter, sample: &mut Sample) {
    let keys = sample.image_keys();
    let ids = [id(50), id(51), id(52)];
    let mut transaction = writer.begin().unwrap();
    let files = [
        (0, file("one%.json", None, None, 1)),
        (1, file("one%.json", None, None, 1)),
        (2, file("z_.zip#zip-path=a", None, None, 1)),
    ];
    let batch =
        DatasetBatch { dataset_type: "mask", run: "run1", keys: &keys, id: &ids, files: &files };
    transaction.insert_datasets(&batch, &sample.symbols).unwrap();
    let others = [id(60), id(61), id(62)];
    let files = [
        (0, file("z_.zip#zip-path=b", None, None, 1)),
        (1, file("zz.zip#zip-path=b", None, None, 1)),
        (2, file("one%.jsonl", None, None, 1)),
    ];
    let batch =
        DatasetBatch { dataset_type: "mask", run: "run2", keys: &keys, id: &others, files: &files };
    transaction.insert_datasets(&batch, &sample.symbols).unwrap();
    transaction.commit().unwrap();

    let shared = |writer: &mut dyn RegistryWriter, doomed: &[[u8; 16]]| {
        let mut transaction = writer.begin().unwrap();
        transaction.trash_datasets(doomed).unwrap();
        let trash = transaction.trash(10).unwrap();
        assert_eq!(numbers(&trash.id), numbers(doomed));
        paths(&trash)
    };
    let one = shared(writer, &[id(50), id(52)]);
    assert_eq!(one, ["one%.json!", "z_.zip#zip-path=a!"]);
    let both = shared(writer, &[id(50), id(51), id(52), id(60)]);
    assert_eq!(
        both,
        ["one%.json", "one%.json", "z_.zip#zip-path=a", "z_.zip#zip-path=b"],
        "nobody is left who refers to them"
    );
    // A few at a time.
    let mut transaction = writer.begin().unwrap();
    transaction.trash_datasets(&[id(50), id(51), id(52)]).unwrap();
    let trash = transaction.trash(2).unwrap();
    assert_eq!(numbers(&trash.id), [50, 51]);
    assert_eq!(paths(&trash), ["one%.json", "one%.json"]);
    // What is stored again while it waits is not deleted, and its record stays.
    assert_eq!(transaction.record_locations(&[id(50)]).unwrap(), 1);
    let trash = transaction.trash(2).unwrap();
    assert_eq!(trash.stored_again, [id(50)]);
    assert_eq!(paths(&trash), ["one%.json!"]);
    assert_eq!(transaction.forget_trash(&trash.id).unwrap(), 2);
    transaction.commit().unwrap();
}

fn check_collections(repository: &dyn RepositoryUnderTest, writer: &mut dyn RegistryWriter) {
    let error = writer.begin().unwrap().remove_collections(&names(&["tag"]), false).unwrap_err();
    assert!(error.to_string().contains("in the chain `chain`"), "{error}");
    let error = writer.begin().unwrap().remove_collections(&names(&["run1"]), true).unwrap_err();
    assert!(matches!(error, RegistryError::WrongCollectionKind { .. }), "{error}");
    let error = writer.begin().unwrap().remove_runs(&names(&["tag"]), true).unwrap_err();
    assert!(matches!(error, RegistryError::WrongCollectionKind { .. }), "{error}");
    let error = writer.begin().unwrap().remove_runs(&names(&["run2"]), false).unwrap_err();
    assert!(matches!(error, RegistryError::InUse { .. }), "{error}");

    // A chain that goes with its child holds nobody back.
    let mut transaction = writer.begin().unwrap();
    let removed = transaction.remove_collections(&names(&["chain", "calib", "no"]), true).unwrap();
    assert_eq!((removed.collections, removed.datasets), (2, 0));
    assert_eq!(removed.parents, [("chain".to_owned(), "top".to_owned())]);
    transaction.commit().unwrap();
    assert_eq!(collections(repository), ["run1", "run2", "tag", "top"]);

    let mut transaction = writer.begin().unwrap();
    let removed = transaction.remove_runs(&names(&["run2", "no"]), false).unwrap();
    assert_eq!((removed.collections, removed.datasets, removed.parents.len()), (1, 8, 0));
    assert_eq!(transaction.remove_runs(&names(&["run2"]), false).unwrap().collections, 0);
    transaction.commit().unwrap();
    assert_eq!(collections(repository), ["run1", "tag", "top"]);
    let after = contents(repository);
    assert_eq!(numbers(&after.registered), [1, 11, 50, 51, 52]);
    assert_eq!(numbers(&after.trashed), [20, 21, 52, 60, 61, 62]);

    let mut transaction = writer.begin().unwrap();
    let removed = transaction.remove_runs(&names(&["run1"]), true).unwrap();
    assert_eq!((removed.collections, removed.datasets), (1, 5));
    assert_eq!(transaction.chain_children("top").unwrap().unwrap(), Vec::<String>::new());
}

fn check_repairs(repository: &dyn RepositoryUnderTest, writer: &mut dyn RegistryWriter) {
    let mut transaction = writer.begin().unwrap();
    let trash = transaction.trash(100).unwrap();
    transaction.forget_trash(&trash.id).unwrap();
    let sizes = [
        TrueSize { id: id(50), component: None, size: 7 },
        TrueSize { id: id(50), component: Some("it's none"), size: 8 },
    ];
    assert_eq!(transaction.record_sizes(&sizes).unwrap(), 0, "a size that is known stays");
    assert_eq!(transaction.record_locations(&[id(50), id(11), id(99)]).unwrap(), 0);
    transaction.commit().unwrap();
    let after = contents(repository);
    assert_eq!((numbers(&after.id), after.file_size), (vec![50], vec![1]));
}
