//! Artifacts as files in a folder.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use rustc_hash::FxHashSet;

use crate::artifact::{
    ArtifactPath, ArtifactReader, ArtifactStore, IfExists, ListedArtifact, PutOptions,
    UNFINISHED_PREFIX, UNFINISHED_SUFFIX, is_unfinished,
};
use crate::artifact_identity::ArtifactIdentity;
use crate::disk;
use crate::local_folders::sync_folder;
use crate::many::for_many;
use crate::outside_file::{PlacedFile, Placing};
use crate::staged_artifact::StagedArtifact;
use crate::store_error::StoreError;
use crate::uri::ArtifactUri;
use crate::zip_member;

/// A folder of artifacts.
///
/// A file is written beside its place under a name that begins with `.qbb-` and ends with `.tmp`,
/// and renamed when it is whole. Folders are made when they are needed and remembered, so that none
/// is made or looked at twice. There are no locks: names of unfinished files hold a random number,
/// so that stores of other processes and machines do not clash with this one.
pub struct LocalStore {
    root: Utf8PathBuf,
    root_uri: ArtifactUri,
    pub(crate) folders: Mutex<FxHashSet<Utf8PathBuf>>,
    identity: String,
    counter: AtomicU64,
    consent: Option<Box<Consent>>,
}

/// Is asked before an artifact appears; an error says why it must not.
pub type Consent = dyn Fn() -> Result<(), String> + Send + Sync;

impl std::fmt::Debug for LocalStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalStore").field("root", &self.root).finish_non_exhaustive()
    }
}

impl LocalStore {
    /// A store in a folder, which is made when it is first written to.
    ///
    /// # Errors
    /// If the path is relative.
    pub fn new(root: &Utf8Path) -> Result<Self, StoreError> {
        let root_uri = ArtifactUri::of_folder(root).map_err(|_| StoreError::InvalidPath {
            path: root.to_string(),
            reason: "the root of a datastore must be absolute",
        })?;
        Ok(Self {
            root: root.to_owned(),
            root_uri,
            folders: Mutex::default(),
            identity: Self::digits(uuid::Uuid::new_v4()),
            counter: AtomicU64::new(0),
            consent: None,
        })
    }

    /// Gives the store a name, by which its unfinished writes can be told from those of others:
    /// sixteen hexadecimal digits of it.
    pub fn named(mut self, name: uuid::Uuid) -> Self {
        self.identity = Self::digits(name);
        self
    }

    /// How names of its unfinished writes begin.
    pub fn unfinished_prefix(&self) -> String {
        format!("{UNFINISHED_PREFIX}{}-", self.identity)
    }

    /// Whether a name is that of an unfinished write of a store of this name.
    pub fn is_unfinished_of(file: &str, name: uuid::Uuid) -> bool {
        is_unfinished(file)
            && (file[UNFINISHED_PREFIX.len()..].strip_prefix(&Self::digits(name)))
                .is_some_and(|rest| rest.starts_with('-'))
    }

    fn digits(name: uuid::Uuid) -> String {
        name.simple().to_string()[..16].to_owned()
    }

    /// Whether a name is that of an unfinished write.
    pub fn is_unfinished(name: &str) -> bool {
        is_unfinished(name)
    }

    /// Has somebody asked in the last moment before each artifact appears.
    pub fn with_consent(mut self, consent: Box<Consent>) -> Self {
        self.consent = Some(consent);
        self
    }

    /// The folder.
    pub fn root_path(&self) -> &Utf8Path {
        &self.root
    }

    /// The file of an artifact, for programs that read it themselves.
    pub fn file(&self, path: &ArtifactPath) -> Utf8PathBuf {
        self.root.join(path.as_str())
    }

