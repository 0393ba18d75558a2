//! Inserting overlaps of regions with the pixels of the common skypix dimension.

use qbb_dimensions::sphere::{RangeSet, Region};
use qbb_dimensions::{ElementIx, SkyPixLevel};

use super::data_ids::key_column_type;
use super::records::Records;
use super::source::{BulkColumn, WriteSource};
use super::value::Value;
use crate::error::RegistryError;
use crate::schema::{
    ColumnType, element_governor, overlap_summary_table_name, overlap_table_name, spatial_elements,
};

/// Most overlaps that are kept in memory before they are inserted.
const AT_ONCE: usize = 200_000;

impl<S: WriteSource> Records<'_, S> {
    fn common_level(&self) -> Result<&SkyPixLevel, RegistryError> {
        self.universe.common_skypix().skypix().ok_or_else(|| {
            self.unsupported("the common skypix dimension is no pixelization".to_owned())
        })
    }

    fn unsupported(&self, reason: String) -> RegistryError {
        RegistryError::UnsupportedUniverse {
            namespace: self.universe.namespace().to_owned(),
            version: self.universe.version(),
            reason,
        }
    }

    /// Declares for new governor values that overlaps of all their spatial elements are kept.
    pub(super) fn insert_overlap_summaries(&self, rows: &[usize]) -> Result<(), RegistryError> {
        let level = self.common_level()?;
        for spatial in spatial_elements(self.universe) {
            if element_governor(self.universe, spatial)?.ix != self.element.ix {
                continue;
            }
            let own = self.element.required.len() - 1;
            let mut columns = level_columns(level);
            columns.push(self.key_column(own, move |row| row));
            let table = overlap_summary_table_name(spatial);
            self.insert(&table, &columns, rows.iter().copied())?;
        }
        Ok(())
    }

    /// Inserts a row for each pixel that a new record's region may touch.
    pub(super) fn insert_overlaps(&self, rows: &[usize]) -> Result<(), RegistryError> {
        let level = self.common_level()?;
        let pixelization =
            level.pixelization().map_err(|error| self.unsupported(error.to_string()))?;
        let mut pixels = RangeSet::new();
        let mut found: Vec<(u32, u64)> = Vec::new();
        for &row in rows {
            let Some(bytes) = self.table.region(row as u32) else { continue };
            let invalid = |reason: String| RegistryError::Invalid {
                what: format!("region of {} {}", self.element.name, self.describe(row)),
                reason,
            };
            let region = Region::decode(bytes).map_err(|error| invalid(error.to_string()))?;
            if let Some(refusal) = pixelization.refusal(&region) {
                return Err(invalid(refusal.to_string()));
            }
            pixelization.envelope_into(&region, None, &mut pixels);
            found.extend(pixels.indexes().map(|pixel| (row as u32, pixel)));
            if found.len() >= AT_ONCE {
                self.insert_pixels(level, &found)?;
                found.clear();
            }
        }
        self.insert_pixels(level, &found)
    }

    fn insert_pixels(
        &self,
        level: &SkyPixLevel,
        found: &[(u32, u64)],
    ) -> Result<(), RegistryError> {
        if found.is_empty() {
            return Ok(());
        }
        let mut columns = level_columns(level);
        for at in 0..self.element.required.len() {
            columns.push(self.key_column(at, move |row| found[row].0 as usize));
        }
        columns.push(BulkColumn::new("skypix_index", ColumnType::BigInt, move |row| {
            Value::Int(found[row].1 as i64)
        }));
        self.insert(&overlap_table_name(self.element), &columns, 0..found.len())
    }

    /// A column with values of a required dimension; `of` tells the record of a row.
    fn key_column<'c>(&'c self, at: usize, of: impl Fn(usize) -> usize + 'c) -> BulkColumn<'c> {
        let ix: ElementIx = self.element.required[at];
        let kind = key_column_type(self.universe, ix);
        BulkColumn::new(&self.universe.element(ix).name, kind, move |row| self.key(at, of(row)))
    }

    fn insert(
        &self,
        table: &str,
        columns: &[BulkColumn<'_>],
        rows: impl Iterator<Item = usize>,
    ) -> Result<(), RegistryError> {
        let inserted =
            self.source.insert_rows("insert overlaps of regions", table, columns, rows)?;
        inserted.map(|_| ()).map_err(|violation| RegistryError::Invalid {
            what: format!("overlaps of {}", self.element.name),
            reason: violation.message,
        })
    }
}

fn level_columns(level: &SkyPixLevel) -> Vec<BulkColumn<'_>> {
    let number = i64::from(level.level);
    vec![
        BulkColumn::new("skypix_system", ColumnType::Text, |_| Value::Text(&level.system)),
        BulkColumn::new("skypix_level", ColumnType::SmallInt, move |_| Value::Int(number)),
    ]
}
