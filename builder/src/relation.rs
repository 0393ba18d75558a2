//! Sets of data IDs as columns of codes, and what relational algebra needs of them.

use qbb_dimensions::expression::RowSource;
use qbb_dimensions::{DimensionGroup, ElementIx, RecordTable, Symbols, Universe};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::dictionary::{Dictionary, NONE, RowCoder};
use crate::error::BuildError;
use crate::layout::Layout;

/// Tables that cover all possible keys are used if they have at most so many places for each key
/// that occurs; otherwise keys are hashed or sorted.
const PLACES_PER_KEY: usize = 16;

/// Whether a table of all keys of `bits` bits is small for `n` keys.
fn is_dense(bits: u32, n: usize) -> bool {
    1usize.checked_shl(bits).is_some_and(|places| places <= n.saturating_mul(PLACES_PER_KEY) + 64)
}

/// Rows of data IDs of one group. Codes of the group's generators are stored; all other dimensions
/// follow from them, and agree wherever they follow from several.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    pub(crate) group: DimensionGroup,
    pub(crate) generators: Vec<ElementIx>,
    /// One column for each generator.
    pub(crate) columns: Vec<Vec<u32>>,
    pub(crate) len: usize,
}

impl Relation {
    pub(crate) fn new(
        dictionary: &Dictionary,
        group: DimensionGroup,
        columns: Vec<Vec<u32>>,
        len: usize,
    ) -> Self {
        let generators = dictionary.generators(&group);
        debug_assert!(columns.len() == generators.len());
        debug_assert!(columns.iter().all(|column| column.len() == len));
        Self { group, generators, columns, len }
    }

    /// All known values of a dimension.
    pub(crate) fn all(dictionary: &Dictionary, dimension: ElementIx) -> Self {
        let len = dictionary.len(dimension);
        let columns = vec![(0..len as u32).collect()];
        Self::new(dictionary, dictionary.closure(dimension).clone(), columns, len)
    }

    /// Rows of required cells, as databases give them; rows with values that were left out are
    /// left out, and so are rows in which implied dimensions contradict each other. Also returns
    /// the number of the original row of each row.
    pub(crate) fn of_cells(
        dictionary: &Dictionary,
        group: &DimensionGroup,
        keys: &[Vec<i64>],
        len: usize,
    ) -> (Self, Vec<u32>) {
        let generators = dictionary.generators(group);
        let mut coder = RowCoder::new(dictionary, group.required(), &generators);
        let mut columns = vec![Vec::with_capacity(len); generators.len()];
        let mut origin = Vec::with_capacity(len);
        let mut codes = Vec::new();
        for row in 0..len {
            if coder.codes(dictionary, keys, row, &mut codes) {
                origin.push(row as u32);
                for (column, &code) in columns.iter_mut().zip(&codes) {
                    column.push(code);
                }
            }
        }
        let mut relation = Self::new(dictionary, group.clone(), columns, origin.len());
        let consistent = relation.consistent_rows(dictionary);
        if let Some(keep) = consistent {
            relation.retain(&keep);
            let mut rows = keep.iter();
            origin.retain(|_| rows.next().copied().unwrap_or(false));
        }
        (relation, origin)
    }

    /// For dimensions that follow from several generators, whether they agree in each row; `None`
    /// if all rows do.
    pub(crate) fn consistent_rows(&self, dictionary: &Dictionary) -> Option<Vec<bool>> {
        let mut keep: Option<Vec<bool>> = None;
        for &name in self.group.names() {
            let maps: Vec<(usize, &[u32])> = (self.generators.iter().enumerate())
                .filter_map(|(at, &g)| Some((at, dictionary.ancestor(g, name)?)))
                .collect();
            for pair in maps.windows(2) {
                let [(a, map_a), (b, map_b)] = [pair[0], pair[1]];
                for row in 0..self.len {
                    let codes = (self.columns[a][row] as usize, self.columns[b][row] as usize);
                    if map_a[codes.0] != map_b[codes.1] {
                        keep.get_or_insert_with(|| vec![true; self.len])[row] = false;
                    }
                }
            }
        }
        keep
    }

    pub(crate) fn retain(&mut self, keep: &[bool]) {
        for column in &mut self.columns {
            let mut rows = keep.iter();
            column.retain(|_| rows.next().copied().unwrap_or(false));
        }
        self.len = keep.iter().filter(|&&kept| kept).count();
    }

