//! A run: from request to report.
//!
//! One thread, the caller's, owns the scheduler and the journal and reacts to messages; runners
//! live on other threads and share no state with it.

mod budget;
mod dispatcher;
mod error;
mod failure_cause;
mod function_threads;
mod intermediates;
mod lanes;
mod learned;
mod leftovers;
mod memory_events;
mod opening;
mod packing;
mod places;
mod python_workers;
mod quantum_ends;
mod quantum_threads;
mod report;
mod request;
mod setup;
mod sizes;
mod stale_outputs;
mod summary;
mod wishes;

pub use budget::{ResourceOptions, TaskResources};
pub use error::RunError;
pub use intermediates::DeletedIntermediates;
pub use leftovers::{CleanRequest, Leftover, LeftoverKind, find_leftovers, remove_leftovers};
pub use report::{FailedQuantum, FailureKind, RunReport};
pub use request::{Exclusivity, InitOutputs, RunOptions, RunRequest};
pub use setup::run;
pub use sizes::parse_size;
pub use summary::{ExecutionSummary, execution_summary};
