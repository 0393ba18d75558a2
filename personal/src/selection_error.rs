//! Errors of bringing datasets from one repository into another.

use qbb_datastore::UriError;
use qbb_query::QueryError;
use qbb_registry::RegistryError;
use qbb_transfer::{TransactionError, TransferError};

/// Why nothing came; the repository is as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// The question cannot be answered.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The source cannot be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The destination refused.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// A record of the source's datastore is no place.
    #[error("a datastore record of the source: {0}")]
    Record(#[from] UriError),
    /// Both are the same repository.
    #[error("{place} is both the source and the destination")]
    Same {
        /// The repository.
        place: String,
    },
    /// They have different universes.
    #[error(
        "the destination has dimension universe {destination}, the source has {source_universe}"
    )]
    OtherUniverse {
        /// Namespace and version of the destination.
        destination: String,
        /// Namespace and version of the source.
        source_universe: String,
    },
    /// Datasets cannot be read as what is registered.
    #[error("nothing came: {reason}")]
    StorageClass {
        /// What stands in the way.
        reason: String,
    },
    /// Dataset types are not there and may not be registered.
    #[error("the destination lacks dataset types: {}", .names.join(", "))]
    Unregistered {
        /// Their names.
        names: Vec<String>,
    },
}

impl TransactionError for SelectionError {
    fn is_contended(&self) -> bool {
        match self {
            Self::Registry(error) => matches!(error, RegistryError::Contended { .. }),
            Self::Transfer(error) => error.is_contended(),
            _ => false,
        }
    }
}
