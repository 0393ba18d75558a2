//! Releases whose registry is in PostgreSQL.

use std::process::{Command, Output};

use qbb_datastore::RepositoryConfig;
use qbb_registry::conformance::{Sample, check_reading};
use qbb_registry::{RegistryError, SqliteRegistry, open_reader, open_writer};

use crate::kit::{
    DEFAULTS, Prepared, Scratch, WHERE, command, pipeline, postgres, postgres_release, real_butler,
    script, succeeded,
};

/// Rows of a registry that was written by us, in tables that the middleware made.
#[test]
fn a_registry_reads_as_any_other() {
    let scratch = Scratch::new();
    let (sqlite, copy) = (scratch.path("sqlite"), scratch.path("copy"));
    let mut sample = Sample::new();
    SqliteRegistry::create(sqlite.as_str().into(), sample.universe()).unwrap();
    let config = RepositoryConfig::open(&sqlite).unwrap();
    sample.fill(&mut *open_writer(&config).unwrap());
    let database = ["--database", &postgres().url, "--schema", "conformance"];
    script("copy_registry.py", &[&[sqlite.as_str(), &copy], &database[..]].concat());
    let config = RepositoryConfig::open(&copy).unwrap();
    check_reading(&mut *open_reader(&config).unwrap());
    // What is there already is found, whoever has made the tables.
    sample.fill(&mut *open_writer(&config).unwrap());
    check_reading(&mut *open_reader(&config).unwrap());
}

/// The whole way from a release that cannot be written to a repository of one's own.
#[test]
fn a_pipeline_is_run_over_a_release() {
    let scratch = Scratch::new();
    let release = postgres_release().display().to_string();
    let Prepared { personal, submit } = Prepared::new(&scratch, "me", &release, "user");
    let run = |arguments: &[&str]| {
        succeeded("qbb", command().args(arguments).output().unwrap());
    };
    run(&["run", &submit]);
    run(&["transfer", &submit, "--inputs"]);
    script("check_repository.py", &[&personal]);
}

/// A repository like the shared release, with its own URL and schema.
fn repository(scratch: &Scratch, name: &str, url: &str, schema: &str) -> String {
    let release = postgres_release();
    let root = scratch.path(name);
    fs_err::create_dir(&root).expect("the folder is new");
    let yaml = format!(
        "datastore: {{root: '{}', name: 'FileDatastore@<butlerRoot>'}}\n\
         registry: {{db: '{url}', namespace: {schema}}}\n",
        release.display()
    );
    fs_err::write(format!("{root}/butler.yaml"), yaml).expect("the folder can be written");
    root
}

/// Builds with nothing but these variables about databases and the user's files.
fn build(scratch: &Scratch, repository: &str, variables: &[(&str, &str)]) -> Output {
    let (pipeline, graph) = (pipeline("user"), format!("{repository}/graph.qbb"));
    let mut command = command();
    for variable in ["PGPASSWORD", "PGUSER", "LSST_DB_AUTH", "LSST_DB_AUTH_CREDENTIALS"] {
        command.env_remove(variable);
    }
    command.env("HOME", scratch.path("home")).envs(variables.iter().copied());
    command.args(["graph", "build", "-b", repository, "-p", &pipeline, "-q", &graph]);
    command.args(["-i", crate::kit::RELEASED, "-d", WHERE, "--output-run", "u/me/run1"]);
    command.output().expect("the command can be run")
}

/// The error of a build that must fail; it must not show the password.
fn refused(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code();
    assert!(matches!(code, Some(3 | 4)), "{code:?}: {error}");
    assert!(!error.contains(&postgres().reader_password) && !error.contains("wrong!"), "{error}");
    // Lines are broken to fit the terminal.
    error.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}

