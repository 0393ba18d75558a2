//! Local files that become objects, and objects that become local files.

use std::fs::File;
use std::io::{self, Read as _, Write as _};

use blake2b_simd::State;
use camino::Utf8Path;
use futures_util::TryStreamExt as _;
use object_store::{ObjectStoreExt as _, PutMode, PutPayload, WriteMultipart};

use crate::artifact::{ArtifactPath, ArtifactStore as _, IfExists, PutOptions};
use crate::disk;
use crate::object_artifacts::ObjectStoreArtifacts;
use crate::outside_file::{CHUNK, PlacedFile, Placing};
use crate::store_error::StoreError;

/// Larger files are sent in parts of this size. Smaller ones are one request, which is held in
/// memory so that it can be repeated.
const PART: usize = 16 << 20;
/// Parts of one file that are on their way at the same time.
const PARTS_AT_ONCE: usize = 4;
/// Most parts that a file may have; the protocol allows some more.
const MOST_PARTS: u64 = 9000;

impl ObjectStoreArtifacts {
    /// As [`ArtifactStore::place`](crate::ArtifactStore::place). One request has the store see to it
    /// that nothing is replaced; the protocol has no such condition for files in parts, so there it
    /// is looked at before.
    pub(crate) fn place_file(
        &self,
        path: &ArtifactPath,
        source: &Utf8Path,
        placing: Placing,
        checksum: bool,
        options: PutOptions,
    ) -> Result<PlacedFile, StoreError> {
        let name = path.whole()?;
        if placing != Placing::Copy {
            return Err(StoreError::NoLinks { place: self.shown(name) });
        }
        let unreadable = |error| StoreError::of_io("read", source, error);
        let mut file = File::open(source).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(unreadable(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        let mut digest = checksum.then(State::new);
        let size = if metadata.len() <= PART as u64 {
            let mut content = Vec::with_capacity(metadata.len() as usize);
            file.read_to_end(&mut content).map_err(unreadable)?;
            if let Some(digest) = &mut digest {
                digest.update(&content);
            }
            let size = content.len() as u64;
            self.put_whole(name, PutPayload::from(content), options.if_exists)?;
            size
        } else {
            if options.if_exists == IfExists::Fail && self.exists(path)? {
                return Err(StoreError::AlreadyExists { place: self.shown(name) });
            }
            self.put_parts(name, &mut file, source, metadata.len(), &mut digest)?
        };
        let checksum = digest.map(|digest| digest.finalize().to_hex().to_string());
        Ok(PlacedFile { size, checksum })
    }

    /// Writes an object with one request.
    pub(crate) fn put_whole(
        &self,
        name: &str,
        payload: PutPayload,
        if_exists: IfExists,
    ) -> Result<(), StoreError> {
        let key = self.key(name)?;
        let mode = match if_exists {
            IfExists::Replace => PutMode::Overwrite,
            IfExists::Fail => PutMode::Create,
        };
        let options = object_store::PutOptions {
            mode,
            attributes: self.attributes(),
            ..object_store::PutOptions::default()
        };
        self.block_on("write", name, self.store().put_opts(&key, payload, options)).map(drop)
    }

    /// Writes an object in parts, which becomes visible when the last one is there.
    fn put_parts(
        &self,
        name: &str,
        file: &mut File,
        source: &Utf8Path,
        length: u64,
        digest: &mut Option<State>,
    ) -> Result<u64, StoreError> {
        let key = self.key(name)?;
        let options = object_store::PutMultipartOptions {
            attributes: self.attributes(),
            ..object_store::PutMultipartOptions::default()
        };
        let part = PART.max(usize::try_from(length / MOST_PARTS).unwrap_or(PART) + 1);
        let upload =
            self.block_on("write", name, self.store().put_multipart_opts(&key, options))?;
        // Parts are sent by tasks of the runtime, which there must be when they are made.
        let _entered = self.enter("write", name)?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, part);
        let (mut size, mut buffer) = (0, vec![0; CHUNK]);
        let sent = loop {
            let n = match file.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(n) => n,
                Err(error) => break Err(StoreError::of_io("read", source, error)),
            };
            if let Some(digest) = digest.as_mut() {
                digest.update(&buffer[..n]);
            }
            let room = writer.wait_for_capacity(PARTS_AT_ONCE);
            if let Err(error) = self.block_on("write", name, room) {
                break Err(error);
            }
            writer.write(&buffer[..n]);
            size += n as u64;
        };
        match sent {
            Ok(()) => self.block_on("write", name, writer.finish()).map(|_| size),
            Err(error) => {
                // The error that is returned matters more; parts without a whole are never seen.
                let _ = self.block_on("write", name, writer.abort());
                Err(error)
            }
        }
    }

