//! Registries in SQLite files.

mod connection;
mod create;
mod foreign_keys;
mod holder;
mod insertion;
mod length_checks;
mod open_transaction;
mod postponed_indexes;
mod registry;
mod replacement;
mod rows;
mod successor;
mod transaction;
mod unchecked;
mod write_source;

pub(crate) use create::build_database;
pub use registry::SqliteRegistry;

#[cfg(test)]
mod replacement_tests;
#[cfg(test)]
mod statement_tests;
#[cfg(test)]
mod tests;
