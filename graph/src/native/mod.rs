//! The native graph file; its bytes are specified in `docs/formats/native-graph.md`.

mod blocks;
mod file_bytes;
mod layout;
mod open;
mod part;
mod renumbering;
mod touched;
mod write;

pub use layout::{BLOCK, MAGIC, MAJOR, MINOR};
pub use open::{Check, open_native};
pub(crate) use part::open_native_quanta;
pub use write::write_native;
