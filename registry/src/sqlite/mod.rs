//! Registries in SQLite files.

mod connection;
mod create;
mod data_ids;
mod ddl;
mod query;
mod read_collections;
mod read_datasets;
mod read_datastore;
mod read_records;
mod record_columns;
mod registry;
mod rows;
mod snapshot;
mod transaction;
mod write_associations;
mod write_collections;
mod write_datasets;
mod write_files;
mod write_overlaps;
mod write_records;
mod write_types;

pub use registry::{DatastoreTable, SqliteRegistry};

#[cfg(test)]
mod tests;
