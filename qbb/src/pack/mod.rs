//! Packs: many small datasets of a process in one compressed file that only grows.
//!
//! Bytes, durability and damage are specified in `docs/formats/pack.md`. A [`PackWriter`] belongs to
//! one process; [`Packs`] reads those of a journal directory, also while they are being written.

mod dictionary;
mod error;
mod format;
mod reader;
mod store;
mod writer;

pub use error::PackError;
pub use format::{BlockRow, MAX_ENTRY};
pub use reader::{PackBlock, PackReader};
pub use store::{PackedPlace, Packs};
pub use writer::PackWriter;
