//! Arguments of `qbb log`.

use camino::Utf8PathBuf;
use clap::Args;
use qbb_graph::QuantumName;

/// Whose log is printed.
#[derive(Debug, Args)]
pub struct LogArguments {
    /// Submit directory.
    pub submit_dir: Utf8PathBuf,
    /// The quantum: its UUID, or its task with values of its data ID.
    #[arg(value_name = "UUID|TASK,DIMENSION=VALUE,…")]
    pub quantum: QuantumName,
}
