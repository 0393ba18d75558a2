//! Pairs of records whose regions overlap.

use qbb_dimensions::sphere::Region;
use qbb_dimensions::{ElementIx, RecordTable};
use qbb_registry::OverlapRows;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::dictionary::{Dictionary, NONE};
use crate::error::BuildError;
use crate::key_index::KeyIndex;
use crate::layout::Layout;
use crate::relation::Relation;

/// Records in one task of the parallel search.
const CHUNK: usize = 64;

/// Where the records of a spatial element are on the sky.
#[derive(Debug)]
pub(crate) struct Footprints {
    pub(crate) element: ElementIx,
    /// The records, as data IDs of the element's dimensions.
    pub(crate) relation: Relation,
    /// Row in the record table of each row of the relation.
    record: Vec<u32>,
    /// Common pixels of row `i`: `pixels[ends[i]..ends[i + 1]]`.
    ends: Vec<u32>,
    pixels: Vec<i64>,
}

impl Footprints {
    pub(crate) fn new(
        dictionary: &Dictionary,
        element: ElementIx,
        overlaps: &OverlapRows,
    ) -> Result<Self, BuildError> {
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
                    return Err(BuildError::Inconsistent(format!("no records of {what}")));
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
    pub(crate) fn row_pixels(&self) -> impl Iterator<Item = (u32, i64)> + '_ {
        (0..self.relation.len)
            .flat_map(|row| self.pixels(row).iter().map(move |&pixel| (row as u32, pixel)))
    }

    /// Which rows agree with all relations that share dimensions with this one.
    fn wanted(
        &self,
        dictionary: &Dictionary,
        relations: &[Relation],
    ) -> Result<Vec<bool>, BuildError> {
        let mut keep = vec![true; self.relation.len];
        for relation in relations {
            let shared = self.relation.group.intersection(&relation.group);
            if shared.is_empty() {
                continue;
            }
            let layout = Layout::new(dictionary, &shared);
            let keys = relation.keys(dictionary, &layout);
            let present = KeyIndex::new(&keys, layout.total_bits());
            for (keep, key) in keep.iter_mut().zip(self.relation.keys(dictionary, &layout)) {
                *keep &= present.find(key).is_some();
            }
        }
        Ok(keep)
    }

    /// Decodes the regions of the wanted rows, each once. Rows without a region have none.
    fn regions(
        &self,
        dictionary: &Dictionary,
        wanted: &[bool],
    ) -> Result<Vec<Option<Region>>, BuildError> {
        let Some(table) = dictionary.records(self.element) else {
            return Ok(vec![None; self.relation.len]);
        };
        (0..self.relation.len)
            .into_par_iter()
            .map(|row| {
                if !wanted[row] || self.record[row] == NONE {
                    return Ok(None);
                }
                decode(table, self.record[row], || {
                    (
                        dictionary.universe().element(self.element).name.clone(),
                        self.relation.describe(dictionary, row),
                    )
                })
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

/// The region of a record.
pub(crate) fn decode(
    table: &RecordTable,
    record: u32,
    name: impl FnOnce() -> (String, String),
) -> Result<Option<Region>, BuildError> {
    let Some(bytes) = table.region(record) else { return Ok(None) };
    Region::decode(bytes).map(Some).map_err(|source| {
        let (element, data_id) = name();
        BuildError::Region { element, data_id, source }
    })
}

/// Data IDs of the dimensions of two spatial elements whose regions share a common pixel and are
/// not certainly disjoint. Rows that no relation in `others` can use are not looked at.
pub(crate) fn overlapping(
    dictionary: &Dictionary,
    a: &Footprints,
    b: &Footprints,
    others: &[Relation],
) -> Result<Relation, BuildError> {
    let wanted = (a.wanted(dictionary, others)?, b.wanted(dictionary, others)?);
    let regions = (a.regions(dictionary, &wanted.0)?, b.regions(dictionary, &wanted.1)?);
    let mut by_pixel: FxHashMap<i64, Vec<u32>> = FxHashMap::default();
    for (row, pixel) in b.row_pixels().filter(|&(row, _)| wanted.1[row as usize]) {
        by_pixel.entry(pixel).or_default().push(row);
    }
    let rows: Vec<u32> = (0..a.relation.len as u32).filter(|&row| wanted.0[row as usize]).collect();
    let pairs: Vec<Vec<(u32, u32)>> = rows
        .par_chunks(CHUNK)
        .map_init(
            // For each row of `b`, the row of `a` that saw it last, so that a pair with several
            // common pixels is tested once.
            || vec![NONE; b.relation.len],
            |seen, chunk| {
                let mut pairs = Vec::new();
                for &row_a in chunk {
                    let Some(region_a) = &regions.0[row_a as usize] else { continue };
                    for pixel in a.pixels(row_a as usize) {
                        for &row_b in by_pixel.get(pixel).map_or(&[][..], Vec::as_slice) {
                            if std::mem::replace(&mut seen[row_b as usize], row_a) == row_a {
                                continue;
                            }
                            let Some(region_b) = &regions.1[row_b as usize] else { continue };
                            if region_a.overlaps(region_b) != Some(false) {
                                pairs.push((row_a, row_b));
                            }
                        }
                    }
                }
                pairs
            },
        )
        .collect();
    let group = a.relation.group.union(&b.relation.group);
    let generators = dictionary.generators(&group);
    let mut columns: Vec<Vec<u32>> = Vec::with_capacity(generators.len());
    for &generator in &generators {
        let of_a = a.relation.code_column(dictionary, generator);
        let of_b = b.relation.code_column(dictionary, generator);
        columns.push(
            (pairs.iter().flatten())
                .map(|&(row_a, row_b)| match (of_a, of_b) {
                    (Some(column), _) => column.get(row_a as usize),
                    (None, Some(column)) => column.get(row_b as usize),
                    (None, None) => NONE,
                })
                .collect(),
        );
    }
    let len = pairs.iter().map(Vec::len).sum();
    let mut relation = Relation::new(dictionary, group, columns, len);
    if let Some(keep) = relation.consistent_rows(dictionary) {
        relation.retain(&keep);
    }
    Ok(relation)
}

/// Data IDs of a spatial element's dimensions together with the common pixels that it may touch.
pub(crate) fn pixel_relation(dictionary: &Dictionary, footprints: &Footprints) -> Relation {
    let skypix = dictionary.universe().common_skypix().ix;
    let group = footprints.relation.group.union(dictionary.closure(skypix));
    let rows: Vec<(u32, u32)> = footprints
        .row_pixels()
        .filter_map(|(row, pixel)| Some((row, dictionary.code(skypix, &[pixel])?)))
        .collect();
    let generators = dictionary.generators(&group);
    let columns = (generators.iter())
        .map(|&generator| match footprints.relation.code_column(dictionary, generator) {
            Some(column) => rows.iter().map(|&(row, _)| column.get(row as usize)).collect(),
            None => rows.iter().map(|&(_, code)| code).collect(),
        })
        .collect();
    let len = rows.len();
    Relation { group, generators, columns, len }
}
