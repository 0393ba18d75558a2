//! Errors of making repositories.

use camino::Utf8PathBuf;
use qbb_datastore::{RepositoryError, StoreError, UriError};
use qbb_dimensions::UniverseError;
use qbb_registry::RegistryError;

/// Why a repository was not made; there is none then, or the one that was there is as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// A registry refused.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The repository that is there cannot be opened.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// A repository is there, and another one is wanted.
    #[error(
        "{root} is a repository already, and another one: its {what} is {existing}, not {requested}"
    )]
    Different {
        /// The repository.
        root: Utf8PathBuf,
        /// What differs.
        what: &'static str,
        /// What it is there.
        existing: String,
        /// What was asked for.
        requested: String,
    },
    /// The datastore's root cannot be opened.
    #[error("the root of the datastore cannot be used: {0}")]
    DatastoreRoot(#[from] StoreError),
    /// The datastore's root is no place.
    #[error("the root of the datastore: {0}")]
    DatastorePlace(#[from] UriError),
    /// The folder of the datastore cannot be made.
    #[error("the root of the datastore cannot be made: {0}")]
    DatastoreFolder(#[source] std::io::Error),
    /// A name of a schema that the middleware cannot use.
    #[error(
        "`{schema}` cannot be the schema of a registry: the middleware has names of small letters, \
         digits and underscores only, since it writes some without quotes"
    )]
    Schema {
        /// The name.
        schema: String,
    },
    /// The release cannot tell which records are meant.
    #[error(transparent)]
    Query(#[from] qbb_query::QueryError),
    /// A dimension that the universe does not have.
    #[error(transparent)]
    Dimension(#[from] UniverseError),
    /// A dimension whose values stand for nothing of their own.
    #[error("`{dimension}` is no governor dimension, so nothing can be registered by its values")]
    NotGovernor {
        /// The dimension.
        dimension: String,
    },
    /// No record of that name, or that fits a pattern.
    #[error("the release has no {dimension} `{value}`{}", suggestion(.similar.as_deref()))]
    NoSuchRecord {
        /// The dimension.
        dimension: String,
        /// The name or pattern.
        value: String,
        /// The nearest name there is.
        similar: Option<String>,
    },
}

fn suggestion(similar: Option<&str>) -> String {
    similar.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}