    /// As [`ArtifactStore::holds_copy`](crate::ArtifactStore::holds_copy).
    pub(crate) fn holds_copy_of(
        &self,
        path: &ArtifactPath,
        source: &Utf8Path,
    ) -> Result<bool, StoreError> {
        let unreadable = |error| StoreError::of_io("read", source, error);
        let mut file = File::open(source).map_err(unreadable)?;
        let size = self.size(path)?;
        if file.metadata().map_err(unreadable)?.len() != size {
            return Ok(false);
        }
        let (mut at, mut wanted) = (0, Vec::with_capacity(PART.min(size as usize)));
        while at < size {
            let end = size.min(at + PART as u64);
            wanted.clear();
            (&mut file).take(end - at).read_to_end(&mut wanted).map_err(unreadable)?;
            if self.get_range(path, at..end)? != wanted {
                return Ok(false);
            }
            at = end;
        }
        Ok(true)
    }

    /// As [`ArtifactStore::fetch`](crate::ArtifactStore::fetch).
    pub(crate) fn fetch_to(
        &self,
        path: &ArtifactPath,
        target: &Utf8Path,
    ) -> Result<u64, StoreError> {
        let name = path.whole()?;
        let key = self.key(name)?;
        let mut content =
            self.block_on("read", name, async { Ok(self.store().get(&key).await?.into_stream()) })?;
        let failed = |error| StoreError::of_io("write", target, error);
        let mut file = disk::create(target).map_err(failed)?;
        let mut size = 0;
        while let Some(bytes) = self.block_on("read", name, content.try_next())? {
            file.write_all(&bytes).map_err(failed)?;
            size += bytes.len() as u64;
        }
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use camino::Utf8PathBuf;
    use object_store::memory::InMemory;

    use super::*;
    use crate::uri::ArtifactUri;

    #[test]
    fn files_become_objects_whole_or_in_parts_and_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| Utf8PathBuf::from_path_buf(folder.path().join(name)).unwrap();
        let root = ArtifactUri::parse("mem://bucket/").unwrap();
        let store = ObjectStoreArtifacts::new(Arc::new(InMemory::new()), root, "");
        for (name, length) in [("empty", 0), ("small", 5), ("part", PART), ("parts", 2 * PART + 7)]
        {
            let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            fs_err::write(file(name), &content).unwrap();
            let path = ArtifactPath::plain(name).unwrap();
            let place = |if_exists| {
                let options = PutOptions { durable: false, if_exists };
                store.place(&path, &file(name), Placing::Copy, true, options)
            };
            let placed = place(IfExists::Fail).unwrap();
            assert_eq!(placed.size, length as u64);
            assert_eq!(placed.checksum, Some(crate::checksum::checksum(&content)));
            assert!(matches!(place(IfExists::Fail), Err(StoreError::AlreadyExists { .. })));
            assert!(store.holds_copy(&path, &file(name)).unwrap());
            assert_eq!(place(IfExists::Replace).unwrap(), placed);
            let copy = file(&format!("{name}.copy"));
            assert_eq!(store.fetch(&path, &copy).unwrap(), length as u64);
            assert!(fs_err::read(&copy).unwrap() == content);
            if length != 0 {
                let mut other = content.clone();
                other[length - 1] ^= 1;
                fs_err::write(file(name), &other).unwrap();
                assert!(!store.holds_copy(&path, &file(name)).unwrap());
            }
        }
        let path = ArtifactPath::plain("link").unwrap();
        let linked =
            store.place(&path, &file("small"), Placing::Hardlink, false, PutOptions::default());
        assert!(matches!(linked, Err(StoreError::NoLinks { .. })));
        let missing =
            store.place(&path, &file("none"), Placing::Copy, false, PutOptions::default());
        assert!(matches!(missing, Err(StoreError::NotFound { .. })));
        assert!(matches!(store.fetch(&path, &file("x")), Err(StoreError::NotFound { .. })));
    }
}
