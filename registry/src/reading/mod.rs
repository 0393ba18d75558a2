//! Reading registries by SQL: statements and what their rows mean, apart from any driver.
//!
//! Databases differ in few words ([`Dialect`]) and in how values stand in rows ([`ResultRow`]);
//! everything else is written once.

mod collections;
mod dataset_facts;
mod datasets;
mod datastore;
mod dialect;
mod ordering;
mod query;
mod record_columns;
mod records;
mod row;
mod snapshot;

pub(crate) use collections::{read_collections, read_dataset_types};
pub use datastore::DatastoreTable;
pub(crate) use datastore::{NO_COMPONENT, UNKNOWN_SIZE, has_records_table};
pub(crate) use dialect::{Dialect, quoted, sequence_name, text_literal};
pub(crate) use query::{Parameter, Query};
pub(crate) use record_columns::{Role, record_columns};
pub(crate) use row::{ResultRow, RowSource};
pub(crate) use snapshot::TableSnapshot;
