//! Physical columns of an element's table, in order.

use qbb_dimensions::{DimensionElement, ElementIx, Universe};

use super::dialect::Dialect;
use crate::schema::key_column_name;

/// What a physical column holds of a [`qbb_dimensions::RecordTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Key(usize),
    Implied(usize),
    Field(usize),
    Region,
    /// The whole of the timespan, or its beginning where it has two columns.
    Timespan,
    TimespanEnd,
}

/// A physical column of an element's table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordColumn<'a> {
    pub(crate) name: &'a str,
    pub(crate) role: Role,
}

/// All columns of an element's table.
pub(crate) fn record_columns<'a>(
    universe: &'a Universe,
    element: &'a DimensionElement,
    dialect: Dialect<'_>,
) -> Vec<RecordColumn<'a>> {
    let mut columns = Vec::new();
    let mut add = |name: &'a str, role: Role| columns.push(RecordColumn { name, role });
    for (i, &ix) in element.required.iter().enumerate() {
        add(key_column_name(universe, element, ix), Role::Key(i));
    }
    for (i, &ix) in element.implied.iter().enumerate() {
        add(&universe.element(ix).name, Role::Implied(i));
    }
    for (i, field) in element.alternate_keys.iter().chain(&element.metadata).enumerate() {
        add(&field.name, Role::Field(i));
    }
    if element.is_spatial() {
        add("region", Role::Region);
    }
    if element.is_temporal() {
        for (name, role) in
            dialect.timespan_columns().iter().zip([Role::Timespan, Role::TimespanEnd])
        {
            add(name, role);
        }
    }
    columns
}

/// The column in which an element's table has the values of a dimension, if it has one.
pub(crate) fn dimension_column<'a>(
    universe: &'a Universe,
    element: &'a DimensionElement,
    dimension: ElementIx,
) -> Option<&'a str> {
    let known = element.required.contains(&dimension) || element.implied.contains(&dimension);
    known.then(|| key_column_name(universe, element, dimension))
}
