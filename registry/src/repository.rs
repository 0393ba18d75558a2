//! From a repository's configuration to its registry.

use qbb_datastore::{DatabaseUrl, RepositoryConfig};

use crate::error::RegistryError;
use crate::reader::RegistryReader;
use crate::reading::DatastoreTable;
use crate::sqlite::SqliteRegistry;
use crate::writer::RegistryWriter;

/// Kinds of databases that this version can open.
const SUPPORTED: &str = "sqlite";

/// Opens a repository's registry for reading.
///
/// # Errors
/// If the database is of a kind that is not supported, or as
/// [`SqliteRegistry::open_read`] says.
pub fn open_reader(config: &RepositoryConfig) -> Result<Box<dyn RegistryReader>, RegistryError> {
    let (path, datastore) = sqlite(config)?;
    Ok(Box::new(SqliteRegistry::open_read(&path, datastore)?))
}

/// Opens a repository's registry for writing.
///
/// # Errors
/// If the database is of a kind that is not supported, or as
/// [`SqliteRegistry::open_write`] says.
pub fn open_writer(config: &RepositoryConfig) -> Result<Box<dyn RegistryWriter>, RegistryError> {
    let (path, datastore) = sqlite(config)?;
    Ok(Box::new(SqliteRegistry::open_write(&path, datastore)?))
}

fn sqlite(
    config: &RepositoryConfig,
) -> Result<(camino::Utf8PathBuf, DatastoreTable), RegistryError> {
    let url: &DatabaseUrl = &config.registry.database;
    let path = url.sqlite_path().ok_or_else(|| RegistryError::UnsupportedDatabase {
        database: url.redacted(),
        kind: match url.dialect() {
            "" => "unnamed".to_owned(),
            "sqlite" => "in-memory sqlite".to_owned(),
            dialect => dialect.to_owned(),
        },
        supported: SUPPORTED,
    })?;
    let datastore = DatastoreTable {
        name: config.datastore.name.clone(),
        records_table: config.datastore.records_table.clone(),
    };
    Ok((path, datastore))
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

    #[test]
    fn other_databases_are_refused_without_showing_passwords() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let yaml = "datastore: {root: <butlerRoot>}\n\
                    registry: {db: 'postgresql+psycopg://me:secret@host/db'}\n";
        fs_err::write(root.join("butler.yaml"), yaml).unwrap();
        let config = RepositoryConfig::open(root.as_str()).unwrap();
        let message = open_reader(&config).err().unwrap().to_string();
        assert_eq!(
            message,
            "postgresql+psycopg://***@host/db: postgresql registries are not supported in this \
             version; supported: sqlite"
        );
        assert!(open_writer(&config).is_err());
    }
}