#[test]
fn an_account_that_may_only_read_is_enough() {
    let server = postgres();
    let scratch = Scratch::new();
    let url = format!("postgresql+psycopg://reader@localhost:{}/butler", server.port);
    let repository = repository(&scratch, "release", &url, "release");

    let nowhere = refused(&build(&scratch, &repository, &[]));
    assert!(nowhere.contains("password missing") && nowhere.contains("db-auth.yaml"), "{nowhere}");
    let wrong = refused(&build(&scratch, &repository, &[("PGPASSWORD", "wrong!")]));
    assert!(wrong.contains("password authentication failed"), "{wrong}");
    assert!(wrong.contains(&format!("postgresql://localhost:{}/butler", server.port)), "{wrong}");

    let auth = scratch.path("auth.yaml");
    let entries = format!("- url: postgresql://local*\n  password: {}\n", server.reader_password);
    fs_err::write(&auth, entries).unwrap();
    let readable = refused(&build(&scratch, &repository, &[("LSST_DB_AUTH", &auth)]));
    assert!(readable.contains("others may read it"), "{readable}");
    succeeded("chmod", Command::new("chmod").args(["600", &auth]).output().unwrap());
    succeeded("db-auth.yaml", build(&scratch, &repository, &[("LSST_DB_AUTH", &auth)]));

    let home = scratch.path("home");
    fs_err::create_dir(&home).unwrap();
    let pgpass = format!("{home}/.pgpass");
    fs_err::write(&pgpass, format!("localhost:*:*:*:{}\n", server.reader_password)).unwrap();
    succeeded("chmod", Command::new("chmod").args(["600", &pgpass]).output().unwrap());
    succeeded(".pgpass", build(&scratch, &repository, &[]));

    // As campaigns have it in their jobs.
    let elsewhere = scratch.path("pgpass");
    fs_err::rename(&pgpass, &elsewhere).unwrap();
    refused(&build(&scratch, &repository, &[]));
    succeeded("PGPASSFILE", build(&scratch, &repository, &[("PGPASSFILE", &elsewhere)]));
    let password = &server.reader_password;
    let entries = format!(r#"[{{"url": "postgresql://local*", "password": "{password}"}}]"#);
    let entries = ("LSST_DB_AUTH_CREDENTIALS", entries.as_str());
    succeeded("credentials", build(&scratch, &repository, &[entries]));
    let url = format!("postgresql://localhost:{}/butler", server.port);
    let nobodys = self::repository(&scratch, "nobodys", &url, "release");
    let variables = [("PGUSER", "reader"), ("PGPASSFILE", elsewhere.as_str())];
    succeeded("PGUSER", build(&scratch, &nobodys, &variables));
}

#[test]
fn connections_are_as_safe_as_asked() {
    let server = postgres();
    let scratch = Scratch::new();
    let password = &server.reader_password;
    let attempt = |name: &str, host: &str, options: &str| {
        let place = format!("{host}:{}/butler?{options}", server.port);
        let url = format!("postgresql://reader:{password}@{place}");
        build(&scratch, &repository(&scratch, name, &url, "release"), &[])
    };
    let authority = format!("sslrootcert={}", server.authority);
    for (name, host, mode) in [
        ("plain", "127.0.0.1", "disable"),
        ("any", "127.0.0.1", "require"),
        ("authority", "127.0.0.1", "verify-ca"),
        ("host", "localhost", "verify-full"),
    ] {
        let file = if mode.starts_with("verify") { authority.as_str() } else { "" };
        let output = attempt(name, host, &format!("sslmode={mode}&{file}"));
        succeeded(mode, output);
    }
    let other =
        refused(&attempt("other", "127.0.0.1", &format!("sslmode=verify-full&{authority}")));
    assert!(other.contains("TLS") && other.contains("not valid for name"), "{other}");
    let stranger = kit_file("server.crt");
    let unknown =
        attempt("unknown", "localhost", &format!("sslmode=verify-ca&sslrootcert={stranger}"));
    let unknown = refused(&unknown);
    assert!(unknown.contains("TLS"), "{unknown}");
}

fn kit_file(name: &str) -> String {
    crate::kit::kit().join("certificates").join(name).display().to_string()
}

#[test]
fn errors_name_the_database_and_what_to_do() {
    let server = postgres();
    let scratch = Scratch::new();
    let owner = &server.url;
    let other = format!("postgresql://butler@127.0.0.1:{}/elsewhere", server.port);
    // Registries that take their time, or that not everybody may read.
    for (schema, source) in [("slow", "pg_sleep(60)"), ("closed", "pg_sleep(0)")] {
        execute(&format!("CREATE SCHEMA {schema}"));
        let columns = "'x'::text AS name, pg_sleep::text AS value";
        let view = format!("{schema}.butler_attributes AS SELECT {columns} FROM {source}");
        execute(&format!("CREATE VIEW {view}"));
    }
    execute("REVOKE SELECT ON closed.butler_attributes FROM reader");
    let place = format!("reader:{}@127.0.0.1:{}", server.reader_password, server.port);
    let reader = format!("postgresql://{place}/butler");
    let hurried = format!("{owner}?options=-c statement_timeout%3D200");
    for (name, url, schema, expected) in [
        ("schema", owner.clone(), "nothing", "schema `nothing` has no table `butler_attributes`"),
        ("database", other, "release", "check the name of the database"),
        ("time", hurried, "slow", "statement_timeout"),
        ("rights", reader, "closed", "ask for USAGE of the schema and SELECT"),
        ("option", format!("{owner}?sslmode=maybe"), "release", "`sslmode` is `maybe`"),
    ] {
        let output = build(&scratch, &repository(&scratch, name, &url, schema), &[]);
        let error = refused(&output);
        assert!(error.contains(expected), "{name}: {error}");
    }
}

/// Runs a statement on the server, as its owner.
fn execute(statement: &str) -> String {
    const EXECUTE: &str = "
import psycopg, sys
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    print(connection.execute(sys.argv[2]).rowcount)
";
    real_butler(EXECUTE, &[&postgres().url, statement]).trim().to_owned()
}

#[test]
fn a_snapshot_is_of_one_moment_and_its_loss_is_told() {
    let scratch = Scratch::new();
    let url = format!("{}?application_name=watched", postgres().url);
    let root = repository(&scratch, "release", &url, "release");
    let config = RepositoryConfig::open(&root).unwrap();
    let mut reader = open_reader(&config).unwrap();
    let names = |snapshot: &mut dyn qbb_registry::Snapshot| {
        let catalog = snapshot.collections().unwrap();
        catalog.iter().map(|(_, collection)| collection.name.clone()).collect::<Vec<_>>()
    };
    let mut snapshot = reader.snapshot().unwrap();
    // It is of the moment when it was made, not when it was first read.
    let insert = "INSERT INTO release.collection (collection_id, name, type) VALUES (100000, ";
    execute(&format!("{insert} 'later', 2)"));
    let before = names(&mut *snapshot);
    assert!(!before.contains(&"later".to_owned()));
    assert!(before.contains(&DEFAULTS.to_owned()));
    assert_eq!(names(&mut *snapshot), before);
    drop(snapshot);
    let mut snapshot = reader.snapshot().unwrap();
    assert!(names(&mut *snapshot).contains(&"later".to_owned()));
    execute("DELETE FROM release.collection WHERE collection_id = 100000");

    let activity = "FROM pg_stat_activity WHERE application_name = 'watched'";
    assert_eq!(execute(&format!("SELECT pg_terminate_backend(pid) {activity}")), "1");
    match snapshot.dataset_types().unwrap_err() {
        RegistryError::Server { advice, .. } => assert!(advice.contains("try again"), "{advice}"),
        other => panic!("{other}"),
    }
}
