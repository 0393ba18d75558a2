use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::conformance::check_store;

struct Place {
    _folder: tempfile::TempDir,
    path: Utf8PathBuf,
    store: LocalStore,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(folder.path()).unwrap().join("not yet/there");
    let store = LocalStore::new(&path).unwrap();
    Place { _folder: folder, path, store }
}

fn plain(path: &str) -> ArtifactPath {
    ArtifactPath::plain(path).unwrap()
}

/// Names of everything below a folder, unfinished writes and all.
fn everything(folder: &Utf8Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in folder.read_dir_utf8().unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                pending.push(entry.path().to_owned());
            }
            found.push(entry.file_name().to_owned());
        }
    }
    found.sort();
    found
}

#[test]
fn conforms() {
    let place = place();
    check_store(&place.store);
    assert!(everything(&place.path).iter().all(|name| !is_unfinished(name)));
}

#[test]
fn folders_are_made_again_if_somebody_deleted_them() {
    let place = place();
    let put = || place.store.put(&plain("run/a/x"), b"x", PutOptions::default());
    put().unwrap();
    assert!(place.store.known_folders().contains(&place.path.join("run/a")));
    fs_err::remove_dir_all(place.path.join("run")).unwrap();
    put().unwrap();
    assert_eq!(place.store.get(&plain("run/a/x")).unwrap(), b"x");
}

#[test]
fn leftovers_of_killed_writers_are_recognised_and_removed() {
    let place = place();
    place.store.put(&plain("run/x"), b"x", PutOptions::default()).unwrap();
    // What a writer leaves that is killed between writing and renaming.
    let staged = place.store.stage(&plain("run/y")).unwrap();
    fs_err::write(staged.file(), "half").unwrap();
    std::mem::forget(staged);
    fs_err::write(place.path.join("run").join(place.store.unfinished_name()), "half").unwrap();
    assert_eq!(place.store.list("").unwrap().len(), 1);
    assert_eq!(place.store.remove_leftovers("run", Duration::from_secs(3600)).unwrap(), 0);
    assert_eq!(place.store.remove_leftovers("", Duration::ZERO).unwrap(), 2);
    assert_eq!(everything(&place.path), ["run", "x"]);
}

#[test]
fn other_programs_write_under_the_real_name() {
    let place = place();
    let staged = place.store.stage(&plain("run/t/out.fits.gz")).unwrap();
    assert_eq!(staged.file().file_name(), Some("out.fits.gz"));
    fs_err::write(staged.file(), "12345").unwrap();
    assert!(place.store.list("").unwrap().is_empty());
    assert_eq!(staged.commit(PutOptions { durable: true, ..Default::default() }).unwrap(), 5);
    assert_eq!(place.store.get(&plain("run/t/out.fits.gz")).unwrap(), b"12345");

    let again = place.store.stage(&plain("run/t/out.fits.gz")).unwrap();
    fs_err::write(again.file(), "6").unwrap();
    let exclusive = PutOptions { if_exists: IfExists::Fail, ..Default::default() };
    assert!(matches!(again.commit(exclusive), Err(StoreError::AlreadyExists { .. })));
    let unwritten = place.store.stage(&plain("run/t/none")).unwrap();
    assert!(matches!(unwritten.commit(PutOptions::default()), Err(StoreError::NotFound { .. })));
    let folder = place.store.stage(&plain("run/t/folder")).unwrap();
    fs_err::create_dir(folder.file()).unwrap();
    assert!(matches!(folder.commit(PutOptions::default()), Err(StoreError::Occupied { .. })));
    drop(place.store.stage(&plain("run/t/dropped")).unwrap());
    assert_eq!(everything(&place.path), ["out.fits.gz", "run", "t"]);
}

#[test]
fn longest_names_can_be_written() {
    let place = place();
    let longest = "x".repeat(255);
    place.store.put(&plain(&longest), b"x", PutOptions::default()).unwrap();
    let error =
        place.store.put(&plain(&format!("{longest}y")), b"x", PutOptions::default()).unwrap_err();
    assert!(matches!(error, StoreError::NameTooLong { .. }), "{error}");
    assert_eq!(everything(&place.path), [longest], "a failed write leaves nothing");
}

#[test]
fn obstacles_are_explained() {
    let place = place();
    place.store.put(&plain("file"), b"x", PutOptions::default()).unwrap();
    let below = place.store.put(&plain("file/x"), b"x", PutOptions::default()).unwrap_err();
    assert!(matches!(below, StoreError::Occupied { .. }), "{below}");
    place.store.put(&plain("folder/x"), b"x", PutOptions::default()).unwrap();
    let on_top = place.store.put(&plain("folder"), b"x", PutOptions::default()).unwrap_err();
    assert!(matches!(on_top, StoreError::Occupied { .. }), "{on_top}");

    let denied = place.path.join("denied");
    fs_err::create_dir(&denied).unwrap();
    fs_err::set_permissions(&denied, std::fs::Permissions::from_mode(0o500)).unwrap();
    // The superuser may write anyway, and then there is nothing to see.
    if fs_err::write(denied.join("probe"), "").is_err() {
        let error = place.store.put(&plain("denied/x"), b"x", PutOptions::default()).unwrap_err();
        assert!(matches!(error, StoreError::PermissionDenied { .. }), "{error}");
    }
    assert!(LocalStore::new(Utf8Path::new("relative")).is_err());
}

/// The device that is always full.
#[test]
fn a_full_disk_is_told_from_other_errors() {
    let error = fs_err::write("/dev/full", "x").unwrap_err();
    let error = StoreError::of_io("write", Utf8Path::new("/dev/full"), error);
    assert!(matches!(error, StoreError::NoSpace { .. }), "{error}");
}
