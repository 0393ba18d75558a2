//! The terminal view of a run: what is drawn, and what keys do.

mod palette;
mod panes;
mod snapshot;
mod view;

pub use snapshot::Snapshot;
pub use view::View;
