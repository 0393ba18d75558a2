//! Writing registries by SQL: one write transaction over all databases, as [`crate::reading`] is
//! for reading.
//!
//! [`TableTransaction`] implements [`crate::writer::Transaction`] over a [`WriteSource`], which is a
//! [`RowSource`](crate::reading::RowSource) that can also change things. An operation is a file here,
//! an `impl` block of the transaction, and is written once:
//!
//! - Statements are put together by `statement(&source, table)`, a
//!   [`Query`](crate::reading::Query) without a beginning: `push` text, `push_table` tables, `bind`
//!   values. `source.run(action, &statement)` runs one and tells how many rows it changed. One with
//!   `RETURNING` gives rows, through `source.each` as a SELECT does; that is also how the key of a
//!   new row is found out, whose value is `dialect.next_key(table, column)`.
//! - Columns of values go into a temporary table, `source.stage(&columns, rows)`, whose first column
//!   ([`ROW`]) numbers the rows as the caller does. All that is then asked or done is set-based:
//!   joins of the staged rows with tables. It vanishes when it is dropped.
//! - `source.attempt(…)` runs a statement that may violate a constraint and leaves the transaction
//!   alive if it does, so that a query over the staged rows can tell which of them it was.
//! - Nothing is asked of the source while rows are taken from it: collect them first.
//!
//! What databases say differently is in [`Dialect`](crate::reading::Dialect): a timespan is one
//! column or two (`timespan_columns`, `overlap`), so staged columns of timespans have those names too.

mod associations;
mod chains;
mod collections;
mod data_ids;
mod dataset_types;
mod datasets;
mod files;
mod known;
mod member_rows;
mod members;
mod memberships;
mod overlaps;
mod records;
mod removal;
mod repairs;
mod sending;
mod source;
mod summaries;
mod transaction;
mod trash;
mod value;

pub(crate) use source::{BulkColumn, ROW, Staged, Stretch, Violation, ViolationKind, WriteSource};
pub(crate) use transaction::TableTransaction;
pub(crate) use value::Value;