    /// Prepares the place of an artifact that another program writes, as a file of the same name in
    /// a folder for unfinished writes. It becomes the artifact when it is committed.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn stage<'a>(&'a self, path: &ArtifactPath) -> Result<StagedArtifact<'a>, StoreError> {
        StagedArtifact::prepare(self, self.root.join(path.whole()?))
    }

    /// Deletes what killed writers have left below a folder of the store: unfinished files and
    /// folders that nobody touched for `age`. Gives their number.
    ///
    /// Writers at work are recognised only by their age, so let it be longer than any write takes.
    ///
    /// # Errors
    /// If a folder cannot be read, or a leftover not deleted.
    pub fn remove_leftovers(&self, folder: &str, age: Duration) -> Result<usize, StoreError> {
        let now = SystemTime::now();
        let mut removed = 0;
        self.walk(folder, &mut |path, metadata, unfinished| {
            let untouched = (metadata.modified().ok())
                .and_then(|modified| now.duration_since(modified).ok())
                .is_some_and(|elapsed| elapsed >= age);
            if unfinished && untouched {
                let result = if metadata.is_dir() {
                    std::fs::remove_dir_all(path)
                } else {
                    std::fs::remove_file(path)
                };
                match result {
                    Ok(()) => removed += 1,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(StoreError::of_io("delete", path, error)),
                }
            }
            Ok(())
        })?;
        Ok(removed)
    }

    pub(crate) fn unfinished_name(&self) -> String {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        format!("{UNFINISHED_PREFIX}{}-{number}{UNFINISHED_SUFFIX}", self.identity)
    }

    /// Visits all entries below a folder that are files or unfinished.
    fn walk(
        &self,
        folder: &str,
        visit: &mut dyn FnMut(&Utf8Path, &std::fs::Metadata, bool) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let start = match folder.trim_end_matches('/') {
            "" | "." => self.root.clone(),
            folder => self.root.join(ArtifactPath::plain(folder)?.as_str()),
        };
        let mut pending = vec![start];
        while let Some(folder) = pending.pop() {
            let failed = |error| StoreError::of_io("list", &folder, error);
            let entries = match folder.read_dir_utf8() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(failed)?,
            };
            for entry in entries {
                let entry = entry.map_err(failed)?;
                let path = entry.path();
                // Links to files count as files; links to folders are not followed.
                let metadata = match std::fs::metadata(path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    metadata => metadata.map_err(|e| StoreError::of_io("list", path, e))?,
                };
                let unfinished = is_unfinished(entry.file_name());
                if unfinished || metadata.is_file() {
                    visit(path, &metadata, unfinished)?;
                } else if entry.file_type().map_err(failed)?.is_dir() {
                    pending.push(path.to_owned());
                }
            }
        }
        Ok(())
    }

    /// Moves a finished file to its place.
    pub(crate) fn publish(
        &self,
        from: &Utf8Path,
        to: &Utf8Path,
        options: PutOptions,
    ) -> Result<(), StoreError> {
        if let Some(consent) = &self.consent {
            consent().map_err(|reason| StoreError::Withheld { place: to.to_string(), reason })?;
        }
        match options.if_exists {
            IfExists::Replace => {
                disk::rename(from, to).map_err(|e| StoreError::of_io("write", to, e))?;
            }
            IfExists::Fail => {
                // A link, unlike a rename, never replaces, on network file systems neither.
                disk::link(from, to).map_err(|e| StoreError::of_io("write", to, e))?;
                // The artifact is there; a leftover is recognisable.
                let _ = disk::remove(from);
            }
        }
        if options.durable { sync_folder(split(to).0) } else { Ok(()) }
    }
}

/// Folder and name of a file that is inside a store.
pub(crate) fn split(file: &Utf8Path) -> (&Utf8Path, &str) {
    (file.parent().unwrap_or(Utf8Path::new("/")), file.file_name().unwrap_or_default())
}

impl ArtifactStore for LocalStore {
    fn root(&self) -> &ArtifactUri {
        &self.root_uri
    }

    fn put(
        &self,
        path: &ArtifactPath,
        content: &[u8],
        options: PutOptions,
    ) -> Result<(), StoreError> {
        let target = self.root.join(path.whole()?);
        let (parent, _) = split(&target);
        let unfinished = parent.join(self.unfinished_name());
        let failed = |error| StoreError::of_io("write", &target, error);
        let file = self
            .with_folder(parent, options.durable, || disk::create(&unfinished).map_err(failed))?;
        let written = disk::append(&file, &unfinished, content)
            .and_then(|()| match options.durable {
                true => disk::sync_file(&file, &unfinished),
                false => Ok(()),
            })
            .map_err(failed);
        drop(file);
        let published = written.and_then(|()| self.publish(&unfinished, &target, options));
        if published.is_err() {
            // The error that is returned matters more than a leftover, which is recognisable.
            let _ = disk::remove(&unfinished);
        }
        published
    }

