//! Quanta of Rust functions and programs: everything around the work itself is the same for both,
//! and the same that the middleware's executor does around a `PipelineTask`.

mod context;
mod packages;
mod packing;
mod runner;
mod sequence;

pub use context::QuantumContext;
pub(crate) use packages::write_packages;
pub(crate) use packing::{Packing, Parcel};
pub(crate) use runner::{LocalOptions, LocalRunner};
pub(crate) use sequence::{LocalEnd, log_death};
