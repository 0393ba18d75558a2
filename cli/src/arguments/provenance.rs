//! Arguments of `qbb provenance`.

use camino::Utf8PathBuf;
use clap::Args;

/// Arguments of `qbb provenance`.
#[derive(Debug, Args)]
pub struct ProvenanceArguments {
    /// Submit directory, or a graph file that was run.
    pub target: Utf8PathBuf,
    /// The file to write; default DIR/run_provenance.qg, for graph files in the folder of the run.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<Utf8PathBuf>,
    /// Repository whose datastore has the outputs (graph files only).
    #[arg(long, value_name = "REPO")]
    pub personal: Option<String>,
    /// Folder of the journal (graph files only; default GRAPH.run).
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<Utf8PathBuf>,
}
