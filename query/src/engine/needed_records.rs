//! The dimension records that a graph carries: all that its data IDs need to be expanded.

use qbb_dimensions::{DimensionGroup, ElementIx, RecordTable, Storage};

use crate::engine::dictionary::Dictionary;
use crate::engine::relation::Relation;

/// Which records of each element are needed.
#[derive(Debug, Clone)]
pub struct NeededRecords {
    /// By element: for each row of its record table, or each code of a view's value.
    needed: Vec<Vec<bool>>,
}

impl NeededRecords {
    /// No records.
    pub fn new(dictionary: &Dictionary) -> Self {
        Self { needed: vec![Vec::new(); dictionary.universe().elements().len()] }
    }

    /// Records of an element that data IDs with it have.
    pub fn add(&mut self, dictionary: &Dictionary, element: ElementIx, relation: &Relation) {
        let needed = &mut self.needed[element.index()];
        if let Some(table) = dictionary.records(element) {
            needed.resize(table.len(), false);
            let view = relation.rows(dictionary);
            for row in 0..relation.len as u32 {
                if let Some(record) = view.record_row(element, row) {
                    needed[record as usize] = true;
                }
            }
        } else if let Storage::ViewOf(_) = dictionary.universe().element(element).storage
            && let Some(codes) = relation.code_column(dictionary, element)
        {
            needed.resize(dictionary.len(element), false);
            for row in 0..relation.len {
                needed[codes.get(row) as usize] = true;
            }
        }
    }

    /// Those that are needed here and not there.
    pub fn without(&self, other: &Self) -> Self {
        let needed = (self.needed.iter().zip(&other.needed))
            .map(|(here, there)| {
                let there = there.iter().copied().chain(std::iter::repeat(false));
                here.iter().zip(there).map(|(&here, there)| here && !there).collect()
            })
            .collect();
        Self { needed }
    }

    /// One table for each element of the dimensions, in universe order; the middleware too writes
    /// elements without records.
    pub fn tables(&self, dictionary: &Dictionary, all: &DimensionGroup) -> Vec<RecordTable> {
        let mut tables = Vec::new();
        for element in all.iter_elements().filter(|element| element.skypix().is_none()) {
            let needed = &self.needed[element.ix.index()];
            let rows = (0..needed.len() as u32).filter(|&row| needed[row as usize]);
            let mut table = RecordTable::new(element);
            if let Some(records) = dictionary.records(element.ix) {
                rows.for_each(|row| table.push_from(records, row));
            } else if let Storage::ViewOf(_) = element.storage {
                let cells = dictionary.cells(element.ix, element.ix);
                let keys = vec![rows.map(|row| cells[row as usize]).collect()];
                let view =
                    RecordTable::from_columns(element, keys, Vec::new(), Vec::new(), None, None);
                table = view.unwrap_or(table);
            }
            tables.push(table);
        }
        tables
    }
}
