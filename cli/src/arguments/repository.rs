//! Arguments of commands on repositories.

use camino::Utf8PathBuf;
use clap::Args;

/// Arguments of `qbb demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Folder to make.
    #[arg(default_value = "qbb-demo")]
    pub folder: Utf8PathBuf,
    /// Threads that run tasks; 0 is one for each processor.
    #[arg(short, long, default_value_t = 0)]
    pub jobs: usize,
}

/// Arguments of `qbb create`.
#[derive(Debug, Args)]
pub struct CreateArguments {
    /// Folder of the new repository.
    pub repository: Utf8PathBuf,
    /// Release whose universe the repository gets.
    #[arg(long, value_name = "RELEASE")]
    pub from: String,
}
