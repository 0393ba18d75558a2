//! Sections in place of which only some values are read, each block checked when first touched.

use std::cell::RefCell;
use std::ops::Range;

use bytemuck::AnyBitPattern;
use rustc_hash::{FxHashMap, FxHashSet};

use super::layout::{self, BLOCK, Encoding, Kind, Section};
use super::open::Reader;
use crate::error::Result;

/// The sections in place of a mapped file.
pub(super) struct Touched<'a> {
    reader: &'a Reader<'a>,
    /// Checksums of all blocks; files of version 1.0 have none.
    checksums: Option<&'a [u64]>,
    /// Number of the first block of each section.
    first: FxHashMap<(u16, u16), usize>,
    /// Blocks that were checked, or the first blocks of sections that were.
    checked: RefCell<FxHashSet<usize>>,
}

impl<'a> Touched<'a> {
    pub(super) fn new(reader: &'a Reader<'a>, sections: &[Section]) -> Result<Self> {
        let mut first = FxHashMap::default();
        let mut blocks = 0;
        for section in sections {
            let is_table = section.kind == Kind::BlockChecksums as u16;
            if section.encoding == Encoding::InPlace && !is_table {
                first.insert((section.kind, section.index), blocks);
                blocks += (section.length as usize).div_ceil(BLOCK);
            }
        }
        let mut touched = Self { reader, checksums: None, first, checked: RefCell::default() };
        if let Ok(section) = reader.section(Kind::BlockChecksums, 0, Encoding::InPlace) {
            reader.verify_checksum(section)?;
            let checksums = bytemuck::try_cast_slice::<u8, u64>(reader.bytes_of(section));
            let checksums = checksums.ok().filter(|checksums| checksums.len() == blocks);
            touched.checksums = Some(checksums.ok_or_else(|| {
                let reason = format!("it is not a table of {blocks} checksums");
                reader.damaged(Kind::BlockChecksums, 0, reason)
            })?);
        }
        Ok(touched)
    }

    /// Number of values of a section.
    pub(super) fn len<T>(&self, kind: Kind) -> Result<usize> {
        let section = self.reader.section(kind, 0, Encoding::InPlace)?;
        Ok(section.length as usize / size_of::<T>())
    }

    /// Some values of a section.
    pub(super) fn values<T: AnyBitPattern>(
        &self,
        kind: Kind,
        index: u16,
        values: Range<usize>,
    ) -> Result<&'a [T]> {
        let section = self.reader.section(kind, index, Encoding::InPlace)?;
        let all = self.reader.bytes_of(section);
        let bounds = (values.start.checked_mul(size_of::<T>()))
            .zip(values.end.checked_mul(size_of::<T>()))
            .map(|(begin, end)| begin..end);
        let bytes = bounds.clone().and_then(|bounds| all.get(bounds));
        let (Some(bounds), Some(bytes)) = (bounds, bytes) else {
            let Range { start, end } = values;
            let reason = format!(
                "values {start}..{end} do not exist, there are {}",
                all.len() / size_of::<T>()
            );
            return Err(self.reader.damaged(kind, index, reason));
        };
        self.check(section, all, bounds)?;
        bytemuck::try_cast_slice(bytes)
            .map_err(|_| self.reader.damaged(kind, index, "its values are not aligned"))
    }

    /// One value of a section that has no others of its kind.
    pub(super) fn value<T: AnyBitPattern>(&self, kind: Kind, at: usize) -> Result<T> {
        // The slice has one value whenever there is one.
        match self.values::<T>(kind, 0, at..at.saturating_add(1))? {
            [value] => Ok(*value),
            _ => Err(self.reader.damaged(kind, 0, format!("value {at} does not exist"))),
        }
    }

    fn check(&self, section: &Section, all: &[u8], bounds: Range<usize>) -> Result<()> {
        let first = self.first.get(&(section.kind, section.index)).copied().unwrap_or_default();
        let mut checked = self.checked.borrow_mut();
        let Some(checksums) = self.checksums else {
            // Sections without bytes share the number of the next one and need no check.
            if all.is_empty() || !checked.insert(first) {
                return Ok(());
            }
            return self.reader.verify_checksum(section);
        };
        for block in bounds.start / BLOCK..bounds.end.div_ceil(BLOCK) {
            if !checked.insert(first + block) {
                continue;
            }
            let bytes = &all[block * BLOCK..all.len().min((block + 1) * BLOCK)];
            if checksums.get(first + block) != Some(&layout::block_checksum(bytes)) {
                let at = section.offset + (block * BLOCK) as u64;
                return Err(self.reader.damage(
                    section,
                    format!("the checksum of the block at offset {at} does not match"),
                ));
            }
        }
        Ok(())
    }

    /// The first position in a range whose value is not before what is looked for; values are
    /// taken to be sorted.
    pub(super) fn lower_bound<T: AnyBitPattern>(
        &self,
        kind: Kind,
        range: Range<usize>,
        is_before: impl Fn(T) -> bool,
    ) -> Result<usize> {
        lower_bound(range, |at| Ok(is_before(self.value(kind, at)?)))
    }
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
