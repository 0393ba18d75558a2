//! What people and programs see.

mod destination;
mod explanation;
mod failure;
mod logging;
mod pace;
mod progress;
mod redaction;
mod redrawn;
mod shell_word;
mod signals;
mod terminal;

pub use destination::check_destination;
pub use explanation::{data_id_text, explanation_text};
pub use failure::{ExitCode, Failure};
pub use logging::{python_levels, start_logging};
pub use pace::{ended_with, pace};
pub use progress::ProgressBars;
pub use qbb_submit_dirs::{bytes, duration};
pub use redrawn::Redrawn;
pub use shell_word::shell_word;
pub use signals::{end_transfers_at_signals, remove_at_signals, remove_unfinished_at_signals};
pub use terminal::{Terminal, rows_table, table};
