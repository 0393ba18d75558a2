//! Artifacts: URIs, path templates, records and atomic writes; knows no registries and no graphs.

mod artifact;
mod artifact_archive;
mod artifact_identity;
mod checksum;
mod compiled_template;
mod config_tree;
pub mod conformance;
mod database_url;
mod defaults;
pub mod disk;
mod exclusive_completion;
mod format_spec;
mod formatter;
mod formatter_table;
mod local_folders;
mod local_store;
mod lookup;
mod many;
mod object_artifacts;
mod object_download;
mod object_error;
mod object_files;
mod object_reader;
mod outside_file;
mod path_templates;
mod record;
mod remembered_release;
mod repository;
mod repository_error;
mod repository_index;
mod retrieval;
mod retrieval_folder;
mod retrieval_objects;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "s3")]
mod s3_settings;
mod staged_artifact;
mod store_error;
mod stores;
mod template;
mod template_columns;
mod uri;
mod uri_text;
mod zip_member;

pub use artifact::{
    ArtifactPath, ArtifactReader, ArtifactStore, IfExists, ListedArtifact, PutOptions,
};
pub use artifact_archive::{INDEX_NAME, archived_artifacts};
pub use artifact_identity::ArtifactIdentity;
pub use checksum::{checksum, checksum_of_file};
pub use compiled_template::{CompiledTemplate, FieldValue, RecordField, TemplateRow};
pub use config_tree::ConfigTreeError;
pub use database_url::DatabaseUrl;
pub use formatter::{Formatter, FormatterError, Formatters};
pub use local_store::{Consent, LocalStore};
pub use lookup::LookupTarget;
pub use many::for_many;
pub use object_artifacts::ObjectStoreArtifacts;
pub use outside_file::{PlacedFile, Placing};
pub use path_templates::{PathTemplates, PathTemplatesError};
pub use record::{DatastoreRecord, DatastoreRecords, RecordsError};
pub use remembered_release::{RELEASE_SETTING, lasting_place};
pub use repository::{DatastoreConfig, RegistryConfig, RepositoryConfig};
pub use repository_error::{IndexAnswer, RepositoryError};
pub use repository_index::{RepositoryIndex, RepositoryIndexError};
pub use retrieval::{Retrieval, RetrievalSource, TransferMode};
pub use retrieval_folder::RetrievalFolder;
pub use staged_artifact::StagedArtifact;
pub use store_error::StoreError;
pub use stores::{LocalFile, Origins, open_store};
pub use template::{PathTemplate, TemplateError, TemplateProblem};
pub use template_columns::{TemplateColumns, TemplateColumnsRow};
pub use uri::{ArtifactUri, UriError};
