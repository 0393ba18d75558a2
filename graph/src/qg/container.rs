//! The zip archive of a `.qg` file: members, frames and blocks.

use std::borrow::Cow;
use std::io::{Cursor, Read as _};

use camino::Utf8Path;
use zip::{CompressionMethod, ZipArchive};
use zstd::bulk::Decompressor;
use zstd::dict::DecoderDictionary;
use zstd::stream::read::Decoder;

use crate::error::{GraphError, Result};

/// Most bytes of a member once unpacked.
const MAX_MEMBER: u64 = 4 << 30;
/// Most bytes of the block of one quantum once unpacked.
const MAX_BLOCK: u64 = 256 << 20;
/// Most bytes that deflate can make of one.
const MAX_DEFLATE_RATIO: u64 = 1032;
/// Most bytes that zstd can make of one: a block of 128 KiB takes at least four.
const MAX_RATIO: u64 = 1 << 15;

/// An archive in memory.
pub(super) struct Container<'a> {
    path: &'a Utf8Path,
    bytes: &'a [u8],
    archive: Archive<'a>,
    places: Vec<Place>,
    dictionary: Option<DecoderDictionary<'static>>,
}

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// Where a member stands.
struct Place {
    name: &'static str,
    begin: u64,
    size: u64,
    is_stored: bool,
}

impl<'a> Container<'a> {
    /// Reads the directory of the archive and the compression dictionary.
    ///
    /// # Errors
    /// If the bytes are no zip archive or the dictionary is none.
    pub(super) fn open(path: &'a Utf8Path, bytes: &'a [u8]) -> Result<Self> {
        let mut archive =
            ZipArchive::new(Cursor::new(bytes)).map_err(|error| GraphError::Foreign {
                path: path.into(),
                reason: format!("it is no complete zip archive ({error})"),
            })?;
        let mut places = Vec::new();
        for name in super::MEMBERS.into_iter().chain(super::provenance::MEMBERS) {
            let Some(index) = archive.index_for_name(name) else { continue };
            // What is wrong with a member is said when it is read.
            let Ok(file) = archive.by_index_raw(index) else { continue };
            let Some(begin) = file.data_start() else { continue };
            let is_stored = file.compression() == CompressionMethod::Stored
                && file.size() == file.compressed_size();
            places.push(Place { name, begin, size: file.size(), is_stored });
        }
        let mut container = Self { path, bytes, archive, places, dictionary: None };
        // Absent and empty both mean that there is none.
        let dictionary = container.member(super::DICTIONARY)?.unwrap_or_default();
        if !dictionary.is_empty() {
            let loaded = DecoderDictionary::try_copy(&dictionary)
                .map_err(|error| container.fail(super::DICTIONARY, error.to_string()))?;
            container.dictionary = Some(loaded);
        }
        Ok(container)
    }

    /// Digest of the directory.
    ///
    /// # Errors
    /// If a member has no header.
    pub(super) fn fingerprint(&mut self) -> Result<[u8; 32]> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"directory of a .qg 1");
        hasher.update(&(self.bytes.len() as u64).to_le_bytes());
        for index in 0..self.archive.len() {
            let member = self.archive.by_index_raw(index).map_err(|error| GraphError::Foreign {
                path: self.path.into(),
                reason: format!("member {index} of the archive has no header ({error})"),
            })?;
            let name = member.name_raw();
            let numbers = [
                name.len() as u64,
                member.header_start(),
                member.compressed_size(),
                member.size(),
                u64::from(member.crc32()),
            ];
            for number in numbers {
                hasher.update(&number.to_le_bytes());
            }
            hasher.update(name);
        }
        Ok(*hasher.finalize().as_bytes())
    }

    /// An error in a member.
    pub(super) fn fail(&self, member: &str, reason: impl Into<String>) -> GraphError {
        let place = self.places.iter().find(|place| place.name == member);
        let offset = place.map(|place| format!(" at offset {}", place.begin)).unwrap_or_default();
        GraphError::Exchange {
            path: self.path.into(),
            member: format!("member `{member}`{offset}"),
            reason: reason.into(),
        }
    }

    /// The bytes of a member where it is stored as it is.
    fn stored(&self, name: &str) -> Option<&'a [u8]> {
        let place = self.places.iter().find(|place| place.name == name && place.is_stored)?;
        let begin = usize::try_from(place.begin).ok()?;
        self.bytes.get(begin..)?.get(..usize::try_from(place.size).ok()?)
    }

    /// The bytes of a member, in place if it is stored; their checksum is verified.
    pub(super) fn member(&mut self, name: &str) -> Result<Option<Cow<'a, [u8]>>> {
        let Some(index) = self.archive.index_for_name(name) else { return Ok(None) };
        let stored = self.stored(name);
        let read = |archive: &mut Archive<'a>| -> Result<Cow<'a, [u8]>, String> {
            let mut file = archive.by_index(index).map_err(|error| error.to_string())?;
            if let Some(bytes) = stored {
                // Reading to the end is what compares the checksum.
                let read = std::io::copy(&mut file, &mut std::io::sink());
                let read = read.map_err(|error| error.to_string())?;
                if read != bytes.len() as u64 {
                    return Err(format!("it has {read} bytes instead of {}", bytes.len()));
                }
                return Ok(Cow::Borrowed(bytes));
            }
            let limit = MAX_MEMBER.min(file.compressed_size().saturating_mul(MAX_DEFLATE_RATIO));
            let mut bytes = Vec::new();
            let read = (&mut file).take(limit + 1).read_to_end(&mut bytes);
            read.map_err(|error| error.to_string())?;
            if bytes.len() as u64 > limit {
                return Err(format!("it is longer than {limit} bytes"));
            }
            Ok(Cow::Owned(bytes))
        };
        read(&mut self.archive).map(Some).map_err(|reason| self.fail(name, reason))
    }

    /// The bytes of a member of which little will be looked at: their checksum is not verified if
    /// they are stored.
    pub(super) fn unchecked_member(&mut self, name: &str) -> Result<Cow<'a, [u8]>> {
        match self.stored(name) {
            Some(bytes) => Ok(Cow::Borrowed(bytes)),
            None => self.required_member(name),
        }
    }

    /// Unpacks a member that is one frame bit by bit.
    pub(super) fn stream<'b>(&'b self, frame: &'b [u8]) -> Result<impl std::io::Read + 'b, String> {
        let decoder = match &self.dictionary {
            Some(dictionary) => Decoder::with_prepared_dictionary(frame, dictionary),
            None => Decoder::with_buffer(frame),
        };
        let decoder = decoder.map_err(|error| error.to_string())?;
        Ok(decoder.single_frame().take(MAX_MEMBER))
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

/// A block of a multi-block file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block<'a> {
    /// Where its length stands in the member.
    pub offset: u64,
    /// What it holds.
    pub frame: &'a [u8],
}

