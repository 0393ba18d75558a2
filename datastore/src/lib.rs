//! Artifacts: URIs, path templates, records and atomic writes; knows no registries and no graphs.

mod config_tree;
mod database_url;
mod defaults;
mod repository;
mod repository_index;
mod uri;

pub use config_tree::ConfigTreeError;
pub use database_url::DatabaseUrl;
pub use repository::{
    DatastoreConfig, IndexAnswer, RegistryConfig, RepositoryConfig, RepositoryError,
};
pub use repository_index::{RepositoryIndex, RepositoryIndexError};
pub use uri::{ArtifactUri, UriError};
