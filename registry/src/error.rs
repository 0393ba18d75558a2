//! Errors of repositories.

use camino::Utf8PathBuf;

/// Why a repository could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// There is no repository at that place.
    #[error("no repository at {path}: {reason}")]
    NotFound {
        /// Where it was looked for.
        path: Utf8PathBuf,
        /// What is missing.
        reason: String,
    },
}
