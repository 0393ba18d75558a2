//! Datasets of several types on their way into several collections, as rows one behind the other.
//!
//! What is asked and inserted is asked and inserted for all of them at once, so that the number of
//! statements does not depend on how many dataset types and collections there are.

use qbb_dimensions::{ElementIx, Symbols, Timespan, Universe};
use rustc_hash::FxHashSet;

use super::data_ids::DataIds;
use super::source::BulkColumn;
use super::value::Value;
use crate::error::RegistryError;
use crate::reader::RegisteredDatasetType;
use crate::schema::{ColumnType, dataset_key_columns};

/// Rows of datasets with the collections that they are to be in. Those of one dataset type and
/// collection are a part.
pub(super) struct MemberRows<'a> {
    pub(super) universe: &'a Universe,
    symbols: &'a Symbols,
    parts: Vec<Part<'a>>,
    /// For each row its part.
    part_of: Vec<u32>,
}

/// Datasets of one type and the collection that they are to be in, as the caller gives them.
pub(super) struct Part<'a> {
    pub(super) dataset_type: &'a RegisteredDatasetType,
    /// Name and key of the collection.
    pub(super) collection: (&'a str, i64),
    pub(super) data_ids: DataIds<'a>,
    pub(super) id: &'a [[u8; 16]],
    /// Validity ranges, if they are to be certified.
    pub(super) timespans: Option<&'a [Timespan]>,
    /// Number of its first row.
    pub(super) begin: usize,
}

/// Rows of one table of memberships, and so of one set of dimensions.
pub(super) struct TableRows<'a> {
    /// One of the dataset types.
    pub(super) dataset_type: &'a RegisteredDatasetType,
    pub(super) rows: Vec<usize>,
}

impl TableRows<'_> {
    /// What the rows are, for people.
    pub(super) fn name(&self, rows: &MemberRows<'_>) -> String {
        let mut names: Vec<String> = Vec::new();
        for &row in &self.rows {
            let name = format!("`{}`", rows.part(row).dataset_type.dataset_type.name);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let plural = if names.len() > 1 { "s" } else { "" };
        format!("datasets of type{plural} {}", names.join(", "))
    }
}

impl<'a> MemberRows<'a> {
    /// No rows yet.
    pub(super) fn new(universe: &'a Universe, symbols: &'a Symbols) -> Self {
        Self { universe, symbols, parts: Vec::new(), part_of: Vec::new() }
    }

    /// Adds datasets of one type in one collection.
    pub(super) fn push(
        &mut self,
        dataset_type: &'a RegisteredDatasetType,
        collection: (&'a str, i64),
        (keys, id): (&'a [Vec<i64>], &'a [[u8; 16]]),
        timespans: Option<&'a [Timespan]>,
    ) -> Result<(), RegistryError> {
        let group = dataset_type.dataset_type.dimensions.required();
        let what = || format!("datasets of type `{}`", dataset_type.dataset_type.name);
        let data_ids = DataIds::new(self.universe, group, keys, self.symbols, id.len(), what)?;
        let (part, begin) = (self.parts.len() as u32, self.part_of.len());
        self.part_of.resize(begin + id.len(), part);
        self.parts.push(Part { dataset_type, collection, data_ids, id, timespans, begin });
        Ok(())
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.part_of.len()
    }

    pub(super) fn parts(&self) -> &[Part<'a>] {
        &self.parts
    }

    /// The part of a row.
    pub(super) fn part(&self, row: usize) -> &Part<'a> {
        &self.parts[self.part_of[row] as usize]
    }

    pub(super) fn id(&self, row: usize) -> [u8; 16] {
        let part = self.part(row);
        part.id[row - part.begin]
    }

