//! Running quanta as programs.

mod capture;
mod child;
mod description;
mod placeholders;
mod process;
mod spawning;
mod waiting;
mod work_folder;

pub use placeholders::PlaceholderError;
pub(crate) use process::{CommandEnd, Workbench, run_command};
