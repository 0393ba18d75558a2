//! Running quanta as programs.

mod capture;
mod description;
mod placeholders;
mod process;
mod waiting;
mod work_folder;

pub use placeholders::PlaceholderError;
pub(crate) use process::{CommandEnd, run_command};
pub(crate) use work_folder::WorkFolder;
