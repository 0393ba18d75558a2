//! Registries in PostgreSQL: conformance, and what is particular about servers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests and their helpers")]
#![cfg(feature = "postgres")]

#[path = "../../tests/kit/postgres_server.rs"]
mod postgres_server;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use postgres_server::postgres;
use qbb_datastore::DatabaseUrl;
use qbb_dimensions::{DatasetType, Timespan, Universe};
use qbb_registry::conformance::{
    MakeRepository, RepositoryUnderTest, Sample, check_all, check_reading,
};
use qbb_registry::{
    Association, CollectionKind, ConflictKind, DatastoreTable, NewCollection, PostgresRegistry,
    RegistryError, RegistryReader, RegistryWriter,
};

/// An empty registry in a schema of its own.
struct Registry {
    schema: String,
}

impl Registry {
    fn new(universe: &Arc<Universe>) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let schema = format!("Schema {}", MADE.fetch_add(1, Ordering::Relaxed));
        let url = DatabaseUrl::new(&postgres().url);
        PostgresRegistry::create(&url, &schema, universe, &DatastoreTable::default()).unwrap();
        Self { schema }
    }

    fn filled() -> (Self, Sample) {
        let mut sample = Sample::new();
        let registry = Self::new(sample.universe());
        sample.fill(&mut *registry.writer());
        (registry, sample)
    }

    fn open_write(&self, url: &str) -> Result<PostgresRegistry, RegistryError> {
        let (url, datastore) = (DatabaseUrl::new(url), DatastoreTable::default());
        PostgresRegistry::open_write(&url, Some(&self.schema), datastore)
    }

    fn open_read(&self, url: &str) -> Result<PostgresRegistry, RegistryError> {
        let (url, datastore) = (DatabaseUrl::new(url), DatastoreTable::default());
        PostgresRegistry::open_read(&url, Some(&self.schema), datastore)
    }
}

impl RepositoryUnderTest for Registry {
    fn reader(&self) -> Box<dyn RegistryReader> {
        Box::new(self.open_read(&postgres().url).unwrap())
    }

    fn writer(&self) -> Box<dyn RegistryWriter> {
        Box::new(self.open_write(&postgres().url).unwrap())
    }
}

/// Runs statements as the owner.
fn sql(statements: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connected = tokio_postgres::connect(&postgres().url, tokio_postgres::NoTls).await;
        let (client, connection) = connected.unwrap();
        tokio::spawn(connection);
        client.batch_execute(statements).await.unwrap();
    });
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn run(name: &str) -> [NewCollection; 1] {
    let kind = CollectionKind::Run;
    [NewCollection { name: name.to_owned(), kind, doc: None, children: Vec::new() }]
}

#[test]
fn postgresql_registries_conform() {
    let make: MakeRepository<'_> = &|universe| Box::new(Registry::new(universe));
    check_all(make);
}

#[test]
fn a_registry_is_created_once() {
    let universe = Sample::new().universe().clone();
    let registry = Registry::new(&universe);
    let (url, datastore) = (DatabaseUrl::new(&postgres().url), DatastoreTable::default());
    let again = PostgresRegistry::create(&url, &registry.schema, &universe, &datastore);
    let again = again.unwrap_err();
    assert!(matches!(again, RegistryError::AlreadyExists { .. }), "{again}");
    assert!(again.to_string().contains(&registry.schema), "{again}");
}

/// All steps are about the same account, one after the other.
#[test]
fn an_account_is_told_what_to_ask_for() {
    let (registry, mut sample) = Registry::filled();
    let schema = format!("\"{}\"", registry.schema);
    let (port, password) = (postgres().port, &postgres().reader_password);
    let options = format!("sslmode=verify-full&sslrootcert={}", postgres().authority);
    let url = format!("postgresql://reader:{password}@localhost:{port}/butler?{options}");
    registry.open_read(&url).unwrap();
    let refused = || {
        let refused = registry.open_write(&url).err().unwrap();
        assert!(matches!(refused, RegistryError::ReadOnly { .. }), "{refused}");
        let refused = refused.to_string();
        assert!(!refused.contains(password.as_str()), "{refused}");
        refused
    };
    assert!(refused().contains("GRANT TEMPORARY ON DATABASE"), "{}", refused());
    sql("GRANT TEMPORARY ON DATABASE butler TO reader");
    assert!(refused().contains("`reader` has no INSERT on table `dataset`"), "{}", refused());
    sql(&format!("GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO reader"));
    let mut writer = registry.open_write(&url).unwrap();
    let numberless = writer.begin().unwrap().register_collections(&run("mine")).unwrap_err();
    assert!(numberless.to_string().contains("ask for USAGE of all sequences"), "{numberless}");
    sql(&format!("GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO reader"));
    sample.fill(&mut writer);
    let mut transaction = writer.begin().unwrap();
    assert_eq!(transaction.register_collections(&run("mine")).unwrap(), 1);
    transaction.prepend_to_chain("chain", &names(&["mine"])).unwrap();
    let mut wanted = DatasetType {
        name: "other".to_owned(),
        dimensions: sample.universe().conform(["sensor", "order"]).unwrap(),
        storage_class: "StructuredDataDict".to_owned(),
        is_calibration: false,
    };
    // Its dimensions have a table already.
    assert_eq!(transaction.register_dataset_types(&[wanted.clone()]).unwrap(), 1);
    transaction.commit().unwrap();
    wanted.name = "another".to_owned();
    wanted.dimensions = sample.universe().conform(["filter"]).unwrap();
    let refused = writer.begin().unwrap().register_dataset_types(&[wanted]).unwrap_err();
    match refused {
        RegistryError::Server { advice, .. } => {
            assert!(advice.contains("ask for CREATE on the schema"), "{advice}");
        }
        other => panic!("{other}"),
    }
    let universe = sample.universe();
    let created = PostgresRegistry::create(
        &DatabaseUrl::new(&url),
        "mine",
        universe,
        &DatastoreTable::default(),
    );
    let refused = created.unwrap_err().to_string();
    assert!(refused.contains("ask the administrator for a schema of your own"), "{refused}");
    // Nobody else may connect at all.
    let stranger = registry.open_write(&url.replace("reader", "stranger")).err().unwrap();
    let stranger = stranger.to_string();
    assert!(stranger.contains("no line for this combination"), "{stranger}");
    assert!(!stranger.contains(password.as_str()), "{stranger}");
    sql("CREATE DATABASE closed");
    sql("REVOKE CONNECT ON DATABASE closed FROM PUBLIC");
    let closed = registry.open_write(&url.replace("/butler", "/closed")).err().unwrap();
    assert!(closed.to_string().contains("ask for CONNECT on the database"), "{closed}");
}

