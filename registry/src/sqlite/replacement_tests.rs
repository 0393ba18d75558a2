//! Large transactions in a copy of the file.

use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use super::tests::{TemporaryRepository, filled, run};
use crate::conformance::{Sample, check_reading};
use crate::{RegistryError, RegistryReader as _, RegistryWriter as _};

/// As on network file systems: in a copy that takes the file's place.
#[test]
fn a_copy_takes_the_place_of_the_file_at_once() {
    let repository = TemporaryRepository::new(Sample::new().universe());
    let mut sample = Sample::new();
    let (mut writer, mut other) = (repository.write(), repository.write());
    writer.write_in_copy_for_test();
    other.set_wait(Duration::from_millis(100)).unwrap();
    // A group that others share; only a privileged account may choose any.
    let file = repository.database();
    let _ = std::os::unix::fs::chown(&file, None, Some(1));
    let shared = || std::fs::metadata(&file).map(|found| (found.uid(), found.gid())).unwrap();
    let owners = shared();
    let mut reader = repository.read();
    let before = reader.snapshot().unwrap();
    let mut transaction = writer.begin_large().unwrap();
    sample.insert_all(&mut *transaction);
    // Others know nothing of it, and may not write.
    assert!(repository.read().snapshot().unwrap().collections().unwrap().collections.is_empty());
    let error = other.begin().err().unwrap();
    assert!(matches!(error, RegistryError::Busy { .. }), "{error}");
    transaction.commit().unwrap();
    assert_eq!(repository.files(), ["butler.yaml", "gen3.sqlite3"]);
    assert_eq!(shared(), owners);
    // Who was reading goes on reading what was there; who begins anew has the new file.
    drop(before);
    check_reading(&mut reader);
    for writer in [&mut other, &mut writer] {
        let mut transaction = writer.begin_large().unwrap();
        assert_eq!(sample.insert_all(&mut *transaction), 0);
        transaction.register_collections(&run("more")).unwrap();
        transaction.commit().unwrap();
    }
    assert!(reader.snapshot().unwrap().collections().unwrap().find("more").is_some());
    // What is dropped leaves nothing.
    let mut transaction = writer.begin_large().unwrap();
    transaction.register_collections(&run("never")).unwrap();
    drop(transaction);
    assert!(reader.snapshot().unwrap().collections().unwrap().find("never").is_none());
    assert_eq!(repository.files(), ["butler.yaml", "gen3.sqlite3"]);
}

/// Whatever a process closes that is the file, too, ends its locks.
#[test]
#[cfg(target_os = "linux")]
fn the_file_is_locked_from_the_beginning_to_the_end_of_a_transaction() {
    let repository = filled();
    let is_locked = || {
        let processes = super::holder::processes_with_locks(&repository.database()).unwrap();
        processes.contains(&std::process::id())
    };
    for place in ["here", "in a copy", "without room for a copy"] {
        let mut writer = repository.write();
        match place {
            "in a copy" => writer.write_in_copy_for_test(),
            "without room for a copy" => writer.write_without_room_for_test(),
            _ => {}
        }
        assert!(!is_locked());
        let mut transaction = writer.begin_large().unwrap();
        assert!(is_locked(), "{place}");
        transaction.register_collections(&run(&format!("written {place}"))).unwrap();
        assert!(is_locked(), "{place}");
        transaction.commit().unwrap();
        assert!(!is_locked());
    }
    let catalog = repository.read().snapshot().unwrap().collections().unwrap();
    assert!(catalog.find("written without room for a copy").is_some());
}

/// Where locks are lies, somebody may write all the same.
#[test]
fn a_copy_does_not_undo_what_somebody_wrote_meanwhile() {
    let repository = filled();
    let mut writer = repository.write();
    writer.write_in_copy_for_test();
    let mut transaction = writer.begin_large().unwrap();
    transaction.register_collections(&run("mine")).unwrap();
    let bytes = fs_err::read(repository.database()).unwrap();
    fs_err::write(repository.database(), bytes).unwrap();
    let error = transaction.commit().unwrap_err();
    assert!(matches!(error, RegistryError::Contended { .. }), "{error}");
    assert_eq!(repository.files(), ["butler.yaml", "gen3.sqlite3"]);
    let catalog = repository.read().snapshot().unwrap().collections().unwrap();
    assert!(catalog.find("mine").is_none());
}

/// The journal of whoever is killed in the middle would spoil the new file.
#[test]
fn a_copy_is_not_put_beside_the_journal_of_somebody_else() {
    let repository = filled();
    let journal = repository.root().join("gen3.sqlite3-journal");
    let mut writer = repository.write();
    writer.write_in_copy_for_test();
    for (content, refused) in [(b"\xd9\xd5\x05\xf9", true), (b"\0\0\0\0", false)] {
        let mut transaction = writer.begin_large().unwrap();
        transaction.register_collections(&run("mine")).unwrap();
        fs_err::write(&journal, content).unwrap();
        let result = transaction.commit();
        fs_err::remove_file(&journal).unwrap();
        match result {
            Err(RegistryError::Contended { .. }) => assert!(refused),
            other => assert!(other.is_ok() && !refused, "{other:?}"),
        }
        let catalog = repository.read().snapshot().unwrap().collections().unwrap();
        assert_eq!(catalog.find("mine").is_some(), !refused);
    }
}

/// A client that has a replaced file open is kept from writing into it.
#[test]
fn a_connection_to_a_replaced_file_does_not_write() {
    let repository = filled();
    let client = rusqlite::Connection::open(repository.database()).unwrap();
    let count = |client: &rusqlite::Connection| -> i64 {
        client.query_row("SELECT count(*) FROM collection", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count(&client), 6);
    let mut writer = repository.write();
    writer.write_in_copy_for_test();
    let mut transaction = writer.begin_large().unwrap();
    transaction.register_collections(&run("mine")).unwrap();
    transaction.commit().unwrap();
    assert_eq!(count(&client), 6, "it reads what it has opened");
    let error = client.execute("INSERT INTO collection (name, type) VALUES ('x', 1)", []);
    let code = error.unwrap_err().sqlite_error().unwrap().extended_code;
    assert_eq!(code, rusqlite::ffi::SQLITE_READONLY_DBMOVED);
}
