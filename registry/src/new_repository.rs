//! Making a new personal repository.

use std::io::Write as _;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use qbb_datastore::{ArtifactUri, DatabaseUrl, RELEASE_SETTING, RepositoryConfig};
use qbb_dimensions::Universe;
use serde_json::{Map, Value};

use crate::error::RegistryError;
#[cfg(feature = "postgres")]
use crate::postgres::PostgresRegistry;
#[cfg(feature = "postgres")]
use crate::reader::RegistryReader;
use crate::reading::DatastoreTable;
use crate::repository_folder::{CONFIG_NAME, DATABASE_NAME, NewFolder, io};
use crate::sqlite::{SqliteRegistry, build_database};
use crate::writer::RegistryWriter;

/// What stands for the repository's folder in its configuration.
const ROOT_TAG: &str = "<butlerRoot>";

/// A repository to make: what its configuration says and its registry begins with.
#[derive(Debug, Clone)]
pub struct NewRepository<'a> {
    /// Folder of `butler.yaml`, and of all that has no other place.
    pub root: &'a Utf8Path,
    /// Dimension universe, that of the release which datasets are to come from.
    pub universe: &'a Arc<Universe>,
    /// Where the registry is kept.
    pub database: NewDatabase<'a>,
    /// Where artifacts are kept; `None` is the folder.
    pub datastore_root: Option<&'a ArtifactUri>,
    /// The release, to be remembered: a label of the repository index, or a place.
    pub release: Option<&'a str>,
    /// The release's configuration. Its own storage classes and formatters are taken over: without
    /// them datasets of the release could be registered, and not be read.
    pub definitions: Option<&'a RepositoryConfig>,
}

/// Where a new repository keeps its registry.
#[derive(Debug, Clone, Copy)]
pub enum NewDatabase<'a> {
    /// In a SQLite file in its folder.
    Sqlite,
    /// In tables of a PostgreSQL database, in a schema of their own, which is made if it is not
    /// there.
    Postgres {
        /// The database. A password in it is used, and not written into the configuration.
        url: &'a DatabaseUrl,
        /// The schema.
        schema: &'a str,
    },
}

/// Creates an empty repository with a file datastore at `root`, with the dimension universe of the
/// release that it is to take datasets from.
///
/// # Errors
/// As for [`NewRepository::create`].
pub fn create(
    root: &Utf8Path,
    database: NewDatabase<'_>,
    universe: &Arc<Universe>,
) -> Result<(), RegistryError> {
    NewRepository { database, ..NewRepository::in_folder(root, universe) }.create(|_| Ok(()))
}

impl<'a> NewRepository<'a> {
    /// A repository with everything in one folder.
    pub fn in_folder(root: &'a Utf8Path, universe: &'a Arc<Universe>) -> Self {
        Self {
            root,
            universe,
            database: NewDatabase::Sqlite,
            datastore_root: None,
            release: None,
            definitions: None,
        }
    }

    /// Creates the repository and has its registry filled.
    ///
    /// It appears whole or not at all: it is built beside its folder (or, if that is a folder which
    /// holds something else, inside it) and renamed when it is filled. What an attempt has left
    /// that was killed, the next one removes. Tables in PostgreSQL are committed before, so if the
    /// folder then cannot be made they stay; the next attempt takes them if nothing is in them.
    ///
    /// # Errors
    /// [`RegistryError::AlreadyExists`] if there is a repository, or a registry in the schema; other
    /// errors if the universe cannot be stored, files cannot be written, or the database refuses;
    /// and those of `fill`.
    pub fn create<E: From<RegistryError>>(
        &self,
        fill: impl FnOnce(&mut dyn RegistryWriter) -> Result<(), E>,
    ) -> Result<(), E> {
        let folder = NewFolder::begin(self.root)?;
        self.write_config(&folder.stage().join(CONFIG_NAME))?;
        match self.database {
            NewDatabase::Sqlite => {
                let database = folder.stage().join(DATABASE_NAME);
                build_database(&database, self.universe)?;
                let mut writer = SqliteRegistry::open_write(&database, self.datastore())?;
                fill(&mut writer)?;
                drop(writer);
                folder.publish(&[DATABASE_NAME, CONFIG_NAME])?;
            }
            NewDatabase::Postgres { url, schema } => {
                fill(&mut *self.on_server(url, schema)?)?;
                folder.publish(&[CONFIG_NAME])?;
            }
        }
        Ok(())
    }

