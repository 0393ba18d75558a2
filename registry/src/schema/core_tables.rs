//! All tables that a new registry has.

use std::sync::Arc;

use qbb_dimensions::Universe;

use super::dimension_tables::{element_table, summary_table};
use super::overlap_tables::{element_overlap_tables, skypix_overlap_tables, spatial_elements};
use super::table::{ColumnType, Table};
use crate::error::RegistryError;

/// Longest name of a component.
const COMPONENT_LENGTH: u32 = 32;

/// Tables of a registry without datasets, referenced ones before those that refer to them.
///
/// # Errors
/// If the universe has spatial elements for which the schema has no place.
pub(crate) fn static_tables(universe: &Arc<Universe>) -> Result<Vec<Table>, RegistryError> {
    let mut tables = vec![
        Table::new("butler_attributes")
            .key("name", ColumnType::Text)
            .column("value", ColumnType::Text),
    ];
    let stored = || universe.elements().iter().filter(|element| element.has_table());
    tables.extend(stored().map(|element| element_table(universe, element)));
    for element in spatial_elements(universe) {
        tables.extend(skypix_overlap_tables(universe, element)?);
    }
    tables.extend(element_overlap_tables(universe)?);
    tables.extend(dimension_group_tables());
    tables.extend(collection_tables());
    tables.push(dataset_type_table());
    tables.extend(summary_tables(universe));
    tables.extend(dataset_tables());
    tables.push(Table::new("opaque_meta").key("table_name", ColumnType::Text));
    Ok(tables)
}

fn dimension_group_tables() -> [Table; 2] {
    [
        Table::new("dimension_graph_key").key("id", ColumnType::Serial),
        Table::new("dimension_graph_definition")
            .key("dimension_graph_id", ColumnType::BigInt)
            .key("dimension_name", ColumnType::Text)
            .refers(&["dimension_graph_id"], "dimension_graph_key", &["id"], true),
    ]
}

fn collection_tables() -> [Table; 3] {
    let id = ["collection_id"];
    [
        Table::new("collection")
            .key("collection_id", ColumnType::Serial)
            .column("name", ColumnType::Text)
            .column("type", ColumnType::SmallInt)
            .nullable("doc", ColumnType::Text)
            .unique(&["name"]),
        Table::new("run")
            .key("collection_id", ColumnType::BigInt)
            .nullable("host", ColumnType::Text)
            .nullable("timespan", ColumnType::Timespan)
            .refers(&id, "collection", &id, true),
        Table::new("collection_chain")
            .key("parent", ColumnType::BigInt)
            .key("position", ColumnType::SmallInt)
            .column("child", ColumnType::BigInt)
            .refers(&["parent"], "collection", &id, true)
            .refers(&["child"], "collection", &id, false),
    ]
}

fn dataset_type_table() -> Table {
    Table::new("dataset_type")
        .key("id", ColumnType::Serial)
        .column("name", ColumnType::Text)
        .column("storage_class", ColumnType::Text)
        .column("dimensions_key", ColumnType::BigInt)
        .column("tag_association_table", ColumnType::Text)
        .nullable("calibration_association_table", ColumnType::Text)
        .unique(&["name"])
}

fn summary_tables(universe: &Universe) -> Vec<Table> {
    let dataset_types = Table::new("collection_summary_dataset_type")
        .key("collection_id", ColumnType::BigInt)
        .key("dataset_type_id", ColumnType::BigInt)
        .refers(&["collection_id"], "collection", &["collection_id"], true)
        .refers(&["dataset_type_id"], "dataset_type", &["id"], true);
    let governors = universe.elements().iter().filter(|element| element.is_governor());
    std::iter::once(dataset_types)
        .chain(governors.map(|governor| summary_table(universe, governor)))
        .collect()
}

fn dataset_tables() -> [Table; 3] {
    [
        Table::new("dataset")
            .key("id", ColumnType::Uuid)
            .column("dataset_type_id", ColumnType::BigInt)
            .column("ingest_date", ColumnType::BigInt)
            .column("run_id", ColumnType::BigInt)
            .refers(&["dataset_type_id"], "dataset_type", &["id"], false)
            .refers(&["run_id"], "run", &["collection_id"], true),
        Table::new("dataset_location")
            .key("datastore_name", ColumnType::Text)
            .key("dataset_id", ColumnType::Uuid)
            .refers(&["dataset_id"], "dataset", &["id"], false),
        Table::new("dataset_location_trash")
            .key("dataset_id", ColumnType::Uuid)
            .key("datastore_name", ColumnType::Text),
    ]
}

/// The table of a file datastore's records.
pub(crate) fn records_table(name: &str) -> Table {
    let mut table = Table::new(name)
        .key("dataset_id", ColumnType::Uuid)
        .column("path", ColumnType::Text)
        .column("formatter", ColumnType::Text)
        .column("storage_class", ColumnType::Text)
        .key("component", ColumnType::ShortText(COMPONENT_LENGTH))
        .nullable("checksum", ColumnType::Text)
        .nullable("file_size", ColumnType::BigInt);
    table.indexes.push(vec!["path".to_owned()]);
    table
}
