//! Opening database files, and errors that name them.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use rusqlite::ffi::SQLITE_READONLY_ROLLBACK;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::holder::lock_holders;
use crate::error::RegistryError;
use crate::schema::{Access, Attributes};

/// How long a writer waits for another one, and a reader for a commit, unless told otherwise.
pub(super) const DEFAULT_WAIT: Duration = Duration::from_secs(60);

/// Statements kept prepared. There are a few for each table in use.
pub(super) const CACHED_STATEMENTS: usize = 64;

/// Memory for pages of a database that is written, in KiB: pages of large indexes are touched in
/// random order, and those that do not fit are written again and again. With graph and journal of a
/// million datasets it must stay below 500 MB.
pub(super) const WRITER_CACHE_KIB: i64 = 96 * 1024;

/// Memory for pages while indexes are made; as much again is taken by each thread that sorts.
pub(super) const SORTER_CACHE_KIB: i64 = 16 * 1024;

/// Threads that may help sorting.
const SORTING_THREADS: i64 = 2;

/// The database a connection is to, for error messages.
#[derive(Debug, Clone)]
pub(super) struct DatabaseFile {
    pub(super) path: Utf8PathBuf,
    pub(super) wait: Duration,
}

impl DatabaseFile {
    pub(super) fn new(path: &Utf8Path) -> Self {
        Self { path: path.to_owned(), wait: DEFAULT_WAIT }
    }

    /// An error of the driver, sorted by what the user can do about it.
    pub(super) fn failure(&self, action: &str, source: rusqlite::Error) -> RegistryError {
        let database = self.path.to_string();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                let holder = lock_holders(&self.path);
                RegistryError::Busy { database, waited: self.wait, holder }
            }
            Some(_) if is_unfinished(&source) => RegistryError::ReadOnly {
                database,
                reason: "a writer was killed, and what it has left must be undone by somebody who \
                         may write the file and its folder: open the repository as such once"
                    .to_owned(),
            },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => RegistryError::ReadOnly {
                database,
                reason: format!("the file or its folder is read-only ({source})"),
            },
            // SQLite does not say why. Opening the file to find out would end locks of this process.
            Some(ErrorCode::CannotOpen)
                if rustix::fs::access(self.path.as_std_path(), rustix::fs::Access::READ_OK)
                    .is_err() =>
            {
                RegistryError::Io {
                    action: format!("read {database}"),
                    source: std::io::ErrorKind::PermissionDenied.into(),
                }
            }
            _ => RegistryError::Database {
                database,
                action: action.to_owned(),
                source: Box::new(source),
            },
        }
    }

    /// Opens the file for an access and reads the attributes, which must allow it. Never creates
    /// a file.
    pub(super) fn open(&self, access: Access) -> Result<(Connection, Attributes), RegistryError> {
        let missing = |reason: String| RegistryError::NotFound { path: self.path.clone(), reason };
        match fs_err::metadata(&self.path) {
            Ok(metadata) if !metadata.is_file() => {
                return Err(missing("the registry database is not a file".to_owned()));
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(missing("the registry database does not exist".to_owned()));
            }
            Err(source) => {
                return Err(RegistryError::Io {
                    action: "open the registry database".to_owned(),
                    source,
                });
            }
        }
        let fail = |error| self.failure("open the database", error);
        let connection = match access {
            Access::Read => self.connect_to_read(),
            Access::Write => self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE),
        };
        let connection = connection.map_err(fail)?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        if access == Access::Write {
            // SQLite opens a file it cannot write for reading, and complains later.
            if connection.is_readonly("main").map_err(fail)? {
                return Err(RegistryError::ReadOnly {
                    database: self.path.to_string(),
                    reason: "no permission to write the file".to_owned(),
                });
            }
            prepare_to_write(&connection).map_err(fail)?;
        }
        let attributes = self.attributes(&connection)?;
        attributes.check(access).map_err(|problem| RegistryError::UnknownSchema {
            database: self.path.to_string(),
            access: access.verb(),
            what: problem.what,
            found: problem.found,
            supported: problem.supported,
        })?;
        Ok((connection, attributes))
    }

    /// Reads the attributes, whatever they allow.
    pub(super) fn read_attributes(&self) -> Result<Attributes, RegistryError> {
        let connection = self.connect_to_read();
        self.attributes(&connection.map_err(|error| self.failure("open the database", error))?)
    }

    fn connect(&self, mode: OpenFlags) -> rusqlite::Result<Connection> {
        // Without URI names, no character of the path has a meaning.
        let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(self.wait)?;
        Ok(connection)
    }

    /// Connects for reading. If a killed writer has left its transaction half-way, it is undone
    /// first, which only a connection that may write can do.
    fn connect_to_read(&self) -> rusqlite::Result<Connection> {
        let look = |connection: &Connection| {
            connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))
        };
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        match look(&connection) {
            Err(error) if is_unfinished(&error) => {
                look(&self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?)?;
                self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)
            }
            // Whatever else is wrong shows where it is read.
            _ => Ok(connection),
        }
    }

    fn attributes(&self, connection: &Connection) -> Result<Attributes, RegistryError> {
        let fail = |error| self.failure("read the attributes of the registry", error);
        if !connection.table_exists(None, "butler_attributes").map_err(fail)? {
            return Err(RegistryError::NotFound {
                path: self.path.clone(),
                reason: "the database has no table `butler_attributes`".to_owned(),
            });
        }
        let mut statement =
            connection.prepare("SELECT name, value FROM butler_attributes").map_err(fail)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(fail)?;
        Ok(Attributes(rows.collect::<Result<_, _>>().map_err(fail)?))
    }
}

/// Whether a file cannot be read because a transaction in it must be undone, by somebody who may
/// write.
fn is_unfinished(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_READONLY_ROLLBACK)
}

/// Settings of a connection that writes.
pub(super) fn prepare_to_write(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "threads", SORTING_THREADS)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)
}
