//! An open SQLite registry.

use std::sync::Arc;
use std::time::Duration;

use camino::Utf8Path;
use qbb_dimensions::Universe;
use rusqlite::{Connection, TransactionBehavior};

use super::connection::DatabaseFile;
use super::rows::SqliteRows;
use super::transaction::SqliteTransaction;
use crate::error::RegistryError;
use crate::reader::{RegistryReader, Snapshot};
use crate::reading::{DatastoreTable, TableSnapshot};
use crate::schema::Access;
use crate::writer::{RegistryWriter, Transaction};
use crate::writing::TableTransaction;

/// A registry in a SQLite file.
///
/// Opened for reading it never creates or changes a file, and works where nothing can be written.
/// Opened for writing it waits for other writers, and keeps the rollback journal that the
/// middleware uses, because write-ahead logs fail on network file systems.
#[derive(Debug)]
pub struct SqliteRegistry {
    connection: Connection,
    pub(super) database: DatabaseFile,
    pub(super) universe: Arc<Universe>,
    pub(super) datastore: DatastoreTable,
    access: Access,
}

impl SqliteRegistry {
    /// Opens a database file for reading.
    ///
    /// # Errors
    /// If it does not exist, is no registry, or has a schema or a universe that is not known.
    pub fn open_read(
        database: &Utf8Path,
        datastore: DatastoreTable,
    ) -> Result<Self, RegistryError> {
        Self::open(database, datastore, Access::Read)
    }

    /// Opens a database file for writing, and reading.
    ///
    /// # Errors
    /// As for [`SqliteRegistry::open_read`], and if the file cannot be written. Registries with an
    /// older schema can be read, but not written.
    pub fn open_write(
        database: &Utf8Path,
        datastore: DatastoreTable,
    ) -> Result<Self, RegistryError> {
        Self::open(database, datastore, Access::Write)
    }

    fn open(
        database: &Utf8Path,
        datastore: DatastoreTable,
        access: Access,
    ) -> Result<Self, RegistryError> {
        let database = DatabaseFile::new(database);
        let (connection, attributes) = database.open(access)?;
        let Some(config) = attributes.universe() else {
            return Err(RegistryError::NotFound {
                path: database.path,
                reason: "the registry has no dimension universe".to_owned(),
            });
        };
        let universe = Universe::from_json(config).map_err(|source| {
            RegistryError::UnknownUniverse { database: database.path.to_string(), source }
        })?;
        Ok(Self { connection, database, universe, datastore, access })
    }

    /// The repository's universe.
    pub fn universe(&self) -> &Arc<Universe> {
        &self.universe
    }

    /// Sets how long to wait for another process that keeps the database locked, at first one
    /// minute.
    ///
    /// # Errors
    /// If the database cannot be told.
    pub fn set_wait(&mut self, wait: Duration) -> Result<(), RegistryError> {
        self.connection
            .busy_timeout(wait)
            .map_err(|error| self.database.failure("set the waiting time", error))?;
        self.database.wait = wait;
        Ok(())
    }

    /// Makes large transactions spill into the file before their commit.
    #[cfg(test)]
    pub(super) fn limit_cache_for_test(&self) {
        self.connection.pragma_update(None, "cache_size", 10).unwrap();
    }
}

impl RegistryReader for SqliteRegistry {
    fn universe(&self) -> &Arc<Universe> {
        &self.universe
    }

    fn snapshot(&mut self) -> Result<Box<dyn Snapshot + '_>, RegistryError> {
        let Self { connection, database, universe, datastore, .. } = self;
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Deferred)
            .map_err(|error| database.failure("begin a transaction", error))?;
        // The moment is that of the first statement, so it is made now.
        transaction
            .query_row("SELECT count(*) FROM opaque_meta", [], |_| Ok(()))
            .map_err(|error| database.failure("begin a transaction", error))?;
        let rows = SqliteRows { connection: transaction, database };
        Ok(Box::new(TableSnapshot::new(rows, universe, datastore)))
    }
}

impl RegistryWriter for SqliteRegistry {
    fn universe(&self) -> &Arc<Universe> {
        &self.universe
    }

    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>, RegistryError> {
        if self.access != Access::Write {
            return Err(RegistryError::ReadOnly {
                database: self.database.path.to_string(),
                reason: "it was opened for reading".to_owned(),
            });
        }
        let Self { connection, database, universe, datastore, .. } = self;
        // Taking the write lock at once avoids the dead end of two readers that both want it.
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| database.failure("begin a transaction", error))?;
        let source = SqliteTransaction::new(transaction, database, universe, datastore);
        Ok(Box::new(TableTransaction::new(source, universe, datastore)))
    }
}
