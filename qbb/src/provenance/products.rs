//! Where metadata and logs are read.

use camino::Utf8PathBuf;
use qbb_datastore::ArtifactPath;
use qbb_graph::DatasetIx;

use crate::journal::WrittenRecord;

/// Gives the content of small datasets that were written.
pub trait ProductStore: Sync {
    /// The bytes of a dataset; `None` if there is nothing where its record says.
    ///
    /// # Errors
    /// If the system refuses to read it.
    fn read(
        &self,
        dataset: DatasetIx,
        record: &WrittenRecord<'_>,
    ) -> std::io::Result<Option<Vec<u8>>>;
}

/// Files in a local datastore.
#[derive(Debug, Clone)]
pub struct FileProducts {
    root: Utf8PathBuf,
}

impl FileProducts {
    /// Files below the root of the output datastore.
    pub fn new(root: impl Into<Utf8PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

impl ProductStore for FileProducts {
    fn read(
        &self,
        _dataset: DatasetIx,
        record: &WrittenRecord<'_>,
    ) -> std::io::Result<Option<Vec<u8>>> {
        // A journal is no reason to read what lies outside of the datastore.
        ArtifactPath::of_record(record.path).map_err(std::io::Error::other)?;
        match fs_err::read(self.root.join(record.path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
