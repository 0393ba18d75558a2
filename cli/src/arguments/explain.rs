//! Arguments of `qbb explain`.

use clap::Args;

use super::build::BuildArguments;

/// Which data ID is to be explained, and what it would be built from.
#[derive(Debug, Clone, Args)]
pub struct ExplainArguments {
    /// Dimensions and their values, such as "visit=1001,detector=3"; concerns tasks that
    /// have all of them.
    #[arg(value_name = "DATAID")]
    pub data_id: String,
    /// Label of the only task that is of interest.
    #[arg(long = "of", value_name = "LABEL")]
    pub of_task: Option<String>,
    #[command(flatten)]
    pub build: BuildArguments,
}
