//! What people and programs see.

mod failure;
mod progress;
mod terminal;

pub use failure::{ExitCode, Failure};
pub use progress::ProgressBars;
pub use terminal::{Terminal, table};
