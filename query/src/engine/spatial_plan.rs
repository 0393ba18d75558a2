//! What a query joins by region, and which of its dimensions it can give at all.

use qbb_dimensions::expression::Conjunct;
use qbb_dimensions::sphere::RangeSet;
use qbb_dimensions::{DimensionGroup, ElementIx};

use crate::engine::families::{Endpoint, Families};
use crate::engine::generation::envelope;
use crate::engine::spatial::unsupported_join;
use crate::error::QueryError;

/// A skypix dimension's values must be among some pixels.
#[derive(Debug)]
pub struct PixelCondition {
    /// The dimension.
    pub skypix: ElementIx,
    /// The element whose regions touch the pixels; the dimension itself if it stands for itself.
    pub element: ElementIx,
    /// The pixels.
    pub pixels: RangeSet,
}

/// The dimensions that a query can give: all but skypix dimensions other than the common one, unless
/// a constraint has them.
pub fn queryable(own: &DimensionGroup, constraints: &[DimensionGroup]) -> DimensionGroup {
    let universe = own.universe();
    let common = universe.common_skypix().ix;
    let kept = (own.names().iter().copied())
        .filter(|&ix| ix == common || universe.element(ix).skypix().is_none());
    constraints.iter().fold(DimensionGroup::of_elements(universe, kept), |all, g| all.union(g))
}

/// Overlaps with given regions, where pixels take part in them: those of a skypix dimension, which
/// are taken out, and those of an element in a query that has the common skypix dimension, whose
/// pixels must then be shared by the element and the region.
pub fn take_pixel_conditions(
    dimensions: &DimensionGroup,
    conditions: &mut Vec<Conjunct>,
) -> Result<Vec<PixelCondition>, QueryError> {
    let universe = dimensions.universe();
    let common = universe.common_skypix().ix;
    let mut taken = Vec::new();
    let mut kept = Vec::with_capacity(conditions.len());
    for conjunct in conditions.drain(..) {
        let condition = conjunct.spatial_constraint().and_then(|(element, region)| {
            let stands_for_itself = universe.element(element).skypix().is_some();
            let skypix = if stands_for_itself { element } else { common };
            dimensions.contains(skypix).then(|| (skypix, element, region.region().clone()))
        });
        let Some((skypix, element, region)) = condition else {
            kept.push(conjunct);
            continue;
        };
        let pixels = envelope(universe.element(skypix), &region)?;
        taken.push(PixelCondition { skypix, element, pixels });
        if skypix != element {
            kept.push(conjunct);
        }
    }
    *conditions = kept;
    Ok(taken)
}

/// The spatial joins of a query: what conditions join, which are taken out, and what is joined
/// automatically.
pub fn take_spatial_joins(
    dimensions: &DimensionGroup,
    operands: &[DimensionGroup],
    conditions: &mut Vec<Conjunct>,
) -> Result<Vec<(ElementIx, ElementIx)>, QueryError> {
    let universe = dimensions.universe();
    let mut joins: Vec<(ElementIx, ElementIx)> =
        conditions.iter().filter_map(Conjunct::spatial_join).collect();
    conditions.retain(|conjunct| conjunct.spatial_join().is_none());
    joins.extend(missing_spatial_join(dimensions, operands, &joins)?);
    for &(a, b) in &joins {
        let common = universe.common_skypix().ix;
        let stored = |ix: ElementIx| universe.element(ix).skypix().is_none();
        if !(stored(a) || a == common) || !(stored(b) || b == common) || a == b {
            return Err(unsupported_join(universe, a, b));
        }
    }
    Ok(joins)
}

/// The spatial join that a query needs besides those of its operands and those that are given.
pub fn missing_spatial_join(
    dimensions: &DimensionGroup,
    operands: &[DimensionGroup],
    given: &[(ElementIx, ElementIx)],
) -> Result<Option<(ElementIx, ElementIx)>, QueryError> {
    let universe = dimensions.universe();
    let mut families = Families::spatial(dimensions);
    for &(a, b) in given {
        families.connect(universe, Endpoint::Element(a), Endpoint::Element(b))?;
    }
    operands.iter().for_each(|operand| families.connect_table(operand));
    Ok(match families.automatic_join(universe, &|_| String::new())? {
        Some((Endpoint::Element(a), Endpoint::Element(b))) => Some((a, b)),
        _ => None,
    })
}

/// Pixels are in no table of their own: something else must give their values.
pub fn check_pixels(
    dimensions: &DimensionGroup,
    operands: &[DimensionGroup],
    spatial: &[(ElementIx, ElementIx)],
) -> Result<(), QueryError> {
    let common = dimensions.universe().common_skypix().ix;
    for pixel in dimensions.skypix() {
        let of_dataset = operands.iter().any(|operand| operand.contains(pixel.ix));
        if !of_dataset && (pixel.ix != common || spatial.is_empty()) {
            let hint = match pixel.ix == common {
                true => ", or a dimension with regions",
                false => "",
            };
            let dimension = pixel.name.clone();
            return Err(QueryError::NoPixels { dimension, hint: hint.to_owned() });
        }
    }
    Ok(())
}
