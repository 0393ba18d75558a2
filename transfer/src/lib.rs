//! Graph and journal in, personal registry out; knows nothing of execution.

mod batch;
mod collections;
mod contents;
mod error;
mod insertion;
mod provenance;
mod transfer;
mod unpack;

pub use contents::{
    BATCH, Contents, DatasetColumns, Definitions, File, FileColumns, MemberColumns,
};
pub use error::TransferError;
pub use insertion::{Insertion, InsertionReport, insert};
pub use provenance::PackedProducts;
pub use transfer::{TransferOptions, TransferReport, transfer, transfer_packed};
pub use unpack::unpack;
