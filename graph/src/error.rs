//! What can be wrong with a graph or a graph file.

use camino::Utf8PathBuf;

/// A number in a graph that points nowhere, or a rule of the tables that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{table}, row {row}: {reason}")]
pub struct Flaw {
    /// The table.
    pub table: &'static str,
    /// Position in the table.
    pub row: usize,
    /// What is wrong, and with which value.
    pub reason: String,
}

impl Flaw {
    pub(crate) fn new(table: &'static str, row: usize, reason: impl Into<String>) -> Self {
        Self { table, row, reason: reason.into() }
    }

    /// A number that is not below the size of the table it points into.
    pub(crate) fn beyond(
        table: &'static str,
        row: usize,
        what: &str,
        value: u64,
        limit: usize,
    ) -> Self {
        Self::new(table, row, format!("{what} {value} does not exist (there are {limit})"))
    }
}

/// Why a graph could not be read, written or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// The operating system refused.
    #[error("cannot {action} `{path}`: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: Utf8PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not a graph file of any kind we know.
    #[error("`{path}` is not a quantum graph: {reason}")]
    Foreign {
        /// The file.
        path: Utf8PathBuf,
        /// What it looks like instead, or which forms are read.
        reason: String,
    },
    /// A native file that another version of this program wrote.
    #[error(
        "`{path}` is a native graph of version {major}.{minor}; this program reads version 1: \
         use the program that wrote it, or write the graph as `.qg` with that program"
    )]
    Version {
        /// The file.
        path: Utf8PathBuf,
        /// Major version of the file.
        major: u16,
        /// Minor version of the file.
        minor: u16,
    },
    /// A native file whose bytes are not as they were written.
    #[error("native graph `{path}` is damaged, {section}: {reason}")]
    Damaged {
        /// The file.
        path: Utf8PathBuf,
        /// Name of the section, `header` or `section table`.
        section: String,
        /// What is wrong.
        reason: String,
    },
    /// A `.qg` file that breaks its format, or uses what is not supported.
    #[error("`{path}`, {member}: {reason}")]
    Exchange {
        /// The file.
        path: Utf8PathBuf,
        /// Member of the archive, and the block within it if there are several.
        member: String,
        /// What is wrong.
        reason: String,
    },
    /// The tables of a graph contradict each other.
    #[error("the graph contradicts itself: {0}")]
    Flaw(#[from] Flaw),
    /// A task that Python cannot run in a format that only Python's tasks fit.
    #[error(
        "task `{task}` has no Python class, so a `.qg` file cannot hold it: write the graph as \
         `.qbb` instead"
    )]
    NoTaskClass {
        /// Label of the task.
        task: String,
    },
    /// A relative path with nothing to be relative to.
    #[error(
        "datastore `{datastore}` has no known root, so `{path}` has no absolute URI: give the root \
         of the repository that the graph was built on"
    )]
    NoRoot {
        /// Name of the datastore.
        datastore: String,
        /// The path in question.
        path: String,
    },
    /// A value too big for the format it should be written in.
    #[error("cannot write `{path}`, {section}: {reason}")]
    TooBig {
        /// The file.
        path: Utf8PathBuf,
        /// The section or member.
        section: String,
        /// Which limit it exceeds.
        reason: String,
    },
    /// What happened to a quantum cannot be told.
    #[error("cannot write provenance to `{path}`, {what}: {source}")]
    Provenance {
        /// The file that was being written.
        path: Utf8PathBuf,
        /// What is concerned.
        what: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A quantum that is not there, or not the only one.
    #[error("no quantum `{name}`: {reason}")]
    NoQuantum {
        /// As it was asked for.
        name: String,
        /// Why it cannot be told which one.
        reason: String,
    },
    /// Outputs cannot be in another run.
    #[error("outputs in {from} cannot be put into `{to}`: {reason}")]
    NotRenamed {
        /// The run of the outputs.
        from: String,
        /// The other one.
        to: String,
        /// What stands in the way.
        reason: String,
    },
    /// A picture with too many nodes to be looked at.
    #[error(
        "the picture would have {nodes} nodes, more than {limit}: choose tasks instead of \
             quanta, or raise the limit"
    )]
    TooManyNodes {
        /// How many it would have.
        nodes: usize,
        /// How many are allowed.
        limit: usize,
    },
}

/// Result of this crate's functions.
pub type Result<T, E = GraphError> = std::result::Result<T, E>;

impl GraphError {
    pub(crate) fn io(
        action: &'static str,
        path: &camino::Utf8Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
