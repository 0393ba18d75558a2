//! Where programs write their outputs before these are adopted.

use camino::Utf8Path;
use tempfile::TempDir;

use crate::functions::TaskError;

/// A folder below the root of the output datastore, so that outputs can be moved to their places without
/// being copied; with a name by which the datastore recognises what a killed run left.
///
/// It is kept from one quantum to the next if nothing is in it: file systems are slow to make folders
/// soon after others were removed.
#[derive(Debug, Default)]
pub(crate) struct WorkFolder(Option<TempDir>);

impl WorkFolder {
    /// The folder, which is empty. Its name begins with `prefix`.
    pub fn get(&mut self, root: &Utf8Path, prefix: &str) -> Result<&Utf8Path, TaskError> {
        let made = match self.0.take() {
            Some(folder) => folder,
            None => tempfile::Builder::new()
                .prefix(prefix)
                .suffix(".tmp")
                .tempdir_in(root)
                .map_err(|error| failed(format!("cannot make a folder in {root}: {error}")))?,
        };
        Utf8Path::from_path(self.0.insert(made).path())
            .ok_or_else(|| failed("the folder for outputs has a name that is not UTF-8".to_owned()))
    }

    /// Prepares for the next quantum. After a failure the folder is given up: what the program left
    /// behind may still write to it, under names that the next attempt will use.
    pub fn tidy(&mut self, succeeded: bool) {
        let is_empty = |folder: &TempDir| {
            std::fs::read_dir(folder.path()).is_ok_and(|mut entries| entries.next().is_none())
        };
        if !(succeeded && self.0.as_ref().is_some_and(is_empty)) {
            self.0 = None;
        }
    }
}

fn failed(message: String) -> TaskError {
    TaskError::Failed { type_name: "CommandError".to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_used_again_only_if_nothing_is_in_it() {
        let root = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(root.path()).unwrap();
        let mut folder = WorkFolder::default();
        let first = folder.get(root, ".qbb-").unwrap().to_owned();
        folder.tidy(true);
        assert_eq!(folder.get(root, ".qbb-").unwrap(), first);
        fs_err::write(first.join("left"), "x").unwrap();
        folder.tidy(true);
        assert!(!first.exists());
        let second = folder.get(root, ".qbb-").unwrap().to_owned();
        assert_ne!(second, first);
        folder.tidy(false);
        assert!(!second.exists(), "given up after a failure");
        let third = folder.get(root, ".qbb-").unwrap().to_owned();
        drop(folder);
        assert!(!third.exists());
    }
}
