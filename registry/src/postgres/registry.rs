//! An open PostgreSQL registry.

use std::sync::Arc;

use qbb_datastore::DatabaseUrl;
use qbb_dimensions::{KeyType, Universe};

use super::connection::Server;
use super::environment::Environment;
use super::rows::PostgresRows;
use super::settings::Settings;
use crate::error::RegistryError;
use crate::reader::{RegistryReader, Snapshot};
use crate::reading::{
    DatastoreTable, Dialect, Query, ResultRow as _, RowSource as _, TableSnapshot,
};
use crate::schema::{Access, Attributes};

/// A registry in a PostgreSQL database, for reading.
///
/// An account that may only read is enough: everything happens in transactions that are declared
/// so, and nothing is created, not even temporary tables.
pub struct PostgresRegistry {
    server: Server,
    schema: String,
    universe: Arc<Universe>,
    datastore: DatastoreTable,
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
        let settings = Settings::new(url.expose(), &Environment::of_process())?;
        let server = Server::connect(settings)?;
        let schema = match namespace {
            Some(schema) => schema.to_owned(),
            None => server.default_schema()?,
        };
        let attributes = read_attributes(&server, &schema)?;
        attributes.check(Access::Read).map_err(|problem| RegistryError::UnknownSchema {
            database: server.place.clone(),
            access: Access::Read.verb(),
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
        Ok(Self { server, schema, universe, datastore })
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
