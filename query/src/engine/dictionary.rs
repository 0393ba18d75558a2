//! Dense codes for the values of dimensions.
//!
//! A code of a dimension stands for the dimension's value together with everything that it
//! determines: the code of a patch knows its tract and sky map, the code of a visit its instrument,
//! filter, band and day. Joins then work on one small integer for each independent dimension.

use std::sync::Arc;

use qbb_dimensions::{
    DataIdIndex, DimensionElement, DimensionGroup, ElementIx, ElementKind, KeyType, RecordTable,
    Storage, Symbols, Universe,
};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::engine::layout::{KeyNumbers, Layout};
use crate::engine::relation::Relation;
use crate::engine::row_limit::RowLimit;

mod extension;

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

    /// Adds an element's records, after those of all dimensions that it depends on. Records that
    /// refer to values left out earlier are left out too.
    pub fn add_records(&mut self, table: RecordTable) {
        let universe = self.universe.clone();
        let element = universe.element(table.element);
        self.add_views(element, &table);
        if element.is_dimension() {
            self.add_dimension(element, &table);
        } else {
            self.add_combination(element, &table);
        }
        self.records[element.ix.index()] = Some(table);
    }

    /// A view has the values of the column that it is a view of.
    fn add_views(&mut self, element: &DimensionElement, table: &RecordTable) {
        let universe = self.universe.clone();
        for &implied in &element.implied {
            if let Storage::ViewOf(target) = universe.element(implied).storage
                && target == element.ix
                && let Some(position) = element.implied.iter().position(|&ix| ix == implied)
            {
                self.add_values(implied, table.implied[position].iter().copied());
            }
        }
    }

    fn add_dimension(&mut self, element: &DimensionElement, table: &RecordTable) {
        let universe = self.universe.clone();
        let group = self.closure(element.ix).clone();
        self.codes_mut(element.ix);
        let Some(mut codes) = self.dimensions[element.ix.index()].take() else { return };
        let direct = |dimension: ElementIx| -> Option<&[i64]> {
            if let Some(at) = element.required.iter().position(|&ix| ix == dimension) {
                return Some(&table.keys[at]);
            }
            let at = element.implied.iter().position(|&ix| ix == dimension)?;
            Some(&table.implied[at])
        };
        // Cells of dimensions that follow only from an implied one are taken from its codes.
        let through = |dimension: ElementIx| -> Option<usize> {
            codes
                .ancestors
                .iter()
                .position(|(ix, _)| direct(*ix).is_some() && self.closure(*ix).contains(dimension))
        };
        enum Source<'a> {
            Direct(&'a [i64]),
            Through(usize, &'a [i64]),
        }
        let mut sources: FxHashMap<ElementIx, Source<'_>> = FxHashMap::default();
        for &name in group.names() {
            let source = match direct(name) {
                Some(cells) => Source::Direct(cells),
                None => {
                    let Some(position) = through(name) else { continue };
                    Source::Through(position, self.cells(codes.ancestors[position].0, name))
                }
            };
            sources.insert(name, source);
        }
        let required: Vec<&[ElementIx]> = (codes.ancestors.iter())
            .map(|(ix, _)| universe.element(*ix).required.as_slice())
            .collect();
        let mut found = vec![NONE; codes.ancestors.len()];
        let (mut cells, mut row_cells) = (Vec::new(), Vec::new());
        'rows: for row in 0..table.len() {
            // Ancestors stand in universe order, so what another one follows from comes first
            // unless it is only implied; those are looked up in the second pass.
            for pass in 0..2 {
                for (position, (ancestor, _)) in codes.ancestors.iter().enumerate() {
                    if (direct(*ancestor).is_some()) != (pass == 0) {
                        continue;
                    }
                    cells.clear();
                    for &dimension in required[position] {
                        let cell = match sources.get(&dimension) {
                            Some(Source::Direct(column)) => column[row],
                            Some(Source::Through(at, column)) => column[found[*at] as usize],
                            None => continue 'rows,
                        };
                        cells.push(cell);
                    }
                    match self.code(*ancestor, &cells) {
                        Some(code) => found[position] = code,
                        None => continue 'rows,
                    }
                }
            }
            row_cells.clear();
            for key in group.keys() {
                row_cells.push(match &sources[key] {
                    Source::Direct(column) => column[row],
                    Source::Through(at, column) => column[found[*at] as usize],
                });
            }
            let code = codes.index.insert(&row_cells);
            if code as usize == codes.record.len() {
                codes.record.push(row as u32);
                for ((_, map), &ancestor) in codes.ancestors.iter_mut().zip(&found) {
                    map.push(ancestor);
                }
            }
        }
        self.dimensions[element.ix.index()] = Some(codes);
    }

    fn add_combination(&mut self, element: &DimensionElement, table: &RecordTable) {
        let group = self.closure(element.ix).clone();
        let layout = Layout::new(self, &group);
        let generators = &layout.generators;
        let dimensions = [&element.required[..], &element.implied].concat();
        // Only old universes have combinations that imply a dimension.
        let with_implied;
        let cells: &[Vec<i64>] = if element.implied.is_empty() {
            &table.keys
        } else {
            with_implied = [&table.keys[..], &table.implied].concat();
            &with_implied
        };
        let followers = self.followers(&dimensions, generators);
        let mut coder = RowCoder::new(self, &dimensions, generators);
        let mut columns = vec![Vec::with_capacity(table.len()); generators.len()];
        let mut record = Vec::with_capacity(table.len());
        let mut codes = Vec::new();
        for row in 0..table.len() {
            if !coder.codes(self, cells, row, &mut codes) {
                continue;
            }
            let follows = |&(at, generator, column): &(usize, usize, &[i64])| {
                column.get(codes[generator] as usize) == Some(&cells[at][row])
            };
            if !followers.iter().all(follows) {
                continue;
            }
            record.push(row as u32);
            for (column, &code) in columns.iter_mut().zip(&codes) {
                column.push(code);
            }
        }
        let relation = Relation::new(self, group, columns, record.len());
        let index = relation.keys(self, &layout).into_iter().zip(record.iter().copied()).collect();
        let columns = relation.columns;
        self.combinations[element.ix.index()] =
            Some(CombinationRecords { columns, record, index, layout });
    }

    /// The dimensions that no generator requires, whose values must then be those that follow
    /// from one: position of the dimension, position of the generator, values by its codes.
    fn followers(
        &self,
        dimensions: &[ElementIx],
        generators: &[ElementIx],
    ) -> Vec<(usize, usize, &[i64])> {
        let universe = &self.universe;
        let required = |ix: &ElementIx| {
            generators.iter().any(|&generator| universe.element(generator).required.contains(ix))
        };
        (dimensions.iter().enumerate())
            .filter(|(_, dimension)| !required(dimension))
            .filter_map(|(at, &dimension)| {
                let generator = (generators.iter())
                    .position(|&generator| self.closure(generator).contains(dimension))?;
                Some((at, generator, self.cells(generators[generator], dimension)))
            })
            .collect()
    }
}

