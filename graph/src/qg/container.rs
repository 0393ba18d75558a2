//! The zip archive of a `.qg` file: members, frames and blocks.

use std::borrow::Cow;
use std::io::{Cursor, Read as _};

use camino::Utf8Path;
use zip::{CompressionMethod, ZipArchive};
use zstd::bulk::Decompressor;
use zstd::dict::DecoderDictionary;

use crate::error::{GraphError, Result};

/// Most bytes of a member once unpacked.
const MAX_MEMBER: u64 = 4 << 30;
/// Most bytes of the block of one quantum once unpacked.
const MAX_BLOCK: u64 = 256 << 20;
/// Most bytes that zstd can make of one: a block of 128 KiB takes at least four.
const MAX_RATIO: u64 = 1 << 15;

/// An archive in memory.
pub(super) struct Container<'a> {
    path: &'a Utf8Path,
    bytes: &'a [u8],
    archive: ZipArchive<Cursor<&'a [u8]>>,
    dictionary: Option<DecoderDictionary<'static>>,
}

impl<'a> Container<'a> {
    /// Reads the directory of the archive and the compression dictionary.
    ///
    /// # Errors
    /// If the bytes are no zip archive or the dictionary is none.
    pub(super) fn open(path: &'a Utf8Path, bytes: &'a [u8]) -> Result<Self> {
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| GraphError::Foreign {
            path: path.into(),
            reason: format!("it is no complete zip archive ({error})"),
        })?;
        let mut container = Self { path, bytes, archive, dictionary: None };
        // Absent and empty both mean that there is none.
        let dictionary = container.member(super::DICTIONARY)?.unwrap_or_default();
        if !dictionary.is_empty() {
            let loaded = DecoderDictionary::try_copy(&dictionary)
                .map_err(|error| container.fail(super::DICTIONARY, error.to_string()))?;
            container.dictionary = Some(loaded);
        }
        Ok(container)
    }

    /// An error in a member.
    pub(super) fn fail(&self, member: &str, reason: impl Into<String>) -> GraphError {
        GraphError::Exchange {
            path: self.path.into(),
            member: format!("member `{member}`"),
            reason: reason.into(),
        }
    }

    /// The bytes of a member, in place if it is stored; their checksum is verified.
    pub(super) fn member(&mut self, name: &str) -> Result<Option<Cow<'a, [u8]>>> {
        let path = self.path;
        let fail = |reason: String| GraphError::Exchange {
            path: path.into(),
            member: format!("member `{name}`"),
            reason,
        };
        let Some(index) = self.archive.index_for_name(name) else { return Ok(None) };
        let mut file = self.archive.by_index(index).map_err(|error| fail(error.to_string()))?;
        let size = file.size();
        let stored = file.compression() == CompressionMethod::Stored;
        let place = file.data_start().filter(|_| stored).and_then(|begin| {
            self.bytes.get(usize::try_from(begin).ok()?..)?.get(..usize::try_from(size).ok()?)
        });
        if let Some(bytes) = place {
            // Reading to the end is what compares the checksum.
            let read = std::io::copy(&mut file, &mut std::io::sink());
            let read = read.map_err(|error| fail(error.to_string()))?;
            if read != size {
                return Err(fail(format!("it has {read} bytes instead of {size}")));
            }
            return Ok(Some(Cow::Borrowed(bytes)));
        }
        let mut bytes = Vec::new();
        let read = (&mut file).take(MAX_MEMBER + 1).read_to_end(&mut bytes);
        read.map_err(|error| fail(error.to_string()))?;
        if bytes.len() as u64 > MAX_MEMBER {
            return Err(fail(format!("it is longer than {MAX_MEMBER} bytes")));
        }
        Ok(Some(Cow::Owned(bytes)))
    }

    /// The unpacked bytes of a member that is one frame.
    ///
    /// # Errors
    /// If there is no such member, or it cannot be unpacked.
    pub(super) fn unpacked_member(&mut self, name: &str) -> Result<Vec<u8>> {
        let frame = self.required_member(name)?;
        self.decompressor()
            .and_then(|mut decompressor| unpack(&mut decompressor, &frame, MAX_MEMBER))
            .map_err(|reason| self.fail(name, reason))
    }

    /// The bytes of a member that must be there.
    pub(super) fn required_member(&mut self, name: &str) -> Result<Cow<'a, [u8]>> {
        self.member(name)?.ok_or_else(|| self.fail(name, "the archive has no such member"))
    }

    /// A decompressor with the archive's dictionary.
    pub(super) fn decompressor(&self) -> Result<Decompressor<'_>, String> {
        match &self.dictionary {
            Some(dictionary) => Decompressor::with_prepared_dictionary(dictionary),
            None => Decompressor::new(),
        }
        .map_err(|error| error.to_string())
    }
}

/// Unpacks the frame of one block.
pub(super) fn unpack_block(
    decompressor: &mut Decompressor<'_>,
    frame: &[u8],
) -> Result<Vec<u8>, String> {
    unpack(decompressor, frame, MAX_BLOCK)
}

fn unpack(
    decompressor: &mut Decompressor<'_>,
    frame: &[u8],
    limit: u64,
) -> Result<Vec<u8>, String> {
    let size = match zstd::zstd_safe::get_frame_content_size(frame) {
        Ok(Some(size)) => size,
        Ok(None) => return Err("the zstd frame does not tell its content size".to_owned()),
        Err(_) => return Err("it is not a zstd frame".to_owned()),
    };
    let possible = (frame.len() as u64).saturating_mul(MAX_RATIO).min(limit);
    if size > possible {
        return Err(format!("{size} bytes unpacked are too many"));
    }
    decompressor.decompress(frame, size as usize).map_err(|error| error.to_string())
}

/// Splits a multi-block file into its payloads.
pub(super) fn blocks(bytes: &[u8], int_size: usize) -> Result<Vec<&[u8]>, String> {
    let mut blocks = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let number = blocks.len();
        let cut = || format!("block {number} is cut off");
        let (length, tail) = rest.split_at_checked(int_size).ok_or_else(cut)?;
        let length = length.iter().fold(0_u64, |value, &byte| (value << 8) | u64::from(byte));
        let length = usize::try_from(length).map_err(|_| cut())?;
        let (payload, tail) = tail.split_at_checked(length).ok_or_else(cut)?;
        blocks.push(payload);
        rest = tail;
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_big_endian_lengths_of_any_size() {
        assert_eq!(blocks(&[0, 2, 7, 8, 0, 0], 2).unwrap(), [&[7, 8][..], &[]]);
        assert_eq!(blocks(&[1, 9], 1).unwrap(), [&[9][..]]);
        assert_eq!(blocks(&[0, 2, 7], 2).unwrap_err(), "block 0 is cut off");
        assert_eq!(blocks(&[255; 9], 8).unwrap_err(), "block 0 is cut off");
    }

    #[test]
    fn a_frame_that_promises_the_impossible_is_refused_before_memory_is_taken() {
        let mut frame = zstd::bulk::compress(&vec![0; 100_000], 1).unwrap();
        assert!(unpack(&mut Decompressor::new().unwrap(), &frame, 1 << 20).is_ok());
        assert!(unpack(&mut Decompressor::new().unwrap(), &frame, 1 << 10).is_err());
        // Content size in four bytes behind magic and descriptor.
        assert_eq!(frame[4] >> 6, 2);
        frame[5..9].copy_from_slice(&[0xff; 4]);
        assert!(unpack(&mut Decompressor::new().unwrap(), &frame, 8 << 30).is_err());
    }
}
