//! From a repository's configuration to its registry.

use std::collections::BTreeMap;

use qbb_datastore::RepositoryConfig;

use crate::error::RegistryError;
#[cfg(feature = "postgres")]
use crate::postgres::PostgresRegistry;
use crate::reader::RegistryReader;
use crate::reading::DatastoreTable;
use crate::sqlite::SqliteRegistry;
use crate::writer::RegistryWriter;

/// Kinds of databases that can be read and written.
const SUPPORTED: &str = if cfg!(feature = "postgres") { "sqlite, postgresql" } else { "sqlite" };

/// Opens a repository's registry for reading.
///
/// # Errors
/// If the database is of a kind that is not supported, or as [`SqliteRegistry::open_read`] and
/// `PostgresRegistry::open_read` say.
pub fn open_reader(config: &RepositoryConfig) -> Result<Box<dyn RegistryReader>, RegistryError> {
    #[cfg(feature = "postgres")]
    if config.registry.database.dialect() == "postgresql" {
        let (url, namespace) = (&config.registry.database, config.registry.namespace.as_deref());
        return Ok(Box::new(PostgresRegistry::open_read(url, namespace, datastore(config))?));
    }
    let path = sqlite(config, "read")?;
    Ok(Box::new(SqliteRegistry::open_read(&path, datastore(config))?))
}

/// Opens a repository's registry for writing.
///
/// # Errors
/// If the database is of a kind that is not supported, or as [`SqliteRegistry::open_write`] and
/// `PostgresRegistry::open_write` say.
pub fn open_writer(config: &RepositoryConfig) -> Result<Box<dyn RegistryWriter>, RegistryError> {
    #[cfg(feature = "postgres")]
    if config.registry.database.dialect() == "postgresql" {
        let (url, namespace) = (&config.registry.database, config.registry.namespace.as_deref());
        return Ok(Box::new(PostgresRegistry::open_write(url, namespace, datastore(config))?));
    }
    let path = sqlite(config, "written")?;
    Ok(Box::new(SqliteRegistry::open_write(&path, datastore(config))?))
}

/// Parts of a registry's schema by role, each with its class and version, whether they are known or
/// not.
///
/// # Errors
/// If the database cannot be read or holds no registry.
pub fn schema_versions(
    config: &RepositoryConfig,
) -> Result<BTreeMap<String, String>, RegistryError> {
    #[cfg(feature = "postgres")]
    if config.registry.database.dialect() == "postgresql" {
        let namespace = config.registry.namespace.as_deref();
        return PostgresRegistry::schema_versions(&config.registry.database, namespace);
    }
    SqliteRegistry::schema_versions(&sqlite(config, "read")?)
}

fn datastore(config: &RepositoryConfig) -> DatastoreTable {
    DatastoreTable {
        name: config.datastore.name.clone(),
        records_table: config.datastore.records_table.clone(),
    }
}

fn sqlite(
    config: &RepositoryConfig,
    access: &'static str,
) -> Result<camino::Utf8PathBuf, RegistryError> {
    let url = &config.registry.database;
    url.sqlite_path().ok_or_else(|| RegistryError::UnsupportedDatabase {
        database: url.redacted(),
        kind: match url.dialect() {
            "" => "unnamed".to_owned(),
            "sqlite" => "in-memory sqlite".to_owned(),
            dialect => dialect.to_owned(),
        },
        access,
        supported: SUPPORTED,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8Path;
    use qbb_dimensions::Universe;

    const UNIVERSE: &str = include_str!("conformance/universe.json");

    #[test]
    fn a_new_repository_opens_by_its_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap().join("me");
        SqliteRegistry::create(&root, &Universe::from_json(UNIVERSE).unwrap()).unwrap();
        let config = RepositoryConfig::open(root.as_str()).unwrap();
        let mut writer = open_writer(&config).unwrap();
        writer.begin().unwrap().commit().unwrap();
        let mut reader = open_reader(&config).unwrap();
        assert_eq!(reader.universe().namespace(), "qbb_conformance");
        assert!(reader.snapshot().unwrap().collections().unwrap().collections.is_empty());
    }

    fn with_database(folder: &Utf8Path, url: &str) -> RepositoryConfig {
        let yaml =
            format!("datastore: {{root: <butlerRoot>}}\nregistry: {{db: '{url}', namespace: r}}\n");
        fs_err::write(folder.join("butler.yaml"), yaml).unwrap();
        RepositoryConfig::open(folder.as_str()).unwrap()
    }

    #[test]
    fn other_databases_are_refused_without_showing_passwords() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let config = with_database(root, "oracle://me:secret@host/db");
        let message = open_writer(&config).err().unwrap().to_string();
        assert_eq!(
            message,
            format!(
                "oracle://***@host/db: oracle registries cannot be written in this version; \
                 supported: {SUPPORTED}"
            )
        );
        let message = open_reader(&config).err().unwrap().to_string();
        assert!(message.contains("oracle registries cannot be read"), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }

    #[test]
    #[cfg(feature = "postgres")]
    fn a_server_that_is_not_there_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        // Nobody listens on the lowest port.
        let config = with_database(root, "postgresql://me:secret@127.0.0.1:1/db");
        match open_reader(&config).err().unwrap() {
            RegistryError::Server { database, action, advice, .. } => {
                assert_eq!(database, "postgresql://127.0.0.1:1/db");
                assert_eq!(action, "connect");
                assert!(advice.contains("check host, port"), "{advice}");
            }
            other => panic!("{other}"),
        }
    }
}
