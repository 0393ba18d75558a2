//! An open PostgreSQL registry.

use std::collections::BTreeMap;
use std::sync::Arc;

use qbb_datastore::DatabaseUrl;
use qbb_dimensions::{KeyType, Universe};

use super::connection::Server;
use super::environment::Environment;
use super::privileges::check_privileges;
use super::rows::PostgresRows;
use super::settings::Settings;
use super::transaction::PostgresTransaction;
use crate::error::RegistryError;
use crate::reader::{RegistryReader, Snapshot};
use crate::reading::{
    DatastoreTable, Dialect, Query, ResultRow as _, RowSource as _, TableSnapshot,
};
use crate::schema::{Access, Attributes};
use crate::writer::{RegistryWriter, Transaction};
use crate::writing::TableTransaction;

/// A registry in a PostgreSQL database.
///
/// For reading, an account that may only read is enough: everything happens in transactions that are
/// declared so, and nothing is created, not even temporary tables.
///
/// For writing, an account needs SELECT, INSERT, UPDATE and DELETE on the tables and USAGE of the
/// sequences, and may make temporary tables. Only the first dataset type with some set of dimensions
/// needs a table of its own, hence CREATE on the schema.
pub struct PostgresRegistry {
    server: Server,
    schema: String,
    universe: Arc<Universe>,
    datastore: DatastoreTable,
    access: Access,
}

impl PostgresRegistry {
    /// Connects to a database. `namespace` is the schema that the tables lie in, by default the
    /// first one of the account's search path that exists.
    ///
    /// Credentials and settings come from the same places as for the middleware's clients: the
    /// URL, `db-auth.yaml`, PostgreSQL's environment variables and `~/.pgpass`.
    ///
    /// # Errors
    /// If the URL or the credentials are wrong, the server cannot be reached or refuses, there is
    /// no registry, or it has a schema or a universe that is not known.
    pub fn open_read(
        url: &DatabaseUrl,
        namespace: Option<&str>,
        datastore: DatastoreTable,
    ) -> Result<Self, RegistryError> {
        Self::open(url, namespace, datastore, Access::Read)
    }

    /// Connects to a database for writing, and reading.
    ///
    /// # Errors
    /// As for [`PostgresRegistry::open_read`], and if the account may not write. Registries with an
    /// older schema can be read, but not written.
    pub fn open_write(
        url: &DatabaseUrl,
        namespace: Option<&str>,
        datastore: DatastoreTable,
    ) -> Result<Self, RegistryError> {
        Self::open(url, namespace, datastore, Access::Write)
    }

    /// Parts of the schema with their classes and versions, known or not.
    pub(crate) fn schema_versions(
        url: &DatabaseUrl,
        namespace: Option<&str>,
    ) -> Result<BTreeMap<String, String>, RegistryError> {
        let server = Server::connect(Settings::new(url.expose(), &Environment::of_process())?)?;
        let schema = match namespace {
            Some(schema) => schema.to_owned(),
            None => server.default_schema()?,
        };
        Ok(read_attributes(&server, &schema)?.versions())
    }

    fn open(
        url: &DatabaseUrl,
        namespace: Option<&str>,
        datastore: DatastoreTable,
        access: Access,
    ) -> Result<Self, RegistryError> {
        let settings = Settings::new(url.expose(), &Environment::of_process())?;
        let server = Server::connect(settings)?;
        let schema = match namespace {
            Some(schema) => schema.to_owned(),
            None => server.default_schema()?,
        };
        let attributes = read_attributes(&server, &schema)?;
        attributes.check(access).map_err(|problem| RegistryError::UnknownSchema {
            database: server.place.clone(),
            access: access.verb(),
            what: problem.what,
            found: problem.found,
            supported: problem.supported,
        })?;
        let config = attributes.universe().ok_or_else(|| RegistryError::NoRegistry {
            database: server.place.clone(),
            reason: format!("the registry in schema `{schema}` has no dimension universe"),
        })?;
        let universe = Universe::from_json(config).map_err(|source| {
            RegistryError::UnknownUniverse { database: server.place.clone(), source }
        })?;
        if access == Access::Write {
            check_privileges(&server, &schema)?;
        }
        Ok(Self { server, schema, universe, datastore, access })
    }
}

fn read_attributes(server: &Server, schema: &str) -> Result<Attributes, RegistryError> {
    server.begin()?;
    let rows = PostgresRows { server, schema };
    let dialect = Dialect::Postgres { schema };
    let columns = [("a", "name"), ("a", "value")];
    let mut query = Query::select(dialect, "butler_attributes", &columns);
    query.push(" FROM ").push_table("butler_attributes").push(" a");
    query.order_by([("a", "name", KeyType::Text)]);
    let mut attributes = Attributes::default();
    rows.each(&query, |row| {
        attributes.0.insert(row.text(0)?.to_owned(), row.text(1)?.to_owned());
        Ok(())
    })?;
    Ok(attributes)
}

impl RegistryReader for PostgresRegistry {
    fn universe(&self) -> &Arc<Universe> {
        &self.universe
    }

    fn snapshot(&mut self) -> Result<Box<dyn Snapshot + '_>, RegistryError> {
        self.server.begin()?;
        let rows = PostgresRows { server: &self.server, schema: &self.schema };
        Ok(Box::new(TableSnapshot::new(rows, &self.universe, &self.datastore)))
    }
}

impl RegistryWriter for PostgresRegistry {
    fn universe(&self) -> &Arc<Universe> {
        &self.universe
    }

    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>, RegistryError> {
        if self.access != Access::Write {
            return Err(RegistryError::ReadOnly {
                database: self.server.place.clone(),
                reason: "it was opened for reading".to_owned(),
            });
        }
        let source = PostgresTransaction::begin(&self.server, &self.schema)?;
        let transaction = TableTransaction::new(source, &self.universe, &self.datastore);
        Ok(Box::new(transaction.with_records_table()?))
    }
}
