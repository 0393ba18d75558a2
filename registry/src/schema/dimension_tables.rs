//! Tables of dimension elements, and of collections' summaries of governor dimensions.

use qbb_dimensions::{DimensionElement, ElementIx, FieldType, Universe};

use super::table::{ColumnType, ForeignKey, Table};

/// The column of an element's table that holds the values of one of its dimensions: named after
/// the dimension, except that the element's own key has its own name.
pub(crate) fn key_column_name<'a>(
    universe: &'a Universe,
    element: &'a DimensionElement,
    dimension: ElementIx,
) -> &'a str {
    match element.key_column() {
        Some(key) if dimension == element.ix => &key.name,
        _ => &universe.element(dimension).name,
    }
}

/// The table in which collections list the values of a governor dimension that they may contain.
pub(crate) fn summary_table_name(governor: &DimensionElement) -> String {
    format!("collection_summary_{}", governor.name)
}

/// The type of columns that hold values of a dimension; sky pixels are integers.
pub(super) fn dimension_type(dimension: &DimensionElement) -> ColumnType {
    ColumnType::of_field(dimension.key_column().map_or(FieldType::Int, |key| key.kind))
}

/// Adds the foreign key to a dimension's table, whose columns must be in the table already; a
/// dimension without table has none.
pub(super) fn add_dimension_reference(
    table: &mut Table,
    universe: &Universe,
    dimension: &DimensionElement,
) {
    if !dimension.has_table() {
        return;
    }
    table.foreign_keys.push(ForeignKey {
        columns: dimension.required.iter().map(|&ix| universe.element(ix).name.clone()).collect(),
        table: dimension.name.clone(),
        targets: (dimension.required.iter())
            .map(|&ix| key_column_name(universe, dimension, ix).to_owned())
            .collect(),
        cascade: false,
    });
}

/// Adds a column for a dimension, as part of the primary key, with its foreign key.
pub(super) fn add_dimension_key(
    table: &mut Table,
    universe: &Universe,
    dimension: &DimensionElement,
) {
    table.primary_key.push(dimension.name.clone());
    table.add(dimension.name.as_str(), dimension_type(dimension), false);
    add_dimension_reference(table, universe, dimension);
}

/// The table of an element's records.
pub(crate) fn element_table(universe: &Universe, element: &DimensionElement) -> Table {
    let mut table = Table::new(element.name.as_str());
    for &ix in &element.required {
        if ix == element.ix {
            let name = key_column_name(universe, element, ix);
            table.primary_key.push(name.to_owned());
            table.add(name, dimension_type(element), false);
        } else {
            add_dimension_key(&mut table, universe, universe.element(ix));
        }
    }
    for dimension in element.implied.iter().map(|&ix| universe.element(ix)) {
        table.add(dimension.name.as_str(), dimension_type(dimension), false);
        add_dimension_reference(&mut table, universe, dimension);
    }
    for key in &element.alternate_keys {
        let others = element.required.iter().filter(|&&ix| ix != element.ix);
        let columns = others.map(|&ix| universe.element(ix).name.clone());
        table.unique.push(columns.chain([key.name.clone()]).collect());
    }
    table.add_fields(element.alternate_keys.iter().chain(&element.metadata));
    if element.is_spatial() {
        table.add("region", ColumnType::Text, true);
    }
    if element.is_temporal() {
        table.add("timespan", ColumnType::Timespan, true);
    }
    table
}

/// The table of [`summary_table_name`].
pub(super) fn summary_table(universe: &Universe, governor: &DimensionElement) -> Table {
    let mut table = Table::new(summary_table_name(governor))
        .key("collection_id", ColumnType::BigInt)
        .refers(&["collection_id"], "collection", &["collection_id"], true);
    add_dimension_key(&mut table, universe, governor);
    table
}
