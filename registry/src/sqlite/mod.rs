//! Registries in SQLite files.

mod connection;
mod create;
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

pub use registry::{DatastoreTable, SqliteRegistry};