    /// The value of a dimension of a row, by position.
    pub(super) fn value(&self, at: usize, row: usize) -> Value<'a> {
        let part = self.part(row);
        part.data_ids.value(at, row - part.begin)
    }

    /// The validity range of a row; all time if it is no certification.
    pub(super) fn timespan(&self, row: usize) -> Timespan {
        let part = self.part(row);
        part.timespans.map_or(Timespan::UNBOUNDED, |timespans| timespans[row - part.begin])
    }

    /// The dataset type and data ID of a row.
    pub(super) fn describe(&self, row: usize) -> String {
        let part = self.part(row);
        let data_id = part.data_ids.describe(row - part.begin);
        format!("{} {data_id}", part.dataset_type.dataset_type.name)
    }

    /// Rows by the table of memberships that they go into, each in the given order.
    pub(super) fn by_table(&self, rows: &[usize]) -> Vec<TableRows<'a>> {
        let mut tables: Vec<TableRows<'a>> = Vec::new();
        // Table of each part.
        let mut table_of: Vec<Option<usize>> = vec![None; self.parts.len()];
        for &row in rows {
            let part = self.part_of[row] as usize;
            let at = match table_of[part] {
                Some(at) => at,
                None => {
                    let dataset_type = self.parts[part].dataset_type;
                    let same = |known: &TableRows<'_>| {
                        known.dataset_type.tags_table == dataset_type.tags_table
                    };
                    let at = tables.iter().position(same).unwrap_or_else(|| {
                        tables.push(TableRows { dataset_type, rows: Vec::new() });
                        tables.len() - 1
                    });
                    *table_of[part].insert(at)
                }
            };
            tables[at].rows.push(row);
        }
        // In one order, so that two who write into several tables wait for each other at most.
        tables.sort_by(|a, b| a.dataset_type.tags_table.cmp(&b.dataset_type.tags_table));
        tables
    }

    /// Keys of collections and dataset types of rows, sorted.
    pub(super) fn summaries(&self, rows: &[usize]) -> Vec<(i64, i64)> {
        let mut seen = vec![false; self.parts.len()];
        rows.iter().for_each(|&row| seen[self.part_of[row] as usize] = true);
        let parts = self.parts.iter().zip(seen).filter(|(_, seen)| *seen);
        let mut found: Vec<(i64, i64)> =
            parts.map(|(part, _)| (part.collection.1, part.dataset_type.id)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Keys of collections and values of a dimension of rows, by its position, sorted.
    pub(super) fn governors(&self, at: usize, rows: &[usize]) -> Vec<(i64, i64)> {
        let mut found: FxHashSet<(i64, i64)> = FxHashSet::default();
        let mut last = None;
        for &row in rows {
            let part = self.part(row);
            let key = (part.collection.1, part.data_ids.cell(at, row - part.begin));
            if last.replace(key) != Some(key) {
                found.insert(key);
            }
        }
        let mut found: Vec<(i64, i64)> = found.into_iter().collect();
        found.sort_unstable();
        found
    }

    /// The value that a cell of a dimension stands for.
    pub(super) fn of_cell(&self, dimension: ElementIx, cell: i64) -> Value<'a> {
        Value::of_cell(self.universe, dimension, cell, self.symbols)
    }

    /// The column of UUIDs, under some name.
    pub(super) fn ids(&self, name: &'a str) -> BulkColumn<'_> {
        BulkColumn::new(name, ColumnType::Uuid, |row| Value::Uuid(self.id(row)))
    }

    /// The column of keys of dataset types.
    pub(super) fn dataset_types(&self) -> BulkColumn<'_> {
        let value = |row| Value::Int(self.part(row).dataset_type.id);
        BulkColumn::new("dataset_type_id", ColumnType::BigInt, value)
    }

    /// The column of keys of collections, under some name.
    pub(super) fn collections(&self, name: &'a str) -> BulkColumn<'_> {
        BulkColumn::new(name, ColumnType::BigInt, |row| Value::Int(self.part(row).collection.1))
    }

    /// Columns of data IDs of rows of one table.
    pub(super) fn keys<'r>(&'r self, table: &'r TableRows<'a>) -> Vec<BulkColumn<'r>> {
        let group = &table.dataset_type.dataset_type.dimensions;
        (dataset_key_columns(group).into_iter().zip(group.required()).enumerate())
            .map(|(at, (name, &ix))| {
                let kind = super::data_ids::key_column_type(self.universe, ix);
                BulkColumn::new(name, kind, move |row| self.value(at, row))
            })
            .collect()
    }
}
