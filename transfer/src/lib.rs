//! Graph and journal in, personal registry out; knows nothing of execution.

mod batch;
mod collections;
mod error;
mod provenance;
mod transfer;
mod unpack;

pub use error::TransferError;
pub use provenance::PackedProducts;
pub use transfer::{TransferOptions, TransferReport, transfer, transfer_packed};
pub use unpack::unpack;
