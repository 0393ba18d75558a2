//! The submit directory: its layout, its status and its reports; knows no SQL.

mod counts;
mod directory;
mod error;
mod quantum_log;
mod report;
mod status;

pub use counts::{QuantumCounts, TaskCounts, count_by_task};
pub use directory::{Submission, SubmitDirectory};
pub use error::SubmitError;
pub use quantum_log::{AttemptLog, LogLine, LoggedException, attempts_of_log};
pub use report::{Caveat, DatasetCounts, Failure, Report, caveat_code};
pub use status::Status;
