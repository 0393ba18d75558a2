//! Files of the output datastore: whole or not at all.
//!
//! Nothing is synced here. A file takes its place by renaming, so nobody sees a part of it; that
//! it survives a crash of the machine is the [`Syncer`](crate::journal::Syncer)'s business, which
//! syncs many files at once.

use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};

/// Begins the names of files that are being written; a dot, so that they are seen as hidden.
const TEMPORARY_PREFIX: &str = ".qbb-";

/// The root folder of an output datastore.
#[derive(Debug)]
pub(super) struct OutputFolder {
    root: Utf8PathBuf,
}

impl OutputFolder {
    /// Makes the folder if it is missing, and checks that it can be written.
    pub fn open(root: Utf8PathBuf) -> io::Result<Self> {
        fs_err::create_dir_all(&root)?;
        // Permission bits do not tell all: the file system may be read-only or full.
        drop(temporary_in(&root)?);
        Ok(Self { root })
    }

    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    pub fn path(&self, path: &str) -> Utf8PathBuf {
        self.root.join(path)
    }

    /// Writes a file, replacing one that exists.
    pub fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.temporary(path)?;
        file.write_all(bytes)?;
        file.persist(self.path(path)).map_err(|error| error.error)?;
        Ok(())
    }

    /// Moves a finished file to its place, replacing one that exists; copies it if it is on
    /// another file system.
    pub fn adopt(&self, path: &str, source: &Utf8Path) -> io::Result<u64> {
        let target = self.path(path);
        if let Some(folder) = target.parent() {
            fs_err::create_dir_all(folder)?;
        }
        let size = fs_err::metadata(source)?.len();
        match std::fs::rename(source, &target) {
            Ok(()) => Ok(size),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let mut file = self.temporary(path)?;
                let size = io::copy(&mut fs_err::File::open(source)?, &mut file)?;
                file.persist(target).map_err(|error| error.error)?;
                fs_err::remove_file(source)?;
                Ok(size)
            }
            Err(error) => Err(error),
        }
    }

    /// Removes a file; that it does not exist is fine.
    pub fn remove(&self, path: &str) -> io::Result<()> {
        match std::fs::remove_file(self.path(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Size of a file; `None` if it does not exist.
    pub fn size(&self, path: &str) -> io::Result<Option<u64>> {
        match std::fs::metadata(self.path(path)) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A file beside the place where it will be, so that it can be renamed.
    fn temporary(&self, path: &str) -> io::Result<tempfile::NamedTempFile> {
        let target = self.path(path);
        let folder = target.parent().unwrap_or(&self.root);
        match temporary_in(folder) {
            // Nearly always the folder exists, so it is not looked for first.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs_err::create_dir_all(folder)?;
                temporary_in(folder)
            }
            made => made,
        }
    }
}

fn temporary_in(folder: &Utf8Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any program makes files, less what the user's mask forbids.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, OutputFolder) {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().join("a/root")).unwrap();
        (folder, OutputFolder::open(root).unwrap())
    }

    fn names(folder: &OutputFolder) -> Vec<String> {
        let entries = folder.root().join("run").read_dir_utf8().unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_owned()).collect()
    }

    #[test]
    fn a_written_file_replaces_the_one_before_and_leaves_nothing_else() {
        let (_guard, folder) = folder();
        folder.write("run/x.json", b"long content").unwrap();
        folder.write("run/x.json", b"short").unwrap();
        assert_eq!(fs_err::read(folder.path("run/x.json")).unwrap(), b"short");
        assert_eq!(names(&folder), ["x.json"]);
        assert_eq!(folder.size("run/x.json").unwrap(), Some(5));
        folder.remove("run/x.json").unwrap();
        folder.remove("run/x.json").unwrap();
        assert_eq!(folder.size("run/x.json").unwrap(), None);
    }

    #[test]
    fn a_finished_file_is_moved() {
        let (guard, folder) = folder();
        let source = Utf8PathBuf::from_path_buf(guard.path().join("made")).unwrap();
        fs_err::write(&source, "abc").unwrap();
        assert_eq!(folder.adopt("run/deep/x", &source).unwrap(), 3);
        assert!(!source.exists());
        assert_eq!(fs_err::read(folder.path("run/deep/x")).unwrap(), b"abc");
    }

    #[test]
    fn a_root_that_is_no_folder_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let root = Utf8PathBuf::from_path_buf(file.path().to_owned()).unwrap();
        assert!(OutputFolder::open(root).is_err());
    }
}
