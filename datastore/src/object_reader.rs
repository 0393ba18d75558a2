//! Objects that are read from any position.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult};

use crate::artifact::ArtifactPath;
use crate::object_artifacts::ObjectStoreArtifacts;
use crate::store_error::StoreError;

/// Bytes of the first request, and of one that is not where the one before has ended: enough for
/// the directory of an archive, which is at its end.
const FIRST: u64 = 256 << 10;
/// Most bytes of a request. Each is larger than the one before while they go on from each other.
const LARGEST: u64 = 8 << 20;

/// An object of which parts are requested as they are needed, and which must stay the same meanwhile.
pub(crate) struct ObjectReader {
    store: ObjectStoreArtifacts,
    name: String,
    key: Path,
    size: u64,
    /// Tells this object from another that takes its place.
    tag: Option<String>,
    position: u64,
    buffer: Vec<u8>,
    buffer_at: u64,
    next: u64,
}

impl fmt::Debug for ObjectReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectReader").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ObjectStoreArtifacts {
    /// Requests an object, or a part of it. With `tag` it must be the one that had that.
    pub(crate) fn content(
        &self,
        name: &str,
        key: &Path,
        range: Option<Range<u64>>,
        tag: Option<&str>,
    ) -> Result<GetResult, StoreError> {
        let options = GetOptions {
            range: range.map(GetRange::Bounded),
            if_match: tag.map(str::to_owned),
            ..GetOptions::default()
        };
        self.block_on("read", name, self.store().get_opts(key, options))
    }

    /// A reader of an object, without members.
    pub(crate) fn reader(&self, path: &ArtifactPath) -> Result<ObjectReader, StoreError> {
        let name = path.as_str().to_owned();
        let key = self.key(&name)?;
        let found = self.look(&name)?.meta;
        Ok(ObjectReader {
            store: self.clone(),
            name,
            key,
            size: found.size,
            tag: found.e_tag,
            position: 0,
            buffer: Vec::new(),
            buffer_at: 0,
            next: FIRST,
        })
    }
}

impl ObjectReader {
    /// Fills the buffer with what is at the position.
    fn fill(&mut self) -> Result<(), StoreError> {
        let goes_on = self.position == self.buffer_at + self.buffer.len() as u64;
        self.next = match goes_on {
            true => self.next.saturating_mul(2).min(LARGEST),
            false => FIRST,
        };
        let end = self.size.min(self.position.saturating_add(self.next));
        // Archives are read from their end.
        let start = match goes_on {
            true => self.position,
            false => self.position.min(end.saturating_sub(self.next)),
        };
        let (name, tag) = (self.name.as_str(), self.tag.as_deref());
        let found = self.store.content(name, &self.key, Some(start..end), tag)?;
        self.buffer = self.store.block_on("read", name, found.bytes())?.into();
        self.buffer_at = start;
        if self.buffer.len() as u64 == end - start {
            return Ok(());
        }
        self.buffer.clear();
        Err(StoreError::Truncated { place: self.store.shown(name) })
    }
}

impl Read for ObjectReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.size || to.is_empty() {
            return Ok(0);
        }
        let buffered = self.buffer_at..self.buffer_at + self.buffer.len() as u64;
        if !buffered.contains(&self.position) {
            self.fill().map_err(io::Error::other)?;
        }
        let rest = &self.buffer[(self.position - self.buffer_at) as usize..];
        let length = rest.len().min(to.len());
        to[..length].copy_from_slice(&rest[..length]);
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for ObjectReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;
    use crate::artifact::{ArtifactStore as _, PutOptions};
    use crate::uri::ArtifactUri;

    #[test]
    fn any_part_is_read_and_another_object_is_noticed() {
        let root = ArtifactUri::parse("mem://bucket/").unwrap();
        let store = ObjectStoreArtifacts::new(Arc::new(InMemory::new()), root, "");
        let path = ArtifactPath::plain("x").unwrap();
        let content: Vec<u8> = (0..3 * FIRST + 5).map(|at| (at % 251) as u8).collect();
        store.put(&path, &content, PutOptions::default()).unwrap();
        let mut reader = store.reader(&path).unwrap();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert!(all == content);
        for at in [content.len() as u64 - 3, 7, FIRST, 2 * FIRST - 1, 1 << 40] {
            reader.seek(SeekFrom::Start(at)).unwrap();
            all.clear();
            reader.read_to_end(&mut all).unwrap();
            assert!(all == content[content.len().min(at as usize)..], "from {at}");
        }
        reader.seek(SeekFrom::End(1)).unwrap();
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
        reader.seek(SeekFrom::End(i64::MIN)).unwrap_err();
        let mut reader = store.reader(&path).unwrap();
        store.put(&path, &content[1..], PutOptions::default()).unwrap();
        let error = reader.read(&mut [0]).unwrap_err().to_string();
        assert!(error.contains("mem://bucket/x") && error.contains("changed"), "{error}");
    }
}
