//! An open SQLite registry.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8Path;
use qbb_dimensions::Universe;
use rusqlite::{Connection, TransactionBehavior};

use super::connection::{CACHED_STATEMENTS, DatabaseFile, prepare_to_write};
use super::open_transaction::OpenTransaction;
use super::replacement::{Copied, Copy, inode_of, network_of};
use super::rows::SqliteRows;
use super::transaction::{Publication, SqliteTransaction};
use crate::error::RegistryError;
use crate::reader::{RegistryReader, Snapshot};
use crate::reading::{DatastoreTable, TableSnapshot};
use crate::schema::Access;
use crate::writer::{RegistryWriter, Transaction};
use crate::writing::TableTransaction;

/// A registry in a SQLite file.
///
/// Opened for reading it never creates or changes a file, and works where nothing can be written;
/// only what a killed writer has left half-way is undone, if that is possible.
/// Opened for writing it waits for other writers, and keeps the rollback journal that the
/// middleware uses, because write-ahead logs fail on network file systems.
#[derive(Debug)]
pub struct SqliteRegistry {
    connection: Connection,
    pub(super) database: DatabaseFile,
    pub(super) universe: Arc<Universe>,
    pub(super) datastore: DatastoreTable,
    access: Access,
    /// The file that the connection is to, which may have been replaced by another one.
    inode: u64,
    /// Connection to the copy that the last large transaction was in.
    copy: Option<Connection>,
    /// The folder for copies in which large transactions happen, if they do.
    in_copy: Option<PathBuf>,
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
        let inode = inode_of(&database.path)?;
        let in_copy = (access == Access::Write && network_of(&database.path).is_some())
            .then(std::env::temp_dir);
        Ok(Self { connection, database, universe, datastore, access, inode, copy: None, in_copy })
    }

    /// Parts of the schema with their classes and versions, known or not.
    pub(crate) fn schema_versions(
        database: &Utf8Path,
    ) -> Result<BTreeMap<String, String>, RegistryError> {
        Ok(DatabaseFile::new(database).read_attributes()?.versions())
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

    /// Connects again if the file was replaced by another one.
    fn refresh(&mut self) -> Result<bool, RegistryError> {
        let inode = inode_of(&self.database.path)?;
        if inode == self.inode {
            return Ok(false);
        }
        let (connection, _) = self.database.open(self.access)?;
        self.connection = connection;
        self.inode = inode;
        Ok(true)
    }

    /// Begins a transaction that holds the write lock of the file that has its name now.
    fn lock(&mut self) -> Result<(), RegistryError> {
        if self.access != Access::Write {
            return Err(RegistryError::ReadOnly {
                database: self.database.path.to_string(),
                reason: "it was opened for reading".to_owned(),
            });
        }
        self.refresh()?;
        loop {
            // While the lock was waited for, a copy may have taken the file's place.
            let lock = OpenTransaction::begin(&self.connection)
                .map_err(|error| self.database.failure("begin a transaction", error))?;
            if inode_of(&self.database.path)? == self.inode {
                lock.leave();
                return Ok(());
            }
            drop(lock);
            self.refresh()?;
        }
    }

    /// Has large transactions happen in a copy, as on a network file system.
    #[cfg(test)]
    pub(super) fn write_in_copy_for_test(&mut self) {
        self.in_copy = Some(std::env::temp_dir());
    }

    /// As that, where there is no room for a copy.
    #[cfg(test)]
    pub(super) fn write_without_room_for_test(&mut self) {
        self.in_copy = Some(PathBuf::from("/nonexistent"));
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
        self.refresh()?;
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
        self.lock()?;
        let Self { connection, database, universe, datastore, .. } = self;
        let transaction = OpenTransaction::begun(connection);
        let source = SqliteTransaction::new(transaction, Publication::InPlace(None), database);
        Ok(Box::new(TableTransaction::new(source, universe, datastore).with_records_table()?))
    }

    fn begin_large(&mut self) -> Result<Box<dyn Transaction + '_>, RegistryError> {
        let Some(place) = self.in_copy.clone() else { return self.begin() };
        self.lock()?;
        let Self { connection, database, universe, datastore, copy, .. } = self;
        let lock = OpenTransaction::begun(connection);
        let (transaction, publication) = match Copy::of(&database.path, &place)? {
            Copied::Made(made) => {
                let fail = |error| database.failure("open a copy of the database", error);
                let copy = copy.insert(open_copy(&made.path).map_err(fail)?);
                let transaction = OpenTransaction::begin(copy).map_err(fail)?;
                (transaction, Publication::Replacement(made.replacing(lock, database)))
            }
            Copied::InPlace(open) => (lock, Publication::InPlace(Some(open))),
        };
        let source = SqliteTransaction::new(transaction, publication, database);
        Ok(Box::new(TableTransaction::new(source, universe, datastore).with_records_table()?))
    }
}

/// Opens a copy that is worth nothing if this process or host ends.
fn open_copy(path: &Utf8Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    prepare_to_write(&connection)?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    Ok(connection)
}
