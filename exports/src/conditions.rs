//! What an export depends on, and whether it is still so.

use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;

use camino::Utf8PathBuf;
use rayon::prelude::*;
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const SECOND: i64 = 1_000_000_000;
/// Clocks of file systems are coarser than this by far.
const SETTLED: i64 = 2 * SECOND;

/// What must be as it was when an export was made; written by the exporter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// When this was written, nanoseconds since 1970.
    recorded: i64,
    /// Pipelines, configuration files and modules that were read.
    files: Vec<FileCondition>,
    /// Pipelines and configuration files that were looked for in vain.
    absent: Vec<Utf8PathBuf>,
    /// Environment variables that were asked for, with the SHA-256 of their values; values
    /// themselves may be secret.
    environment: std::collections::BTreeMap<String, Option<String>>,
    /// Folders in which modules were looked for, in order.
    search_path: Vec<FolderCondition>,
    /// Names of all top-level modules that were imported, sorted.
    modules: Vec<String>,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileCondition {
    path: Utf8PathBuf,
    size: u64,
    /// Time of its last modification, nanoseconds.
    modified: i64,
    /// Time of the last change of its inode, nanoseconds; programs cannot set it back.
    changed: i64,
    /// Digest of its content; none for files of installed packages, which nobody edits.
    sha256: Option<String>,
}

/// A folder of Python's search path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FolderCondition {
    path: Utf8PathBuf,
    /// Which of the imported modules it offers, sorted.
    holds: Vec<String>,
}

impl Conditions {
    /// The first thing found that is not as it was; `None` if the export still holds.
    #[must_use]
    pub fn broken(&self) -> Option<String> {
        for (name, digest) in &self.environment {
            let now = env::var_os(name).map(|value| sha256(value.as_encoded_bytes()));
            if now != *digest {
                return Some(format!("variable {name} has another value"));
            }
        }
        if let Some(path) = self.absent.iter().find(|path| path.exists()) {
            return Some(format!("{path} is there now"));
        }
        if let Some(folder) = self.search_path.iter().find(|folder| !self.offers_the_same(folder)) {
            return Some(format!("{} offers other modules", folder.path));
        }
        (self.files.par_iter().with_min_len(64))
            .find_any(|file| !file.is_unchanged(self.recorded))
            .map(|file| format!("{} has changed", file.path))
    }

    fn offers_the_same(&self, folder: &FolderCondition) -> bool {
        let mut found = FxHashSet::default();
        if let Ok(entries) = fs_err::read_dir(&folder.path) {
            for entry in entries.flatten() {
                let name = entry.file_name();
                let stem = name.to_str().and_then(|name| name.split('.').next());
                if let Some(stem) = stem
                    && let Ok(at) =
                        self.modules.binary_search_by(|module| module.as_str().cmp(stem))
                {
                    found.insert(at);
                }
            }
        }
        found.len() == folder.holds.len()
            && folder
                .holds
                .iter()
                .all(|name| self.modules.binary_search(name).is_ok_and(|at| found.contains(&at)))
    }
}

impl FileCondition {
    fn is_unchanged(&self, recorded: i64) -> bool {
        let Ok(status) = fs_err::metadata(&self.path) else { return false };
        if status.len() != self.size {
            return false;
        }
        let same_times = status.mtime() * SECOND + status.mtime_nsec() == self.modified
            && status.ctime() * SECOND + status.ctime_nsec() == self.changed;
        match &self.sha256 {
            None => same_times,
            Some(_) if same_times && self.changed + SETTLED < recorded => true,
            // A copy, or a checkout of another branch and back, has new times and the old content;
            // a file that changed just before it was recorded may have changed once more since.
            Some(digest) => fs_err::read(&self.path).is_ok_and(|bytes| sha256(&bytes) == *digest),
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Digest of everything that says which export is meant.
pub(crate) fn key<'a>(parts: impl IntoIterator<Item = &'a OsStr>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        let bytes = part.as_encoded_bytes();
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &Utf8PathBuf, with_digest: bool) -> FileCondition {
        let status = fs_err::metadata(path).unwrap();
        FileCondition {
            path: path.clone(),
            size: status.len(),
            modified: status.mtime() * SECOND + status.mtime_nsec(),
            changed: status.ctime() * SECOND + status.ctime_nsec(),
            sha256: with_digest.then(|| sha256(&fs_err::read(path).unwrap())),
        }
    }

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        (folder, path)
    }

    #[test]
    fn an_edited_file_breaks_it_even_if_its_size_stays() {
        let (_folder, root) = folder();
        let path = root.join("pipeline.yaml");
        fs_err::write(&path, "a: 1").unwrap();
        for with_digest in [true, false] {
            let conditions =
                Conditions { files: vec![file(&path, with_digest)], ..Conditions::default() };
            assert_eq!(conditions.broken(), None);
            fs_err::write(&path, "a: 2").unwrap();
            assert!(conditions.broken().unwrap().contains("pipeline.yaml"));
            fs_err::write(&path, "a: 1").unwrap();
            assert_eq!(conditions.broken().is_none(), with_digest, "only content is compared");
        }
        fs_err::remove_file(&path).unwrap();
    }

    #[test]
    fn times_are_enough_once_they_have_settled() {
        let (_folder, root) = folder();
        let path = root.join("tasks.py");
        fs_err::write(&path, "x = 1").unwrap();
        let mut file = file(&path, true);
        file.sha256 = Some(sha256(b"anything"));
        assert!(!file.is_unchanged(file.changed + SECOND), "too fresh to tell");
        assert!(file.is_unchanged(file.changed + 3 * SECOND));
    }

    #[test]
    fn a_file_that_was_missing_breaks_it_when_it_appears() {
        let (_folder, root) = folder();
        let path = root.join("override.py");
        let conditions = Conditions { absent: vec![path.clone()], ..Conditions::default() };
        assert_eq!(conditions.broken(), None);
        fs_err::write(&path, "").unwrap();
        assert!(conditions.broken().is_some());
    }

    #[test]
    fn a_module_that_would_be_found_first_breaks_it_and_other_files_do_not() {
        let (_folder, root) = folder();
        fs_err::write(root.join("tasks.py"), "").unwrap();
        let conditions = Conditions {
            search_path: vec![FolderCondition { path: root.clone(), holds: vec!["tasks".into()] }],
            modules: vec!["numpy".into(), "tasks".into()],
            ..Conditions::default()
        };
        fs_err::create_dir(root.join("submit")).unwrap();
        assert_eq!(conditions.broken(), None);
        fs_err::create_dir(root.join("numpy")).unwrap();
        assert!(conditions.broken().is_some());
    }

    #[test]
    fn a_variable_that_was_asked_for_breaks_it() {
        let with = |name: &str, value: Option<String>| Conditions {
            environment: [(name.to_owned(), value)].into(),
            ..Conditions::default()
        };
        assert_eq!(with("QBB_SURELY_NOT_SET", None).broken(), None);
        assert!(with("QBB_SURELY_NOT_SET", Some(sha256(b"x"))).broken().is_some());
        let path = env::var_os("PATH").unwrap();
        assert_eq!(with("PATH", Some(sha256(path.as_encoded_bytes()))).broken(), None);
        assert!(with("PATH", None).broken().is_some());
    }
}
