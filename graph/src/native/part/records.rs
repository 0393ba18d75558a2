//! Datastore records and dimension records of some quanta.

use qbb_dimensions::{Column, ElementIx, Ragged, RecordTable, Universe};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::extraction::Rows;
use super::source::Source;
use crate::error::Result;
use crate::expansion::wanted_keys;
use crate::model::InputRecords;
use crate::native::blocks;
use crate::native::layout::{Encoding, Kind};
use crate::native::renumbering::Renumbering;
use crate::wire;

impl Source<'_> {
    /// Datastore records of datasets.
    pub(super) fn records(
        &self,
        datasets: &Rows,
        symbols: &mut Renumbering<'_>,
    ) -> Result<InputRecords> {
        let all = self.touched.len::<u32>(Kind::RecordDataset)?;
        let (mut rows, mut dataset) = (Rows::new(), Vec::new());
        for (number, &of) in datasets.iter().enumerate() {
            let mut row = self.touched.lower_bound(Kind::RecordDataset, 0..all, |d: u32| d < of)?;
            while row < all && self.touched.value::<u32>(Kind::RecordDataset, row)? == of {
                rows.push(row as u32);
                dataset.push(number as u32);
                row += 1;
            }
        }
        let mut texts = |kind| -> Result<Column<u32>> {
            let numbers: Column<u32> = self.gather(kind, &rows)?;
            (numbers.iter())
                .map(|&number| match number {
                    InputRecords::WHOLE if kind == Kind::RecordComponent => Ok(number),
                    _ => symbols.number(number),
                })
                .collect::<Result<_, String>>()
                .map_err(|reason| self.reader.damaged(kind, 0, reason))
        };
        Ok(InputRecords {
            formatter: texts(Kind::RecordFormatter)?,
            storage_class: texts(Kind::RecordStorageClass)?,
            component: texts(Kind::RecordComponent)?,
            dataset: dataset.into(),
            datastore: self.gather(Kind::RecordDatastore, &rows)?,
            path: self.ragged(Kind::RecordPathEnds, Kind::RecordPaths, &rows)?,
            checksum: self.ragged(Kind::RecordChecksumEnds, Kind::RecordChecksums, &rows)?,
            file_size: self.gather(Kind::RecordFileSize, &rows)?,
        })
    }

    fn ragged(&self, ends: Kind, bytes: Kind, rows: &Rows) -> Result<Ragged> {
        let value = |&row: &u32| -> Result<Vec<u8>> {
            let row = row as usize;
            let begin = match row {
                0 => 0,
                _ => self.touched.value::<u64>(ends, row - 1)?,
            };
            let end = self.touched.value::<u64>(ends, row)?;
            if begin > end {
                let reason = format!("that of value {row} is before the one before");
                return Err(self.reader.damaged(ends, 0, reason));
            }
            self.touched.values(bytes, 0, begin as usize..end as usize)
        };
        let values = rows.iter().map(value).collect::<Result<Vec<Vec<u8>>>>()?;
        Ok(values.iter().map(Vec::as_slice).collect())
    }

    /// The records that expand data IDs, given as columns for each group.
    pub(super) fn dimension_records(&self, data_ids: &[Vec<Vec<i64>>]) -> Result<Vec<RecordTable>> {
        let universe = &self.pipeline.universe;
        let wanted = wanted_keys(universe, &self.groups, data_ids);
        let sections = self.record_sections(universe, &wanted)?;
        let unpack = |&index: &u16| -> Result<(u16, wire::Records)> {
            Ok((index, self.reader.packed(Kind::Records, index)?))
        };
        // For a few sections, handing the work to other threads takes longer than doing it.
        let unpacked: Vec<(u16, wire::Records)> = match sections.len() {
            ..16 => sections.iter().map(unpack).collect::<Result<_>>()?,
            _ => sections.par_iter().map(unpack).collect::<Result<_>>()?,
        };
        let mut tables: Vec<RecordTable> = Vec::new();
        for (index, records) in unpacked {
            let table = blocks::unpack_records(records, universe)
                .map_err(|reason| self.reader.damaged(Kind::Records, index, reason))?;
            let Some(keys) = wanted.get(&table.element) else { continue };
            let element = universe.element(table.element);
            let known = tables.iter().position(|known| known.element == table.element);
            let known = known.unwrap_or_else(|| {
                tables.push(RecordTable::new(element));
                tables.len() - 1
            });
            let mut key = Vec::new();
            for row in 0..table.len() {
                key.clear();
                key.extend(table.keys.iter().map(|column| column[row]));
                if keys.contains(&key) {
                    tables[known].push_from(&table, row as u32);
                }
            }
        }
        Ok(tables)
    }

    /// The sections that may hold wanted records; all of them in a file that does not say.
    fn record_sections(
        &self,
        universe: &Universe,
        wanted: &FxHashMap<ElementIx, FxHashSet<Vec<i64>>>,
    ) -> Result<Vec<u16>> {
        let count = self.reader.record_sections();
        if self.reader.section(Kind::RecordRanges, 0, Encoding::Packed).is_err() {
            return Ok((0..count).collect());
        }
        let ranges: Vec<wire::RecordRange> = self.reader.packed(Kind::RecordRanges, 0)?;
        if ranges.len() != usize::from(count) {
            let reason = format!("it tells of {} sections instead of {count}", ranges.len());
            return Err(self.reader.damaged(Kind::RecordRanges, 0, reason));
        }
        let may_hold = |range: &wire::RecordRange| {
            let keys = universe.find(&range.element).and_then(|element| wanted.get(&element.ix));
            let inside = |key: &Vec<i64>| {
                let bounds = key.iter().zip(&range.keys);
                bounds.clone().count() == key.len()
                    && bounds.clone().all(|(cell, (min, max))| min <= cell && cell <= max)
            };
            keys.is_some_and(|keys| keys.iter().any(inside))
        };
        let numbered = (0..count).zip(&ranges);
        Ok(numbered.filter(|(_, range)| may_hold(range)).map(|(index, _)| index).collect())
    }
}