    fn get(&self, path: &ArtifactPath) -> Result<Vec<u8>, StoreError> {
        if let Some(member) = path.zip_member() {
            return zip_member::read(open(&self.file(path))?, path.as_str(), member);
        }
        let file = self.file(path);
        std::fs::read(&file).map_err(|error| StoreError::of_io("read", &file, error))
    }

    fn get_range(&self, path: &ArtifactPath, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        if path.zip_member().is_some() {
            return Ok(zip_member::cut(self.get(path)?, &range));
        }
        let file = self.file(path);
        let failed = |error| StoreError::of_io("read", &file, error);
        let mut opened = open(&file)?;
        opened.seek(SeekFrom::Start(range.start)).map_err(failed)?;
        let mut content = Vec::new();
        opened
            .take(range.end.saturating_sub(range.start))
            .read_to_end(&mut content)
            .map_err(failed)?;
        Ok(content)
    }

    fn size(&self, path: &ArtifactPath) -> Result<u64, StoreError> {
        let file = self.file(path);
        if let Some(member) = path.zip_member() {
            return zip_member::size(open(&file)?, path.as_str(), member);
        }
        match std::fs::metadata(&file) {
            Ok(metadata) if metadata.is_file() => Ok(metadata.len()),
            Ok(_) => Err(StoreError::NotFound { place: file.into_string() }),
            // Below a file there is nothing.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                Err(StoreError::NotFound { place: file.into_string() })
            }
            Err(error) => Err(StoreError::of_io("look at", &file, error)),
        }
    }

    fn delete(&self, path: &ArtifactPath) -> Result<bool, StoreError> {
        let file = self.root.join(path.whole()?);
        match disk::remove(&file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::of_io("delete", &file, error)),
        }
    }

    fn delete_many(&self, paths: &[ArtifactPath]) -> Vec<Result<bool, StoreError>> {
        for_many(self, paths.len(), &|at| self.delete(&paths[at]))
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
        let file = self.root.join(path.whole()?);
        let mut source = open(&file)?;
        let failed = |error| StoreError::of_io("write", target, error);
        let mut created = disk::create(target).map_err(failed)?;
        io::copy(&mut source, &mut created).map_err(failed)
    }

    fn open(&self, path: &ArtifactPath) -> Result<Box<dyn ArtifactReader>, StoreError> {
        Ok(Box::new(open(&self.root.join(path.whole()?))?))
    }

    fn members(&self, archive: &ArtifactPath) -> Result<Vec<(String, u64)>, StoreError> {
        zip_member::members(open(&self.file(archive))?, archive.as_str())
    }

    fn sync(&self) -> Result<(), StoreError> {
        let root = &self.root;
        (File::open(root).and_then(|folder| disk::sync_file_system(&folder, root)))
            .map_err(|error| StoreError::of_io("sync", root, error))
    }

    fn identity(&self, path: &ArtifactPath) -> Option<ArtifactIdentity> {
        ArtifactIdentity::of_file(&self.file(path))
    }

    fn remove_empty_folders(&self, former: &[ArtifactPath]) {
        let folders: BTreeSet<Utf8PathBuf> =
            former.iter().filter_map(|path| Some(self.file(path).parent()?.to_owned())).collect();
        for folder in &folders {
            let inside = folder.ancestors().take_while(|folder| *folder != self.root);
            // Up to the first one that holds something.
            let _ = inside.map(std::fs::remove_dir).take_while(Result::is_ok).count();
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<ListedArtifact>, StoreError> {
        let mut found = Vec::new();
        self.walk(folder, &mut |path, metadata, unfinished| {
            if let (false, Ok(inside)) = (unfinished, path.strip_prefix(&self.root)) {
                found.push(ListedArtifact { path: inside.to_string(), size: metadata.len() });
            }
            Ok(())
        })?;
        found.sort_unstable();
        Ok(found)
    }
}

fn open(file: &Utf8Path) -> Result<File, StoreError> {
    File::open(file).map_err(|error| StoreError::of_io("read", file, error))
}

#[cfg(test)]
#[path = "local_store_tests.rs"]
mod tests;
