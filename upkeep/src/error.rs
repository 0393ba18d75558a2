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
    /// A datastore that is not in a folder.
    #[error("the datastore at {root} cannot be reached: only local folders can")]
    NotLocal {
        /// Its root.
        root: String,
    },
    /// A condition on data IDs.
    #[error("datasets cannot be chosen by a condition on their data IDs yet")]
    Restriction,
    /// A search that finds the first of several datasets, where collections have no order.
    #[error(
        "`{pattern}` is a pattern, which gives collections no order in which a first dataset could \
         be found"
    )]
    NoOrder {
        /// The pattern.
        pattern: String,
    },
    /// Datasets of a CALIBRATION collection, of which none is the first without a time.
    #[error(
        "datasets of type `{dataset_type}` cannot be found first in CALIBRATION collection \
         `{collection}`: which one it is depends on a time"
    )]
    NeedsTime {
        /// The dataset type.
        dataset_type: String,
        /// The collection.
        collection: String,
    },
}
