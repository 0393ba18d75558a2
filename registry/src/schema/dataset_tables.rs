//! The tables that datasets of one set of dimensions share.

use qbb_dimensions::DimensionGroup;

use super::dimension_tables::{add_dimension_reference, dimension_type, summary_table_name};
use super::table::{Column, ColumnType, Table};

/// Name of the table for RUN and TAGGED memberships, given the number of the dimensions.
pub(crate) fn tags_table_name(dimensions_key: i64) -> String {
    format!("dataset_tags_{dimensions_key:08}")
}

/// Name of the table for certifications in CALIBRATION collections.
pub(crate) fn calibs_table_name(dimensions_key: i64) -> String {
    format!("dataset_calibs_{dimensions_key:08}")
}

/// Columns of both tables that hold data IDs.
pub(crate) fn dataset_key_columns(dimensions: &DimensionGroup) -> Vec<&str> {
    let universe = dimensions.universe();
    dimensions.required().iter().map(|&ix| universe.element(ix).name.as_str()).collect()
}

/// The table of RUN and TAGGED memberships.
pub(crate) fn tags_table(name: &str, dimensions: &DimensionGroup) -> Table {
    let table = Table::new(name)
        .column("dataset_type_id", ColumnType::BigInt)
        .key("dataset_id", ColumnType::Uuid)
        .key("collection_id", ColumnType::BigInt);
    let mut table = with_data_id(table, dimensions);
    let mut unique = vec!["dataset_type_id", "collection_id"];
    unique.extend(dataset_key_columns(dimensions));
    table.unique.push(unique.into_iter().map(str::to_owned).collect());
    table
}

/// The table of certifications.
pub(crate) fn calibs_table(name: &str, dimensions: &DimensionGroup) -> Table {
    let table = Table::new(name)
        .key("id", ColumnType::Serial)
        .column("dataset_type_id", ColumnType::BigInt)
        .column("dataset_id", ColumnType::Uuid)
        .column("collection_id", ColumnType::BigInt);
    let mut table = with_data_id(table, dimensions);
    table.columns.push(Column {
        name: "timespan".to_owned(),
        kind: ColumnType::Timespan,
        nullable: false,
        unbounded_by_default: true,
    });
    let mut index = vec!["dataset_type_id", "collection_id"];
    index.extend(dataset_key_columns(dimensions));
    index.push("timespan");
    table.indexes.push(index.into_iter().map(str::to_owned).collect());
    table
}

fn with_data_id(table: Table, dimensions: &DimensionGroup) -> Table {
    let universe = dimensions.universe();
    let summary = "collection_summary_dataset_type";
    let summary_key = ["collection_id", "dataset_type_id"];
    let mut table = table
        .refers(&["dataset_type_id"], "dataset_type", &["id"], false)
        .refers(&["dataset_id"], "dataset", &["id"], true)
        .refers(&["collection_id"], "collection", &["collection_id"], true)
        .refers(&summary_key, summary, &summary_key, false);
    for dimension in dimensions.required().iter().map(|&ix| universe.element(ix)) {
        table.add(dimension.name.as_str(), dimension_type(dimension), false);
        add_dimension_reference(&mut table, universe, dimension);
        if dimension.is_governor() {
            let key = ["collection_id", dimension.name.as_str()];
            table = table.refers(&key, &summary_table_name(dimension), &key, false);
        }
    }
    table
}
