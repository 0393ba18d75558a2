//! Graph and journal in, personal registry out; knows nothing of execution.

mod batch;
mod collections;
mod contents;
mod error;
mod expanded;
mod file_identity;
mod file_names;
mod inputs;
mod insertion;
mod placement;
mod provenance;
mod transfer;
mod unpack;

pub use contents::{
    BATCH, Contents, DatasetColumns, Definitions, File, FileColumns, MemberColumns,
};
pub use error::TransferError;
pub use inputs::{InputMode, Inputs};
pub use insertion::{Insertion, InsertionReport, insert};
pub use placement::{PlacedDatasets, Placement};
pub use provenance::PackedProducts;
pub use transfer::{TransferPlan, TransferReport, transfer};
pub use unpack::unpack;
