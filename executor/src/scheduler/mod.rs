//! Which quantum may run next: a state machine without I/O, clocks or threads.
//!
//! Everything that happens is an `on_…` call; everything that follows from it is told to an
//! [`Effects`]. Who runs quanta, and how, is not known here.

mod machine;
#[cfg(test)]
mod model_tests;
mod state;

pub use machine::{Dependencies, Effects, Past, Scheduler, StopReason};
pub use state::{QuantumCounts, QuantumState};
