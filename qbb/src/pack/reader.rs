//! Reading one pack.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use camino::{Utf8Path, Utf8PathBuf};
use uuid::Uuid;
use zstd::bulk::Decompressor;

use super::error::PackError;
use super::format::{BlockRow, HEADER, PackHeader, Payload, parse};
use crate::GraphIdentity;
use crate::journal::frame::{FRAME_HEADER, FrameHeader};

/// Reads blocks of a pack, also of one that grows meanwhile.
#[derive(Debug)]
pub struct PackReader {
    path: Utf8PathBuf,
    file: File,
    header: PackHeader,
    /// What the first frame holds.
    dictionary: Vec<u8>,
    /// Where the first block begins.
    first: u64,
}

/// A block, decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackBlock {
    /// Where its frame begins.
    pub offset: u64,
    /// Its entries in order.
    pub rows: Vec<BlockRow>,
    /// All entries, one after the other.
    pub content: Vec<u8>,
}

impl PackBlock {
    /// A part of the content.
    pub fn slice(&self, begin: u32, length: u32) -> Option<&[u8]> {
        let end = begin.checked_add(length)?;
        self.content.get(begin as usize..end as usize)
    }

    /// Entries with their bytes.
    pub fn entries(&self) -> impl Iterator<Item = (BlockRow, &[u8])> {
        let mut rest = self.content.as_slice();
        self.rows.iter().map_while(move |&row| {
            let (entry, after) = rest.split_at_checked(row.length as usize)?;
            rest = after;
            Some((row, entry))
        })
    }
}

impl PackReader {
    /// Opens a pack.
    ///
    /// # Errors
    /// If it cannot be read, is not a pack, or its beginning is damaged.
    pub fn open(path: &Utf8Path) -> Result<Self, PackError> {
        let file = File::open(path).map_err(PackError::io("open", path))?;
        let mut bytes = [0; HEADER];
        let got = file.read_exact_at(&mut bytes, 0);
        if !filled(got).map_err(PackError::io("read", path))? {
            return Err(PackError::damaged(path, 0, "the header is not complete"));
        }
        let header = PackHeader::from_bytes(&bytes, path)?;
        let mut reader = Self {
            path: path.to_owned(),
            file,
            header,
            dictionary: Vec::new(),
            first: HEADER as u64,
        };
        let mut frame = Vec::new();
        let Some(end) = reader.frame(HEADER as u64, &mut frame)? else {
            return Err(reader.damaged(HEADER as u64, "the dictionary is not complete"));
        };
        match parse(&frame) {
            Ok(Payload::Dictionary(dictionary)) => reader.dictionary = dictionary.to_vec(),
            Ok(_) => return Err(reader.damaged(HEADER as u64, "it begins without dictionary")),
            Err(reason) => return Err(reader.damaged(HEADER as u64, reason)),
        }
        reader.first = end;
        Ok(reader)
    }

    /// The file.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Who wrote it.
    pub fn writer(&self) -> Uuid {
        self.header.writer
    }

    /// The graph whose positions it uses.
    pub fn graph(&self) -> GraphIdentity {
        self.header.graph
    }

    /// Whether a whole block with at least so much content is at an offset.
    pub fn has(&self, offset: u64, content: Range<u32>) -> bool {
        let mut frame = Vec::new();
        matches!(self.frame(offset, &mut frame), Ok(Some(_)))
            && matches!(parse(&frame), Ok(Payload::Block { content: length, .. })
                if content.start <= content.end && content.end as usize <= length)
    }

    /// The block at an offset.
    ///
    /// # Errors
    /// If there is none, or it is damaged.
    pub fn block(&self, offset: u64) -> Result<PackBlock, PackError> {
        let mut frame = Vec::new();
        if self.frame(offset, &mut frame)?.is_none() {
            return Err(self.damaged(offset, "there is no whole block"));
        }
        match parse(&frame) {
            Ok(Payload::Block { rows, content, compressed }) => {
                let content = self.decompress(offset, content, compressed)?;
                Ok(PackBlock { offset, rows, content })
            }
            Ok(_) => Err(self.damaged(offset, "there is something else than a block")),
            Err(reason) => Err(self.damaged(offset, reason)),
        }
    }

    /// Offset and entries of all whole blocks in the order in which they were written, without their
    /// contents: the index of the pack, made anew from its frames.
    ///
    /// # Errors
    /// If reading fails, or a whole frame cannot be understood. What follows the last whole frame is
    /// left out.
    pub fn index(&self) -> Result<Vec<(u64, Vec<BlockRow>)>, PackError> {
        let mut index = Vec::new();
        let mut frame = Vec::new();
        let mut offset = self.first;
        while let Some(end) = self.frame(offset, &mut frame)? {
            match parse(&frame) {
                Ok(Payload::Block { rows, .. }) => index.push((offset, rows)),
                Ok(_) => {}
                Err(reason) => return Err(self.damaged(offset, reason)),
            }
            offset = end;
        }
        Ok(index)
    }

    fn decompress(
        &self,
        offset: u64,
        content: usize,
        compressed: &[u8],
    ) -> Result<Vec<u8>, PackError> {
        let failed = |error: io::Error| self.damaged(offset, error.to_string());
        // The length was checked against its limit, and nothing longer is accepted.
        let bytes = Decompressor::with_dictionary(&self.dictionary)
            .and_then(|mut decompressor| decompressor.decompress(compressed, content))
            .map_err(failed)?;
        if bytes.len() != content {
            return Err(self.damaged(offset, "the content has another length than announced"));
        }
        Ok(bytes)
    }

    /// Reads the payload of the frame at an offset and tells where the frame ends; `None` if there is
    /// no whole one.
    fn frame(&self, offset: u64, payload: &mut Vec<u8>) -> Result<Option<u64>, PackError> {
        let failed = |error| PackError::io("read", self.path.as_path())(error);
        let mut bytes = [0; FRAME_HEADER];
        if !filled(self.file.read_exact_at(&mut bytes, offset)).map_err(failed)? {
            return Ok(None);
        }
        let Some(header) = FrameHeader::parse(&bytes) else { return Ok(None) };
        let begin = offset.saturating_add(FRAME_HEADER as u64);
        let end = begin.saturating_add(header.length as u64);
        // The length is not trusted with an allocation until the file is known to be that long.
        let length = self.file.metadata().map_err(PackError::io("read", self.path.as_path()))?;
        if end > length.len() {
            return Ok(None);
        }
        payload.resize(header.length, 0);
        let whole = filled(self.file.read_exact_at(payload, begin))
            .map_err(PackError::io("read", self.path.as_path()))?;
        Ok((whole && header.accepts(offset, payload)).then_some(end))
    }

    fn damaged(&self, offset: u64, reason: impl Into<String>) -> PackError {
        PackError::damaged(self.path.as_path(), offset, reason)
    }
}

/// Whether a read got all its bytes; fewer mean that the file ends before.
fn filled(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "pack_tests.rs"]
mod tests;
