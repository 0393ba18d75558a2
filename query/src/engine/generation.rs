//! Data IDs that no query gives: pixels computed from regions and from other pixels.

use qbb_dimensions::sphere::{RangeSet, Region, SkyPixelization};
use qbb_dimensions::{DimensionElement, DimensionGroup, ElementIx};
use rayon::prelude::*;

use crate::engine::contents::Contents;
use crate::engine::group_rows::GroupRows;
use crate::engine::join::JoinTree;
use crate::engine::relation::Relation;
use crate::engine::row_limit::JoinSides;
use crate::engine::tree::{DimensionTree, Method};
use crate::error::QueryError;

/// Data IDs of all groups of a component: projections of the query, and what is generated from
/// them. Adds the generated pixels to the values of their dimensions.
pub fn group_rows(
    contents: &mut Contents,
    query: &JoinTree,
    tree: &DimensionTree,
) -> Result<GroupRows, QueryError> {
    let mut rows = GroupRows::new(&contents.dictionary, query, &tree.queried)?;
    for generator in &tree.generators {
        let missing = |group: &DimensionGroup| QueryError::NoDataIds { groups: group.to_string() };
        let find = |group: &DimensionGroup| rows.get(group).ok_or_else(|| missing(group));
        let relation = match &generator.method {
            Method::Pixels { source, element, skypix } => {
                add_pixels(contents, find(source)?, *element, *skypix)?
            }
            Method::Join(a, b) => {
                let joined = find(a)?.join(&contents.dictionary, find(b)?)?;
                joined.project(&contents.dictionary, &generator.target)
            }
        };
        for group in &generator.projections {
            rows.add(&contents.dictionary, relation.project(&contents.dictionary, group));
        }
        rows.add(&contents.dictionary, relation);
    }
    Ok(rows)
}

/// The pixelization of a skypix dimension.
pub fn pixelization(element: &DimensionElement) -> Result<Option<SkyPixelization>, QueryError> {
    let Some(level) = element.skypix() else { return Ok(None) };
    level
        .pixelization()
        .map(Some)
        .map_err(|source| QueryError::SkyPix { dimension: element.name.clone(), source })
}

/// The pixels of a skypix dimension that may meet a region.
pub fn envelope(skypix: &DimensionElement, region: &Region) -> Result<RangeSet, QueryError> {
    let Some(pixels) = pixelization(skypix)? else { return Ok(RangeSet::new()) };
    match pixels.refusal(region) {
        Some(source) => Err(QueryError::SkyPix { dimension: skypix.name.clone(), source }),
        None => Ok(pixels.envelope(region, None)),
    }
}

/// Data IDs together with the pixels that the regions of `element`, which they have, touch.
fn add_pixels(
    contents: &mut Contents,
    source: &Relation,
    element: ElementIx,
    skypix: ElementIx,
) -> Result<Relation, QueryError> {
    let universe = contents.dictionary.universe().clone();
    let (from, to) = (universe.element(element), universe.element(skypix));
    let Some(target) = pixelization(to)? else {
        return Err(QueryError::NoDataIds { groups: to.name.clone() });
    };
    let pixels = match pixelization(from)? {
        Some(pixels) => pixels_of_pixels(contents, source, element, pixels, target),
        None => pixels_of_regions(contents, source, element, skypix),
    }?;
    let total: u64 = (pixels.iter())
        .flat_map(|set| set.as_slice())
        .fold(0, |total, range| total.saturating_add(range.end - range.begin));
    contents.dictionary.row_limit.check(usize::try_from(total).unwrap_or(usize::MAX), || {
        let what =
            format!("{} regions of `{}` with pixels of `{}`", source.len, from.name, to.name);
        let pixel = DimensionGroup::of_elements(&universe, [skypix]);
        JoinSides::overlap(what, &source.group, &pixel)
    })?;
    let dictionary = &mut contents.dictionary;
    let (mut rows, mut codes) = (Vec::new(), Vec::new());
    for (row, set) in pixels.iter().enumerate() {
        for range in set.as_slice() {
            for pixel in range.begin..range.end {
                rows.push(row as u32);
                codes.push(dictionary.add_value(skypix, pixel as i64));
            }
        }
    }
    let all = Relation::all(dictionary, skypix);
    Ok(Relation::of_pairs(dictionary, [source, &all], [&rows, &codes]))
}

/// Pixels that may meet the region of each row's record.
fn pixels_of_regions(
    contents: &Contents,
    source: &Relation,
    element: ElementIx,
    skypix: ElementIx,
) -> Result<Vec<RangeSet>, QueryError> {
    let dictionary = &contents.dictionary;
    let view = source.rows(dictionary);
    (0..source.len)
        .into_par_iter()
        .map(|row| {
            let data_id = || source.describe(dictionary, row);
            let region = match view.record_row(element, row as u32) {
                Some(record) => contents.regions.get(dictionary, element, record, data_id)?,
                None => None,
            };
            let region = region.ok_or_else(|| QueryError::NoRegion {
                element: dictionary.universe().element(element).name.clone(),
                data_id: source.describe(dictionary, row),
            })?;
            envelope(dictionary.universe().element(skypix), region)
        })
        .collect()
}

/// Pixels of another level or system that may meet each row's pixel.
fn pixels_of_pixels(
    contents: &Contents,
    source: &Relation,
    element: ElementIx,
    from: SkyPixelization,
    target: SkyPixelization,
) -> Result<Vec<RangeSet>, QueryError> {
    let dictionary = &contents.dictionary;
    let name = || dictionary.universe().element(element).name.clone();
    let cells = source.cells(dictionary, element);
    (cells.par_iter())
        .map(|&cell| {
            from.pixels_in(cell as u64, &target)
                .map_err(|source| QueryError::SkyPix { dimension: name(), source })
        })
        .collect()
}
