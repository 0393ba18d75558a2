//! All packs of a journal directory.

use std::sync::{Arc, Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use rustc_hash::FxHashMap;
use uuid::Uuid;

use super::error::PackError;
use super::format::EXTENSION;
use super::reader::{PackBlock, PackReader};

/// Where a packed dataset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackedPlace {
    /// Writer of the pack.
    pub pack: Uuid,
    /// Where the block's frame begins.
    pub block: u64,
    /// Offset in the block's content, in bytes.
    pub begin: u32,
    /// Length in bytes.
    pub length: u32,
}

/// Reads packed datasets. Packs are opened when they are needed. May be shared by threads.
#[derive(Debug)]
pub struct Packs {
    directory: Utf8PathBuf,
    open: Mutex<FxHashMap<Uuid, Arc<PackReader>>>,
    /// The block that was read last, as neighbours are often asked for one after the other.
    last: Mutex<Option<(Uuid, Arc<PackBlock>)>>,
}

impl Packs {
    /// The packs of a journal directory.
    pub fn new(directory: &Utf8Path) -> Self {
        Self { directory: directory.to_owned(), open: Mutex::default(), last: Mutex::default() }
    }

    /// A pack.
    ///
    /// # Errors
    /// If it cannot be read, is not a pack, or its beginning is damaged.
    pub fn pack(&self, writer: Uuid) -> Result<Arc<PackReader>, PackError> {
        // The maps are whole between any two operations on them.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pack) = open.get(&writer) {
            return Ok(pack.clone());
        }
        let path = self.directory.join(format!("{writer}.{EXTENSION}"));
        let pack = Arc::new(PackReader::open(&path)?);
        open.insert(writer, pack.clone());
        Ok(pack)
    }

    /// A block of a pack.
    ///
    /// # Errors
    /// If the pack or the block cannot be read.
    pub fn block(&self, writer: Uuid, offset: u64) -> Result<Arc<PackBlock>, PackError> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((pack, block)) = last
            && (pack, block.offset) == (writer, offset)
        {
            return Ok(block);
        }
        let block = Arc::new(self.pack(writer)?.block(offset)?);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((writer, block.clone()));
        Ok(block)
    }

    /// The content of a dataset.
    ///
    /// # Errors
    /// If the pack or its block cannot be read, or the block is shorter than the place says.
    pub fn read(&self, place: PackedPlace) -> Result<Vec<u8>, PackError> {
        let block = self.block(place.pack, place.block)?;
        match block.slice(place.begin, place.length) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => Err(PackError::damaged(
                self.pack(place.pack)?.path(),
                place.block,
                "the block is shorter than the journal says",
            )),
        }
    }

    /// Whether a dataset is there, whole.
    pub fn has(&self, place: PackedPlace) -> bool {
        self.pack(place.pack).is_ok_and(|pack| {
            let end = place.begin.saturating_add(place.length);
            pack.has(place.block, place.begin..end)
        })
    }
}
