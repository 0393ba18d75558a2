//! What can go wrong with datasets.

use camino::Utf8PathBuf;
use qbb_datastore::{FormatterError, PathTemplatesError, StoreError, TemplateError, UriError};
use qbb_graph::GraphError;

use crate::pack::PackError;

/// Why a dataset cannot be read, written or named.
#[derive(Debug, thiserror::Error)]
pub enum ButlerError {
    /// The dataset is none of the quantum's inputs.
    #[error("{quantum} may not read {dataset}: it is not one of its predicted inputs")]
    NotAnInput {
        /// The quantum, described.
        quantum: String,
        /// The dataset, described.
        dataset: String,
    },
    /// The dataset is none of the quantum's outputs.
    #[error("{quantum} may not write {dataset}: it is not one of its predicted outputs")]
    NotAnOutput {
        /// The quantum, described.
        quantum: String,
        /// The dataset, described.
        dataset: String,
    },
    /// The task has no such connection.
    #[error("task `{task}` has no {kind} connection `{connection}`; it has: {known}")]
    NoConnection {
        /// Label of the task.
        task: String,
        /// Input or output.
        kind: &'static str,
        /// The name asked for.
        connection: String,
        /// The names there are.
        known: String,
    },
    /// A connection has several datasets, or none, where one is wanted.
    #[error("{quantum} has {count} datasets in connection `{connection}`, not exactly one")]
    NotOne {
        /// The quantum, described.
        quantum: String,
        /// The connection.
        connection: String,
        /// How many there are.
        count: usize,
    },
    /// There is no file where the dataset should be.
    #[error("{dataset} does not exist: there is nothing at {place}")]
    Missing {
        /// The dataset, described.
        dataset: String,
        /// Where it should be.
        place: String,
    },
    /// The dataset is not one local file.
    #[error("{dataset} is at {place}, which is not a plain local file, and cannot be read here")]
    NotLocal {
        /// The dataset, described.
        dataset: String,
        /// Where it is.
        place: String,
    },
    /// The dataset was taken apart when it was written.
    #[error("{dataset} is stored as {count} components; only Python can put it together")]
    Disassembled {
        /// The dataset, described.
        dataset: String,
        /// Number of files.
        count: usize,
    },
    /// A file cannot be read.
    #[error("cannot read {dataset} from {path}: {source}")]
    Read {
        /// The dataset, described.
        dataset: String,
        /// The file.
        path: Utf8PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// An output cannot be written, removed or looked for.
    #[error("{dataset}: {source}")]
    Store {
        /// The dataset, described.
        dataset: String,
        /// What the output datastore says.
        source: StoreError,
    },
    /// What is to be written cannot be made.
    #[error("{dataset} cannot be made: {reason}")]
    Content {
        /// The dataset, described.
        dataset: String,
        /// Why not.
        reason: String,
    },
    /// Two datasets would be one file.
    #[error(
        "{dataset} and {other} would both be {path}; make the path template in the output \
         repository's butler.yaml tell them apart"
    )]
    Collision {
        /// The dataset to be written, described.
        dataset: String,
        /// The one that was written before.
        other: String,
        /// The path of both.
        path: String,
    },
    /// A packed dataset cannot be read.
    #[error("cannot read {dataset}: {source}")]
    Pack {
        /// The dataset, described.
        dataset: String,
        /// Why not.
        source: PackError,
    },
    /// The root of the output datastore cannot be used.
    #[error("the output datastore cannot be used: {0}")]
    Root(StoreError),
    /// A place has no URI.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// The output datastore is not in the file system.
    #[error("outputs cannot be written to {root}: only a local folder can be an output datastore")]
    RemoteRoot {
        /// Its root.
        root: String,
    },
    /// The templates of the output datastore are wrong.
    #[error(transparent)]
    Templates(#[from] PathTemplatesError),
    /// A path cannot be predicted.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A file's format cannot be predicted.
    #[error(transparent)]
    Formatter(#[from] FormatterError),
    /// The graph is damaged or incomplete.
    #[error(transparent)]
    Graph(#[from] GraphError),
}
