//! Files from elsewhere that become artifacts of a local store.

use std::fs::File;
use std::io::{self, Read as _};

use blake2b_simd::State;
use camino::Utf8Path;

use crate::artifact::{ArtifactPath, PutOptions};
use crate::checksum::checksum_of_file;
use crate::disk;
use crate::local_store::{LocalStore, split};
use crate::store_error::StoreError;

/// Bytes that are read at once to be copied.
pub(crate) const CHUNK: usize = 1 << 20;

/// How a file becomes an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placing {
    /// Its content is copied.
    Copy,
    /// It gets a second name, which needs the same file system.
    Hardlink,
    /// The artifact is a symbolic link to it.
    Symlink,
}

/// What is known of a file that became an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedFile {
    /// Size in bytes.
    pub size: u64,
    /// BLAKE2b of its content as the middleware records it, 128 hexadecimal digits, if wanted.
    pub checksum: Option<String>,
}

impl LocalStore {
    /// As [`ArtifactStore::place`](crate::ArtifactStore::place).
    pub(crate) fn place_file(
        &self,
        path: &ArtifactPath,
        source: &Utf8Path,
        placing: Placing,
        checksum: bool,
        options: PutOptions,
    ) -> Result<PlacedFile, StoreError> {
        let target = self.root_path().join(path.whole()?);
        let (parent, _) = split(&target);
        let unfinished = parent.join(self.unfinished_name());
        let unreadable = |error| StoreError::of_io("read", source, error);
        let failed = |error| StoreError::of_io("write", &target, error);
        let mut opened = File::open(source).map_err(unreadable)?;
        let metadata = opened.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(unreadable(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        let written = match placing {
            Placing::Copy => {
                let file = self.with_folder(parent, options.durable, || {
                    disk::create(&unfinished).map_err(failed)
                })?;
                let copied = copy(&mut opened, source, &file, &unfinished, checksum, failed);
                match options.durable {
                    true => copied.and_then(|copied| {
                        disk::sync_file(&file, &unfinished).map_err(failed)?;
                        Ok(copied)
                    }),
                    false => copied,
                }
            }
            Placing::Hardlink | Placing::Symlink => {
                self.with_folder(parent, options.durable, || {
                    match placing {
                        Placing::Hardlink => disk::link(source, &unfinished),
                        _ => disk::symlink(source, &unfinished),
                    }
                    .map_err(failed)
                })?;
                let checksum = match checksum {
                    true => checksum_of_file(source).map(Some).map_err(unreadable),
                    false => Ok(None),
                };
                checksum.map(|checksum| PlacedFile { size: metadata.len(), checksum })
            }
        };
        let published = written.and_then(|placed| {
            self.publish(&unfinished, &target, options)?;
            Ok(placed)
        });
        // Renaming a second name onto the first one does nothing.
        if published.is_err() || placing == Placing::Hardlink {
            // Most of the time it is not there; a leftover is recognisable.
            let _ = std::fs::remove_file(&unfinished);
        }
        published
    }

    /// As [`ArtifactStore::holds_copy`](crate::ArtifactStore::holds_copy).
    pub(crate) fn holds_copy_of(
        &self,
        path: &ArtifactPath,
        file: &Utf8Path,
    ) -> Result<bool, StoreError> {
        let artifact = self.file(path);
        same_content(&artifact, file).map_err(|error| StoreError::of_io("read", &artifact, error))
    }
}

/// Whether two files have the same bytes.
pub(crate) fn same_content(one: &Utf8Path, other: &Utf8Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; CHUNK], Vec::with_capacity(CHUNK));
    loop {
        let n = one.read(&mut left)?;
        right.clear();
        (&mut other).take(n as u64).read_to_end(&mut right)?;
        if left[..n] != right[..] {
            return Ok(false);
        }
        if n == 0 {
            return Ok(true);
        }
    }
}

fn copy(
    from: &mut File,
    source: &Utf8Path,
    to: &File,
    path: &Utf8Path,
    checksum: bool,
    failed: impl Fn(io::Error) -> StoreError,
) -> Result<PlacedFile, StoreError> {
    if !checksum {
        // The system may have better means than reading and writing.
        disk::append(to, path, &[]).map_err(&failed)?;
        let size = io::copy(from, &mut &*to).map_err(failed)?;
        return Ok(PlacedFile { size, checksum: None });
    }
    let mut digest = State::new();
    let mut size = 0;
    let mut buffer = vec![0; CHUNK];
    loop {
        let n = from.read(&mut buffer).map_err(|e| StoreError::of_io("read", source, e))?;
        if n == 0 {
            return Ok(PlacedFile { size, checksum: Some(digest.finalize().to_hex().to_string()) });
        }
        digest.update(&buffer[..n]);
        disk::append(to, path, &buffer[..n]).map_err(&failed)?;
        size += n as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use camino::Utf8PathBuf;

    use super::*;
    use crate::artifact::ArtifactStore as _;

    struct Setting {
        _folder: tempfile::TempDir,
        source: Utf8PathBuf,
        store: LocalStore,
    }

    fn setting() -> Setting {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let source = root.join("release a#b.yaml");
        fs_err::write(&source, "a: 1\n").unwrap();
        let store = LocalStore::new(&root.join("me")).unwrap();
        Setting { _folder: folder, source, store }
    }

    fn leftovers(store: &LocalStore) -> usize {
        store.remove_leftovers("", std::time::Duration::ZERO).unwrap()
    }

    #[test]
    fn a_file_becomes_an_artifact_in_each_way_and_again() {
        let Setting { _folder, source, store } = &setting();
        let path = ArtifactPath::plain("run/x/a b.yaml").unwrap();
        for placing in [Placing::Copy, Placing::Hardlink, Placing::Symlink, Placing::Hardlink] {
            for checksum in [false, true, true] {
                let placed =
                    store.place(&path, source, placing, checksum, PutOptions::default()).unwrap();
                assert_eq!(placed.size, 5);
                // As `hashlib.blake2b(b"a: 1\n")` gives it.
                let first = placed.checksum.map(|text| (text.len(), text[..16].to_owned()));
                assert_eq!(first, checksum.then(|| (128, "d79dd6f6dc7ca22c".to_owned())));
                let file = store.file(&path);
                let metadata = fs_err::symlink_metadata(&file).unwrap();
                assert_eq!(metadata.is_symlink(), placing == Placing::Symlink);
                assert_eq!(metadata.nlink() > 1, placing == Placing::Hardlink);
                assert_eq!(fs_err::read(&file).unwrap(), b"a: 1\n");
                assert!(store.holds_copy(&path, source).unwrap());
                assert_eq!(leftovers(store), 0);
            }
        }
    }

    #[test]
    fn what_is_not_there_or_no_file_is_refused_and_leaves_nothing() {
        let Setting { _folder, source, store } = &setting();
        let path = ArtifactPath::plain("run/x.yaml").unwrap();
        let place = |from: &Utf8Path| {
            store.place(&path, from, Placing::Copy, false, PutOptions::default()).unwrap_err()
        };
        assert!(matches!(place(&source.with_extension("no")), StoreError::NotFound { .. }));
        let folder = source.parent().unwrap();
        assert!(place(folder).to_string().contains("folder of a file"), "{}", place(folder));
        assert!(!store.file(&path).exists());
        assert_eq!(leftovers(store), 0);
    }
}
