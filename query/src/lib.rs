//! Conditions in; data IDs, dimension records and datasets out, as columns. Knows nothing of
//! pipelines, graphs or execution.
//!
//! Whole tables are read, as far as conditions need them and with a number of statements that does
//! not depend on the number of rows; everything else happens on columns of small integers. The
//! values of each dimension are numbered, data IDs are rows of those numbers, and joins work on
//! keys packed from them. [`engine`] has the parts.

pub mod engine;
mod error;

pub use error::QueryError;
