//! Errors of repositories.

use std::time::Duration;

use camino::Utf8PathBuf;
use qbb_dimensions::UniverseError;

use crate::collection::CollectionKind;

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
    /// A repository was to be created where something stands already.
    #[error("{path} exists already; a repository is only created where there is none")]
    AlreadyExists {
        /// The file or folder that is in the way.
        path: Utf8PathBuf,
    },
    /// A file or folder could not be read or written.
    #[error("cannot {action}")]
    Io {
        /// What was attempted.
        action: String,
        /// The system's error; it names the path.
        source: std::io::Error,
    },
    /// The database refused a statement.
    #[error("{database}: cannot {action}")]
    Database {
        /// File or server.
        database: String,
        /// What was attempted.
        action: String,
        /// The driver's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A database server could not be reached, or would not go on.
    #[error("{database}: cannot {action}: {reason}; {advice}")]
    Server {
        /// The server and database.
        database: String,
        /// What was attempted.
        action: String,
        /// What the server or the system said.
        reason: String,
        /// What to do.
        advice: &'static str,
        /// The driver's error, if it was its own.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The URL of a database cannot be understood.
    #[error("the database URL {database} (`registry.db` in butler.yaml) is wrong: {reason}")]
    InvalidUrl {
        /// The URL, without credentials.
        database: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Credentials or certificates for a database cannot be used.
    #[error("credentials in {place}: {reason}")]
    Credentials {
        /// The file or variable; never what is in it.
        place: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The database holds no registry where one is looked for.
    #[error("{database}: no registry: {reason}")]
    NoRegistry {
        /// The server and database.
        database: String,
        /// What is missing, and what to do.
        reason: String,
    },
    /// The database is of a kind that is not built in.
    #[error(
        "{database}: {kind} registries cannot be {access} in this version; supported: {supported}"
    )]
    UnsupportedDatabase {
        /// The database, without credentials.
        database: String,
        /// What kind it is.
        kind: String,
        /// `read` or `written`.
        access: &'static str,
        /// Kinds that are supported.
        supported: &'static str,
    },
    /// The registry's schema is of a version, or managed by a class, that is not known.
    #[error("{database}: cannot {access} a registry whose {what} is {found}; known: {supported}")]
    UnknownSchema {
        /// File or server.
        database: String,
        /// `read` or `write`.
        access: &'static str,
        /// Which attribute of the schema.
        what: String,
        /// Its value in the database.
        found: String,
        /// Values with which that access is possible.
        supported: String,
    },
    /// The dimension configuration in the registry is not understood.
    #[error("{database}: the dimension universe in butler_attributes is not understood")]
    UnknownUniverse {
        /// File or server.
        database: String,
        /// What is wrong with it.
        source: UniverseError,
    },
    /// A universe that cannot be stored, or is not the repository's.
    #[error("dimension universe {namespace} {version}: {reason}")]
    UnsupportedUniverse {
        /// Namespace of the universe.
        namespace: String,
        /// Version of the universe.
        version: u32,
        /// Why it does not do.
        reason: String,
    },
    /// No collection of that name.
    #[error("unknown collection `{name}`{}", suggestion(.similar.as_deref()))]
    UnknownCollection {
        /// The name asked for.
        name: String,
        /// The nearest name there is.
        similar: Option<String>,
    },
    /// No dataset type of that name.
    #[error("unknown dataset type `{name}`{}", suggestion(.similar.as_deref()))]
    UnknownDatasetType {
        /// The name asked for.
        name: String,
        /// The nearest name there is.
        similar: Option<String>,
    },
    /// A CHAINED collection contains itself.
    #[error("collections form a cycle: {}", .names.join(" → "))]
    CollectionCycle {
        /// The chains from the repeated one to itself.
        names: Vec<String>,
    },
    /// A collection is of the wrong type for an operation.
    #[error("collection `{name}` is {found}, but {action} needs {needed}")]
    WrongCollectionKind {
        /// The collection.
        name: String,
        /// Its type.
        found: CollectionKind,
        /// What was attempted.
        action: &'static str,
        /// The types that would do.
        needed: &'static str,
    },
    /// Something is to be removed on which something else depends.
    #[error("{what} cannot be removed: {by}")]
    InUse {
        /// What was to be removed.
        what: String,
        /// What depends on it.
        by: String,
    },
    /// A dimension element has no rows of that sort in the database.
    #[error("the registry stores no {what} of `{element}`")]
    NotStored {
        /// The element.
        element: String,
        /// Records or overlaps.
        what: &'static str,
    },
    /// The repository can only be read.
    #[error("{database} cannot be written: {reason}")]
    ReadOnly {
        /// File or server.
        database: String,
        /// Why.
        reason: String,
    },
    /// Somebody else kept the database locked.
    #[error(
        "{database} was locked by {} for {} s; try again when it has finished",
        .holder.as_deref().unwrap_or("another process"),
        .waited.as_secs_f32()
    )]
    Busy {
        /// File or server.
        database: String,
        /// How long was waited.
        waited: Duration,
        /// Who holds it, as far as this host knows.
        holder: Option<String>,
    },
    /// Other clients' changes came in between; the transaction is undone.
    #[error("{database}: cannot {action} because of what others do there: {reason}; try again")]
    Contended {
        /// The server and database.
        database: String,
        /// What was attempted.
        action: String,
        /// What the server said.
        reason: String,
    },
    /// The database holds what its schema does not allow.
    #[error("{database}: table `{table}`, row {row} of the query, column `{column}`: {reason}")]
    Corrupt {
        /// File or server.
        database: String,
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Number of the row in the query's result, from 0.
        row: u64,
        /// What is wrong with the value.
        reason: String,
    },
    /// Something else is registered under the same key.
    #[error(transparent)]
    Conflict(Box<Conflict>),
    /// A row refers to a dimension record that is not in the repository.
    #[error("{what} refers to {dimension} {data_id}, of which the repository has no record")]
    MissingRecord {
        /// What was inserted.
        what: String,
        /// The dimension without a record.
        dimension: String,
        /// The data ID of the missing record.
        data_id: String,
    },
    /// Data handed over for writing contradicts itself or the schema.
    #[error("{what}: {reason}")]
    Invalid {
        /// What was to be written.
        what: String,
        /// Why it cannot be.
        reason: String,
    },
    /// An earlier operation of the transaction failed, so it cannot be committed.
    #[error("the transaction cannot be committed because `{operation}` failed in it")]
    Aborted {
        /// The operation that failed.
        operation: &'static str,
    },
}

/// Two definitions that cannot both be true.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {key} is {existing} in the repository, and cannot also be {requested}")]
pub struct Conflict {
    /// What sort of thing.
    pub kind: ConflictKind,
    /// The key that both have.
    pub key: String,
    /// What the repository has under that key.
    pub existing: String,
    /// What was to be written.
    pub requested: String,
}

/// What two definitions are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConflictKind {
    /// A dimension record.
    DimensionRecord,
    /// A dataset type.
    DatasetType,
    /// A collection.
    Collection,
    /// A dataset, by UUID.
    Dataset,
    /// A data ID in a RUN or TAGGED collection.
    DataId,
    /// A validity range in a CALIBRATION collection.
    Certification,
    /// A row of the datastore's record table.
    DatastoreRecord,
}

impl std::fmt::Display for ConflictKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::DimensionRecord => "dimension record",
            Self::DatasetType => "dataset type",
            Self::Collection => "collection",
            Self::Dataset => "dataset",
            Self::DataId => "data ID",
            Self::Certification => "certification",
            Self::DatastoreRecord => "datastore record",
        })
    }
}

impl From<Conflict> for RegistryError {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(Box::new(conflict))
    }
}

fn suggestion(similar: Option<&str>) -> String {
    similar.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}
