//! Arguments of `qbb demo`.

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
