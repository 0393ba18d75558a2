//! Which quantum may run next: a state machine without I/O, clocks or threads.
//!
//! Everything that happens is an `on_…` call; everything that follows from it is told to an
//! [`Effects`]. Who runs quanta, and how, is not known here.

mod machine;
#[cfg(test)]
mod model_tests;
mod order;
mod peaks;
mod resources;
mod retries;
mod state;
mod surroundings;

pub use machine::Scheduler;
pub use order::depth_first;
pub use peaks::RecentPeak;
pub use resources::{Amounts, MemoryRequest, Request, with_margin};
pub use retries::{FailureCause, RetryOn, RetryPolicy};
pub use state::{QuantumCounts, QuantumState};
pub use surroundings::{Dependencies, Effects, Limits, Past, Repetition, StopReason};