/// Finds the codes of generators in rows of required cells.
pub struct RowCoder {
    /// For each generator, the positions of its required dimensions among the columns.
    parts: Vec<(ElementIx, Vec<usize>)>,
    /// Cells of one part.
    cells: Vec<i64>,
}

impl RowCoder {
    /// Columns are those of `required`, which must hold everything the generators require.
    pub fn new(dictionary: &Dictionary, required: &[ElementIx], generators: &[ElementIx]) -> Self {
        let universe = dictionary.universe();
        let parts = (generators.iter())
            .map(|&generator| {
                let positions = (universe.element(generator).required.iter())
                    .filter_map(|ix| required.iter().position(|other| other == ix))
                    .collect();
                (generator, positions)
            })
            .collect();
        Self { parts, cells: Vec::new() }
    }

    /// Puts the codes of a row into `codes`; false if one is unknown.
    pub fn codes(
        &mut self,
        dictionary: &Dictionary,
        columns: &[Vec<i64>],
        row: usize,
        codes: &mut Vec<u32>,
    ) -> bool {
        codes.clear();
        for (generator, positions) in &self.parts {
            self.cells.clear();
            self.cells.extend(positions.iter().map(|&position| columns[position][row]));
            match dictionary.code(*generator, &self.cells) {
                Some(code) => codes.push(code),
                None => return false,
            }
        }
        true
    }
}
