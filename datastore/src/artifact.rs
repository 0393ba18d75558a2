//! What stores of artifacts promise.

use std::fmt;
use std::io::{Read, Seek};
use std::num::NonZeroUsize;
use std::ops::Range;

use camino::Utf8Path;

use crate::artifact_identity::ArtifactIdentity;
use crate::checksum::{checksum, checksum_of};
use crate::outside_file::{PlacedFile, Placing};
use crate::store_error::StoreError;
use crate::uri::ArtifactUri;
use crate::uri_text::{decode_record, normalise};

/// Path of an artifact inside a store: relative, normal, and not leading out of it.
///
/// It may name a member of a zip archive, which can only be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactPath {
    path: String,
    zip_member: Option<String>,
}

impl ArtifactPath {
    /// Reads the path of a datastore record, with its percent escapes and `#zip-path=` fragment.
    ///
    /// # Errors
    /// If it is absolute, empty, leads out of the store, or has a name that stores keep for
    /// unfinished writes.
    pub fn of_record(path: &str) -> Result<Self, StoreError> {
        let (decoded, fragment) = decode_record(path);
        let member = fragment.strip_prefix("#zip-path=").map(str::to_owned);
        Ok(Self { zip_member: member, ..Self::plain(&decoded)? })
    }

    /// Takes a path as it is, every character belonging to it.
    ///
    /// # Errors
    /// As [`ArtifactPath::of_record`].
    pub fn plain(path: &str) -> Result<Self, StoreError> {
        let invalid = |reason| StoreError::InvalidPath { path: path.to_owned(), reason };
        if path.starts_with('/') {
            return Err(invalid("it is absolute"));
        }
        let normal = normalise(path);
        if normal == "." || normal.ends_with('/') {
            return Err(invalid("it names no file"));
        }
        if normal == ".." || normal.starts_with("../") {
            return Err(invalid("it leads out of the datastore"));
        }
        if normal.contains('\0') {
            return Err(invalid("it contains a null character"));
        }
        if normal.split('/').any(is_unfinished) {
            return Err(invalid("such names are kept for unfinished writes"));
        }
        Ok(Self { path: normal, zip_member: None })
    }

    /// The path, without the member of an archive.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The member of the archive that is meant, if any.
    pub fn zip_member(&self) -> Option<&str> {
        self.zip_member.as_deref()
    }

    /// Refuses members of archives, for all that changes artifacts.
    pub(crate) fn whole(&self) -> Result<&str, StoreError> {
        match &self.zip_member {
            None => Ok(&self.path),
            Some(_) => Err(StoreError::InvalidPath {
                path: self.to_string(),
                reason: "members of zip archives can only be read",
            }),
        }
    }
}

impl fmt::Display for ArtifactPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        self.zip_member.as_ref().map_or(Ok(()), |member| write!(f, "#zip-path={member}"))
    }
}

/// Beginning of the names of unfinished writes.
pub(crate) const UNFINISHED_PREFIX: &str = ".qbb-";
/// End of the names of unfinished writes.
pub(crate) const UNFINISHED_SUFFIX: &str = ".tmp";

/// Whether a name is that of an unfinished write.
pub(crate) fn is_unfinished(name: &str) -> bool {
    name.starts_with(UNFINISHED_PREFIX) && name.ends_with(UNFINISHED_SUFFIX)
}

/// What happens to an artifact that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IfExists {
    /// It is replaced; readers see the old or the new one, whole.
    #[default]
    Replace,
    /// It stays, and the write fails with [`StoreError::AlreadyExists`].
    Fail,
}

/// How an artifact is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PutOptions {
    /// Whether the artifact must outlive a crash of the machine once the write has returned.
    pub durable: bool,
    /// What happens if it is there already.
    pub if_exists: IfExists,
}

/// An artifact in a listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedArtifact {
    /// Path inside the store.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
}

/// What an artifact is read from.
pub trait ArtifactReader: Read + Seek + Send {}

impl<R: Read + Seek + Send> ArtifactReader for R {}

/// A place where artifacts are kept.
///
/// Every implementation promises:
///
/// - An artifact appears whole or not at all: no reader, in this process or another, ever sees a
///   part of one, nor a mixture of an old and a new one.
/// - A write that failed, or whose program was killed, leaves either the old artifact or the new
///   one. What it may leave besides is never listed or read as an artifact.
/// - When a write returns, every reader that starts afterwards sees it; with
///   [`PutOptions::durable`] even after the machine has crashed.
/// - Of several writes with [`IfExists::Fail`] to one path, one succeeds.
/// - There are no locks, as personal repositories may be on network file systems.
///
/// [`crate::conformance::check_store`] checks what can be checked of this from outside.
pub trait ArtifactStore: Send + Sync + fmt::Debug {
    /// The root, a folder.
    fn root(&self) -> &ArtifactUri;

    /// Writes an artifact.
    ///
    /// # Errors
    /// If it cannot be written, or exists and must not be replaced.
    fn put(
        &self,
        path: &ArtifactPath,
        content: &[u8],
        options: PutOptions,
    ) -> Result<(), StoreError>;

    /// Reads an artifact, or the member of an archive.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if it is not there; or if it cannot be read.
    fn get(&self, path: &ArtifactPath) -> Result<Vec<u8>, StoreError>;

