//! Arguments of graph building; they are those of `pipetask qgraph` where it has them.

use camino::Utf8PathBuf;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use super::changes::Changes;
use super::foreign::ForeignOptions;

/// What a quantum graph is built from.
#[derive(Debug, Clone, Args)]
pub struct BuildArguments {
    /// The release: a repository folder, a butler.yaml, or a label of the repository index; by
    /// default the one that --personal remembers.
    #[arg(short = 'b', long, value_name = "RELEASE", required_unless_present = "personal")]
    pub butler_config: Option<String>,
    /// Your repository, which remembers its release; `qbb prepare` has outputs go there. See
    /// `qbb create`.
    #[arg(long, value_name = "REPO")]
    pub personal: Option<String>,
    /// Pipeline: a Python pipeline YAML (`FILE#SUBSET,LABEL` selects), an exported pipeline, or a
    /// native pipeline file.
    #[arg(short, long, value_name = "FILE", required_unless_present = "task")]
    pub pipeline: Option<String>,
    /// Build only what this expression selects: labels of tasks and subsets, dataset types for
    /// their producers, combined with `|`, `&`, `~` and parentheses; `<`, `<=`, `>` and `>=` before
    /// a name mean everything up- or downstream of it.
    #[arg(long, value_name = "EXPRESSION")]
    pub select_tasks: Option<String>,
    /// Input collections, in search order; by default the children of an existing --output.
    #[arg(short, long, value_name = "COLLECTIONS")]
    pub input: Vec<String>,
    /// CHAINED output collection: a new one, or an existing one that is also read from. The run is
    /// named after it and the time unless --output-run is given.
    #[arg(short, long, value_name = "COLLECTION", value_parser = NonEmptyStringValueParser::new())]
    pub output: Option<String>,
    /// RUN collection of the outputs; a new one, unless --extend-run is given.
    #[arg(long, value_name = "RUN", value_parser = NonEmptyStringValueParser::new())]
    pub output_run: Option<String>,
    #[command(flatten)]
    pub resume: ResumeArguments,
    /// Restriction of the data IDs, such as "instrument = 'Cam' AND visit IN (1..9)".
    #[arg(short, long, value_name = "EXPRESSION", default_value = "", hide_default_value = true)]
    pub data_query: String,
    /// Value of `:NAME` in the restriction: a number, 'text', T'time', a JSON list for IN, or text
    /// as it is.
    #[arg(long, value_name = "NAME=VALUE")]
    pub bind: Vec<String>,
    /// Dataset types whose existence restricts the data IDs: all, off, or names.
    #[arg(long, value_name = "all|off|TYPES", default_value = "all")]
    pub dataset_query_constraint: String,
    /// Table whose rows the data IDs must fit; columns are dimensions. CSV and ECSV files are read
    /// directly, everything else that astropy reads (Parquet, FITS, VOTable) with Python.
    #[arg(long, value_name = "FILE")]
    pub data_id_table: Vec<String>,
    /// The most rows that any one join of data IDs may have; a build that needs more stops and
    /// names the join.
    #[arg(long, value_name = "ROWS", default_value_t = qbb_builder::DEFAULT_MAX_ROWS)]
    pub max_rows: usize,
    /// Show what each constraint takes away from the possible quanta, with an example.
    #[arg(long)]
    pub explain: bool,
    #[command(flatten)]
    pub foreign: ForeignOptions,
    #[command(flatten)]
    pub python: PythonArguments,
}

impl BuildArguments {
    /// The pipeline; empty if it is made of nothing but tasks given by class.
    pub fn pipeline(&self) -> &str {
        self.pipeline.as_deref().unwrap_or_default()
    }
}

/// What is done already, and what happens to it.
#[derive(Debug, Clone, Default, Args)]
pub struct ResumeArguments {
    /// Leave out quanta whose metadata exists in these collections; what they left is read by
    /// others.
    #[arg(long, value_name = "COLLECTIONS")]
    pub skip_existing_in: Vec<String>,
    /// Leave out quanta that are done in the output run; with --skip-existing-in the output run is
    /// searched last.
    #[arg(long)]
    pub skip_existing: bool,
    /// Put more into an existing run: the one of --output-run, or the first child of --output.
    /// Turns --skip-existing on.
    #[arg(long)]
    pub extend_run: bool,
    /// Expect outputs of quanta that are not done to be removed from the output run before
    /// execution, instead of refusing.
    #[arg(long)]
    pub clobber_outputs: bool,
    /// YAML list of dataset types, as names or globs, that are still there where --skip-existing-in
    /// looks; a quantum that is not done has the producers of its other inputs run again.
    #[arg(long, value_name = "FILE")]
    pub retained_dataset_types: Option<Utf8PathBuf>,
    /// Remove quanta of the task SOURCE from which no quantum of ANCHOR can be reached, with
    /// everything downstream.
    #[arg(long, value_name = "SOURCE:ANCHOR")]
    pub prune_unanchored_quanta: Option<String>,
    /// Search inputs as if the first child of the existing --output were not there.
    #[arg(long)]
    pub replace_run: bool,
    /// What becomes of a replaced run when the graph is executed by `pipetask run`; says nothing
    /// about the graph, and requires --replace-run.
    #[arg(long, value_name = "unstore|purge", value_parser = ["unstore", "purge"])]
    pub prune_replaced: Option<String>,
    /// Accept an existing --output that was made with other inputs.
    #[arg(long)]
    pub rebase: bool,
}

/// How Python is found and what it is told about the pipeline.
#[derive(Debug, Clone, Default, Args)]
pub struct PythonArguments {
    #[command(flatten)]
    pub changes: Changes,
    /// Python interpreter with the middleware installed.
    #[arg(long, value_name = "PROGRAM", env = "QBB_PYTHON", hide_env_values = true)]
    pub python: Option<Utf8PathBuf>,
    /// Have Python look at the pipeline though an earlier look at it still holds.
    #[arg(long)]
    pub fresh_export: bool,
}

/// Arguments of `qbb prepare`.
#[derive(Debug, Args)]
#[command(mut_arg("personal", |argument| argument.required(true)))]
pub struct PrepareArguments {
    #[command(flatten)]
    pub build: BuildArguments,
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
