//! Inserting overlaps of regions with the pixels of the common skypix dimension.

use qbb_dimensions::SkyPixLevel;
use qbb_dimensions::sphere::{RangeSet, Region};
use rusqlite::types::ValueRef;

use super::data_ids::borrowed;
use super::write_records::Records;
use crate::error::RegistryError;
use crate::reading::quoted;
use crate::schema::{
    element_governor, overlap_summary_table_name, overlap_table_name, spatial_elements,
};

impl Records<'_> {
    fn common_level(&self) -> Result<&SkyPixLevel, RegistryError> {
        self.transaction.universe.common_skypix().skypix().ok_or_else(|| {
            self.unsupported("the common skypix dimension is no pixelization".to_owned())
        })
    }

    fn unsupported(&self, reason: String) -> RegistryError {
        RegistryError::UnsupportedUniverse {
            namespace: self.transaction.universe.namespace().to_owned(),
            version: self.transaction.universe.version(),
            reason,
        }
    }

    /// Declares for new governor values that overlaps of all their spatial elements are kept.
    pub(super) fn insert_overlap_summaries(&self, rows: &[usize]) -> Result<(), RegistryError> {
        let universe = self.transaction.universe;
        let level = self.common_level()?;
        for spatial in spatial_elements(universe) {
            if element_governor(universe, spatial)?.ix != self.element.ix {
                continue;
            }
            let sql = format!(
                "INSERT INTO {} (skypix_system, skypix_level, {}) VALUES (?, ?, ?) \
                 ON CONFLICT DO NOTHING",
                quoted(&overlap_summary_table_name(spatial)),
                quoted(&self.element.name)
            );
            for &row in rows {
                let value = borrowed(self.key(self.element.required.len() - 1, row));
                self.transaction.execute(
                    "declare overlaps of regions",
                    &sql,
                    (&level.system, level.level, value),
                )?;
            }
        }
        Ok(())
    }

    /// Inserts a row for each pixel that a new record's region may touch.
    pub(super) fn insert_overlaps(&self, rows: &[usize]) -> Result<(), RegistryError> {
        if rows.is_empty() {
            return Ok(());
        }
        let universe = self.transaction.universe;
        let level = self.common_level()?;
        let pixelization =
            level.pixelization().map_err(|error| self.unsupported(error.to_string()))?;
        let names: Vec<String> =
            (self.element.required.iter()).map(|&ix| quoted(&universe.element(ix).name)).collect();
        let sql = format!(
            "INSERT INTO {} (skypix_system, skypix_level, {}, skypix_index) VALUES (?, ?, {}?) \
             ON CONFLICT DO NOTHING",
            quoted(&overlap_table_name(self.element)),
            names.join(", "),
            "?, ".repeat(names.len())
        );
        let fail = |error| self.transaction.database.failure("insert overlaps of regions", error);
        let mut statement = self.transaction.connection().prepare_cached(&sql).map_err(fail)?;
        statement.raw_bind_parameter(1, &level.system).map_err(fail)?;
        statement.raw_bind_parameter(2, level.level).map_err(fail)?;
        let mut pixels = RangeSet::new();
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
            for at in 0..names.len() {
                statement.raw_bind_parameter(3 + at, borrowed(self.key(at, row))).map_err(fail)?;
            }
            for pixel in pixels.indexes() {
                let pixel = borrowed(ValueRef::Integer(pixel as i64));
                statement.raw_bind_parameter(3 + names.len(), pixel).map_err(fail)?;
                statement.raw_execute().map_err(fail)?;
            }
        }
        Ok(())
    }
}
