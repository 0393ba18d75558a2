//! Tables of overlaps between regions: with the pixels of the common skypix dimension, and those
//! between spatial families that are part of the schema but always empty.

use qbb_dimensions::{DimensionElement, DimensionGroup, Universe};

use super::dimension_tables::add_dimension_key;
use super::table::{ColumnType, ForeignKey, Table};
use std::sync::Arc;

use crate::error::RegistryError;

const SYSTEM_LENGTH: u32 = 16;

/// The table of an element's overlaps with pixels.
pub(crate) fn overlap_table_name(element: &DimensionElement) -> String {
    format!("{}_skypix_overlap", element.name)
}

/// The table that says for which governor values an element's overlaps are kept.
pub(crate) fn overlap_summary_table_name(element: &DimensionElement) -> String {
    format!("{}_skypix_overlap_summary", element.name)
}

/// Elements with regions in tables, in universe order.
pub(crate) fn spatial_elements(universe: &Universe) -> impl Iterator<Item = &DimensionElement> {
    universe.elements().iter().filter(|element| element.has_table() && element.is_spatial())
}

/// The one governor dimension that a spatial element depends on.
///
/// # Errors
/// If there is none or more than one, for which the schema has no place.
pub(crate) fn element_governor<'a>(
    universe: &'a Arc<Universe>,
    element: &DimensionElement,
) -> Result<&'a DimensionElement, RegistryError> {
    let group = DimensionGroup::of_elements(universe, [element.ix]);
    let mut governors = group.governors();
    match (governors.next(), governors.next()) {
        (Some(governor), None) if element.required.contains(&governor.ix) => {
            Ok(universe.element(governor.ix))
        }
        _ => Err(RegistryError::UnsupportedUniverse {
            namespace: universe.namespace().to_owned(),
            version: universe.version(),
            reason: format!(
                "spatial element `{}` must require exactly one governor dimension",
                element.name
            ),
        }),
    }
}

/// The pair of tables for an element's overlaps with pixels, summary first.
pub(super) fn skypix_overlap_tables(
    universe: &Arc<Universe>,
    element: &DimensionElement,
) -> Result<[Table; 2], RegistryError> {
    let governor = element_governor(universe, element)?;
    let start = |name: String| {
        Table::new(name)
            .key("skypix_system", ColumnType::ShortText(SYSTEM_LENGTH))
            .key("skypix_level", ColumnType::SmallInt)
    };
    let mut summary = start(overlap_summary_table_name(element));
    add_dimension_key(&mut summary, universe, governor);

    let mut overlaps = start(overlap_table_name(element));
    let to_summary = ["skypix_system", "skypix_level", governor.name.as_str()].map(str::to_owned);
    overlaps.foreign_keys.push(ForeignKey {
        columns: to_summary.to_vec(),
        table: summary.name.clone(),
        targets: to_summary.to_vec(),
        cascade: true,
    });
    for &ix in &element.required {
        add_dimension_key(&mut overlaps, universe, universe.element(ix));
    }
    let overlaps = overlaps.key("skypix_index", ColumnType::BigInt);
    // The primary key's columns in the order in which joins that start from pixels want them.
    let mut by_pixel = vec!["skypix_system", "skypix_level", "skypix_index"];
    by_pixel.extend(element.required.iter().map(|&ix| universe.element(ix).name.as_str()));
    let by_pixel = by_pixel.into_iter().map(str::to_owned).collect();
    Ok([summary, Table { indexes: vec![by_pixel], ..overlaps }])
}

/// Tables for overlaps between elements of different families. Nothing ever fills them, but
/// clients of the schema expect them to exist.
pub(super) fn element_overlap_tables(
    universe: &Arc<Universe>,
) -> Result<Vec<Table>, RegistryError> {
    let spatial: Vec<&DimensionElement> = spatial_elements(universe).collect();
    let mut tables = Vec::new();
    for (i, first) in spatial.iter().enumerate() {
        for second in spatial[i + 1..].iter().filter(|second| second.spatial != first.spatial) {
            let governors =
                [element_governor(universe, first)?, element_governor(universe, second)?];
            if governors[0] == governors[1] {
                return Err(RegistryError::UnsupportedUniverse {
                    namespace: universe.namespace().to_owned(),
                    version: universe.version(),
                    reason: format!(
                        "spatial elements `{}` and `{}` of different families share governor `{}`",
                        first.name, second.name, governors[0].name
                    ),
                });
            }
            let name = format!("{}_{}_overlap", first.name, second.name);
            let mut summary = Table::new(format!("{name}_summary"));
            let mut overlaps = Table::new(name);
            for governor in governors {
                add_dimension_key(&mut summary, universe, governor);
                add_dimension_key(&mut overlaps, universe, governor);
            }
            for &ix in first.required.iter().chain(&second.required) {
                if ix != governors[0].ix && ix != governors[1].ix {
                    add_dimension_key(&mut overlaps, universe, universe.element(ix));
                }
            }
            tables.extend([summary, overlaps]);
        }
    }
    Ok(tables)
}
