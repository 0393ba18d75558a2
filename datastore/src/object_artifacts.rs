//! Artifacts in object stores.

use std::fmt;
use std::io::Cursor;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use tokio::runtime::{Builder, Runtime};

use crate::artifact::{
    ArtifactPath, ArtifactStore, IfExists, ListedArtifact, PutOptions, is_unfinished,
};
use crate::store_error::StoreError;
use crate::uri::ArtifactUri;
use crate::zip_member;

/// The artifacts below a prefix of any [`ObjectStore`].
///
/// Calls block; they must not come from asynchronous code. All stores share one small runtime. A
/// put is one request, which such stores make visible as a whole, so nothing needs renaming.
/// Durability is the store's own: cloud stores always give it, and
/// [`object_store::local::LocalFileSystem`] when it is made with `with_fsync(true)`, whatever
/// [`PutOptions::durable`] says.
pub struct ObjectStoreArtifacts {
    store: Arc<dyn ObjectStore>,
    root: ArtifactUri,
    prefix: String,
}

impl fmt::Debug for ObjectStoreArtifacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The store's own form might show credentials.
        f.debug_struct("ObjectStoreArtifacts").field("root", &self.root.as_str()).finish()
    }
}

impl ObjectStoreArtifacts {
    /// The artifacts of `store` whose keys begin with the folder `prefix`, which may be empty.
    /// `root` is the URI by which people know that place.
    pub fn new(store: Arc<dyn ObjectStore>, root: ArtifactUri, prefix: &str) -> Self {
        let prefix = prefix.trim_matches('/').to_owned();
        Self { store, root: root.into_folder(), prefix }
    }

    fn key(&self, path: &str) -> Result<Path, StoreError> {
        let key = match self.prefix.as_str() {
            "" => path.to_owned(),
            prefix => format!("{prefix}/{path}"),
        };
        Path::parse(&key).map_err(|_| StoreError::InvalidPath {
            path: path.to_owned(),
            reason: "object stores do not take control characters or empty names",
        })
    }

    fn place(&self, path: &str) -> String {
        format!("{}{path}", self.root)
    }

    fn failed(&self, action: &'static str, path: &str, error: object_store::Error) -> StoreError {
        let place = self.place(path);
        match error {
            object_store::Error::NotFound { .. } => StoreError::NotFound { place },
            object_store::Error::AlreadyExists { .. } => StoreError::AlreadyExists { place },
            // Below a file there is nothing.
            ref error if action != "write" && is_not_a_folder(error) => {
                StoreError::NotFound { place }
            }
            source => StoreError::Object { action, place, source: Box::new(source) },
        }
    }

    fn block_on<T>(
        &self,
        action: &'static str,
        path: &str,
        future: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, StoreError> {
        let runtime = runtime().map_err(|reason| StoreError::Object {
            action,
            place: self.place(path),
            source: reason.into(),
        })?;
        runtime.block_on(future).map_err(|error| self.failed(action, path, error))
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, StoreError> {
        let key = self.key(path)?;
        let content =
            self.block_on("read", path, async { self.store.get(&key).await?.bytes().await })?;
        Ok(content.into())
    }
}

/// Whether some error behind this one is that a file stands where a folder should be.
fn is_not_a_folder(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::NotADirectory)
}

/// The runtime of all stores.
fn runtime() -> Result<&'static Runtime, String> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("qbb-object-store")
                .enable_all()
                .build()
                .map_err(|error| format!("no threads for network access: {error}"))
        })
        .as_ref()
        .map_err(Clone::clone)
}

impl ArtifactStore for ObjectStoreArtifacts {
    fn root(&self) -> &ArtifactUri {
        &self.root
    }

    fn put(
        &self,
        path: &ArtifactPath,
        content: &[u8],
        options: PutOptions,
    ) -> Result<(), StoreError> {
        let name = path.whole()?;
        let key = self.key(name)?;
        let mode = match options.if_exists {
            IfExists::Replace => PutMode::Overwrite,
            IfExists::Fail => PutMode::Create,
        };
        let payload = PutPayload::from(content.to_vec());
        self.block_on("write", name, self.store.put_opts(&key, payload, mode.into())).map(drop)
    }

    fn get(&self, path: &ArtifactPath) -> Result<Vec<u8>, StoreError> {
        let content = self.read(path.as_str())?;
        match path.zip_member() {
            Some(member) => zip_member::read(Cursor::new(content), path.as_str(), member),
            None => Ok(content),
        }
    }

    fn get_range(&self, path: &ArtifactPath, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        if path.zip_member().is_some() {
            return Ok(zip_member::cut(self.get(path)?, &range));
        }
        // Stores refuse ranges that are empty or begin at the end.
        let end = range.end.min(self.size(path)?);
        if range.start >= end {
            return Ok(Vec::new());
        }
        let (name, key) = (path.as_str(), self.key(path.as_str())?);
        let content = self.block_on("read", name, self.store.get_range(&key, range.start..end))?;
        Ok(content.into())
    }

    fn size(&self, path: &ArtifactPath) -> Result<u64, StoreError> {
        let name = path.as_str();
        if let Some(member) = path.zip_member() {
            return zip_member::size(Cursor::new(self.read(name)?), name, member);
        }
        let key = self.key(name)?;
        Ok(self.block_on("look at", name, self.store.head(&key))?.size)
    }

    fn delete(&self, path: &ArtifactPath) -> Result<bool, StoreError> {
        // Cloud stores delete what is not there without a word, so it is looked for first.
        if !self.exists(path)? {
            return Ok(false);
        }
        let name = path.whole()?;
        let key = self.key(name)?;
        match self.block_on("delete", name, self.store.delete(&key)) {
            Ok(()) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<ListedArtifact>, StoreError> {
        let folder = match folder.trim_end_matches('/') {
            "" | "." => "",
            folder => folder,
        };
        let prefix = match folder {
            "" => self.key("").ok().filter(|key| !key.as_ref().is_empty()),
            folder => Some(self.key(ArtifactPath::plain(folder)?.as_str())?),
        };
        let listing = self.store.list(prefix.as_ref()).try_collect::<Vec<_>>();
        let found = match self.block_on("list", folder, listing) {
            Err(StoreError::NotFound { .. }) => Vec::new(),
            found => found?,
        };
        let mut artifacts: Vec<ListedArtifact> = found
            .into_iter()
            .filter_map(|meta| {
                let key = meta.location.as_ref();
                let path = match self.prefix.as_str() {
                    "" => key,
                    prefix => key.strip_prefix(prefix)?.strip_prefix('/')?,
                };
                let finished = !path.split('/').any(is_unfinished);
                finished.then(|| ListedArtifact { path: path.to_owned(), size: meta.size })
            })
            .collect();
        artifacts.sort_unstable();
        Ok(artifacts)
    }
}

#[cfg(test)]
mod tests {
    use object_store::local::LocalFileSystem;
    use object_store::memory::InMemory;

    use super::*;
    use crate::conformance::check_store;

    #[test]
    fn memory_conforms() {
        let root = ArtifactUri::parse("mem://bucket/prefix/").unwrap();
        let store = ObjectStoreArtifacts::new(Arc::new(InMemory::new()), root, "prefix/a b");
        check_store(&store);
    }

    #[test]
    fn local_files_conform() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
        let root = ArtifactUri::parse(folder.path().to_str().unwrap()).unwrap();
        let store = ObjectStoreArtifacts::new(Arc::new(store), root, "");
        check_store(&store);
        assert!(!format!("{store:?}").contains("LocalFileSystem"));
    }
}
