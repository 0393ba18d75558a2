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

/// The names of collections that a file has.
fn names(database: &camino::Utf8Path) -> Vec<String> {
    let client = rusqlite::Connection::open(database).unwrap();
    let mut statement = client.prepare("SELECT name FROM collection").unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap();
    names.collect::<Result<_, _>>().unwrap()
}

/// Registers a run in a copy, if that is possible.
fn register_in_copy(repository: &TemporaryRepository, name: &str) {
    let mut writer = repository.write();
    writer.write_in_copy_for_test();
    let mut transaction = writer.begin_large().unwrap();
    transaction.register_collections(&run(name)).unwrap();
    transaction.commit().unwrap();
}

/// A link that is the name of a registry stays one, and what it leads to is replaced.
#[test]
fn a_database_behind_a_link_is_replaced_where_it_is() {
    let repository = filled();
    let (database, elsewhere) = (repository.database(), repository.root().join("elsewhere"));
    let real = elsewhere.join("registry.sqlite3");
    fs_err::create_dir(&elsewhere).unwrap();
    fs_err::rename(&database, &real).unwrap();
    fs_err::os::unix::fs::symlink("elsewhere/registry.sqlite3", &database).unwrap();
    let before = super::replacement::inode_of(&real).unwrap();
    register_in_copy(&repository, "mine");
    assert!(fs_err::symlink_metadata(&database).unwrap().is_symlink());
    assert!(names(&real).contains(&"mine".to_owned()));
    assert_ne!(super::replacement::inode_of(&real).unwrap(), before);
    assert_eq!(fs_err::read_dir(&elsewhere).unwrap().count(), 1);
}

/// What another name of the file shows would be the former registry, had it been replaced.
#[test]
fn a_database_with_several_names_is_written_in_place() {
    let repository = filled();
    let other = repository.root().join("other.sqlite3");
    fs_err::hard_link(repository.database(), &other).unwrap();
    register_in_copy(&repository, "mine");
    let inode = |path| super::replacement::inode_of(path).unwrap();
    assert_eq!(inode(&other), inode(&repository.database()));
    assert!(names(&other).contains(&"mine".to_owned()));
    assert_eq!(repository.files(), ["butler.yaml", "gen3.sqlite3", "other.sqlite3"]);
}

/// A copy of the file alone would lack what is only in the log.
#[test]
fn a_database_with_a_log_keeps_what_is_in_it() {
    let repository = filled();
    let client = rusqlite::Connection::open(repository.database()).unwrap();
    client.pragma_update(None, "journal_mode", "wal").unwrap();
    client.execute("INSERT INTO collection (name, type) VALUES ('logged', 1)", []).unwrap();
    register_in_copy(&repository, "mine");
    drop(client);
    let names = names(&repository.database());
    assert!(["logged", "mine"].iter().all(|name| names.contains(&(*name).to_owned())), "{names:?}");
}

/// Whoever could read and write the file can do so afterwards, nobody else can.
#[test]
#[cfg(target_os = "linux")]
fn a_replaced_file_has_the_same_owner_mode_and_access_list() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    // Version 2, and entries of a tag, a mode and a number each: owner, user 4242, group, mask, others.
    let list: Vec<u8> = [2_u32.to_le_bytes().to_vec()]
        .into_iter()
        .chain(
            [
                (1, 6, u32::MAX),
                (2, 6, 4242),
                (4, 4, u32::MAX),
                (16, 6, u32::MAX),
                (32, 0, u32::MAX),
            ]
            .map(|(tag, mode, id): (u16, u16, u32)| {
                [&tag.to_le_bytes()[..], &mode.to_le_bytes(), &id.to_le_bytes()].concat()
            }),
        )
        .flatten()
        .collect();
    let repository = filled();
    let database = repository.database();
    fs_err::set_permissions(&database, std::fs::Permissions::from_mode(0o640)).unwrap();
    let name = c"system.posix_acl_access";
    let flags = rustix::fs::XattrFlags::empty();
    let has_lists = rustix::fs::setxattr(database.as_std_path(), name, &list, flags).is_ok();
    // Only root may give files away.
    let is_root = std::os::unix::fs::chown(&database, Some(4242), Some(4343)).is_ok();
    let look = || {
        let metadata = fs_err::metadata(&database).unwrap();
        let mut value = [0; 256];
        let length = rustix::fs::getxattr(database.as_std_path(), name, &mut value[..]);
        let value = length.map(|length| value[..length].to_vec()).ok();
        (metadata.mode(), metadata.uid(), metadata.gid(), value)
    };
    let (before, inode) = (look(), super::replacement::inode_of(&database).unwrap());
    assert_eq!((before.3.is_some(), before.1 == 4242), (has_lists, is_root));
    register_in_copy(&repository, "mine");
    assert_eq!(look(), before);
    assert_ne!(super::replacement::inode_of(&database).unwrap(), inode);
}

/// What a killed writer leaves is nobody's dataset, and goes when it is old.
#[test]
fn leftovers_of_killed_writers_go() {
    let repository = filled();
    let [old, new] = ["old", "new"].map(|name| format!(".qbb-registry-{name}.tmp"));
    for name in [&old, &new] {
        fs_err::write(repository.root().join(name), "").unwrap();
    }
    let two_days = std::time::SystemTime::now() - Duration::from_secs(48 * 3600);
    let file = std::fs::File::options().write(true).open(repository.root().join(&old)).unwrap();
    file.set_modified(two_days).unwrap();
    register_in_copy(&repository, "mine");
    assert_eq!(repository.files(), [new.as_str(), "butler.yaml", "gen3.sqlite3"]);
    assert!(qbb_datastore::LocalStore::is_unfinished(&new));
}