impl<'a> Block<'a> {
    /// The block at an address.
    ///
    /// # Errors
    /// If it is not inside the file, or has another length than the address says.
    pub(super) fn at(
        bytes: &'a [u8],
        int_size: usize,
        offset: u64,
        size: u64,
    ) -> Result<Self, String> {
        let begin = usize::try_from(offset).ok().filter(|&begin| begin <= bytes.len());
        let begin = begin.ok_or_else(|| format!("there is no block at offset {offset}"))?;
        let block = Self::first(&bytes[begin..], int_size)
            .ok_or_else(|| format!("the block at offset {offset} is cut off"))?;
        match (block.len() + int_size) as u64 == size {
            true => Ok(Self { offset, frame: block }),
            false => {
                let actual = block.len() + int_size;
                Err(format!("the block at offset {offset} has {actual} bytes instead of {size}"))
            }
        }
    }

    /// What the block at the beginning holds.
    fn first(bytes: &[u8], int_size: usize) -> Option<&[u8]> {
        let (length, tail) = bytes.split_at_checked(int_size)?;
        let length = length.iter().fold(0_u64, |value, &byte| (value << 8) | u64::from(byte));
        tail.get(..usize::try_from(length).ok()?)
    }
}

/// Splits a multi-block file.
pub(super) fn blocks(bytes: &[u8], int_size: usize) -> Result<Vec<Block<'_>>, String> {
    let mut blocks = Vec::new();
    let mut begin = 0;
    while begin < bytes.len() {
        let frame = Block::first(&bytes[begin..], int_size)
            .ok_or_else(|| format!("the block at offset {begin} is cut off"))?;
        blocks.push(Block { offset: begin as u64, frame });
        begin += int_size + frame.len();
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_big_endian_lengths_of_any_size() {
        let block = |offset, frame| Block { offset, frame };
        let two = [block(0, &[7, 8][..]), block(4, &[])];
        assert_eq!(blocks(&[0, 2, 7, 8, 0, 0], 2).unwrap(), two);
        assert_eq!(blocks(&[1, 9], 1).unwrap(), [block(0, &[9])]);
        for (bytes, int_size) in [(&[0, 2, 7][..], 2), (&[255; 9], 8), (&[0], 2)] {
            let error = blocks(bytes, int_size).unwrap_err();
            assert_eq!(error, "the block at offset 0 is cut off");
        }
    }

    #[test]
    fn a_block_is_where_its_address_says() {
        let bytes = [0, 2, 7, 8, 0, 1, 5];
        let at = |offset, size| Block::at(&bytes, 2, offset, size);
        assert_eq!(at(4, 3).unwrap().frame, [5]);
        assert_eq!(at(4, 4).unwrap_err(), "the block at offset 4 has 3 bytes instead of 4");
        assert_eq!(at(5, 4).unwrap_err(), "the block at offset 5 is cut off");
        assert_eq!(
            at(u64::MAX, 4).unwrap_err(),
            format!("there is no block at offset {}", u64::MAX)
        );
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
