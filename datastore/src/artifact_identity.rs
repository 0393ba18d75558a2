//! Telling whether a name still means the same artifact.

use camino::Utf8Path;

/// What changes when another artifact takes a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactIdentity(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Number of a file, and when something was last done to it, links to it included.
    File { device: u64, inode: u64, changed: (i64, i64) },
    /// Name of the store that has written an object.
    Writer(Box<str>),
}

impl ArtifactIdentity {
    /// The file, or symbolic link, that has a name now. `None` if there is none, or the system does
    /// not tell.
    #[cfg(unix)]
    pub(crate) fn of_file(file: &Utf8Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::symlink_metadata(file).ok()?;
        Some(Self(Kind::File {
            device: metadata.dev(),
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }))
    }

    #[cfg(not(unix))]
    pub(crate) fn of_file(_: &Utf8Path) -> Option<Self> {
        None
    }

    /// An object that a store of that name has written.
    pub(crate) fn of_writer(name: &str) -> Self {
        Self(Kind::Writer(name.into()))
    }
}
