//! Arguments of commands on graph files.

use camino::Utf8PathBuf;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};
use qbb_graph::{DEFAULT_NODE_LIMIT, QuantumName};

use super::build::BuildArguments;

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
    /// Show what is in a graph: for each task its quanta, and what they read and write.
    Show {
        /// Graph file or submit directory.
        graph: Utf8PathBuf,
        /// Show one quantum instead; of a big graph only this is read.
        #[arg(long, value_name = "UUID|TASK,DIMENSION=VALUE,…")]
        quantum: Option<QuantumName>,
    },
    /// List quanta.
    Quanta(QuantaArguments),
    /// Print the summary that `pipetask qgraph --summary` writes (with `--format json`).
    Summary {
        /// Graph file or submit directory.
        graph: Utf8PathBuf,
    },
    /// Compare two graphs by data IDs, never by UUIDs; exits with 1 if they differ.
    ///
    /// Compared are header, pipeline, quanta, their inputs and outputs, what the construction of tasks
    /// reads and writes, and datastore records. Users, times and commands are not, and each graph's
    /// own output run counts as the same run.
    Diff(DiffArguments),
    /// Write a graph in the other format.
    Convert {
        /// Graph file or submit directory.
        graph: Utf8PathBuf,
        /// File to write; `.qg` or `.qbb` chooses the format.
        output: Utf8PathBuf,
        /// How a `.qg` names input files.
        #[arg(long, value_enum, default_value_t = RecordPathsArgument::Recorded)]
        record_paths: RecordPathsArgument,
        /// Put the outputs into another RUN, with new UUIDs, as `pipetask update-graph-run` does; the
        /// same name gives the same UUIDs each time.
        #[arg(long, value_name = "RUN", value_parser = NonEmptyStringValueParser::new())]
        output_run: Option<String>,
    },
    /// Print a picture for Graphviz.
    Dot(PictureArguments),
    /// Print a picture for Mermaid.
    Mermaid(PictureArguments),
    /// Print a picture as SVG.
    Svg(PictureArguments),
    /// Check that a graph file is whole and consistent.
    Verify {
        /// Graph file or submit directory.
        graph: Utf8PathBuf,
    },
}

/// What is drawn.
#[derive(Debug, Args)]
pub struct PictureArguments {
    /// Graph file or submit directory.
    pub graph: Utf8PathBuf,
    /// What the nodes are, unless --quantum says it.
    #[arg(long, value_enum, default_value_t = PictureLevel::Tasks)]
    pub level: PictureLevel,
    /// Draw one quantum with its inputs and outputs and what is around it.
    #[arg(long, value_name = "UUID|TASK,DIMENSION=VALUE,…")]
    pub quantum: Option<QuantumName>,
    /// How many quanta before and after that one in a row.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "quantum")]
    pub depth: usize,
    /// Most nodes to draw.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_NODE_LIMIT)]
    pub limit: usize,
}

/// Which quanta are listed.
#[derive(Debug, Args)]
pub struct QuantaArguments {
    /// Graph file or submit directory.
    pub graph: Utf8PathBuf,
    /// Only quanta of these tasks.
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    pub task: Vec<String>,
    /// Only quanta with these values in their data IDs.
    #[arg(long, value_name = "DIMENSION=VALUE", value_delimiter = ',')]
    pub data_id: Vec<String>,
    /// Most quanta to list.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// Which graphs are compared.
#[derive(Debug, Args)]
pub struct DiffArguments {
    /// Graph file or submit directory.
    pub a: Utf8PathBuf,
    /// Graph file or submit directory that it is compared with.
    pub b: Utf8PathBuf,
    /// Most differences of a kind to print; JSON has all.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub limit: usize,
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
pub enum PictureLevel {
    /// Tasks and dataset types.
    Tasks,
    /// Quanta.
    Quanta,
}
