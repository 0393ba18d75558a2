//! What is done with bytes from outside, one function for each format.
//!
//! Each must return, whatever the bytes: without a panic, and with memory in proportion to them. The
//! fuzz targets and the test over the stored corpus call the same functions.

mod graphs;
mod journal;
mod place;
mod provenance;
mod repair;
mod values;

pub use graphs::{exchange_graph, exchange_member, native_graph};
pub use journal::journal;
pub use provenance::provenance_graph;
pub use values::{expression, region};

/// Something that takes bytes.
pub type Body = fn(&[u8]);

/// All functions by the names of their targets.
pub const BODIES: [(&str, Body); 7] = [
    ("exchange_graph", exchange_graph),
    ("exchange_member", exchange_member),
    ("expression", expression),
    ("journal", journal),
    ("native_graph", native_graph),
    ("provenance_graph", provenance_graph),
    ("region", region),
];
