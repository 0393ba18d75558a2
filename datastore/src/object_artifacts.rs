//! Artifacts in object stores.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use camino::Utf8Path;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    Attribute, AttributeValue, Attributes, GetOptions, GetResult, ObjectStore, ObjectStoreExt as _,
};
use tokio::runtime::{Builder, EnterGuard, Runtime};

use crate::artifact::{
    ArtifactPath, ArtifactReader, ArtifactStore, ListedArtifact, PutOptions, is_unfinished,
};
use crate::artifact_identity::ArtifactIdentity;
use crate::many::for_many;
use crate::object_error::sorted;
use crate::outside_file::{PlacedFile, Placing};
use crate::store_error::StoreError;
use crate::uri::ArtifactUri;
use crate::zip_member;

/// Under which an object carries the name of who has written it.
const WRITER: Attribute = Attribute::Metadata(Cow::Borrowed("qbb-writer"));
/// Under which it carries the checksum of its content. Both come and go with the content.
const CHECKSUM: Attribute = Attribute::Metadata(Cow::Borrowed("qbb-blake2b"));
/// Most keys in a request that deletes.
const MOST_DELETED_AT_ONCE: usize = 1000;

/// The artifacts below a prefix of any [`ObjectStore`].
///
/// Calls block; they must not come from asynchronous code. All stores share one small runtime. A
/// put is one request, which such stores make visible as a whole, so nothing needs renaming.
/// Durability is the store's own: cloud stores always give it, and
/// [`object_store::local::LocalFileSystem`] when it is made with `with_fsync(true)`, whatever
/// [`PutOptions::durable`] says.
#[derive(Clone)]
pub struct ObjectStoreArtifacts {
    store: Arc<dyn ObjectStore>,
    root: ArtifactUri,
    prefix: String,
    requests_at_once: NonZeroUsize,
    /// Name that objects carry which this store has written.
    writer: Option<String>,
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
        Self {
            store,
            root: root.into_folder(),
            prefix,
            requests_at_once: NonZeroUsize::MIN,
            writer: None,
        }
    }

    pub(crate) fn key(&self, path: &str) -> Result<Path, StoreError> {
        let key = match self.prefix.as_str() {
            "" => path.to_owned(),
            prefix => format!("{prefix}/{path}"),
        };
        Path::parse(&key).map_err(|_| StoreError::InvalidPath {
            path: path.to_owned(),
            reason: "object stores do not take control characters or empty names",
        })
    }

    pub(crate) fn shown(&self, path: &str) -> String {
        format!("{}{path}", self.root)
    }

    pub(crate) fn store(&self) -> &dyn ObjectStore {
        &*self.store
    }

    /// Sets how many requests are worth making at once.
    pub fn with_requests_at_once(mut self, requests: NonZeroUsize) -> Self {
        self.requests_at_once = requests;
        self
    }

    /// Has objects carry a name of this store, so that what it has written can be told from what
    /// others write. The store must keep metadata with objects.
    pub fn with_writer(mut self, name: uuid::Uuid) -> Self {
        self.writer = Some(name.simple().to_string());
        self
    }

    /// What is kept with an object whose content has that checksum. Without a name of the writer
    /// the store may not keep anything.
    pub(crate) fn attributes(&self, checksum: &str) -> Attributes {
        let writer = self.writer.iter().flat_map(|name| {
            [(WRITER, name.clone()), (CHECKSUM, checksum.to_owned())]
                .map(|(name, text)| (name, AttributeValue::from(text)))
        });
        writer.collect()
    }

    /// What is known of an object without reading it.
    pub(crate) fn look(&self, name: &str) -> Result<GetResult, StoreError> {
        let key = self.key(name)?;
        let options = GetOptions { head: true, ..GetOptions::default() };
        self.block_on("look at", name, self.store.get_opts(&key, options))
    }

    /// The checksum that an object carries, if one of these stores has written it.
    pub(crate) fn checksum_of(found: &GetResult) -> Option<&str> {
        found.attributes.get(&CHECKSUM).map(|checksum| checksum.as_ref())
    }

    /// Who has written an object.
    fn writer_of(&self, name: &str) -> Option<ArtifactIdentity> {
        let found = self.look(name).ok()?;
        found.attributes.get(&WRITER).map(|writer| ArtifactIdentity::of_writer(writer))
    }

    fn runtime(&self, action: &'static str, path: &str) -> Result<&'static Runtime, StoreError> {
        runtime().map_err(|reason| StoreError::Object {
            action,
            place: self.shown(path),
            source: reason.into(),
        })
    }

    /// Makes the runtime that of the calling thread.
    pub(crate) fn enter(
        &self,
        action: &'static str,
        path: &str,
    ) -> Result<EnterGuard<'static>, StoreError> {
        Ok(self.runtime(action, path)?.enter())
    }

    pub(crate) fn block_on<T>(
        &self,
        action: &'static str,
        path: &str,
        future: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, StoreError> {
        let result = self.runtime(action, path)?.block_on(future);
        result.map_err(|error| sorted(action, self.shown(path), &self.root, error))
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, StoreError> {
        let key = self.key(path)?;
        let found = self.content(path, &key, None, None)?;
        let size = found.meta.size;
        // The size that is announced is not to be trusted with an allocation.
        let mut content = Vec::new();
        let mut stream = found.into_stream();
        while let Some(bytes) = self.block_on("read", path, stream.try_next())? {
            content.extend_from_slice(&bytes);
        }
        match content.len() as u64 == size {
            true => Ok(content),
            false => Err(StoreError::Truncated { place: self.shown(path) }),
        }
    }
}

impl ObjectStoreArtifacts {
    /// Deletes what one request can delete.
    fn delete_batch(&self, paths: &[ArtifactPath]) -> Vec<Result<bool, StoreError>> {
        let keys: Result<Vec<Path>, StoreError> =
            paths.iter().map(|path| self.key(path.whole()?)).collect();
        let deleted = keys.and_then(|keys| {
            let keys = futures_util::stream::iter(keys.into_iter().map(Ok)).boxed();
            let answers = async { Ok(self.store.delete_stream(keys).collect::<Vec<_>>().await) };
            self.block_on("delete", "", answers)
        });
        match deleted {
            Ok(answers) if answers.len() == paths.len() => (answers.into_iter().zip(paths))
                .map(|(answer, path)| match answer {
                    Ok(_) => Ok(true),
                    Err(object_store::Error::NotFound { .. }) => Ok(false),
                    Err(error) => {
                        Err(sorted("delete", self.shown(path.as_str()), &self.root, error))
                    }
                })
                .collect(),
            // Which of them it was is found out one by one.
            _ => paths.iter().map(|path| self.delete(path)).collect(),
        }
    }
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
        self.put_whole(path.whole()?, content.to_vec(), options.if_exists).map(drop)
    }

    fn get(&self, path: &ArtifactPath) -> Result<Vec<u8>, StoreError> {
        match path.zip_member() {
            Some(member) => zip_member::read(self.reader(path)?, path.as_str(), member),
            None => self.read(path.as_str()),
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
            return zip_member::size(self.reader(path)?, name, member);
        }
        Ok(self.look(name)?.meta.size)
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

    fn delete_many(&self, paths: &[ArtifactPath]) -> Vec<Result<bool, StoreError>> {
        let batches: Vec<&[ArtifactPath]> = paths.chunks(MOST_DELETED_AT_ONCE).collect();
        for_many(self, batches.len(), &|at| self.delete_batch(batches[at]))
            .into_iter()
            .flatten()
            .collect()
    }

    fn place(
        &self,
        path: &ArtifactPath,
        source: &Utf8Path,
        placing: Placing,
        checksum: bool,
        options: PutOptions,
    ) -> Result<PlacedFile, StoreError> {
        self.place_file(path, source, placing, checksum, options)
    }

    fn holds_copy(&self, path: &ArtifactPath, file: &Utf8Path) -> Result<bool, StoreError> {
        self.holds_copy_of(path, file)
    }

    fn fetch(&self, path: &ArtifactPath, target: &Utf8Path) -> Result<u64, StoreError> {
        self.fetch_to(path, target)
    }

    fn members(&self, archive: &ArtifactPath) -> Result<Vec<(String, u64)>, StoreError> {
        zip_member::members(self.reader(archive)?, archive.as_str())
    }

    fn open(&self, path: &ArtifactPath) -> Result<Box<dyn ArtifactReader>, StoreError> {
        path.whole()?;
        Ok(Box::new(self.reader(path)?))
    }

    fn identity(&self, path: &ArtifactPath) -> Option<ArtifactIdentity> {
        self.writer_of(path.whole().ok()?)
    }

    fn own_identity(&self, _: &ArtifactPath) -> Option<ArtifactIdentity> {
        self.writer.as_deref().map(ArtifactIdentity::of_writer)
    }

    fn requests_at_once(&self) -> Option<NonZeroUsize> {
        Some(self.requests_at_once)
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