    /// Where the code of a dimension of the group comes from.
    pub(crate) fn code_column<'a>(
        &'a self,
        dictionary: &'a Dictionary,
        dimension: ElementIx,
    ) -> Option<CodeColumn<'a>> {
        if let Some(at) = self.generators.iter().position(|&ix| ix == dimension) {
            return Some(CodeColumn { codes: &self.columns[at], map: None });
        }
        (self.generators.iter().enumerate()).find_map(|(at, &generator)| {
            let map = dictionary.ancestor(generator, dimension)?;
            Some(CodeColumn { codes: &self.columns[at], map: Some(map) })
        })
    }

    /// Cells of a dimension of the group, one for each row.
    pub(crate) fn cells(&self, dictionary: &Dictionary, dimension: ElementIx) -> Vec<i64> {
        let source = (self.generators.iter().enumerate())
            .find(|&(_, &generator)| dictionary.closure(generator).contains(dimension));
        match source {
            Some((at, &generator)) => {
                let cells = dictionary.cells(generator, dimension);
                self.columns[at].iter().map(|&code| cells[code as usize]).collect()
            }
            None => Vec::new(),
        }
    }

    /// Keys of the rows for dimensions that the group contains.
    pub(crate) fn keys(&self, dictionary: &Dictionary, layout: &Layout) -> Vec<u64> {
        let mut keys = vec![0u64; self.len];
        for (&generator, &bits) in layout.generators.iter().zip(&layout.bits) {
            let Some(column) = self.code_column(dictionary, generator) else { continue };
            match column.map {
                None => {
                    for (key, &code) in keys.iter_mut().zip(column.codes) {
                        *key = *key << bits | u64::from(code);
                    }
                }
                Some(map) => {
                    for (key, &code) in keys.iter_mut().zip(column.codes) {
                        *key = *key << bits | u64::from(map[code as usize]);
                    }
                }
            }
        }
        keys
    }

    /// The distinct data IDs of a smaller group, in order of their keys.
    pub(crate) fn project(
        &self,
        dictionary: &Dictionary,
        group: &DimensionGroup,
    ) -> Result<Self, BuildError> {
        let layout = Layout::new(dictionary, group)?;
        let mut keys = self.keys(dictionary, &layout);
        if is_dense(layout.total_bits(), keys.len()) {
            let mut present = vec![false; 1 << layout.total_bits()];
            for key in keys {
                present[key as usize] = true;
            }
            keys = (0..present.len() as u64).filter(|&key| present[key as usize]).collect();
        } else {
            keys.par_sort_unstable();
            keys.dedup();
        }
        let columns = layout.unpack(&keys);
        Ok(Self::new(dictionary, group.clone(), columns, keys.len()))
    }

    /// Keeps the rows whose shared dimensions occur in `other`.
    pub(crate) fn semijoin(
        &mut self,
        dictionary: &Dictionary,
        other: &Self,
    ) -> Result<(), BuildError> {
        let layout = Layout::new(dictionary, &self.group.intersection(&other.group))?;
        let present = KeyIndex::new(&other.keys(dictionary, &layout), layout.total_bits());
        let keys = self.keys(dictionary, &layout);
        let keep: Vec<bool> = keys.iter().map(|&key| present.find(key).is_some()).collect();
        if keep.iter().any(|&kept| !kept) {
            self.retain(&keep);
        }
        Ok(())
    }

    /// All pairs of rows that agree on the shared dimensions.
    pub(crate) fn join(&self, dictionary: &Dictionary, other: &Self) -> Result<Self, BuildError> {
        let layout = Layout::new(dictionary, &self.group.intersection(&other.group))?;
        let (probe, build) = if self.len >= other.len { (self, other) } else { (other, self) };
        let groups = KeyGroups::new(&build.keys(dictionary, &layout));
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for (row, &key) in probe.keys(dictionary, &layout).iter().enumerate() {
            for &partner in groups.rows(key) {
                left.push(row as u32);
                right.push(partner);
            }
        }
        let group = self.group.union(&other.group);
        let generators = dictionary.generators(&group);
        let mut columns = Vec::with_capacity(generators.len());
        for &generator in &generators {
            let (column, rows) = match probe.code_column(dictionary, generator) {
                Some(column) => (column, &left),
                None => match build.code_column(dictionary, generator) {
                    Some(column) => (column, &right),
                    None => continue,
                },
            };
            columns.push(rows.iter().map(|&row| column.get(row as usize)).collect());
        }
        Ok(Self { group, generators, columns, len: left.len() })
    }

    /// The rows as conditions look at them.
    pub(crate) fn rows<'a>(&'a self, dictionary: &'a Dictionary) -> RelationRows<'a> {
        RelationRows { relation: self, dictionary }
    }

    /// Text of a row's data ID for messages.
    pub(crate) fn describe(&self, dictionary: &Dictionary, row: usize) -> String {
        let universe = dictionary.universe();
        let parts: Vec<String> = (self.group.required().iter())
            .map(|&ix| {
                let rows = self.rows(dictionary);
                let cell = rows.key(ix, row as u32).unwrap_or_default();
                let value = universe.value(ix, cell, &dictionary.symbols);
                format!("{}: {value}", universe.element(ix).name)
            })
            .collect();
        format!("{{{}}}", parts.join(", "))
    }
}

