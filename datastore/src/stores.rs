//! Opening the stores that artifacts are in.

use std::fs::File;
use std::io::BufReader;
use std::sync::{Arc, Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use rustc_hash::FxHashMap;

use crate::artifact::{ArtifactPath, ArtifactReader, ArtifactStore};
use crate::local_store::LocalStore;
use crate::store_error::StoreError;
use crate::uri::ArtifactUri;

/// The store of artifacts in a local folder or, as `s3://bucket/prefix/`, in an object store.
///
/// Nothing is asked yet, so neither folder nor bucket need exist.
///
/// # Errors
/// If places of this kind cannot be opened, or the settings that it takes are not there.
pub fn open_store(root: &ArtifactUri) -> Result<Box<dyn ArtifactStore>, StoreError> {
    if let Some(folder) = root.to_file_path() {
        return Ok(Box::new(LocalStore::new(&folder)?));
    }
    #[cfg(feature = "s3")]
    if root.scheme() == "s3" {
        return Ok(Box::new(crate::s3::open(root)?));
    }
    Err(StoreError::UnknownKind { root: root.to_string() })
}

/// Artifacts wherever they are; each store is opened once.
#[derive(Debug, Default)]
pub struct Origins {
    opened: Mutex<FxHashMap<String, Arc<dyn ArtifactStore>>>,
}

impl Origins {
    /// The store that an artifact is in, and its path there.
    ///
    /// # Errors
    /// As for [`open_store`]; or if the URI is not that of a file.
    pub fn find(
        &self,
        uri: &ArtifactUri,
    ) -> Result<(Arc<dyn ArtifactStore>, ArtifactPath), StoreError> {
        let root = format!("{}://{}/", uri.scheme(), uri.authority());
        let path = ArtifactPath::plain(uri.unquoted_path().trim_start_matches('/'))?;
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = opened.get(&root) {
            return Ok((store.clone(), path));
        }
        let folder = ArtifactUri::parse(&root)
            .map_err(|_| StoreError::UnknownKind { root: root.clone() })?;
        let store: Arc<dyn ArtifactStore> = Arc::from(open_store(&folder)?);
        opened.insert(root, store.clone());
        Ok((store, path))
    }

    /// Opens an artifact to be read from any position.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if it is not there; or if it cannot be read.
    pub fn open(&self, uri: &ArtifactUri) -> Result<Box<dyn ArtifactReader>, StoreError> {
        if let Some(path) = uri.to_file_path() {
            let file = File::open(&path).map_err(|e| StoreError::of_io("read", &path, e))?;
            return Ok(Box::new(BufReader::new(file)));
        }
        let (store, path) = self.find(uri)?;
        store.open(&path)
    }

    /// A local file with the content of an artifact: itself if it is one, else a copy in the folder
    /// for temporary files, which is removed when it is dropped.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if it is not there; or if it cannot be read or the copy not written.
    pub fn local_file(&self, uri: &ArtifactUri) -> Result<LocalFile, StoreError> {
        if let Some(path) = uri.to_file_path() {
            return Ok(LocalFile { path, _copy: None });
        }
        let (store, path) = self.find(uri)?;
        let failed = |source| {
            let folder = std::env::temp_dir();
            let folder = Utf8PathBuf::from_path_buf(folder).unwrap_or_default();
            StoreError::of_io("make a folder in", &folder, source)
        };
        let folder = tempfile::Builder::new().prefix("qbb-").tempdir().map_err(failed)?;
        let copy = Utf8Path::from_path(folder.path())
            .ok_or_else(|| failed(std::io::Error::from(std::io::ErrorKind::InvalidFilename)))?
            .join("artifact");
        store.fetch(&path, &copy)?;
        Ok(LocalFile { path: copy, _copy: Some(folder) })
    }
}

/// A file for as long as this is there.
#[derive(Debug)]
pub struct LocalFile {
    path: Utf8PathBuf,
    /// What removes the file when it is dropped, if it is a copy.
    _copy: Option<tempfile::TempDir>,
}

impl LocalFile {
    /// Where it is.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_opened_is_told() {
        for place in ["gs://bucket/x/", "davs://host/x/", "https://host/x/"] {
            let root = ArtifactUri::parse(place).unwrap();
            let error = open_store(&root).unwrap_err();
            assert!(matches!(error, StoreError::UnknownKind { .. }), "{error}");
            assert!(error.to_string().contains(place), "{error}");
        }
        let root = ArtifactUri::parse("/data/repo/").unwrap();
        assert_eq!(open_store(&root).unwrap().root(), &root);
    }
}
