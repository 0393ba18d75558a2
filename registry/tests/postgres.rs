//! Registries in PostgreSQL: conformance, and what is particular about servers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests and their helpers")]
#![cfg(feature = "postgres")]

#[path = "../../tests/kit/postgres_server.rs"]
mod postgres_server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use postgres_server::postgres;
use qbb_datastore::DatabaseUrl;
use qbb_dimensions::Universe;
use qbb_registry::conformance::{MakeRepository, RepositoryUnderTest, Sample, check_all};
use qbb_registry::{
    DatastoreTable, PostgresRegistry, RegistryError, RegistryReader, RegistryWriter,
};

/// An empty registry in a schema of its own.
struct Registry {
    url: DatabaseUrl,
    schema: String,
}

impl Registry {
    fn new(universe: &Arc<Universe>) -> Self {
        let url = DatabaseUrl::new(&postgres().url);
        static MADE: AtomicU32 = AtomicU32::new(0);
        let schema = format!("Schema {}", MADE.fetch_add(1, Ordering::Relaxed));
        PostgresRegistry::create(&url, &schema, universe, &DatastoreTable::default()).unwrap();
        Self { url, schema }
    }
}

impl RepositoryUnderTest for Registry {
    fn reader(&self) -> Box<dyn RegistryReader> {
        let datastore = DatastoreTable::default();
        Box::new(PostgresRegistry::open_read(&self.url, Some(&self.schema), datastore).unwrap())
    }

    fn writer(&self) -> Box<dyn RegistryWriter> {
        let datastore = DatastoreTable::default();
        Box::new(PostgresRegistry::open_write(&self.url, Some(&self.schema), datastore).unwrap())
    }
}

#[test]
fn postgresql_registries_conform() {
    let make: MakeRepository<'_> = &|universe| Box::new(Registry::new(universe));
    check_all(make);
}

#[test]
fn an_account_that_may_only_read_is_told_what_to_ask_for() {
    let universe = Sample::new().universe().clone();
    let registry = Registry::new(&universe);
    let (port, password) = (postgres().port, &postgres().reader_password);
    let open = |options: &str| {
        let url = format!("postgresql://reader:{password}@localhost:{port}/butler{options}");
        let (url, datastore) = (DatabaseUrl::new(url), DatastoreTable::default());
        PostgresRegistry::open_read(&url, Some(&registry.schema), datastore.clone()).unwrap();
        let refused = PostgresRegistry::open_write(&url, Some(&registry.schema), datastore);
        let refused = refused.err().unwrap();
        assert!(!refused.to_string().contains(password.as_str()), "{refused}");
        assert!(matches!(refused, RegistryError::ReadOnly { .. }), "{refused}");
        refused.to_string()
    };
    let refused = open(&format!("?sslmode=verify-full&sslrootcert={}", postgres().authority));
    assert!(refused.contains("GRANT TEMPORARY ON DATABASE"), "{refused}");
}

#[test]
fn a_registry_is_created_once() {
    let universe = Sample::new().universe().clone();
    let registry = Registry::new(&universe);
    let datastore = DatastoreTable::default();
    let again = PostgresRegistry::create(&registry.url, &registry.schema, &universe, &datastore)
        .unwrap_err();
    assert!(matches!(again, RegistryError::AlreadyExists { .. }), "{again}");
    assert!(again.to_string().contains(&registry.schema), "{again}");
}
