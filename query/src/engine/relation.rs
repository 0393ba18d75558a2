//! Sets of data IDs as columns of codes, and what relational algebra needs of them.

use qbb_dimensions::expression::RowSource;
use qbb_dimensions::{DimensionGroup, ElementIx, RecordTable, Symbols, Universe};
use rayon::prelude::*;

use crate::engine::dictionary::{Dictionary, RowCoder};
use crate::engine::key_index::{KeyGroups, KeyIndex, is_dense};
use crate::engine::layout::Layout;
use crate::engine::row_limit::JoinSides;
use crate::error::QueryError;

/// Rows that are worth a task of their own.
pub const PARALLEL_ROWS: usize = 1 << 15;

/// Rows of data IDs of one group. Codes of the group's generators are stored; all other dimensions
/// follow from them, and agree wherever they follow from several.
#[derive(Debug, Clone)]
pub struct Relation {
    /// The dimensions.
    pub group: DimensionGroup,
    /// Dimensions from which all others follow.
    pub generators: Vec<ElementIx>,
    /// One column for each generator.
    pub columns: Vec<Vec<u32>>,
    /// Number of rows.
    pub len: usize,
}

impl Relation {
    /// Rows of codes; one column for each generator of the group.
    pub fn new(
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
    pub fn all(dictionary: &Dictionary, dimension: ElementIx) -> Self {
        let len = dictionary.len(dimension);
        let columns = vec![(0..len as u32).collect()];
        Self::new(dictionary, dictionary.closure(dimension).clone(), columns, len)
    }

    /// Rows of required cells, as databases give them; rows with values that were left out are
    /// left out, and so are rows in which implied dimensions contradict each other. Also returns
    /// the number of the original row of each row.
    pub fn of_cells(
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
    pub fn consistent_rows(&self, dictionary: &Dictionary) -> Option<Vec<bool>> {
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

    /// Keeps some rows.
    pub fn retain(&mut self, keep: &[bool]) {
        self.columns.par_iter_mut().for_each(|column| {
            let mut rows = keep.iter();
            column.retain(|_| rows.next().copied().unwrap_or(false));
        });
        self.len = keep.iter().filter(|&&kept| kept).count();
    }

    /// Where the code of a dimension of the group comes from.
    pub fn code_column<'a>(
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
    pub fn cells(&self, dictionary: &Dictionary, dimension: ElementIx) -> Vec<i64> {
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
    pub fn keys(&self, dictionary: &Dictionary, layout: &Layout) -> Vec<u64> {
        let mut keys = vec![0u64; self.len];
        for (generator, bits, beginning) in layout.parts() {
            let Some(column) = self.code_column(dictionary, generator) else { continue };
            if let Some(beginning) = beginning {
                dictionary.numbers.number(&beginning, &mut keys);
            }
            let rows = keys.par_iter_mut().zip(column.codes).with_min_len(PARALLEL_ROWS);
            match column.map {
                None => rows.for_each(|(key, &code)| *key = *key << bits | u64::from(code)),
                Some(map) => rows.for_each(|(key, &code)| {
                    *key = *key << bits | u64::from(map[code as usize]);
                }),
            }
        }
        keys
    }

    /// The distinct data IDs of a smaller group, in order of their keys.
    pub fn project(&self, dictionary: &Dictionary, group: &DimensionGroup) -> Self {
        let layout = Layout::new(dictionary, group);
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
        let columns = layout.unpack(dictionary, &keys);
        Self::new(dictionary, group.clone(), columns, keys.len())
    }

    /// Which rows agree with all relations that share dimensions with this one.
    pub fn agrees(&self, dictionary: &Dictionary, others: &[Self]) -> Vec<bool> {
        let mut keep = vec![true; self.len];
        for other in others {
            let shared = self.group.intersection(&other.group);
            if shared.is_empty() {
                continue;
            }
            let layout = Layout::new(dictionary, &shared);
            let present = KeyIndex::new(&other.keys(dictionary, &layout), layout.total_bits());
            let keys = self.keys(dictionary, &layout);
            (keep.par_iter_mut().zip(&keys).with_min_len(PARALLEL_ROWS))
                .for_each(|(keep, &key)| *keep = *keep && present.find(key).is_some());
        }
        keep
    }

    /// The rows of both, each data ID once.
    pub fn merged(mut self, dictionary: &Dictionary, other: &Self) -> Self {
        for (column, more) in self.columns.iter_mut().zip(&other.columns) {
            column.extend_from_slice(more);
        }
        self.len += other.len;
        self.project(dictionary, &self.group)
    }

    /// Keeps the rows whose shared dimensions occur in `other`.
    pub fn semijoin(&mut self, dictionary: &Dictionary, other: &Self) {
        let layout = Layout::new(dictionary, &self.group.intersection(&other.group));
        let present = KeyIndex::new(&other.keys(dictionary, &layout), layout.total_bits());
        let keys = self.keys(dictionary, &layout);
        let keep: Vec<bool> = (keys.par_iter().with_min_len(PARALLEL_ROWS))
            .map(|&key| present.find(key).is_some())
            .collect();
        if keep.iter().any(|&kept| !kept) {
            self.retain(&keep);
        }
    }

    /// All pairs of rows that agree on the shared dimensions.
    pub fn join(&self, dictionary: &Dictionary, other: &Self) -> Result<Self, QueryError> {
        let shared = self.group.intersection(&other.group);
        let layout = Layout::new(dictionary, &shared);
        let (probe, build) = if self.len >= other.len { (self, other) } else { (other, self) };
        let groups = KeyGroups::new(&build.keys(dictionary, &layout), layout.total_bits());
        let keys = probe.keys(dictionary, &layout);
        let counts: Vec<usize> = (keys.par_chunks(PARALLEL_ROWS))
            .map(|keys| keys.iter().map(|&key| groups.rows(key).len()).sum())
            .collect();
        let len = counts.iter().sum();
        dictionary
            .row_limit
            .check(len, || JoinSides::of(&self.group, &other.group, [self.len, other.len]))?;
        let (mut left, mut right) = (vec![0; len], vec![0; len]);
        let parts = split_mut(&mut left, &counts).into_iter().zip(split_mut(&mut right, &counts));
        let parts: Vec<(&mut [u32], &mut [u32])> = parts.collect();
        parts.into_par_iter().zip(keys.par_chunks(PARALLEL_ROWS)).enumerate().for_each(
            |(chunk, ((left, right), keys))| {
                let mut at = 0;
                for (row, &key) in (chunk * PARALLEL_ROWS..).zip(keys) {
                    let partners = groups.rows(key);
                    left[at..at + partners.len()].fill(row as u32);
                    right[at..at + partners.len()].copy_from_slice(partners);
                    at += partners.len();
                }
            },
        );
        Ok(Self::of_pairs(dictionary, [probe, build], [&left, &right]))
    }

    /// The rows of two relations together, given the row of each.
    pub fn of_pairs(dictionary: &Dictionary, relations: [&Self; 2], rows: [&[u32]; 2]) -> Self {
        let group = relations[0].group.union(&relations[1].group);
        let generators = dictionary.generators(&group);
        let columns = (generators.par_iter())
            .map(|&generator| {
                let of = |at: usize| relations[at].code_column(dictionary, generator);
                let source = of(0).map(|column| (column, rows[0]));
                match source.or_else(|| of(1).map(|column| (column, rows[1]))) {
                    Some((column, rows)) => {
                        rows.iter().map(|&row| column.get(row as usize)).collect()
                    }
                    None => Vec::new(),
                }
            })
            .collect();
        Self { group, generators, columns, len: rows[0].len() }
    }

    /// The rows as conditions look at them.
    pub fn rows<'a>(&'a self, dictionary: &'a Dictionary) -> RelationRows<'a> {
        RelationRows { relation: self, dictionary }
    }

    /// Text of a row's data ID for messages.
    pub fn describe(&self, dictionary: &Dictionary, row: usize) -> String {
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

/// Takes a slice apart into pieces of these lengths.
fn split_mut<'a>(mut values: &'a mut [u32], lengths: &[usize]) -> Vec<&'a mut [u32]> {
    let split = |&length: &usize| {
        let (piece, rest) = std::mem::take(&mut values).split_at_mut(length);
        values = rest;
        piece
    };
    lengths.iter().map(split).collect()
}

/// Codes of a dimension in the rows of a relation.
#[derive(Debug, Clone, Copy)]
pub struct CodeColumn<'a> {
    codes: &'a [u32],
    map: Option<&'a [u32]>,
}

impl CodeColumn<'_> {
    /// The code of a row.
    pub fn get(&self, row: usize) -> u32 {
        let code = self.codes[row];
        self.map.map_or(code, |map| map[code as usize])
    }
}

/// A relation's rows for the evaluation of conditions.
#[derive(Debug, Clone, Copy)]
pub struct RelationRows<'a> {
    relation: &'a Relation,
    dictionary: &'a Dictionary,
}

impl RelationRows<'_> {
    /// Row of the record of an element that belongs to a row.
    pub fn record_row(&self, element: ElementIx, row: u32) -> Option<u32> {
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
