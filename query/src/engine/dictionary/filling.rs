//! Dimension records taken into the dictionary.

use qbb_dimensions::{DimensionElement, ElementIx, RecordTable, Storage};
use rustc_hash::FxHashMap;

use super::row_coder::RowCoder;
use super::{CombinationRecords, Dictionary, NONE};
use crate::engine::layout::Layout;
use crate::engine::relation::Relation;

impl Dictionary {
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
    pub(super) fn add_views(&mut self, element: &DimensionElement, table: &RecordTable) {
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

    pub(super) fn add_dimension(&mut self, element: &DimensionElement, table: &RecordTable) {
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

    pub(super) fn add_combination(&mut self, element: &DimensionElement, table: &RecordTable) {
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
