//! Some quanta of a native graph file, without reading the rest of it.

mod extraction;
mod records;
mod source;

pub(crate) use extraction::open_native_quanta;
