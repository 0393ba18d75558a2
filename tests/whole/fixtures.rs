//! The folder of what all tests of one process share.
//!
//! It is below the target directory, where the tests of another process may run at the same time;
//! so each process has its own, and removes those of processes that have ended.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fs_err::{File, OpenOptions};

/// The name before the number of the process.
const PREFIX: &str = "whole-";

/// A folder that is there as long as its process.
struct Fixtures {
    /// Locked until the process ends, however it ends.
    _lock: File,
    folder: PathBuf,
}

/// The folder of this process, empty when it is first asked for.
pub fn fixtures() -> &'static Path {
    static FIXTURES: OnceLock<Fixtures> = OnceLock::new();
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    &FIXTURES.get_or_init(|| Fixtures::within(place, std::process::id()).unwrap()).folder
}

impl Fixtures {
    fn within(place: &Path, process: u32) -> std::io::Result<Self> {
        fs_err::create_dir_all(place)?;
        // Whoever removes a folder must not mistake one that is being made for one that is left over.
        let all = open(&place.join("whole.lock"))?;
        all.file().lock()?;
        for entry in fs_err::read_dir(place)?.flatten() {
            let folder = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(PREFIX) && folder.is_dir() {
                let lock = folder.with_extension("lock");
                if open(&lock)?.file().try_lock().is_ok() {
                    fs_err::remove_dir_all(&folder)?;
                    fs_err::remove_file(&lock)?;
                }
            }
        }
        let folder = place.join(format!("{PREFIX}{process}"));
        let lock = open(&folder.with_extension("lock"))?;
        lock.file().lock()?;
        fs_err::create_dir(&folder)?;
        Ok(Self { _lock: lock, folder })
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).open(path)
}

/// Processes that run at the same time have folders of their own; who comes later removes what those
/// that have ended left.
#[test]
fn processes_do_not_share_what_they_make() {
    let place = tempfile::tempdir().unwrap();
    let [one, other] = [1, 2].map(|process| Fixtures::within(place.path(), process).unwrap());
    let (first, second) = (one.folder.clone(), other.folder.clone());
    assert_ne!(first, second);
    fs_err::write(first.join("file"), "").unwrap();
    fs_err::write(second.join("file"), "").unwrap();
    drop(one);
    let third = Fixtures::within(place.path(), 3).unwrap();
    assert!(!first.exists() && second.join("file").exists() && third.folder.is_dir());
    // The number of a process may come again.
    drop(other);
    let again = Fixtures::within(place.path(), 2).unwrap();
    assert!(again.folder.is_dir() && !again.folder.join("file").exists());
}
