//! Arguments of graph building; they are those of `pipetask qgraph` where it has them.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

/// What a quantum graph is built from.
#[derive(Debug, Clone, Args)]
pub struct BuildArguments {
    /// The release: a repository folder, a butler.yaml, or a label of the repository index.
    #[arg(short = 'b', long, value_name = "RELEASE")]
    pub butler_config: String,
    /// Pipeline: a Python pipeline YAML (`FILE#SUBSET,LABEL` selects), an exported pipeline, or a
    /// native pipeline file.
    #[arg(short, long, value_name = "FILE")]
    pub pipeline: String,
    /// Input collections, in search order.
    #[arg(short, long, value_name = "COLLECTIONS", value_delimiter = ',', required = true)]
    pub input: Vec<String>,
    /// CHAINED output collection; the run is named after it and the time unless --output-run is
    /// given.
    #[arg(short, long, value_name = "COLLECTION", required_unless_present = "output_run")]
    pub output: Option<String>,
    /// RUN collection of the outputs.
    #[arg(long, value_name = "RUN")]
    pub output_run: Option<String>,
    /// Restriction of the data IDs, such as "instrument = 'Cam' AND visit IN (1..9)".
    #[arg(short, long, value_name = "EXPRESSION", default_value = "", hide_default_value = true)]
    pub data_query: String,
    /// Dataset types whose existence restricts the data IDs: all, off, or names.
    #[arg(long, value_name = "all|off|TYPES", default_value = "all")]
    pub dataset_query_constraint: String,
    /// The most rows that any one join of data IDs may have; a build that needs more stops and
    /// names the join.
    #[arg(long, value_name = "ROWS", default_value_t = qbb_builder::DEFAULT_MAX_ROWS)]
    pub max_rows: usize,
    #[command(flatten)]
    pub python: PythonArguments,
}

/// How Python is found and what it is told about the pipeline.
#[derive(Debug, Clone, Default, Args)]
pub struct PythonArguments {
    /// Configuration override of a task; Python pipelines only.
    #[arg(short, long = "config", value_name = "LABEL:FIELD=VALUE")]
    pub config: Vec<String>,
    /// File of configuration overrides of a task; Python pipelines only.
    #[arg(short = 'C', long = "config-file", value_name = "LABEL:FILE")]
    pub config_file: Vec<String>,
    /// Python interpreter with the middleware installed.
    #[arg(long, value_name = "PROGRAM", env = "QBB_PYTHON", hide_env_values = true)]
    pub python: Option<Utf8PathBuf>,
    /// Have Python look at the pipeline though an earlier look at it still holds.
    #[arg(long)]
    pub fresh_export: bool,
}

/// Arguments of `qbb prepare`.
#[derive(Debug, Args)]
pub struct PrepareArguments {
    #[command(flatten)]
    pub build: BuildArguments,
    /// Your repository, where outputs will go; see `qbb create`.
    #[arg(long, value_name = "REPO")]
    pub personal: String,
    /// Folder to make for the graph, the journal and the logs.
    #[arg(long, value_name = "DIR")]
    pub submit_dir: Utf8PathBuf,
}

/// Commands on pipelines.
#[derive(Debug, Subcommand)]
pub enum PipelineCommand {
    /// Turn a Python pipeline into a file from which graphs can be built without Python.
    Export {
        /// Pipeline YAML; `FILE#SUBSET,LABEL` selects.
        pipeline: String,
        /// File to write.
        #[arg(short, long, value_name = "FILE")]
        output: Utf8PathBuf,
        #[command(flatten)]
        python: PythonArguments,
    },
}
