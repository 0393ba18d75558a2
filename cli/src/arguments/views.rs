//! Arguments of commands that show what happens and what happened.

use camino::Utf8PathBuf;
use clap::Args;

/// Arguments of `qbb status`.
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Submit directory.
    pub submit_dir: Utf8PathBuf,
    /// Go on until the run ends: redraw in a terminal, print a line at a time elsewhere.
    #[arg(short, long)]
    pub follow: bool,
    /// Seconds between looks with `--follow` (default: 1 in a terminal, 10 elsewhere).
    #[arg(long, value_name = "SECONDS", requires = "follow")]
    pub interval: Option<f64>,
    /// Most running, slow and failed quanta to show of each.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub limit: usize,
}

/// Arguments of `qbb report`.
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// Submit directory.
    pub submit_dir: Utf8PathBuf,
    /// Most groups of failures to show; in JSON and HTML, most failures.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Also write the report with plots as a page that needs nothing else.
    #[arg(long, value_name = "FILE")]
    pub html: Option<Utf8PathBuf>,
}

/// Arguments of `qbb trace`.
#[derive(Debug, Args)]
pub struct TraceArguments {
    /// Submit directory.
    pub submit_dir: Utf8PathBuf,
    /// File to write, for chrome://tracing or https://ui.perfetto.dev.
    #[arg(short, long, value_name = "FILE")]
    pub output: Utf8PathBuf,
}

/// Arguments of `qbb top`.
#[derive(Debug, Args)]
pub struct TopArguments {
    /// Submit directory.
    pub submit_dir: Utf8PathBuf,
    /// Seconds between looks at the journal.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub interval: f64,
}
