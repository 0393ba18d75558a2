//! The command line: one definition behind parsing, help, completions and man pages.

mod build;
mod changes;
mod collection_listing;
mod collections;
mod create;
mod durability;
mod execution;
mod explain;
mod foreign;
mod graph;
mod log;
mod logging;
mod provenance;
mod query;
#[cfg(test)]
mod reference;
mod repository;
mod run_qbb;
mod scheduling;
mod selection;
mod views;
mod workers;

use clap::{Parser, Subcommand, ValueEnum};

pub use build::{
    BuildArguments, PipelineCommand, PrepareArguments, PythonArguments, ResumeArguments,
};
pub use changes::{ChangeKind, split_commas};
pub use collection_listing::{ChainView, CollectionListingArguments};
pub use collections::{
    AssociateArguments, CertifyArguments, ChainArguments, ChainMode, CollectionsCommand,
    DecertifyArguments, DocArguments, PruneArguments, RegisterArguments, RemoveArguments,
    RemoveRunsArguments, VerifyArguments,
};
pub use create::CreateArguments;
pub use durability::CleanArguments;
pub use execution::{InputsArgument, RunArguments, TransferArguments};
pub use explain::{DataIdArguments, ExplainArguments, ExplainSubject};
pub use graph::{
    DiffArguments, GraphCommand, PictureArguments, PictureLevel, QuantaArguments,
    RecordPathsArgument,
};
pub use log::LogArguments;
pub use logging::{LogFormat, LoggingArguments};
pub use provenance::ProvenanceArguments;
pub use query::{
    ConditionArguments, DatasetArguments, ExistingArguments, GetUriArguments, QueryArguments,
    QueryCommand, QueryDataIdsArguments, QueryDatasetTypesArguments, QueryDatasetsArguments,
    QueryRecordsArguments, RetrieveArguments, RetrieveMode,
};
pub use repository::DemoArguments;
pub use run_qbb::{RunQbbArguments, StartMethod};
pub use scheduling::{SchedulingArguments, SelectionArguments};
pub use selection::{
    MigrateCheckArguments, ReferenceArguments, ReferenceMode, SelectionOptions,
    TransferDatasetsArguments, TransferMode,
};
pub use views::{ReportArguments, StatusArguments, TopArguments, TraceArguments};

/// Run pipelines over a data release that you cannot write to, and keep the results in a
/// repository of your own.
#[derive(Debug, Parser)]
#[command(name = "qbb", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 success; 1 some quanta failed or a check found a problem; \
    2 wrong arguments; 3 unusable input; 4 the system refused (disk, permissions, Python); \
    20 with --fail-fast, a quantum failed that would fail again (RepeatableQuantumError); \
    21 a task called its quantum invalid (InvalidQuantumError); 130 interrupted.")]
pub struct Arguments {
    /// How reports are printed.
    #[arg(long, value_enum, default_value_t = Format::Text, global = true, display_order = 900)]
    pub format: Format,
    /// Print results and errors only, no progress.
    #[arg(long, global = true, display_order = 901)]
    pub quiet: bool,
    /// What is logged.
    #[command(flatten)]
    pub log: LoggingArguments,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for people.
    Text,
    /// One JSON document on standard output.
    Json,
    /// Comma-separated values; for queries only.
    Csv,
    /// Parquet, into a file or a pipe; for queries only.
    Parquet,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a small release, process it and look at the result; needs nothing but this program.
    Demo(DemoArguments),
    /// Create a personal repository for a release, with chosen records of it.
    Create(CreateArguments),
    /// Bring datasets of the release into your repository by reference, with their collections.
    Reference(Box<ReferenceArguments>),
    /// Bring datasets from one repository into another.
    TransferDatasets(Box<TransferDatasetsArguments>),
    /// Say whether your repository still fits its release.
    MigrateCheck(MigrateCheckArguments),
    /// List and change collections, and what is in them.
    #[command(subcommand)]
    Collections(Box<CollectionsCommand>),
    /// Ask a repository for datasets, data IDs, dimension records, collections or dataset types.
    Query(QueryArguments),
    /// Print where the files of a dataset are.
    GetUri(GetUriArguments),
    /// Bring files of datasets into a folder.
    RetrieveArtifacts(Box<RetrieveArguments>),
    /// Export pipelines from Python.
    #[command(subcommand)]
    Pipeline(PipelineCommand),
    /// Build a quantum graph into a submit directory, ready to run.
    Prepare(Box<PrepareArguments>),
    /// Build, inspect and convert quantum graphs.
    #[command(subcommand)]
    Graph(GraphCommand),
    /// Say why a data ID has quanta in a graph that would be built, or none.
    ///
    /// `qbb explain quantum` says the like of a quantum that is to be executed, or was.
    Explain(Box<ExplainArguments>),
    /// Execute a submit directory or a graph; run again to continue where it stopped.
    Run(Box<RunArguments>),
    /// Show how far a submit directory is.
    Status(StatusArguments),
    /// Watch a run on the whole terminal: progress, what runs, failures, memory.
    Top(TopArguments),
    /// Report what happened: failures by kind, caveats, times and memory, datasets by type.
    Report(ReportArguments),
    /// Write what happened to each quantum as a provenance graph for the middleware.
    Provenance(ProvenanceArguments),
    /// Print the log of a quantum.
    Log(LogArguments),
    /// Write what happened as a trace for Perfetto or Chrome: attempts by lane, what ran at a time.
    Trace(TraceArguments),
    /// Put the outputs of a submit directory into the personal repository.
    Transfer(TransferArguments),
    /// List what runs that were cut off have left behind, and remove it if told to.
    Clean(CleanArguments),
    /// Compare a repository's registry with its datastore, in both directions.
    Verify(VerifyArguments),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder.
    Man {
        /// The folder.
        folder: camino::Utf8PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Arguments;

    #[test]
    fn the_definition_has_no_contradictions() {
        Arguments::command().debug_assert();
    }
}
