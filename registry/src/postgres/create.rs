//! Making the tables of a new registry.

use std::sync::Arc;

use camino::Utf8PathBuf;
use qbb_datastore::DatabaseUrl;
use qbb_dimensions::Universe;
use tokio_postgres::error::SqlState;

use super::connection::{Server, reason};
use super::environment::Environment;
use super::registry::PostgresRegistry;
use super::rows::copy_rows;
use super::settings::Settings;
use crate::error::RegistryError;
use crate::reading::{DatastoreTable, Dialect, Query, quoted};
use crate::schema::{Attributes, create_statements, records_table, static_tables};

/// The extension without which the middleware opens no registry.
const EXTENSION: &str = "btree_gist";

impl PostgresRegistry {
    /// Creates the tables of an empty registry in a schema, which is made if it is not there. All of
    /// it appears at once or not at all. `qbb_registry::create` does this and writes the
    /// repository's configuration.
    ///
    /// # Errors
    /// [`RegistryError::AlreadyExists`] if the schema holds a registry; other errors if the universe
    /// cannot be stored, the server cannot be reached, or the account may not create tables.
    pub fn create(
        url: &DatabaseUrl,
        schema: &str,
        universe: &Arc<Universe>,
        datastore: &DatastoreTable,
    ) -> Result<(), RegistryError> {
        let mut tables = static_tables(universe)?;
        tables.push(records_table(&datastore.records_table));
        let settings = Settings::new(url.expose(), &Environment::of_process())?;
        let server = Server::connect(settings)?;
        server.begin_write()?;
        let created = Creation { server: &server, schema }.run(&tables, universe, datastore);
        match created {
            Ok(()) => server.commit(),
            Err(error) => {
                server.end();
                Err(error)
            }
        }
    }
}

struct Creation<'s> {
    server: &'s Server,
    schema: &'s str,
}

impl Creation<'_> {
    fn run(
        &self,
        tables: &[crate::schema::Table],
        universe: &Universe,
        datastore: &DatastoreTable,
    ) -> Result<(), RegistryError> {
        let dialect = Dialect::Postgres { schema: self.schema };
        self.ensure_extension()?;
        self.ensure_schema()?;
        let statements: Vec<String> =
            tables.iter().flat_map(|table| create_statements(dialect, table)).collect();
        self.execute("create the tables of the registry", &statements.join(";\n"))?;
        let attributes = Attributes::of_new_registry(universe.config());
        let mut rows = Query::statement(dialect, "butler_attributes");
        rows.push("INSERT INTO ").push_table("butler_attributes").push(" (name, value) VALUES ");
        for (i, (name, value)) in attributes.0.into_iter().enumerate() {
            rows.push(if i == 0 { "(" } else { ", (" }).bind(name).push(", ").bind(value).push(")");
        }
        rows.push("; INSERT INTO ").push_table("opaque_meta").push(" (table_name) VALUES (");
        rows.bind(datastore.records_table.clone()).push(")");
        self.execute("write the attributes of the registry", &rows.sql)
    }

    /// Has the extension in the database.
    fn ensure_extension(&self) -> Result<(), RegistryError> {
        if self.finds("pg_extension", "pg_catalog.pg_extension e WHERE e.extname = ", EXTENSION)? {
            return Ok(());
        }
        self.server.change(&format!("CREATE EXTENSION {EXTENSION}")).map(|_| ()).map_err(|error| {
            RegistryError::Server {
                database: self.server.place.clone(),
                action: format!("create the extension {EXTENSION}"),
                reason: reason(&error),
                advice: "the middleware opens no registry in a database without it; ask the \
                         administrator to run `CREATE EXTENSION btree_gist` there",
                source: None,
            }
        })
    }

    fn ensure_schema(&self) -> Result<(), RegistryError> {
        let schemas = "pg_catalog.pg_namespace e WHERE e.nspname = ";
        if !self.finds("pg_namespace", schemas, self.schema)? {
            let sql = format!("CREATE SCHEMA {}", quoted(self.schema));
            return self.execute("create a schema", &sql);
        }
        let tables = "pg_catalog.pg_tables e WHERE e.tablename = 'butler_attributes' \
                      AND e.schemaname = ";
        if self.finds("pg_tables", tables, self.schema)? {
            let place = format!("a registry in {}, schema `{}`", self.server.place, self.schema);
            return Err(RegistryError::AlreadyExists { path: Utf8PathBuf::from(place) });
        }
        Ok(())
    }

    /// Whether a catalogue has a row.
    fn finds(&self, table: &str, from: &str, value: &str) -> Result<bool, RegistryError> {
        let mut query = Query::statement(Dialect::Postgres { schema: self.schema }, table);
        query.columns = vec!["found".to_owned()];
        query.push("SELECT 1::int8 FROM ").push(from).bind(value.to_owned());
        let mut found = false;
        copy_rows(self.server, self.schema, &query, |_| {
            found = true;
            Ok(())
        })?;
        Ok(found)
    }

    fn execute(&self, action: &str, sql: &str) -> Result<(), RegistryError> {
        self.server.change(sql).map(|_| ()).map_err(|error| match error.code() {
            Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => RegistryError::Server {
                database: self.server.place.clone(),
                action: action.to_owned(),
                reason: reason(&error),
                advice: "ask the administrator for a schema of your own: `CREATE SCHEMA name \
                         AUTHORIZATION account`, or CREATE on the database",
                source: None,
            },
            _ => self.server.failure(action, error),
        })
    }
}
