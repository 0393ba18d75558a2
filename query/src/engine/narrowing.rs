//! Reading little of a large release: what was read already restricts what is read next.
//!
//! A condition on a tract says nothing to the table of visits. But only visits whose pixels are
//! among those of the tract can matter, and of exposures only those of such visits. Each such
//! conclusion holds only if every query that has the one dimension also has the other.

use std::collections::BTreeSet;

use qbb_dimensions::expression::Conjunct;
use qbb_dimensions::{DataValue, DimensionGroup, ElementIx, RecordTable, Symbols, Universe};
use qbb_registry::{CellRange, CellSet, Filter, Snapshot};
use rustc_hash::FxHashMap;

use crate::engine::plan::ReadingPlan;
use crate::error::QueryError;

/// Restrictions with more values, or ranges, than this become one range.
const MAX_VALUES: usize = 1000;

/// Values that dimensions may have; each dimension at most once.
#[derive(Debug, Clone, Default)]
pub struct Restrictions(Vec<(ElementIx, CellSet)>);

impl Restrictions {
    /// The restrictions that apply to rows with these dimensions.
    pub fn filter(&self, dimensions: &[ElementIx]) -> Filter {
        let restrictions = (self.0.iter())
            .filter(|(dimension, _)| dimensions.contains(dimension))
            .cloned()
            .collect();
        Filter { restrictions }
    }

    /// Whether a dimension is restricted.
    pub fn has(&self, dimension: ElementIx) -> bool {
        self.0.iter().any(|(other, _)| *other == dimension)
    }

    /// Restricts a dimension, in place of what was known before.
    pub fn set(&mut self, dimension: ElementIx, cells: CellSet) {
        self.0.retain(|(other, _)| *other != dimension);
        self.0.push((dimension, cells));
    }

    /// Restricts a dimension to the cells of a column that satisfied the restrictions so far.
    fn set_cells(
        &mut self,
        universe: &Universe,
        symbols: &Symbols,
        dimension: ElementIx,
        column: &[i64],
    ) {
        let distinct: BTreeSet<i64> = column.iter().copied().collect();
        if distinct.len() <= MAX_VALUES {
            let values =
                distinct.iter().map(|&cell| universe.value(dimension, cell, symbols)).collect();
            self.set(dimension, CellSet::Values(values));
        } else if let (Some(&first), Some(&last)) = (distinct.first(), distinct.last())
            && let DataValue::Int(_) = universe.value(dimension, first, symbols)
        {
            self.set(dimension, CellSet::Ranges(vec![CellRange { first, last }]));
        }
    }
}

/// Record tables read in the order in which they restrict each other.
pub struct NarrowingReader<'a> {
    universe: &'a Universe,
    plan: &'a ReadingPlan<'a>,
    pub restrictions: Restrictions,
    pub tables: FxHashMap<ElementIx, RecordTable>,
}

impl<'a> NarrowingReader<'a> {
    pub fn new(universe: &'a Universe, plan: &'a ReadingPlan<'a>) -> Self {
        let restrictions = plan.restrictions.clone();
        Self { universe, plan, restrictions, tables: FxHashMap::default() }
    }

    /// Reads the records of all elements of the plan.
    pub fn read(
        &mut self,
        snapshot: &mut dyn Snapshot,
        symbols: &mut Symbols,
    ) -> Result<(), QueryError> {
        self.narrow_by_regions(snapshot, symbols)?;
        self.narrow_by_pixels(snapshot, symbols)?;
        // Relationships first, so that a restricted dimension restricts what it is related to; then
        // what implies other dimensions before those. Both come late in universe order.
        let elements: Vec<ElementIx> = self.plan.elements.iter().rev().copied().collect();
        let (combinations, dimensions): (Vec<ElementIx>, Vec<ElementIx>) =
            elements.into_iter().partition(|&ix| !self.universe.element(ix).is_dimension());
        for element in combinations.into_iter().chain(dimensions) {
            let definition = self.universe.element(element);
            let columns: Vec<ElementIx> =
                definition.required.iter().chain(&definition.implied).copied().collect();
            let filter = self.restrictions.filter(&columns);
            let narrowed = columns.iter().any(|&ix| self.is_narrow(ix));
            let table = snapshot.records(element, &filter, symbols)?;
            if narrowed && definition.defines_relationships() {
                let keys = table.keys.iter().chain(&table.implied);
                for (&dimension, cells) in columns.iter().zip(keys) {
                    if dimension != element && self.always_with(dimension, &definition.required) {
                        self.restrictions.set_cells(self.universe, symbols, dimension, cells);
                    }
                }
            }
            self.tables.insert(element, table);
        }
        Ok(())
    }

    /// Whether a dimension other than a governor is restricted.
    fn is_narrow(&self, dimension: ElementIx) -> bool {
        self.restrictions.has(dimension) && !self.universe.element(dimension).is_governor()
    }

