//! Graph and journal in, personal registry out; knows nothing of execution.

mod batch;
mod collections;
mod error;
mod transfer;
mod unpack;

pub use error::TransferError;
pub use transfer::{TransferOptions, TransferReport, transfer};
pub use unpack::unpack;
