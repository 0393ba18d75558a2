//! Pairs of records whose regions overlap.

use std::sync::atomic::{AtomicUsize, Ordering};

use qbb_dimensions::sphere::Region;
use qbb_dimensions::{DimensionGroup, ElementIx, Universe};
use qbb_registry::OverlapRows;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::engine::contents::Contents;
use crate::engine::dictionary::{Dictionary, NONE};
use crate::engine::layout::Layout;
use crate::engine::relation::Relation;
use crate::engine::row_limit::JoinSides;
use crate::engine::spatial_plan::PixelCondition;
use crate::error::QueryError;

/// Records in one task of the parallel search.
const CHUNK: usize = 64;

/// Where the records of a spatial element are on the sky.
#[derive(Debug)]
pub struct Footprints {
    /// The spatial element.
    pub element: ElementIx,
    /// The records, as data IDs of the element's dimensions.
    pub relation: Relation,
    /// Row in the record table of each row of the relation.
    record: Vec<u32>,
    /// Common pixels of row `i`: `pixels[ends[i]..ends[i + 1]]`.
    ends: Vec<u32>,
    pixels: Vec<i64>,
}

impl Footprints {
    /// Puts the records of an element together with the pixels that they touch.
    ///
    /// # Errors
    /// If there are no records of the element.
    pub fn new(
        dictionary: &Dictionary,
        element: ElementIx,
        overlaps: &OverlapRows,
    ) -> Result<Self, QueryError> {
        let universe = dictionary.universe();
        let (relation, record) = if universe.element(element).is_dimension() {
            let relation = Relation::all(dictionary, element);
            let record = (0..relation.len as u32)
                .map(|code| dictionary.record_of_code(element, code).unwrap_or(NONE))
                .collect();
            (relation, record)
        } else {
            match dictionary.combination(element) {
                Some((relation, record)) => (relation, record.to_vec()),
                None => {
                    let what = &universe.element(element).name;
                    return Err(QueryError::Inconsistent(format!("no records of {what}")));
                }
            }
        };
        let layout = Layout::new(dictionary, &relation.group);
        let index: FxHashMap<u64, u32> =
            (relation.keys(dictionary, &layout).into_iter().zip(0..)).collect();
        let (found, origin) = Relation::of_cells(
            dictionary,
            &relation.group,
            &overlap_keys(dictionary, element, overlaps),
            overlaps.pixel.len(),
        );
        let rows: Vec<u32> = (found.keys(dictionary, &layout).iter())
            .map(|key| index.get(key).copied().unwrap_or(NONE))
            .collect();
        let mut ends = vec![0u32; relation.len + 1];
        for &row in rows.iter().filter(|&&row| row != NONE) {
            ends[row as usize + 1] += 1;
        }
        for row in 0..relation.len {
            ends[row + 1] += ends[row];
        }
        let mut next = ends.clone();
        let mut pixels = vec![0; ends[relation.len] as usize];
        for (&row, &origin) in rows.iter().zip(&origin).filter(|&(&row, _)| row != NONE) {
            let at = &mut next[row as usize];
            pixels[*at as usize] = overlaps.pixel[origin as usize];
            *at += 1;
        }
        Ok(Self { element, relation, record, ends, pixels })
    }

    fn pixels(&self, row: usize) -> &[i64] {
        &self.pixels[self.ends[row] as usize..self.ends[row + 1] as usize]
    }

    /// Rows of the relation and their pixels, each pair once.
    pub fn row_pixels(&self) -> impl Iterator<Item = (u32, i64)> + '_ {
        (0..self.relation.len)
            .flat_map(|row| self.pixels(row).iter().map(move |&pixel| (row as u32, pixel)))
    }

    /// Regions of the wanted rows. Rows without a region have none.
    fn regions<'a>(
        &self,
        contents: &'a Contents,
        wanted: &[bool],
    ) -> Result<Vec<Option<&'a Region>>, QueryError> {
        let dictionary = &contents.dictionary;
        (0..self.relation.len)
            .into_par_iter()
            .map(|row| {
                if !wanted[row] || self.record[row] == NONE {
                    return Ok(None);
                }
                let data_id = || self.relation.describe(dictionary, row);
                contents.regions.get(dictionary, self.element, self.record[row], data_id)
            })
            .collect()
    }
}

/// Columns of overlap rows in the order of the group's required dimensions.
fn overlap_keys(
    dictionary: &Dictionary,
    element: ElementIx,
    overlaps: &OverlapRows,
) -> Vec<Vec<i64>> {
    let required = &dictionary.universe().element(element).required;
    (dictionary.closure(element).required().iter())
        .filter_map(|ix| required.iter().position(|other| other == ix))
        .filter_map(|at| overlaps.keys.get(at).cloned())
        .collect()
}

