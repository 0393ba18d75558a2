//! The datasets that describe an execution: task metadata and logs, as the middleware reads them.

mod log_records;
mod markers;
mod task_metadata;

pub use log_records::LogLevel;
pub(crate) use log_records::{LogContext, LogDataset, LogRecord};
pub(crate) use markers::{Marker, Measured, children_usage, cpu_time};
pub(crate) use task_metadata::{ButlerMetrics, MetadataDataset};
