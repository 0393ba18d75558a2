//! Making the datastore's tables agree with what is there.

use std::fmt::Write as _;

use super::removal::{CHUNK, Chosen};
use super::source::{WriteSource, statement};
use crate::changes::TrueSize;
use crate::error::RegistryError;
use crate::reading::{DatastoreTable, Dialect, NO_COMPONENT, UNKNOWN_SIZE, text_literal};

/// Most rows of values that one statement is handed.
const ROWS: usize = 5_000;

/// Records sizes where none is known.
pub(super) fn record_sizes(
    source: &impl WriteSource,
    datastore: &DatastoreTable,
    sizes: &[TrueSize<'_>],
) -> Result<u64, RegistryError> {
    let dialect = source.dialect();
    let mut recorded = 0;
    for sizes in sizes.chunks(ROWS) {
        let mut values = String::new();
        for (at, size) in sizes.iter().enumerate() {
            let id = uuid::Uuid::from_bytes(size.id);
            let cast = if dialect == Dialect::Sqlite { "" } else { "::uuid" };
            let component = text_literal(size.component.unwrap_or(NO_COMPONENT));
            let comma = if at == 0 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(values, "{comma}('{}'{cast}, {component}, {})", id.simple(), size.size);
        }
        let mut change = statement(source, &datastore.records_table);
        change.push("UPDATE ").push_table(&datastore.records_table);
        change.push(" AS r SET file_size = v.column3 FROM (VALUES ").push(&values);
        change.push(") v WHERE r.dataset_id = v.column1 AND r.component = v.column2");
        change.push(" AND coalesce(r.file_size, ").bind(UNKNOWN_SIZE).push(") = ");
        change.bind(UNKNOWN_SIZE);
        recorded += source.run("record sizes of files", &change)?;
    }
    Ok(recorded)
}

/// Says of registered datasets with records that they are stored.
pub(super) fn record_locations(
    source: &impl WriteSource,
    datastore: &DatastoreTable,
    id: &[[u8; 16]],
) -> Result<u64, RegistryError> {
    let mut recorded = 0;
    for id in id.chunks(CHUNK) {
        let mut change = statement(source, "dataset_location");
        change.push("INSERT INTO ").push_table("dataset_location");
        change.push(" (datastore_name, dataset_id) SELECT DISTINCT ");
        change.bind(datastore.name.clone()).push(", d.id FROM ");
        Chosen::Datasets(id).push_table(&mut change);
        change.push(" JOIN ").push_table("dataset").push(" d ON d.id = u.value JOIN ");
        change.push_table(&datastore.records_table);
        change.push(" r ON r.dataset_id = d.id WHERE TRUE ON CONFLICT DO NOTHING");
        recorded += source.run("record where datasets are stored", &change)?;
    }
    Ok(recorded)
}

/// Sets or deletes what a collection is documented with.
pub(super) fn document(
    source: &impl WriteSource,
    collection: &str,
    doc: Option<&str>,
) -> Result<(), RegistryError> {
    let catalog = crate::reading::read_collections(source)?;
    let id = catalog.get(catalog.require(collection)?).id;
    let mut change = statement(source, "collection");
    change.push("UPDATE ").push_table("collection").push(" SET doc = ");
    match doc {
        Some(doc) => change.bind(doc.to_owned()),
        None => change.push("NULL"),
    };
    change.push(" WHERE collection_id = ").bind(id);
    source.run("document a collection", &change)?;
    Ok(())
}
