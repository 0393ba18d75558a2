//! Running quanta as programs.

mod capture;
mod description;
mod placeholders;
mod process;
mod waiting;

pub use placeholders::PlaceholderError;
pub(crate) use process::{CommandEnd, run_command};
