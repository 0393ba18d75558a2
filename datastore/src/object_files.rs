//! Local files that become objects.

use std::fs::File;
use std::io::{self, Read as _};

use blake2b_simd::State;
use camino::Utf8Path;
use object_store::{PutMode, PutPayload, WriteMultipart};

use crate::artifact::{ArtifactPath, ArtifactStore as _, IfExists, PutOptions};
use crate::checksum::{checksum, checksum_of_file};
use crate::exclusive_completion::exclusively;
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
    /// As [`ArtifactStore::place`](crate::ArtifactStore::place). The store is told with the request,
    /// or with the last one of a file in parts, that nothing must be replaced. As not all servers heed
    /// that at the end of parts, it is looked at before, too.
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
        let (size, digits) = if metadata.len() <= PART as u64 {
            let mut content = Vec::with_capacity(metadata.len() as usize);
            file.read_to_end(&mut content).map_err(unreadable)?;
            let size = content.len() as u64;
            (size, self.put_whole(name, content, options.if_exists)?)
        } else {
            if options.if_exists == IfExists::Fail && self.exists(path)? {
                return Err(StoreError::AlreadyExists { place: self.shown(name) });
            }
            // It goes before the parts.
            let digits = checksum_of_file(source).map_err(unreadable)?;
            let size = self.put_parts(name, &mut file, source, metadata.len(), &digits, options)?;
            (size, digits)
        };
        Ok(PlacedFile { size, checksum: checksum.then_some(digits) })
    }

    /// Writes an object with one request. Returns its checksum.
    pub(crate) fn put_whole(
        &self,
        name: &str,
        content: Vec<u8>,
        if_exists: IfExists,
    ) -> Result<String, StoreError> {
        let key = self.key(name)?;
        let mode = match if_exists {
            IfExists::Replace => PutMode::Overwrite,
            IfExists::Fail => PutMode::Create,
        };
        let digits = checksum(&content);
        let options = object_store::PutOptions {
            mode,
            attributes: self.attributes(&digits),
            ..object_store::PutOptions::default()
        };
        let payload = PutPayload::from(content);
        self.block_on("write", name, self.store().put_opts(&key, payload, options))?;
        Ok(digits)
    }

    /// Writes an object in parts, which becomes visible when the last one is there and the store was
    /// told so, with a condition if it takes one then. `announced` is the checksum of the file, which
    /// must still be true when all of it was sent.
    pub(crate) fn put_parts(
        &self,
        name: &str,
        file: &mut File,
        source: &Utf8Path,
        length: u64,
        announced: &str,
        options: PutOptions,
    ) -> Result<u64, StoreError> {
        let key = self.key(name)?;
        let if_exists = options.if_exists;
        let options = object_store::PutMultipartOptions {
            attributes: self.attributes(announced),
            ..object_store::PutMultipartOptions::default()
        };
        let part = PART.max(usize::try_from(length / MOST_PARTS).unwrap_or(PART) + 1);
        let upload =
            self.block_on("write", name, self.store().put_multipart_opts(&key, options))?;
        // Parts are sent by tasks of the runtime, which there must be when they are made.
        let _entered = self.enter("write", name)?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, part);
        let (mut size, mut buffer, mut digest) = (0, vec![0; CHUNK], State::new());
        let sent = loop {
            let n = match file.read(&mut buffer) {
                Ok(0) if *digest.finalize().to_hex() == *announced => break Ok(()),
                Ok(0) => break Err(StoreError::Changed { place: source.to_string() }),
                Ok(n) => n,
                Err(error) => break Err(StoreError::of_io("read", source, error)),
            };
            digest.update(&buffer[..n]);
            let room = writer.wait_for_capacity(PARTS_AT_ONCE);
            if let Err(error) = self.block_on("write", name, room) {
                break Err(error);
            }
            writer.write(&buffer[..n]);
            size += n as u64;
        };
        match sent {
            Ok(()) => {
                let ended = match if_exists {
                    IfExists::Replace => self.block_on("write", name, writer.finish()),
                    IfExists::Fail => self.block_on("write", name, exclusively(writer.finish())),
                };
                ended.map(|_| size)
            }
            Err(error) => {
                // The error that is returned matters more; parts without a whole are never seen.
                let _ = self.block_on("write", name, writer.abort());
                Err(error)
            }
        }
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
            assert_eq!(placed.checksum, Some(checksum(&content)));
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
