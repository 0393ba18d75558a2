//! Artifacts: URIs, path templates, records and atomic writes; knows no registries and no graphs.

mod compiled_template;
mod config_tree;
mod database_url;
mod defaults;
mod format_spec;
mod formatter;
mod formatter_table;
mod lookup;
mod path_templates;
mod record;
mod repository;
mod repository_index;
mod template;
mod template_columns;
mod uri;

pub use compiled_template::{CompiledTemplate, FieldValue, RecordField, TemplateRow};
pub use config_tree::ConfigTreeError;
pub use database_url::DatabaseUrl;
pub use formatter::{Formatter, FormatterError, Formatters};
pub use lookup::LookupTarget;
pub use path_templates::{PathTemplates, PathTemplatesError};
pub use record::{DatastoreRecord, DatastoreRecords, RecordsError};
pub use repository::{
    DatastoreConfig, IndexAnswer, RegistryConfig, RepositoryConfig, RepositoryError,
};
pub use repository_index::{RepositoryIndex, RepositoryIndexError};
pub use template::{PathTemplate, TemplateError, TemplateProblem};
pub use template_columns::{TemplateColumns, TemplateColumnsRow};
pub use uri::{ArtifactUri, UriError};
