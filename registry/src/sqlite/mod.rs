//! Registries in SQLite files.

mod connection;
mod create;
mod data_ids;
mod ddl;
mod registry;
mod rows;
mod transaction;
mod write_associations;
mod write_collections;
mod write_datasets;
mod write_files;
mod write_overlaps;
mod write_records;
mod write_types;

pub use registry::SqliteRegistry;

#[cfg(test)]
mod tests;
