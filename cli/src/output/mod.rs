//! What people and programs see.

mod explanation;
mod failure;
mod progress;
mod signals;
mod terminal;

pub use explanation::{data_id_text, explanation_text};
pub use failure::{ExitCode, Failure};
pub use progress::ProgressBars;
pub use signals::remove_unfinished_at_signals;
pub use terminal::{Terminal, table};
