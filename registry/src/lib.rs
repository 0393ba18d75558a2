//! Repository databases, read and written; the only crate that links a database driver, and it
//! knows nothing of graphs or execution.

mod catalog;
mod changes;
mod collection;
#[cfg(any(test, feature = "conformance"))]
#[expect(clippy::unwrap_used, reason = "a failed check panics")]
pub mod conformance;
mod error;
mod filter;
mod glob;
mod new_repository;
#[cfg(feature = "postgres")]
mod postgres;
mod reader;
mod reading;
mod repository;
mod repository_folder;
mod schema;
mod sqlite;
mod writer;
mod writing;

pub use changes::{
    Association, ChainChange, ChainEdit, DataIdColumns, DatasetBatch, Decertified, NewCollection,
    RemovedCollections, StoredFile, Trash, TrashedFile, TrueSize,
};
pub use collection::{Collection, CollectionCatalog, CollectionIx, CollectionKind};
pub use error::{Conflict, ConflictKind, RegistryError};
pub use filter::{CellRange, CellSet, Filter};
pub use glob::{Glob, NamePattern, is_glob};
pub use new_repository::{NewDatabase, NewRepository, create};
#[cfg(feature = "postgres")]
pub use postgres::PostgresRegistry;
pub use reader::{
    CalibrationRows, DatasetRows, DatastoreContents, DatastoreRecordRows, OverlapRows,
    RegisteredDatasetType, RegistryReader, Snapshot,
};
pub use reading::DatastoreTable;
pub use repository::{open_reader, open_writer, schema_versions};
pub use sqlite::SqliteRegistry;
pub use writer::{RegistryWriter, Transaction};