/// Data IDs of the dimensions of two spatial elements whose regions share a common pixel and are
/// not certainly disjoint. Rows that no relation in `others` can use are not looked at.
fn overlapping(
    contents: &Contents,
    a: &Footprints,
    b: &Footprints,
    others: &[Relation],
) -> Result<Relation, QueryError> {
    let dictionary = &contents.dictionary;
    let wanted = (a.relation.agrees(dictionary, others), b.relation.agrees(dictionary, others));
    let regions = (a.regions(contents, &wanted.0)?, b.regions(contents, &wanted.1)?);
    let mut by_pixel: FxHashMap<i64, Vec<u32>> = FxHashMap::default();
    for (row, pixel) in b.row_pixels().filter(|&(row, _)| wanted.1[row as usize]) {
        by_pixel.entry(pixel).or_default().push(row);
    }
    let rows: Vec<u32> = (0..a.relation.len as u32).filter(|&row| wanted.0[row as usize]).collect();
    let found = AtomicUsize::new(0);
    let pairs: Result<Vec<Vec<(u32, u32)>>, QueryError> = rows
        .par_chunks(CHUNK)
        .map_init(
            // For each row of `b`, the row of `a` that saw it last, so that a pair with several
            // common pixels is tested once.
            || vec![NONE; b.relation.len],
            |seen, chunk| {
                let mut pairs = Vec::new();
                for &row_a in chunk {
                    let Some(region_a) = regions.0[row_a as usize] else { continue };
                    for pixel in a.pixels(row_a as usize) {
                        for &row_b in by_pixel.get(pixel).map_or(&[][..], Vec::as_slice) {
                            if std::mem::replace(&mut seen[row_b as usize], row_a) == row_a {
                                continue;
                            }
                            let Some(region_b) = regions.1[row_b as usize] else { continue };
                            if region_a.overlaps(region_b) != Some(false) {
                                pairs.push((row_a, row_b));
                            }
                        }
                    }
                }
                let total = found.fetch_add(pairs.len(), Ordering::Relaxed) + pairs.len();
                dictionary.row_limit.check(total, || {
                    let universe = dictionary.universe();
                    let name = |ix: ElementIx| &universe.element(ix).name;
                    let what = format!(
                        "{} regions of `{}` with {} regions of `{}`",
                        a.relation.len,
                        name(a.element),
                        b.relation.len,
                        name(b.element)
                    );
                    JoinSides::overlap(what, &a.relation.group, &b.relation.group)
                })?;
                Ok(pairs)
            },
        )
        .collect();
    let (rows_a, rows_b): (Vec<u32>, Vec<u32>) = pairs?.into_iter().flatten().unzip();
    let mut relation =
        Relation::of_pairs(dictionary, [&a.relation, &b.relation], [&rows_a, &rows_b]);
    if let Some(keep) = relation.consistent_rows(dictionary) {
        relation.retain(&keep);
    }
    Ok(relation)
}

/// Data IDs of a spatial element's dimensions together with the common pixels that it may touch.
fn pixel_relation(dictionary: &Dictionary, footprints: &Footprints) -> Relation {
    let skypix = dictionary.universe().common_skypix().ix;
    let (rows, codes): (Vec<u32>, Vec<u32>) = footprints
        .row_pixels()
        .filter_map(|(row, pixel)| Some((row, dictionary.code(skypix, &[pixel])?)))
        .unzip();
    let pixels = Relation::all(dictionary, skypix);
    Relation::of_pairs(dictionary, [&footprints.relation, &pixels], [&rows, &codes])
}

/// A join by region as relations: pairs of data IDs that overlap, and, where the common skypix
/// dimension is part of the query, the pixels that each of them touches.
pub fn spatial_relations(
    contents: &Contents,
    (a, b): (ElementIx, ElementIx),
    dimensions: &DimensionGroup,
    others: &[Relation],
) -> Result<Vec<Relation>, QueryError> {
    let dictionary = &contents.dictionary;
    let universe = dictionary.universe();
    let common = universe.common_skypix().ix;
    match (contents.footprints(a), contents.footprints(b)) {
        (Some(a), Some(b)) => {
            let mut relations = vec![overlapping(contents, a, b, others)?];
            if dimensions.contains(common) {
                relations.extend([a, b].map(|element| pixel_relation(dictionary, element)));
            }
            Ok(relations)
        }
        (Some(element), None) if b == common => Ok(vec![pixel_relation(dictionary, element)]),
        (None, Some(element)) if a == common => Ok(vec![pixel_relation(dictionary, element)]),
        _ => Err(unsupported_join(universe, a, b)),
    }
}

/// Data IDs of a skypix dimension, or of an element with its common pixels, whose pixels are those
/// of a condition.
pub fn pixels_within(contents: &Contents, condition: &PixelCondition) -> Relation {
    let dictionary = &contents.dictionary;
    let mut relation = match contents.footprints(condition.element) {
        Some(footprints) => pixel_relation(dictionary, footprints),
        None => Relation::all(dictionary, condition.skypix),
    };
    let pixels = relation.cells(dictionary, condition.skypix);
    let keep: Vec<bool> =
        pixels.iter().map(|&pixel| condition.pixels.contains(pixel as u64)).collect();
    relation.retain(&keep);
    relation
}

/// Regions can be joined only with each other and with the common pixels.
pub fn unsupported_join(universe: &Universe, a: ElementIx, b: ElementIx) -> QueryError {
    QueryError::UnsupportedJoin {
        a: universe.element(a).name.clone(),
        b: universe.element(b).name.clone(),
        common: universe.common_skypix().name.clone(),
    }
}
