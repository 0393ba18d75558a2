//! Exports that were made before.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};

use crate::conditions::Conditions;

/// Most exports that are kept; the oldest make room.
const MOST: usize = 128;
const SUFFIX: &str = ".export";

/// A folder with exports and what they depend on.
///
/// Each entry is a file of two lines, conditions and export, that appears whole or not at all. A
/// folder that cannot be read or written is as good as an empty one: an export can always be made
/// again.
#[derive(Debug, Clone)]
pub struct ExportCache {
    folder: Utf8PathBuf,
}

impl ExportCache {
    /// The cache in a folder, which need not exist.
    #[must_use]
    pub fn new(folder: Utf8PathBuf) -> Self {
        Self { folder }
    }

    /// The export with a key, if nothing that it depends on has changed.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<String> {
        let text = fs_err::read_to_string(self.path(key)).ok()?;
        let (conditions, export) = text.split_once('\n')?;
        let conditions: Conditions = serde_json::from_str(conditions).ok()?;
        conditions.broken().is_none().then(|| export.trim_end().to_owned())
    }

    /// Keeps an export; both texts are JSON without line breaks.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn keep(&self, key: &str, conditions: &str, export: &str) -> io::Result<()> {
        fs_err::create_dir_all(&self.folder)?;
        let mut file = tempfile::Builder::new()
            .permissions(std::fs::Permissions::from_mode(0o600))
            .tempfile_in(&self.folder)?;
        for part in [conditions.trim_end(), "\n", export.trim_end(), "\n"] {
            io::Write::write_all(&mut file, part.as_bytes())?;
        }
        file.persist(self.path(key)).map_err(|error| error.error)?;
        self.make_room();
        Ok(())
    }

    fn path(&self, key: &str) -> Utf8PathBuf {
        self.folder.join(format!("{key}{SUFFIX}"))
    }

    /// Removes the oldest entries if there are too many; failures leave them for the next time.
    fn make_room(&self) {
        let Ok(entries) = fs_err::read_dir(&self.folder) else { return };
        let mut kept: Vec<(SystemTime, std::path::PathBuf)> = entries
            .flatten()
            .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.ends_with(SUFFIX)))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        if kept.len() > MOST {
            kept.sort_unstable();
            for (_, path) in &kept[..kept.len() - MOST] {
                let _ = fs_err::remove_file(path);
            }
        }
    }

    /// Where the entries are.
    #[must_use]
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, ExportCache) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("exports")).unwrap();
        (folder, ExportCache::new(path))
    }

    fn conditions() -> String {
        serde_json::to_string(&Conditions::default()).unwrap()
    }

    #[test]
    fn what_is_kept_is_found_under_its_key() {
        let (_folder, cache) = cache();
        assert_eq!(cache.find("a"), None);
        cache.keep("a", &conditions(), "{}").unwrap();
        assert_eq!(cache.find("a").as_deref(), Some("{}"));
        assert_eq!(cache.find("b"), None);
    }

    #[test]
    fn a_damaged_entry_is_no_entry() {
        let (_folder, cache) = cache();
        cache.keep("a", &conditions(), "{}").unwrap();
        for text in ["", "{}\n{}", "[]\n", "not json\n{}"] {
            fs_err::write(cache.path("a"), text).unwrap();
            assert_eq!(cache.find("a"), None, "{text:?}");
        }
    }

    #[test]
    fn the_oldest_make_room() {
        let (_folder, cache) = cache();
        for at in 0..=MOST {
            cache.keep(&format!("{at:04}"), &conditions(), "{}").unwrap();
        }
        assert_eq!(fs_err::read_dir(cache.folder()).unwrap().count(), MOST);
        assert!(cache.find(&format!("{MOST:04}")).is_some());
    }
}