#[test]
fn a_lost_connection_leaves_the_registry_as_it_was() {
    let (registry, _) = Registry::filled();
    let url = format!("{}?application_name=lost%20soon", postgres().url);
    let mut writer = registry.open_write(&url).unwrap();
    let mut transaction = writer.begin().unwrap();
    transaction.register_collections(&run("mine")).unwrap();
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'lost soon'");
    let lost = transaction.register_collections(&run("yours")).unwrap_err();
    match &lost {
        RegistryError::Server { advice, .. } => assert!(advice.contains("try again"), "{lost}"),
        other => panic!("{other}"),
    }
    let late = transaction.commit().unwrap_err();
    assert!(matches!(late, RegistryError::Aborted { .. }), "{late}");
    let closed = writer.begin().err().unwrap();
    assert!(matches!(closed, RegistryError::Server { .. }), "{closed}");
    check_reading(&mut *registry.reader());
}

/// Two transfers of which each brings what the other one brings, too.
#[test]
fn transactions_at_the_same_time_both_land() {
    let mut sample = Sample::new();
    let registry = Registry::new(sample.universe());
    let mut first = registry.writer();
    let mut transaction = first.begin().unwrap();
    sample.insert_all(&mut *transaction);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut writer = registry.writer();
            let mut transaction = writer.begin().unwrap();
            let new = Sample::new().insert_all(&mut *transaction);
            transaction.register_collections(&run("second")).unwrap();
            transaction.commit().unwrap();
            new
        });
        thread::sleep(Duration::from_millis(300));
        transaction.register_collections(&run("first")).unwrap();
        transaction.commit().unwrap();
        assert_eq!(waiting.join().unwrap(), 0, "the first one has inserted all of it");
    });
    let catalog = registry.reader().snapshot().unwrap().collections().unwrap();
    catalog.require("first").unwrap();
    catalog.require("second").unwrap();
}

#[test]
fn certifications_at_the_same_time_do_not_overlap() {
    let (registry, mut sample) = Registry::filled();
    let (keys, ids) = sample.flats();
    let keys = keys.map(|column| column[..1].to_vec());
    let certify = |begin: i64, hold: &dyn Fn()| {
        let mut writer = registry.writer();
        let mut transaction = writer.begin()?;
        let association = Association {
            dataset_type: "flat",
            collection: "calib",
            keys: &keys,
            id: &ids[..1],
            timespan: Some(&[Timespan::from((begin, begin + 100))]),
        };
        transaction.associate(&association, &sample.symbols)?;
        hold();
        transaction.commit()
    };
    let first_is_in = Barrier::new(2);
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            certify(1_000, &|| {
                first_is_in.wait();
                thread::sleep(Duration::from_millis(300));
            })
        });
        first_is_in.wait();
        let second = certify(1_050, &|| {});
        first.join().unwrap().unwrap();
        match second.unwrap_err() {
            RegistryError::Conflict(conflict) => {
                assert_eq!(conflict.kind, ConflictKind::Certification);
            }
            other => panic!("{other}"),
        }
    });
}

#[test]
fn a_dead_end_of_two_writers_is_told_to_one_of_them() {
    let (registry, _) = Registry::filled();
    let chain = |name: &str| NewCollection {
        name: name.to_owned(),
        kind: CollectionKind::Chained,
        doc: None,
        children: Vec::new(),
    };
    let mut writer = registry.writer();
    let mut transaction = writer.begin().unwrap();
    transaction.register_collections(&[chain("left"), chain("right")]).unwrap();
    transaction.commit().unwrap();
    let each_has_one = Barrier::new(2);
    let edit = |first: &str, second: &str| {
        let mut writer = registry.writer();
        let mut transaction = writer.begin().unwrap();
        transaction.prepend_to_chain(first, &names(&["run2"])).unwrap();
        each_has_one.wait();
        transaction.prepend_to_chain(second, &names(&["run2"]))?;
        transaction.commit()
    };
    let results = thread::scope(|scope| {
        let other = scope.spawn(|| edit("right", "left"));
        [edit("left", "right"), other.join().unwrap()]
    });
    let failed: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert!(matches!(&failed[..], [RegistryError::Contended { .. }]), "{failed:?}");
}
