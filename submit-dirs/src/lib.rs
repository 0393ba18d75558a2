//! The submit directory: its layout, its status and its reports; knows no SQL.

mod attempts;
mod counts;
mod directory;
mod error;
mod explainer;
mod failures;
mod lanes;
mod left_running;
mod load;
mod page;
mod publish;
mod quantum_explanation;
mod quantum_log;
mod report;
mod statistics;
mod status;
#[cfg(any(test, feature = "synthetic"))]
pub mod synthetic;
mod trace;
mod transfer_lock;
mod units;
#[cfg(test)]
mod view_tests;
mod watch;

pub use attempts::{Attempt, AttemptTable};
pub use counts::{QuantumCounts, TaskCounts, count_by_task};
pub use directory::{Submission, SubmitDirectory};
pub use error::SubmitError;
pub use failures::{Failure, FailureGroup, TaskFailures};
pub use left_running::{
    LeftRunningByTask, LeftRunningExplanation, QuantumThatLeft, left_running_by_task,
};
pub use page::write_page;
pub use quantum_explanation::{
    AttemptExplanation, ExplainedState, MissingInput, NamedQuantum, PlaceExplanation,
    QuantumExplanation, RepetitionExplanation, RunSituation, UnfinishedTask, WaitedFor,
};
pub use quantum_log::{AttemptLog, LogLine, LoggedException, attempts_of_log};
pub use report::{Caveat, DatasetCounts, Report, ReportLimits, Retries, RetryReason, caveat_code};
pub use statistics::{Distribution, TaskCosts, costs_by_task};
pub use status::{EndedQuantum, RecentFailure, RunningQuantum, Status, Viewpoint};
pub use trace::{TraceSummary, write_trace};
pub use transfer_lock::{TransferLock, TransferLocked};
pub use units::{bytes, duration, rate};
pub use watch::{History, Watch};
