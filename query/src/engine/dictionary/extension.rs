//! Values and records that become known after everything was read.

use qbb_dimensions::RecordTable;
use rustc_hash::FxHashSet;

use super::{Dictionary, NONE};

impl Dictionary {
    /// Adds those of an element's records that are not known, after those of all dimensions that it
    /// depends on. Codes stay as they are; keys must be [renewed](Self::renew_keys) afterwards.
    pub fn extend_records(&mut self, table: &RecordTable) {
        let universe = self.universe.clone();
        let element = universe.element(table.element);
        let ix = element.ix.index();
        let Some(mut known) = self.records[ix].take() else {
            self.add_records(table.clone());
            return;
        };
        let row_key = |table: &RecordTable, row: usize| -> Vec<i64> {
            table.keys.iter().map(|column| column[row]).collect()
        };
        let present: FxHashSet<Vec<i64>> =
            (0..known.len()).map(|row| row_key(&known, row)).collect();
        let mut new = RecordTable::new(element);
        for row in (0..table.len()).filter(|&row| !present.contains(&row_key(table, row))) {
            new.push_from(table, row as u32);
        }
        let offset = known.len() as u32;
        (0..new.len() as u32).for_each(|row| known.push_from(&new, row));
        self.records[ix] = Some(known);
        if new.is_empty() {
            return;
        }
        self.add_views(element, &new);
        if element.is_dimension() {
            let first = self.len(element.ix);
            self.add_dimension(element, &new);
            if let Some(codes) = &mut self.dimensions[ix] {
                let added = codes.record.iter_mut().skip(first);
                added.filter(|record| **record != NONE).for_each(|record| *record += offset);
            }
        }
    }

    /// Makes the keys of combinations anew: they depend on how many values there are.
    pub fn renew_keys(&mut self) {
        let universe = self.universe.clone();
        for element in universe.elements() {
            if self.combinations[element.ix.index()].is_none() {
                continue;
            }
            if let Some(table) = self.records[element.ix.index()].take() {
                self.add_combination(element, &table);
                self.records[element.ix.index()] = Some(table);
            }
        }
    }
}
