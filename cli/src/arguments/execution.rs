//! Arguments of commands that execute and what follows.

use camino::Utf8PathBuf;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

use super::durability::DurabilityChoice;
use super::run_qbb::RunQbbArguments;
use super::scheduling::{SchedulingArguments, SelectionArguments};
use super::workers::WorkerArguments;

/// Arguments of `qbb run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Submit directory, or a graph file.
    pub target: Utf8PathBuf,
    /// Levels of logs that concern Python tasks; from options that all commands have.
    #[arg(skip)]
    pub python_log_levels: Vec<(Option<String>, String)>,
    /// Quanta to run at a time; 0 is one for each processor.
    #[arg(short, long, default_value_t = 1)]
    pub jobs: usize,
    /// Repository whose datastore takes the outputs (graph files only).
    #[arg(long, value_name = "REPO")]
    pub personal: Option<String>,
    /// Repository that relative input paths of a `.qg` belong to, if it is not the personal one.
    #[arg(short = 'b', long, value_name = "RELEASE")]
    pub butler_config: Option<String>,
    /// Folder for the journal and logs (graph files only; default GRAPH.run).
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<Utf8PathBuf>,
    /// Stop starting quanta after this many failures.
    #[arg(long, value_name = "N", conflicts_with = "fail_fast")]
    pub max_failures: Option<u32>,
    /// Run even if another run seems to be working on the same directory.
    #[arg(long)]
    pub force: bool,
    /// Python interpreter with the middleware installed.
    #[arg(long, value_name = "PROGRAM", env = "QBB_PYTHON", hide_env_values = true)]
    pub python: Option<Utf8PathBuf>,
    /// Keep metadata and logs of quanta in one compressed file beside the journal, instead of two
    /// files for each quantum; `qbb transfer` writes the files.
    #[arg(long)]
    pub pack: bool,
    /// About Python workers.
    #[command(flatten)]
    pub workers: WorkerArguments,
    /// When results reach the disk.
    #[arg(long, value_enum, default_value_t = DurabilityChoice::Batch, value_name = "WHEN")]
    pub durability: DurabilityChoice,
    /// Those of the middleware.
    #[command(flatten)]
    pub middleware: RunQbbArguments,
    #[command(flatten)]
    pub selection: SelectionArguments,
    #[command(flatten)]
    pub scheduling: SchedulingArguments,
}

/// What becomes of the inputs of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InputsArgument {
    /// They are left out.
    None,
    /// They stay where they are; the repository refers to them.
    Reference,
    /// Their files are copied into the repository.
    Copy,
    /// Their files get a second name in the repository, on the same file system.
    Hardlink,
    /// The repository has symbolic links to their files.
    Symlink,
}

/// Arguments of `qbb transfer`.
#[derive(Debug, Args)]
pub struct TransferArguments {
    /// Submit directory.
    pub submit_dir: Utf8PathBuf,
    /// Also register the inputs, with the collections they were found in; without a value, by
    /// reference.
    #[arg(
        long, value_enum, value_name = "HOW", num_args = 0..=1,
        default_value_t = InputsArgument::None, default_missing_value = "reference",
        hide_default_value = true
    )]
    pub inputs: InputsArgument,
    /// Bring the input collections with everything in them, not only what the run has used. Unlike
    /// all else this needs the release.
    #[arg(long)]
    pub whole_collections: bool,
    /// Release of --whole-collections; by default the one that the run was prepared with.
    #[arg(long, value_name = "RELEASE", requires = "whole_collections")]
    pub from: Option<String>,
    /// Transfer the outputs into this RUN, with UUIDs of their own, as if the run had been executed
    /// under that name; files get further names there.
    #[arg(long, value_name = "RUN", value_parser = NonEmptyStringValueParser::new())]
    pub output_run: Option<String>,
    /// Keep metadata, logs and configurations in one file, the provenance graph of the run, which is
    /// registered too; their own files are removed. Goes on that way in later transfers.
    #[arg(long)]
    pub provenance: bool,
    /// Do not put the run into the CHAINED output collection.
    #[arg(long)]
    pub no_output_chain: bool,
    /// Python interpreter that has the middleware, which tells whether storage classes convert if
    /// the repository has a dataset type with another one.
    #[arg(long, value_name = "PROGRAM", env = "QBB_PYTHON", hide_env_values = true)]
    pub python: Option<Utf8PathBuf>,
}
