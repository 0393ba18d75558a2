//! Graph and journal in, personal registry out; knows nothing of execution.

mod arrivals;
mod attempts;
mod batch;
mod brought_outputs;
mod collections;
mod conformity;
mod contents;
mod deleted_outputs;
mod error;
mod expanded;
mod file_names;
mod inputs;
mod insertion;
mod interruption;
mod outputs;
mod placement;
mod provenance;
mod provenance_store;
mod renamed_outputs;
mod stored;
mod transfer;
mod unpack;

pub use attempts::{TransactionError, attempted};
pub use conformity::{StorageClassDifference, conform, storage_class_differences};
pub use contents::{BATCH, DatasetColumns, Definitions, File, FileColumns, MemberColumns};
pub use deleted_outputs::forget_deleted_outputs;
pub use error::TransferError;
pub use inputs::{InputMode, Inputs};
pub use insertion::{Insertion, InsertionReport};
pub use interruption::{interrupt, is_interrupted};
pub use outputs::Outputs;
pub use placement::{PlacedDatasets, Placement};
pub use provenance::PackedProducts;
pub use transfer::{TransferPlan, TransferReport, transfer};
pub use unpack::unpack;
