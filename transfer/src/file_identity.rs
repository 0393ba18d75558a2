//! Telling whether a name still means the same file.

use camino::Utf8Path;

/// What changes when another file takes a name, or anything is done to the file: its number, and
/// when something was last done to it, links to it included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl FileIdentity {
    /// The file, or symbolic link, that has a name now. `None` if there is none, or the system does
    /// not tell.
    #[cfg(unix)]
    pub(crate) fn of(file: &Utf8Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::symlink_metadata(file).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    #[cfg(not(unix))]
    pub(crate) fn of(_: &Utf8Path) -> Option<Self> {
        None
    }
}
