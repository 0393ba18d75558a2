//! Errors of what changes a repository.

use qbb_datastore::StoreError;
use qbb_registry::RegistryError;

/// Why a repository could not be looked after.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpkeepError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The datastore.
    #[error(transparent)]
    Store(#[from] StoreError),
}
