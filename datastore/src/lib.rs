//! Artifacts: URIs, path templates, records and atomic writes; knows no registries and no graphs.

mod artifact;
mod checksum;
mod compiled_template;
mod config_tree;
pub mod conformance;
mod database_url;
mod defaults;
pub mod disk;
mod format_spec;
mod formatter;
mod formatter_table;
mod local_store;
mod lookup;
mod object_artifacts;
mod outside_file;
mod path_templates;
mod record;
mod remembered_release;
mod repository;
mod repository_index;
mod retrieval;
mod staged_artifact;
mod store_error;
mod template;
mod template_columns;
mod uri;
mod zip_member;

pub use artifact::{ArtifactPath, ArtifactStore, IfExists, ListedArtifact, PutOptions};
pub use checksum::{checksum, checksum_of_file};
pub use compiled_template::{CompiledTemplate, FieldValue, RecordField, TemplateRow};
pub use config_tree::ConfigTreeError;
pub use database_url::DatabaseUrl;
pub use formatter::{Formatter, FormatterError, Formatters};
pub use local_store::{Consent, LocalStore};
pub use lookup::LookupTarget;
pub use object_artifacts::ObjectStoreArtifacts;
pub use outside_file::{PlacedFile, Placing};
pub use path_templates::{PathTemplates, PathTemplatesError};
pub use record::{DatastoreRecord, DatastoreRecords, RecordsError};
pub use remembered_release::{RELEASE_SETTING, lasting_place};
pub use repository::{
    DatastoreConfig, IndexAnswer, RegistryConfig, RepositoryConfig, RepositoryError,
};
pub use repository_index::{RepositoryIndex, RepositoryIndexError};
pub use retrieval::{Retrieval, TransferMode, retrieve};
pub use staged_artifact::StagedArtifact;
pub use store_error::StoreError;
pub use template::{PathTemplate, TemplateError, TemplateProblem};
pub use template_columns::{TemplateColumns, TemplateColumnsRow};
pub use uri::{ArtifactUri, UriError};
