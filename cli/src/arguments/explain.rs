//! Arguments of `qbb explain`.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};
use qbb_graph::QuantumName;

use super::build::BuildArguments;

/// What is to be explained.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ExplainArguments {
    /// A quantum of a run, if it is that.
    #[command(subcommand)]
    pub subject: Option<ExplainSubject>,
    /// A data ID otherwise.
    #[command(flatten)]
    pub data_id: Option<DataIdArguments>,
}

/// What else than a data ID can be explained.
#[derive(Debug, Clone, Subcommand)]
pub enum ExplainSubject {
    /// Say what a quantum of a submit directory waits for, or what became of it.
    Quantum {
        /// Submit directory.
        submit_dir: Utf8PathBuf,
        /// The quantum; dimensions may be left out as long as only one fits.
        #[arg(value_name = "UUID|TASK,DIMENSION=VALUE,…")]
        quantum: QuantumName,
    },
}

/// Which data ID is to be explained, and what it would be built from.
#[derive(Debug, Clone, Args)]
pub struct DataIdArguments {
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