    /// Whether every query with `dimension` also has all of `others`, and applies the conditions.
    fn always_with(&self, dimension: ElementIx, others: &[ElementIx]) -> bool {
        let has_others = |group: &DimensionGroup| others.iter().all(|&ix| group.contains(ix));
        !self.universe.element(dimension).is_governor()
            && !self.plan.unrestricted.contains(&dimension)
            && (self.plan.queries.iter().map(|query| &query.dimensions))
                .filter(|group| group.contains(dimension))
                .all(has_others)
    }

    /// Elements that must overlap a region are restricted to what shares a pixel with it.
    fn narrow_by_regions(
        &mut self,
        snapshot: &mut dyn Snapshot,
        symbols: &mut Symbols,
    ) -> Result<(), QueryError> {
        // All queries have the same conditions.
        let query = self.plan.queries.first().filter(|_| self.plan.narrows);
        let Some(query) = query else { return Ok(()) };
        let common = self.universe.common_skypix();
        let Some(level) = common.skypix() else { return Ok(()) };
        let constraints = query.conditions.iter().filter_map(Conjunct::spatial_constraint);
        for (element, region) in constraints {
            if !self.universe.element(element).has_table() {
                continue;
            }
            let Ok(pixels) = level.pixelization() else { continue };
            let envelope = pixels.envelope(region.region(), Some(MAX_VALUES));
            let ranges = envelope.as_slice().iter();
            let ranges = ranges
                .map(|range| CellRange { first: range.begin as i64, last: range.end as i64 - 1 });
            let required = &self.universe.element(element).required;
            let mut filter = self.restrictions.filter(required);
            filter.restrictions.push((common.ix, CellSet::Ranges(ranges.collect())));
            let rows = snapshot.overlaps(element, &filter, symbols)?;
            for (&dimension, cells) in required.iter().zip(&rows.keys) {
                if self.always_with(dimension, &[]) {
                    self.restrictions.set_cells(self.universe, symbols, dimension, cells);
                }
            }
        }
        Ok(())
    }

    /// If all queries have a spatial join, and conditions restrict one side of it, the other side is
    /// restricted to what shares a pixel with it.
    fn narrow_by_pixels(
        &mut self,
        snapshot: &mut dyn Snapshot,
        symbols: &mut Symbols,
    ) -> Result<(), QueryError> {
        let Some((first, others)) = self.plan.queries.split_first() else { return Ok(()) };
        for &(a, b) in &first.spatial {
            if others.iter().all(|query| query.spatial.contains(&(a, b))) {
                self.narrow_by_join(snapshot, symbols, a, b)?;
            }
        }
        Ok(())
    }

    fn narrow_by_join(
        &mut self,
        snapshot: &mut dyn Snapshot,
        symbols: &mut Symbols,
        a: ElementIx,
        b: ElementIx,
    ) -> Result<(), QueryError> {
        let narrow = |element: ElementIx| {
            let required = &self.universe.element(element).required;
            required.iter().filter(|&&ix| self.is_narrow(ix)).count()
        };
        let (driver, other) = if narrow(a) > narrow(b) { (a, b) } else { (b, a) };
        let stored = |ix: ElementIx| self.universe.element(ix).has_table();
        if narrow(driver) == 0 || !stored(driver) || !stored(other) {
            return Ok(());
        }
        let required = &self.universe.element(driver).required;
        let filter = self.restrictions.filter(required);
        let pixels = snapshot.overlaps(driver, &filter, symbols)?.pixel;
        let required = &self.universe.element(other).required;
        let mut filter = self.restrictions.filter(required);
        let common = self.universe.common_skypix().ix;
        filter.restrictions.push((common, CellSet::Ranges(ranges(pixels))));
        let rows = snapshot.overlaps(other, &filter, symbols)?;
        for (&dimension, cells) in required.iter().zip(&rows.keys) {
            if self.always_with(dimension, &[]) {
                self.restrictions.set_cells(self.universe, symbols, dimension, cells);
            }
        }
        Ok(())
    }
}

/// Ranges that hold all pixels, and more if there would be too many.
fn ranges(mut pixels: Vec<i64>) -> Vec<CellRange> {
    pixels.sort_unstable();
    pixels.dedup();
    let mut ranges: Vec<CellRange> = Vec::new();
    for pixel in pixels {
        match ranges.last_mut() {
            Some(range) if range.last + 1 == pixel => range.last = pixel,
            _ => ranges.push(CellRange { first: pixel, last: pixel }),
        }
    }
    if ranges.len() > MAX_VALUES {
        let (first, last) = (ranges[0].first, ranges[ranges.len() - 1].last);
        return vec![CellRange { first, last }];
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pixels: impl IntoIterator<Item = i64>) -> Vec<(i64, i64)> {
        let ranges = ranges(pixels.into_iter().collect());
        ranges.iter().map(|range| (range.first, range.last)).collect()
    }

    #[test]
    fn pixels_become_ranges_and_too_many_ranges_one() {
        assert_eq!(pairs([7, 3, 4, 4, 5]), [(3, 5), (7, 7)]);
        assert!(pairs([]).is_empty(), "nothing can overlap nothing");
        assert_eq!(pairs((0..3000).map(|pixel| 2 * pixel)), [(0, 5998)]);
    }
}
