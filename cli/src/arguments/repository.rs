//! Arguments of commands on repositories and graph files.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand, ValueEnum};

use super::build::BuildArguments;

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

/// Arguments of `qbb graph build`.
#[derive(Debug, Args)]
pub struct GraphBuildArguments {
    #[command(flatten)]
    pub build: BuildArguments,
    /// File to write; `.qg` is the middleware's format, `.qbb` the native one.
    #[arg(short = 'q', long, value_name = "FILE")]
    pub save_qgraph: Utf8PathBuf,
}

/// Commands on quantum graphs.
#[derive(Debug, Subcommand)]
pub enum GraphCommand {
    /// Build a graph file.
    Build(Box<GraphBuildArguments>),
    /// Show what is in a graph.
    Show {
        /// Graph file or submit directory.
        graph: Utf8PathBuf,
        /// Also list the quanta of this task.
        #[arg(long, value_name = "LABEL")]
        task: Option<String>,
    },
    /// Write a graph in the other format.
    Convert {
        /// Graph file or submit directory.
        graph: Utf8PathBuf,
        /// File to write; `.qg` or `.qbb` chooses the format.
        output: Utf8PathBuf,
        /// How a `.qg` names input files.
        #[arg(long, value_enum, default_value_t = RecordPathsArgument::Recorded)]
        record_paths: RecordPathsArgument,
    },
    /// Print a picture of the graph in DOT.
    Dot {
        /// Graph file or submit directory.
        graph: Utf8PathBuf,
        /// What the nodes are.
        #[arg(long, value_enum, default_value_t = DotLevel::Tasks)]
        level: DotLevel,
    },
    /// Check that a graph file is whole and consistent.
    Verify {
        /// Graph file or submit directory.
        graph: Utf8PathBuf,
    },
}

/// How input files are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RecordPathsArgument {
    /// As the release recorded them; the release itself can then execute the graph.
    Recorded,
    /// By absolute URI; any repository can then execute the graph.
    Absolute,
}

/// What the nodes of a picture are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DotLevel {
    /// Tasks and dataset types.
    Tasks,
    /// Quanta and datasets.
    Quanta,
}
