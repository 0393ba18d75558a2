//! The terminal view of a run: what is drawn, and what keys do.

mod panes;
mod view;

pub use view::{Snapshot, View};
