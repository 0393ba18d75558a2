//! Why a run cannot begin, or cannot go on.

use camino::Utf8PathBuf;
use qbb::journal::JournalError;
use qbb_graph::GraphError;

use crate::python::{InterpreterError, PackageError, WorkerFault};

/// A run as a whole went wrong. Quanta that fail are no such error.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The pack cannot be written.
    #[error(transparent)]
    Pack(#[from] qbb::pack::PackError),
    /// The graph cannot be used.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The quantum-backed butler cannot be made.
    #[error(transparent)]
    Butler(#[from] qbb::ButlerError),
    /// The output datastore cannot be reached through the file system.
    #[error("outputs cannot be written to {root}: only a local folder can be an output datastore")]
    NotLocal {
        /// Its root.
        root: String,
    },
    /// A folder that the run needs cannot be made or written.
    #[error("cannot write to {path}, {purpose}: {source}")]
    Folder {
        /// The folder.
        path: Utf8PathBuf,
        /// What it is for.
        purpose: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// Quanta fail because there is no room for what they write.
    #[error(
        "the disk of the output datastore {root} is full; make room and run again, nothing that \
         is done is lost"
    )]
    DiskFull {
        /// The root of the output datastore.
        root: Utf8PathBuf,
    },
    /// The system has no thread or signal handler left.
    #[error("cannot start {what}: {source}")]
    System {
        /// What was to be started.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// No Python.
    #[error(transparent)]
    Interpreter(#[from] InterpreterError),
    /// Our Python package cannot be unpacked.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A worker refused: a task cannot be imported, the run holds something else, and the like.
    #[error(transparent)]
    Worker(WorkerFault),
    /// No Python worker can be started, or none is left.
    #[error("no Python worker is left: {reason}")]
    NoWorker {
        /// How the last one ended.
        reason: String,
    },
    /// A task names a Rust function that was not registered.
    #[error("task `{task}` needs the Rust function `{function}`, which this program does not have")]
    NoSuchFunction {
        /// Label of the task.
        task: String,
        /// Name of the function.
        function: String,
    },
    /// Init-outputs that nobody can write.
    #[error(
        "task `{task}` has the init-output `{connection}`, but only a PipelineTask can write \
         init-outputs"
    )]
    InitOutput {
        /// Label of the task.
        task: String,
        /// Name of the connection.
        connection: String,
    },
    /// What tasks need is not what the node has, or the names do not fit.
    #[error("the resources cannot be used: {reason}")]
    Resources {
        /// Why not.
        reason: String,
    },
    /// Something that a run has left cannot be dealt with.
    #[error("cannot {action} {path}: {source}")]
    Leftover {
        /// File or folder.
        path: Utf8PathBuf,
        /// What was attempted.
        action: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// Quanta wait for one another.
    #[error(
        "{waiting} quanta wait for each other and none can run: the graph has a circle; check it \
         with `qbb graph verify`"
    )]
    Stalled {
        /// How many.
        waiting: u32,
    },
}

impl RunError {
    /// What the user can do, where that is known beyond the message.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Worker(fault) => fault.hint.as_deref(),
            Self::Journal(JournalError::LiveRun { .. }) => {
                Some("If that process is gone and only seems to run, force the run.")
            }
            _ => None,
        }
    }
}