    /// A new registry on a server, or one that nothing was ever put into.
    #[cfg(feature = "postgres")]
    fn on_server(
        &self,
        url: &DatabaseUrl,
        schema: &str,
    ) -> Result<Box<dyn RegistryWriter>, RegistryError> {
        let open = || PostgresRegistry::open_write(url, Some(schema), self.datastore());
        match PostgresRegistry::create(url, schema, self.universe, &self.datastore()) {
            Ok(()) => Ok(Box::new(open()?)),
            Err(RegistryError::AlreadyExists { path }) => {
                let mut found = open()?;
                let same_universe = *RegistryReader::universe(&found) == *self.universe;
                let mut snapshot = found.snapshot()?;
                let untouched = snapshot.collections()?.collections.is_empty()
                    && snapshot.dataset_types()?.is_empty();
                drop(snapshot);
                if same_universe && untouched {
                    Ok(Box::new(found))
                } else {
                    Err(RegistryError::AlreadyExists { path })
                }
            }
            Err(error) => Err(error),
        }
    }

    #[cfg(not(feature = "postgres"))]
    fn on_server(
        &self,
        url: &DatabaseUrl,
        _: &str,
    ) -> Result<Box<dyn RegistryWriter>, RegistryError> {
        Err(RegistryError::UnsupportedDatabase {
            database: url.redacted(),
            kind: "postgresql".to_owned(),
            access: "created",
            supported: "sqlite",
        })
    }

    fn datastore(&self) -> DatastoreTable {
        DatastoreTable {
            name: format!("FileDatastore@{}", self.written_root()),
            ..DatastoreTable::default()
        }
    }

    fn written_root(&self) -> &str {
        self.datastore_root.map_or(ROOT_TAG, ArtifactUri::as_str)
    }

    /// The configuration as the middleware writes it, with a section that it passes over.
    fn config(&self) -> String {
        let mut text = format!(
            "\
datastore:
  cls: lsst.daf.butler.datastores.fileDatastore.FileDatastore
  records:
    table: file_datastore_records
  root: {}
{}registry:
  db: {}
",
            scalar(self.written_root()),
            self.definitions.map_or_else(String::new, |release| {
                section("  ", "formatters", &release.datastore.formatters)
            }),
            scalar(&match self.database {
                NewDatabase::Sqlite => format!("sqlite:///{ROOT_TAG}/{DATABASE_NAME}"),
                NewDatabase::Postgres { url, .. } => url.without_password().expose().to_owned(),
            }),
        );
        text.push_str(MANAGERS);
        if let NewDatabase::Postgres { schema, .. } = self.database {
            text.push_str(&format!("  namespace: {}\n", scalar(schema)));
        }
        if let Some(release) = self.definitions {
            text.push_str(&section("", "storageClasses", &release.storage_classes));
        }
        if let Some(release) = self.release {
            let (section, key) = RELEASE_SETTING;
            text.push_str(&format!("{section}:\n  {key}: {}\n", quoted(release)));
        }
        text
    }

    fn write_config(&self, path: &Utf8Path) -> Result<(), RegistryError> {
        let write = || {
            let mut file = fs_err::File::create(path)?;
            file.write_all(self.config().as_bytes())?;
            file.sync_all()
        };
        write().map_err(|source| io("write the repository configuration", source))
    }
}

/// The middleware's classes; a setting of the registry.
const MANAGERS: &str = "  managers:
    attributes: lsst.daf.butler.registry.attributes.DefaultButlerAttributeManager
    collections: lsst.daf.butler.registry.collections.synthIntKey.SynthIntKeyCollectionManager
    datasets: lsst.daf.butler.registry.datasets.byDimensions.\
