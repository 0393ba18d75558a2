//! Scheduling quanta and running them; knows no databases and no release.
//!
//! [`run`] executes a graph: a [`scheduler`] without I/O decides what may run, runners for Rust
//! functions, programs and real `PipelineTask`s run it, and the journal of the `qbb` crate records
//! it.

mod cancel;
mod command;
mod functions;
mod guardian;
mod local;
mod logging;
mod process_table;
mod products;
mod progress;
pub mod python;
mod run;
pub mod scheduler;
mod selection;

pub use cancel::{Cancel, Urgency};
pub use command::PlaceholderError;
pub use functions::{FunctionRegistry, TaskError, TaskFunction};
pub use local::QuantumContext;
pub use products::LogLevel;
pub use progress::{Progress, ProgressEvent, Silent};
pub use run::{CleanRequest, Leftover, LeftoverKind, find_leftovers, remove_leftovers};
pub use run::{DeletedIntermediates, ResourceOptions, TaskResources, parse_size};
pub use run::{
    Exclusivity, ExecutionSummary, FailedQuantum, FailureKind, InitOutputs, RunError, RunOptions,
    RunReport, RunRequest, execution_summary, run,
};
pub use selection::{OnlyState, QuantumTerm, Selection, SelectionPlan, TaskPlan};
