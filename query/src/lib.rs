//! Conditions in; data IDs, dimension records and datasets out, as columns. Knows nothing of
//! pipelines, graphs or execution.
//!
//! [`datasets`], [`data_ids`] and [`dimension_records`] answer questions to one consistent view of a
//! repository. Whole tables are read, as far as conditions need them and with a number of statements
//! that does not depend on the number of rows; everything else happens on columns of small integers.
//! The values of each dimension are numbered, data IDs are rows of those numbers, and joins work on
//! keys packed from them. [`engine`] has the parts, for whoever asks for more than one thing at a
//! time.

#[cfg(test)]
mod answers_tests;
mod artifact_index;
mod data_ids;
mod dataset_types;
mod datasets;
pub mod engine;
mod error;
mod files;
mod question;
mod sorting;
mod survey;

pub use artifact_index::{ArtifactIndex, IndexedArtifact, archive_folder, archive_name};
pub use data_ids::{FoundDataIds, FoundRecords, data_ids, dimension_records};
pub use dataset_types::choose_dataset_types;
pub use datasets::{DatasetTable, FoundDatasets, datasets};
pub use error::QueryError;
pub use files::files;
pub use question::{DataIdQuery, DatasetQuery, ExistingDatasets, RecordQuery, Selection};
