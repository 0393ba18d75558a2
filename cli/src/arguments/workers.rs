//! Options of `qbb run` about the Python processes that run `PipelineTask`s.

use std::num::NonZeroU32;

use clap::Args;

use super::run_qbb::{Memory, memory};

/// How workers are started, and when they are replaced.
#[derive(Debug, Args)]
#[command(next_help_heading = "Python workers")]
pub struct WorkerArguments {
    /// Let each worker import tasks itself, for software that does not work after a fork. Without
    /// this, one process imports and forks the workers.
    #[arg(long)]
    pub no_fork: bool,
    /// Replace a worker by a new one after so many quanta.
    #[arg(long, value_name = "N")]
    pub worker_max_quanta: Option<NonZeroU32>,
    /// Replace a worker that holds more memory than this after a quantum; in MB or with a unit.
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub worker_max_memory: Option<Memory>,
}
