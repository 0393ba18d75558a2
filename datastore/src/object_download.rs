//! Objects that become local files.

use std::io::{Read as _, Write as _};

use camino::Utf8Path;
use futures_util::TryStreamExt as _;

use crate::artifact::ArtifactPath;
use crate::disk;
use crate::object_artifacts::ObjectStoreArtifacts;
use crate::store_error::StoreError;

/// Most bytes of one request, so that its time limit is one for a network and not for a size.
const PIECE: u64 = 16 << 20;

impl ObjectStoreArtifacts {
    /// As [`ArtifactStore::fetch`](crate::ArtifactStore::fetch). What is in memory is what the
    /// network has just brought; a large object comes in pieces, all of them of the same object.
    pub(crate) fn fetch_to(
        &self,
        path: &ArtifactPath,
        target: &Utf8Path,
    ) -> Result<u64, StoreError> {
        self.fetch_in_pieces(path, target, PIECE)
    }

    fn fetch_in_pieces(
        &self,
        path: &ArtifactPath,
        target: &Utf8Path,
        piece: u64,
    ) -> Result<u64, StoreError> {
        let name = path.whole()?;
        let key = self.key(name)?;
        let mut found = self.content(name, &key, None, None)?;
        let (size, tag) = (found.meta.size, found.meta.e_tag.clone());
        let failed = |error| StoreError::of_io("write", target, error);
        let mut file = disk::create(target).map_err(failed)?;
        let mut at = 0;
        loop {
            let end = size.min(at + piece);
            let mut content = found.into_stream();
            while at < end {
                let Some(bytes) = self.block_on("read", name, content.try_next())? else {
                    return Err(StoreError::Truncated { place: self.shown(name) });
                };
                let length = (bytes.len() as u64).min(end - at);
                file.write_all(&bytes[..length as usize]).map_err(failed)?;
                at += length;
            }
            if at == size {
                return Ok(size);
            }
            let next = at..size.min(at + piece);
            found = self.content(name, &key, Some(next), tag.as_deref())?;
        }
    }

    /// As [`ArtifactStore::holds_copy`](crate::ArtifactStore::holds_copy).
    pub(crate) fn holds_copy_of(
        &self,
        path: &ArtifactPath,
        source: &Utf8Path,
    ) -> Result<bool, StoreError> {
        let unreadable = |error| StoreError::of_io("read", source, error);
        let name = path.whole()?;
        let found = self.look(name)?;
        let mut file = std::fs::File::open(source).map_err(unreadable)?;
        if file.metadata().map_err(unreadable)?.len() != found.meta.size {
            return Ok(false);
        }
        if let Some(checksum) = Self::checksum_of(&found) {
            return Ok(crate::checksum_of_file(source).map_err(unreadable)? == checksum);
        }
        let mut content = self.reader(path)?;
        let (mut ours, mut theirs) = (vec![0; crate::outside_file::CHUNK], Vec::new());
        loop {
            let length = file.read(&mut ours).map_err(unreadable)?;
            theirs.clear();
            (&mut content)
                .take(length as u64)
                .read_to_end(&mut theirs)
                .map_err(|error| StoreError::of_read(self.shown(name), error))?;
            if ours[..length] != theirs[..] {
                return Ok(false);
            }
            if length == 0 {
                return Ok(true);
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
    use crate::artifact::{ArtifactStore as _, PutOptions};
    use crate::uri::ArtifactUri;

    #[test]
    fn pieces_make_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let root = ArtifactUri::parse("mem://bucket/").unwrap();
        let store = ObjectStoreArtifacts::new(Arc::new(InMemory::new()), root, "");
        let path = ArtifactPath::plain("x").unwrap();
        for length in [0, 1, 6, 7, 8, 14, 20_u8] {
            let content: Vec<u8> = (0..length).collect();
            store.put(&path, &content, PutOptions::default()).unwrap();
            let file = folder.path().join(length.to_string());
            let file = Utf8PathBuf::from_path_buf(file).unwrap();
            assert_eq!(store.fetch_in_pieces(&path, &file, 7).unwrap(), u64::from(length));
            assert_eq!(fs_err::read(&file).unwrap(), content);
            assert!(store.holds_copy(&path, &file).unwrap());
        }
    }
}
