//! A run: from request to report.
//!
//! One thread, the caller's, owns the scheduler and the journal and reacts to messages; runners
//! live on other threads and share no state with it.

mod dispatcher;
mod error;
mod lanes;
mod opening;
mod report;
mod request;
mod setup;
mod summary;

pub use error::RunError;
pub use report::{FailedQuantum, FailureKind, RunReport};
pub use request::{Exclusivity, InitOutputs, RunOptions, RunRequest};
pub use setup::run;
pub use summary::{ExecutionSummary, execution_summary};
