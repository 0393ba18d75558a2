//! Errors of submit directories.

use camino::Utf8PathBuf;

/// Why a submit directory could not be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// There is no such directory, or it was not made by `qbb prepare`.
    #[error("{path} is not a submit directory: {reason}")]
    NotASubmitDirectory {
        /// The directory.
        path: Utf8PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// Something is at the place where the directory should be made.
    #[error("{path} exists already")]
    Exists {
        /// The directory.
        path: Utf8PathBuf,
    },
    /// A file or folder could not be read or written.
    #[error("{path} could not be {action}")]
    Io {
        /// The file or folder.
        path: Utf8PathBuf,
        /// What was tried, as a participle.
        action: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Others transfer the same run, and do not come to an end.
    #[error(
        "another transfer of {path} has been going on for more than {} seconds; transfer again when \
         it has ended",
        waited.as_secs()
    )]
    BeingTransferred {
        /// The directory.
        path: Utf8PathBuf,
        /// For how long it was waited for.
        waited: std::time::Duration,
    },
    /// The graph in the directory is unusable.
    #[error(transparent)]
    Graph(#[from] qbb_graph::GraphError),
    /// The journal in the directory is unusable.
    #[error(transparent)]
    Journal(#[from] qbb::journal::JournalError),
}
