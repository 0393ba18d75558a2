//! Sections in place of which only some values are read, each block checked when first touched.

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::ops::Range;

use bytemuck::{AnyBitPattern, NoUninit};
use rustc_hash::{FxHashMap, FxHashSet};

use super::file_bytes::{FileBytes as _, PositionedFile};
use super::layout::{self, BLOCK, Encoding, Kind, Section};
use super::open::Reader;
use crate::error::Result;

/// Values that span more blocks than this are read at once, and their blocks are not kept.
const KEPT: usize = 8;

/// The sections in place of a file.
pub(super) struct Touched<'a> {
    reader: &'a Reader<'a, PositionedFile>,
    /// Checksums of all blocks; files of version 1.0 have none.
    checksums: Option<Vec<u64>>,
    /// Number of the first block of each section.
    first: FxHashMap<(u16, u16), usize>,
    /// Blocks that were read and checked, by number.
    blocks: RefCell<FxHashMap<usize, Box<[u8]>>>,
    /// Sections that were checked as a whole.
    checked: RefCell<FxHashSet<(u16, u16)>>,
}

impl<'a> Touched<'a> {
    pub(super) fn new(
        reader: &'a Reader<'a, PositionedFile>,
        sections: &[Section],
    ) -> Result<Self> {
        let mut first = FxHashMap::default();
        let mut blocks = 0;
        for section in sections {
            let is_table = section.kind == Kind::BlockChecksums as u16;
            if section.encoding == Encoding::InPlace && !is_table {
                first.insert((section.kind, section.index), blocks);
                blocks += (section.length as usize).div_ceil(BLOCK);
            }
        }
        let mut checksums = None;
        if let Ok(section) = reader.section(Kind::BlockChecksums, 0, Encoding::InPlace) {
            let bytes = reader.verified(section)?;
            if Some(bytes.len()) != blocks.checked_mul(size_of::<u64>()) {
                let reason = format!("it is not a table of {blocks} checksums");
                return Err(reader.damaged(Kind::BlockChecksums, 0, reason));
            }
            checksums = Some(collect(&bytes));
        }
        let (blocks, checked) = Default::default();
        Ok(Self { reader, checksums, first, blocks, checked })
    }

    /// Number of values of a section.
    pub(super) fn len<T>(&self, kind: Kind) -> Result<usize> {
        let section = self.reader.section(kind, 0, Encoding::InPlace)?;
        Ok(section.length as usize / size_of::<T>())
    }

    /// Some values of a section.
    pub(super) fn values<T: AnyBitPattern + NoUninit>(
        &self,
        kind: Kind,
        index: u16,
        values: Range<usize>,
    ) -> Result<Vec<T>> {
        let section = self.reader.section(kind, index, Encoding::InPlace)?;
        let Range { start: begin, end } = self.bounds::<T>(section, values)?;
        if begin == end {
            return Ok(Vec::new());
        }
        let blocks = begin / BLOCK..end.div_ceil(BLOCK);
        if blocks.len() > KEPT {
            let skipped = blocks.start * BLOCK;
            let bytes = self.read(section, blocks)?;
            return Ok(collect(&bytes[begin - skipped..end - skipped]));
        }
        let mut bytes = Vec::with_capacity(end - begin);
        for block in blocks {
            let at = block * BLOCK;
            let inside = begin.saturating_sub(at)..BLOCK.min(end - at);
            self.look(section, block, |block| bytes.extend_from_slice(&block[inside]))?;
        }
        Ok(collect(&bytes))
    }

    /// One value of a section.
    pub(super) fn value_of<T: AnyBitPattern + NoUninit>(
        &self,
        kind: Kind,
        index: u16,
        at: usize,
    ) -> Result<T> {
        const { assert!(BLOCK.is_multiple_of(size_of::<T>()), "values lie within one block") };
        let section = self.reader.section(kind, index, Encoding::InPlace)?;
        let begin = self.bounds::<T>(section, at..at.saturating_add(1))?.start;
        let inside = begin % BLOCK..begin % BLOCK + size_of::<T>();
        self.look(section, begin / BLOCK, |block| bytemuck::pod_read_unaligned(&block[inside]))
    }

    /// One value of a section that has no others of its kind.
    pub(super) fn value<T: AnyBitPattern + NoUninit>(&self, kind: Kind, at: usize) -> Result<T> {
        self.value_of(kind, 0, at)
    }

    /// Where values are among the bytes of a section, which has all of them.
    fn bounds<T>(&self, section: &Section, values: Range<usize>) -> Result<Range<usize>> {
        let place = |value: usize| value.checked_mul(size_of::<T>());
        let bounds = place(values.start).zip(place(values.end)).map(|(begin, end)| begin..end);
        bounds
            .filter(|bounds| bounds.start <= bounds.end && bounds.end as u64 <= section.length)
            .ok_or_else(|| {
                let Range { start, end } = values;
                let all = section.length as usize / size_of::<T>();
                let reason = format!("values {start}..{end} do not exist, there are {all}");
                self.reader.damage(section, reason)
            })
    }

    /// Shows a block of a section.
    fn look<R>(&self, section: &Section, block: usize, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        match self.blocks.borrow_mut().entry(self.number(section, block)) {
            Entry::Occupied(known) => Ok(look(known.get())),
            Entry::Vacant(place) => {
                let bytes = self.read(section, block..block + 1)?;
                Ok(look(place.insert(bytes.into_boxed_slice())))
            }
        }
    }

    /// Number of a block among those of all sections.
    fn number(&self, section: &Section, block: usize) -> usize {
        self.first.get(&(section.kind, section.index)).copied().unwrap_or_default() + block
    }

    /// Reads blocks of a section, and checks them.
    fn read(&self, section: &Section, blocks: Range<usize>) -> Result<Vec<u8>> {
        let place = |block: usize| section.offset + section.length.min((block * BLOCK) as u64);
        let bytes = self.reader.file().read(place(blocks.start)..place(blocks.end));
        let bytes = bytes.map_err(|error| self.reader.unreadable(error))?.into_owned();
        let Some(checksums) = &self.checksums else {
            if self.checked.borrow_mut().insert((section.kind, section.index)) {
                self.reader.verify_checksum(section)?;
            }
            return Ok(bytes);
        };
        for (block, bytes) in blocks.zip(bytes.chunks(BLOCK)) {
            let checksum = checksums.get(self.number(section, block));
            if checksum != Some(&layout::block_checksum(bytes)) {
                let at = place(block);
                return Err(self.reader.damage(
                    section,
                    format!("the checksum of the block at offset {at} does not match"),
                ));
            }
        }
        Ok(bytes)
    }

    /// The first position in a range whose value is not before what is looked for; values are
    /// taken to be sorted.
    pub(super) fn lower_bound<T: AnyBitPattern + NoUninit>(
        &self,
        kind: Kind,
        range: Range<usize>,
        is_before: impl Fn(T) -> bool,
    ) -> Result<usize> {
        lower_bound(range, |at| Ok(is_before(self.value(kind, at)?)))
    }
}

/// Bytes as values, which they hold in the order of this machine.
fn collect<T: AnyBitPattern>(bytes: &[u8]) -> Vec<T> {
    bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()
}

/// The first position in a range that is not before what is looked for.
pub(super) fn lower_bound(
    range: Range<usize>,
    is_before: impl Fn(usize) -> Result<bool>,
) -> Result<usize> {
    let (mut begin, mut end) = (range.start, range.end);
    while begin < end {
        let middle = begin + (end - begin) / 2;
        if is_before(middle)? {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    Ok(begin)
}