/// Codes of a dimension in the rows of a relation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodeColumn<'a> {
    codes: &'a [u32],
    map: Option<&'a [u32]>,
}

impl CodeColumn<'_> {
    pub(crate) fn get(&self, row: usize) -> u32 {
        let code = self.codes[row];
        self.map.map_or(code, |map| map[code as usize])
    }
}

/// Finds the row of a key; of equal keys, one.
#[derive(Debug)]
pub(crate) enum KeyIndex {
    Direct(Vec<u32>),
    Hash(FxHashMap<u64, u32>),
}

impl KeyIndex {
    /// Indexes keys of at most `bits` bits.
    pub(crate) fn new(keys: &[u64], bits: u32) -> Self {
        if is_dense(bits, keys.len()) {
            let mut rows = vec![NONE; 1 << bits];
            for (row, &key) in keys.iter().enumerate() {
                rows[key as usize] = row as u32;
            }
            return Self::Direct(rows);
        }
        Self::Hash(keys.iter().enumerate().map(|(row, &key)| (key, row as u32)).collect())
    }

    pub(crate) fn find(&self, key: u64) -> Option<u32> {
        match self {
            Self::Direct(rows) => rows.get(key as usize).copied().filter(|&row| row != NONE),
            Self::Hash(rows) => rows.get(&key).copied(),
        }
    }
}

/// Rows grouped by key.
#[derive(Debug)]
pub(crate) struct KeyGroups {
    order: Vec<u32>,
    ranges: FxHashMap<u64, (u32, u32)>,
}

impl KeyGroups {
    pub(crate) fn new(keys: &[u64]) -> Self {
        let mut order: Vec<u32> = (0..keys.len() as u32).collect();
        order.sort_by_key(|&row| keys[row as usize]);
        let mut ranges = FxHashMap::default();
        let mut begin = 0;
        for chunk in order.chunk_by(|&a, &b| keys[a as usize] == keys[b as usize]) {
            let end = begin + chunk.len() as u32;
            ranges.insert(keys[chunk[0] as usize], (begin, end));
            begin = end;
        }
        Self { order, ranges }
    }

    /// Rows with a key, in their original order.
    pub(crate) fn rows(&self, key: u64) -> &[u32] {
        match self.ranges.get(&key) {
            Some(&(begin, end)) => &self.order[begin as usize..end as usize],
            None => &[],
        }
    }
}

/// A relation's rows for the evaluation of conditions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RelationRows<'a> {
    relation: &'a Relation,
    dictionary: &'a Dictionary,
}

impl RelationRows<'_> {
    /// Row of the record of an element that belongs to a row.
    pub(crate) fn record_row(&self, element: ElementIx, row: u32) -> Option<u32> {
        let code = |dimension| {
            let column = self.relation.code_column(self.dictionary, dimension)?;
            Some(column.get(row as usize))
        };
        if self.dictionary.universe().element(element).is_dimension() {
            self.dictionary.record_of_code(element, code(element)?)
        } else {
            self.dictionary.record_of_combination(element, code)
        }
    }
}

impl RowSource for RelationRows<'_> {
    fn universe(&self) -> &Universe {
        self.dictionary.universe()
    }

    fn symbols(&self) -> &Symbols {
        &self.dictionary.symbols
    }

    fn key(&self, dimension: ElementIx, row: u32) -> Option<i64> {
        let (at, &generator) = (self.relation.generators.iter().enumerate())
            .find(|&(_, &generator)| self.dictionary.closure(generator).contains(dimension))?;
        let code = self.relation.columns[at][row as usize];
        self.dictionary.cells(generator, dimension).get(code as usize).copied()
    }

    fn record(&self, element: ElementIx, row: u32) -> Option<(&RecordTable, u32)> {
        let record = self.record_row(element, row)?;
        Some((self.dictionary.records(element)?, record))
    }
}
