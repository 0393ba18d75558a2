//! Dense codes for the values of dimensions.
//!
//! A code of a dimension stands for the dimension's value together with everything that it
//! determines: the code of a patch knows its tract and sky map, the code of a visit its instrument,
//! filter, band and day. Joins then work on one small integer for each independent dimension.

use std::sync::Arc;

use qbb_dimensions::{
    DataIdIndex, DimensionGroup, ElementIx, ElementKind, KeyType, RecordTable, Symbols, Universe,
};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::engine::layout::{KeyNumbers, Layout};
use crate::engine::relation::Relation;
use crate::engine::row_limit::RowLimit;

mod extension;
mod filling;
mod row_coder;

pub use row_coder::RowCoder;

/// No record, or no row.
pub const NONE: u32 = u32::MAX;

/// Codes of one dimension.
#[derive(Debug)]
struct DimensionCodes {
    /// A code is a row of this index.
    index: DataIdIndex,
    /// For each other dimension of the group, its code for each code of this dimension.
    ancestors: Vec<(ElementIx, Vec<u32>)>,
    /// Row of the record of each code, if the dimension has a table.
    record: Vec<u32>,
}

/// Records of a combination, found by the codes of the dimensions that it relates.
#[derive(Debug)]
struct CombinationRecords {
    /// Codes of each record, by generator; rows that refer to unknown dimensions are left out.
    columns: Vec<Vec<u32>>,
    /// Row in the record table of each.
    record: Vec<u32>,
    index: FxHashMap<u64, u32>,
    layout: Layout,
}

/// All values of all dimensions that a build looks at, with their records.
#[derive(Debug)]
pub struct Dictionary {
    universe: Arc<Universe>,
    /// Text of string values.
    pub symbols: Symbols,
    dimensions: Vec<Option<DimensionCodes>>,
    combinations: Vec<Option<CombinationRecords>>,
    records: Vec<Option<RecordTable>>,
    closures: Vec<DimensionGroup>,
    /// Numbers that stand for parts of keys too long for 64 bits.
    pub numbers: KeyNumbers,
    /// The most rows of a join.
    pub row_limit: RowLimit,
}

impl Dictionary {
    /// A dictionary without values.
    pub fn new(universe: &Arc<Universe>) -> Self {
        let n = universe.elements().len();
        let closures = (universe.elements().iter())
            .map(|element| DimensionGroup::of_elements(universe, [element.ix]))
            .collect();
        Self {
            universe: universe.clone(),
            symbols: Symbols::new(),
            dimensions: (0..n).map(|_| None).collect(),
            combinations: (0..n).map(|_| None).collect(),
            records: (0..n).map(|_| None).collect(),
            closures,
            numbers: KeyNumbers::default(),
            row_limit: RowLimit::default(),
        }
    }

    /// The universe that gives the dimensions.
    pub fn universe(&self) -> &Arc<Universe> {
        &self.universe
    }

    /// Position of each cell of a dimension among the distinct ones, in the order of their values:
    /// integers by size, text by its bytes.
    pub fn ranks(&self, dimension: ElementIx, cells: &[i64]) -> Vec<u32> {
        let mut distinct = cells.to_vec();
        distinct.par_sort_unstable();
        distinct.dedup();
        let mut order: Vec<u32> = (0..distinct.len() as u32).collect();
        if self.universe.element(dimension).key_type() == Some(KeyType::Text) {
            let text = |at: u32| self.symbols.of_cell(distinct[at as usize]).unwrap_or_default();
            order.sort_by(|&a, &b| text(a).cmp(text(b)));
        }
        let mut rank = vec![0u32; distinct.len()];
        for (position, &at) in order.iter().enumerate() {
            rank[at as usize] = position as u32;
        }
        let position = |cell| distinct.binary_search(cell).map_or(u32::MAX, |at| rank[at]);
        cells.iter().map(position).collect()
    }

    /// The group of a dimension, or of an element's required dimensions, with all that follows.
    pub fn closure(&self, element: ElementIx) -> &DimensionGroup {
        &self.closures[element.index()]
    }

    /// The members of a group from which all others follow; their codes identify a data ID.
    pub fn generators(&self, group: &DimensionGroup) -> Vec<ElementIx> {
        let names = group.names();
        (names.iter().copied())
            .filter(|&ix| {
                !names.iter().any(|&other| other != ix && self.closure(other).contains(ix))
            })
            .collect()
    }