ByDimensionsDatasetRecordStorageManagerUUID
    datastores: lsst.daf.butler.registry.bridge.monolithic.MonolithicDatastoreRegistryBridgeManager
    dimensions: lsst.daf.butler.registry.dimensions.static.StaticDimensionRecordStorageManager
    opaque: lsst.daf.butler.registry.opaque.ByNameOpaqueTableStorageManager
";

/// A section of the configuration, an entry a line; nothing if it is empty. What JSON is, YAML is.
fn section(indent: &str, name: &str, entries: &Map<String, Value>) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let mut text = format!("{indent}{name}:\n");
    for (key, value) in entries {
        text.push_str(&format!("{indent}  {}: {value}\n", quoted(key)));
    }
    text
}

/// A text in YAML, plain where that cannot be misread.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._<>:@+~-".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '<');
    if begins && text.chars().all(plain) && text.contains(['/', '<']) && !text.ends_with(':') {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// A text in double quotes; what JSON escapes, YAML does.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

impl SqliteRegistry {
    /// Creates an empty repository with a SQLite registry and a file datastore at `root`, with the
    /// dimension universe of the release that it is to take datasets from, and returns the
    /// database's path.
    ///
    /// # Errors
    /// As for [`NewRepository::create`].
    pub fn create(root: &Utf8Path, universe: &Arc<Universe>) -> Result<Utf8PathBuf, RegistryError> {
        NewRepository::in_folder(root, universe).create(|_| Ok::<(), RegistryError>(()))?;
        Ok(root.join(DATABASE_NAME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIVERSE: &str = include_str!("conformance/universe.json");

    #[test]
    fn the_configuration_says_what_the_repository_is() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let universe = Universe::from_json(UNIVERSE).unwrap();
        let (url, elsewhere) = (
            DatabaseUrl::new("postgresql://me:secret@host:5432/db"),
            ArtifactUri::of_folder(Utf8Path::new("/data/my files")).unwrap(),
        );
        let new = NewRepository {
            database: NewDatabase::Postgres { url: &url, schema: "my: own" },
            datastore_root: Some(&elsewhere),
            release: Some("/repo/it's \"dr1\": #1"),
            ..NewRepository::in_folder(root, &universe)
        };
        let text = new.config();
        assert!(!text.contains("secret"), "{text}");
        new.write_config(&root.join(CONFIG_NAME)).unwrap();
        let config = RepositoryConfig::open(root.as_str()).unwrap();
        assert_eq!(config.registry.database.expose(), "postgresql://me@host:5432/db");
        assert_eq!(config.registry.namespace.as_deref(), Some("my: own"));
        assert_eq!(config.tree()["registry"]["managers"].as_object().unwrap().len(), 6);
        assert_eq!(config.datastore.root, elsewhere);
        assert_eq!(config.datastore.name, new.datastore().name);
        assert_eq!(config.release().unwrap(), new.release);

        // What the release defines is taken over, but for where its files are.
        let release = root.join("release.yaml");
        let definitions = "\
datastore:
  root: /release
  formatters: {Odd: {formatter: my.Formatter, parameters: {level: 3}}}
storageClasses: {Odd: {pytype: my.Type, components: {part: Odd}}}
registry: {db: 'sqlite:///<butlerRoot>/x'}
";
        fs_err::write(&release, definitions).unwrap();
        let release = RepositoryConfig::open(release.as_str()).unwrap();
        let new = NewRepository { definitions: Some(&release), ..new };
        new.write_config(&root.join(CONFIG_NAME)).unwrap();
        let config = RepositoryConfig::open(root.as_str()).unwrap();
        assert_eq!(config.storage_classes, release.storage_classes);
        assert_eq!(config.datastore.formatters, release.datastore.formatters);
        assert_eq!(config.datastore.root, elsewhere);
    }
}
