//! What people and programs see.

mod failure;
mod progress;
mod signals;
mod terminal;

pub use failure::{ExitCode, Failure};
pub use progress::ProgressBars;
pub use signals::remove_unfinished_at_signals;
pub use terminal::{Terminal, table};
