//! The tables of a new SQLite registry.

use std::sync::Arc;

use camino::Utf8Path;
use qbb_dimensions::Universe;
use rusqlite::{Connection, OpenFlags};

use super::connection::{DatabaseFile, prepare_to_write};
use crate::error::RegistryError;
use crate::reading::{DatastoreTable, Dialect};
use crate::schema::{Attributes, create_statements, records_table, static_tables};

/// The middleware's page size; larger rows than usual would want another.
const PAGE_SIZE: i64 = 4096;

/// Makes the file of an empty registry.
pub(crate) fn build_database(
    path: &Utf8Path,
    universe: &Arc<Universe>,
) -> Result<(), RegistryError> {
    let mut tables = static_tables(universe)?;
    let datastore = DatastoreTable::default();
    tables.push(records_table(&datastore.records_table));
    let database = DatabaseFile::new(path);
    // SQLite would have its file written by the owner alone, whatever the account's umask says.
    fs_err::OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(
        |source| RegistryError::Io { action: "make the registry's file".to_owned(), source },
    )?;
    let fill = || -> rusqlite::Result<()> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.pragma_update(None, "page_size", PAGE_SIZE)?;
        prepare_to_write(&connection)?;
        let transaction = connection.transaction()?;
        for statement in tables.iter().flat_map(|table| create_statements(Dialect::Sqlite, table)) {
            transaction.execute_batch(&statement)?;
        }
        let attributes = Attributes::of_new_registry(universe.config());
        for (name, value) in &attributes.0 {
            transaction.execute(
                "INSERT INTO butler_attributes (name, value) VALUES (?, ?)",
                [name, value],
            )?;
        }
        transaction.execute(
            "INSERT INTO opaque_meta (table_name) VALUES (?)",
            [&datastore.records_table],
        )?;
        transaction.commit()?;
        connection.close().map_err(|(_, error)| error)
    };
    fill().map_err(|error| database.failure("create the tables of the registry", error))
}