    /// Number of codes of a dimension.
    pub fn len(&self, dimension: ElementIx) -> usize {
        self.dimensions[dimension.index()].as_ref().map_or(0, |codes| codes.index.len())
    }

    /// Whether values of the dimension were added, even if there were none.
    pub fn has(&self, dimension: ElementIx) -> bool {
        self.dimensions[dimension.index()].is_some()
    }

    /// Records of an element, if they were read.
    pub fn records(&self, element: ElementIx) -> Option<&RecordTable> {
        self.records[element.index()].as_ref()
    }

    /// Code of a dimension's required values, if they are known.
    pub fn code(&self, dimension: ElementIx, required: &[i64]) -> Option<u32> {
        self.dimensions[dimension.index()].as_ref()?.index.find(required)
    }

    /// For each code of `of`, the code of its ancestor `dimension`; `None` if it is itself.
    pub fn ancestor(&self, of: ElementIx, dimension: ElementIx) -> Option<&[u32]> {
        let codes = self.dimensions[of.index()].as_ref()?;
        codes.ancestors.iter().find(|(ix, _)| *ix == dimension).map(|(_, map)| map.as_slice())
    }

    /// Cell of `dimension` for each code of `of`, which determines it.
    pub fn cells(&self, of: ElementIx, dimension: ElementIx) -> &[i64] {
        let codes = self.dimensions[of.index()].as_ref();
        codes.map_or(&[][..], |codes| {
            (codes.index.group().key_position(dimension))
                .map_or(&[][..], |position| codes.index.column(position))
        })
    }

    /// Row of the record of a dimension's code.
    pub fn record_of_code(&self, dimension: ElementIx, code: u32) -> Option<u32> {
        let codes = self.dimensions[dimension.index()].as_ref()?;
        codes.record.get(code as usize).copied().filter(|&record| record != NONE)
    }

    /// Row of the record of a combination for codes of its generators.
    pub fn record_of_combination(
        &self,
        element: ElementIx,
        code: impl Fn(ElementIx) -> Option<u32>,
    ) -> Option<u32> {
        let combination = self.combinations[element.index()].as_ref()?;
        combination.index.get(&combination.layout.key(self, code)?).copied()
    }

    /// Data IDs of a combination's records, and the records' rows.
    pub fn combination(&self, element: ElementIx) -> Option<(Relation, &[u32])> {
        let combination = self.combinations[element.index()].as_ref()?;
        let group = self.closure(element).clone();
        let (columns, record) = (combination.columns.clone(), &combination.record);
        Some((Relation::new(self, group, columns, record.len()), record))
    }

    /// Data IDs that the records of a combination relate, if it is part of every query.
    pub fn relationship(&self, element: ElementIx) -> Option<Relation> {
        let kind = &self.universe.element(element).kind;
        if !matches!(kind, ElementKind::Combination { always_join: true, .. }) {
            return None;
        }
        let (mut relation, _) = self.combination(element)?;
        if let Some(keep) = relation.consistent_rows(self) {
            relation.retain(&keep);
        }
        Some(relation)
    }

    /// Adds values of a dimension that has no records of its own: pixels, or a view's values.
    pub fn add_values(&mut self, dimension: ElementIx, cells: impl Iterator<Item = i64>) {
        let codes = self.codes_mut(dimension);
        for cell in cells {
            codes.index.insert(&[cell]);
        }
    }

    /// The code of a value of such a dimension, which is added if it is new.
    pub fn add_value(&mut self, dimension: ElementIx, cell: i64) -> u32 {
        self.codes_mut(dimension).index.insert(&[cell])
    }

    fn codes_mut(&mut self, dimension: ElementIx) -> &mut DimensionCodes {
        let group = self.closures[dimension.index()].clone();
        self.dimensions[dimension.index()].get_or_insert_with(|| DimensionCodes {
            ancestors: (group.names().iter())
                .filter(|&&ix| ix != dimension)
                .map(|&ix| (ix, Vec::new()))
                .collect(),
            index: DataIdIndex::new(group),
            record: Vec::new(),
        })
    }
}