    /// Reads bytes of an artifact. A range may end behind the artifact's end; what there is of it
    /// is returned, which is nothing if it starts there.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if it is not there; or if it cannot be read.
    fn get_range(&self, path: &ArtifactPath, range: Range<u64>) -> Result<Vec<u8>, StoreError>;

    /// Size of an artifact, or of the member of an archive, in bytes.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if it is not there; or if that cannot be told.
    fn size(&self, path: &ArtifactPath) -> Result<u64, StoreError>;

    /// Deletes an artifact; tells whether it was there.
    ///
    /// # Errors
    /// If it cannot be deleted.
    fn delete(&self, path: &ArtifactPath) -> Result<bool, StoreError>;

    /// Deletes many artifacts; tells of each whether it was there, which those that delete many with
    /// one request take for granted.
    fn delete_many(&self, paths: &[ArtifactPath]) -> Vec<Result<bool, StoreError>>;

    /// Makes a local file an artifact.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such file; or if it cannot be read, copied or linked.
    fn place(
        &self,
        path: &ArtifactPath,
        source: &Utf8Path,
        placing: Placing,
        checksum: bool,
        options: PutOptions,
    ) -> Result<PlacedFile, StoreError>;

    /// Whether an artifact that exists has the content of a local file.
    ///
    /// # Errors
    /// If one of them cannot be read.
    fn holds_copy(&self, path: &ArtifactPath, file: &Utf8Path) -> Result<bool, StoreError>;

    /// Writes the content of an artifact into a new local file; gives its size. A file that could
    /// not be written whole stays for the caller to remove.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if it is not there; if it cannot be read, or the file not be made.
    fn fetch(&self, path: &ArtifactPath, target: &Utf8Path) -> Result<u64, StoreError>;

    /// Opens an artifact to be read from any position, a little at a time. One that takes its place
    /// meanwhile is not read as a part of it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if it is not there; if it is a member; or if it cannot be read.
    fn open(&self, path: &ArtifactPath) -> Result<Box<dyn ArtifactReader>, StoreError>;

    /// The checksum of what an artifact, or the member of an archive, holds now, as records have it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if it is not there; or if it cannot be read.
    fn checksum(&self, path: &ArtifactPath) -> Result<String, StoreError> {
        if path.zip_member().is_some() {
            return Ok(checksum(&self.get(path)?));
        }
        checksum_of(self.open(path)?).map_err(|error| StoreError::of_read(path.to_string(), error))
    }

    /// Names and sizes of the members of an archive.
    ///
    /// # Errors
    /// If it cannot be read, or is no archive.
    fn members(&self, archive: &ArtifactPath) -> Result<Vec<(String, u64)>, StoreError>;

    /// Waits until everything that was written outlives a crash of the machine.
    ///
    /// # Errors
    /// If the system does not say so.
    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What tells the artifact that is there now from another that takes its place; `None` if there
    /// is none, or the store cannot tell.
    fn identity(&self, path: &ArtifactPath) -> Option<ArtifactIdentity>;

    /// The identity of an artifact that this store itself has just written.
    fn own_identity(&self, path: &ArtifactPath) -> Option<ArtifactIdentity> {
        self.identity(path)
    }

    /// Removes the folders in which artifacts were, as far as nothing is in them; where there are
    /// no folders nothing happens. What cannot be removed stays.
    fn remove_empty_folders(&self, _former: &[ArtifactPath]) {}

    /// Writes something and deletes it again, to find out early whether that is possible.
    ///
    /// # Errors
    /// If it is not.
    fn probe(&self) -> Result<(), StoreError> {
        let path = ArtifactPath::plain(&format!("probe-{}", uuid::Uuid::new_v4().simple()))?;
        self.put(&path, b"", PutOptions { durable: false, if_exists: IfExists::Fail })?;
        self.delete(&path).map(drop)
    }

    /// How many requests it is worth making at once; `None` if the work is the processor's. See
    /// [`for_many`](crate::for_many).
    fn requests_at_once(&self) -> Option<NonZeroUsize> {
        None
    }

    /// All artifacts in a folder and the folders in it, sorted by path; all there are for the empty
    /// path. A folder that does not exist has none. Unfinished writes are left out.
    ///
    /// # Errors
    /// If the folder cannot be read.
    fn list(&self, folder: &str) -> Result<Vec<ListedArtifact>, StoreError>;

    /// Whether an artifact is there.
    ///
    /// # Errors
    /// If that cannot be told.
    fn exists(&self, path: &ArtifactPath) -> Result<bool, StoreError> {
        match self.size(path) {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        for (path, normal, member) in [
            ("run/x.json", "run/x.json", None),
            ("./run//x/../y.json", "run/y.json", None),
            ("a%20b/c", "a b/c", None),
            ("zips/1/x.zip#zip-path=m.yaml", "zips/1/x.zip", Some("m.yaml")),
        ] {
            let read = ArtifactPath::of_record(path).unwrap();
            assert_eq!((read.as_str(), read.zip_member()), (normal, member));
        }
        assert_eq!(ArtifactPath::plain("a%20b#c").unwrap().as_str(), "a%20b#c");
        for path in ["", "/x", "..", "a/../../b", "a/", ".", "r/.qbb-1.tmp", "a\0"] {
            let error = ArtifactPath::of_record(path).unwrap_err();
            assert!(matches!(error, StoreError::InvalidPath { .. }), "{path}");
        }
    }
}
