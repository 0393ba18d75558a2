//! Making a new personal repository.

use std::io::Write as _;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use qbb_dimensions::Universe;
use rusqlite::{Connection, OpenFlags};

use super::connection::{DatabaseFile, prepare_to_write};
use super::ddl::create_statements;
use super::registry::SqliteRegistry;
use crate::error::RegistryError;
use crate::reading::DatastoreTable;
use crate::schema::{Attributes, records_table, static_tables};

const CONFIG_NAME: &str = "butler.yaml";
const DATABASE_NAME: &str = "gen3.sqlite3";

/// The middleware's page size; larger rows than usual would want another.
const PAGE_SIZE: i64 = 4096;

/// Repository configuration as the middleware writes it; `<butlerRoot>` is the file's folder.
const CONFIG: &str = "\
datastore:
  cls: lsst.daf.butler.datastores.fileDatastore.FileDatastore
  records:
    table: file_datastore_records
  root: <butlerRoot>
registry:
  db: sqlite:///<butlerRoot>/gen3.sqlite3
  managers:
    attributes: lsst.daf.butler.registry.attributes.DefaultButlerAttributeManager
    collections: lsst.daf.butler.registry.collections.synthIntKey.SynthIntKeyCollectionManager
    datasets: lsst.daf.butler.registry.datasets.byDimensions.\
ByDimensionsDatasetRecordStorageManagerUUID
    datastores: lsst.daf.butler.registry.bridge.monolithic.MonolithicDatastoreRegistryBridgeManager
    dimensions: lsst.daf.butler.registry.dimensions.static.StaticDimensionRecordStorageManager
    opaque: lsst.daf.butler.registry.opaque.ByNameOpaqueTableStorageManager
";

impl SqliteRegistry {
    /// Creates an empty repository with a SQLite registry and a file datastore at `root`, with the
    /// dimension universe of the release that it is to take datasets from, and returns the
    /// database's path.
    ///
    /// The repository appears whole or not at all: it is built beside `root` (or, if `root` is a
    /// folder that holds something else, inside it) and renamed.
    ///
    /// # Errors
    /// [`RegistryError::AlreadyExists`] if there is a repository; other errors if the universe
    /// cannot be stored or files cannot be written.
    pub fn create(root: &Utf8Path, universe: &Arc<Universe>) -> Result<Utf8PathBuf, RegistryError> {
        for name in [CONFIG_NAME, DATABASE_NAME] {
            let path = root.join(name);
            if exists(&path)? {
                return Err(RegistryError::AlreadyExists { path });
            }
        }
        let empty = match fs_err::read_dir(root) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(source) => return Err(io("look into the folder", source)),
        };
        let absolute = camino::absolute_utf8(root)
            .map_err(|source| io(&format!("find out where {root} is"), source))?;
        let parent = absolute.parent().unwrap_or(&absolute);
        let beside = if empty { parent } else { &absolute };
        fs_err::create_dir_all(beside).map_err(|source| io("create the parent folder", source))?;
        let staging = staging_folder(beside)?;
        let stage = Utf8Path::from_path(staging.path()).ok_or_else(|| RegistryError::Invalid {
            what: format!("repository folder {root}"),
            reason: "the path is not UTF-8".to_owned(),
        })?;
        build_database(&stage.join(DATABASE_NAME), universe)?;
        write_config(&stage.join(CONFIG_NAME))?;
        sync_folder(stage)?;
        if empty {
            // An empty folder at `root` is replaced; one that was filled meanwhile is not.
            fs_err::rename(stage, &absolute).map_err(|source| match source.kind() {
                std::io::ErrorKind::DirectoryNotEmpty | std::io::ErrorKind::AlreadyExists => {
                    RegistryError::AlreadyExists { path: root.to_owned() }
                }
                _ => io("move the new repository to its place", source),
            })?;
            // Its content is no longer there to be removed.
            let _ = staging.keep();
        } else {
            // The configuration makes it a repository, so it comes last. Links never replace.
            for name in [DATABASE_NAME, CONFIG_NAME] {
                let path = absolute.join(name);
                fs_err::hard_link(stage.join(name), &path).map_err(|source| {
                    match source.kind() {
                        std::io::ErrorKind::AlreadyExists => RegistryError::AlreadyExists { path },
                        _ => io("move the new repository to its place", source),
                    }
                })?;
            }
        }
        sync_folder(beside)?;
        Ok(root.join(DATABASE_NAME))
    }
}

fn io(action: &str, source: std::io::Error) -> RegistryError {
    RegistryError::Io { action: action.to_owned(), source }
}

fn exists(path: &Utf8Path) -> Result<bool, RegistryError> {
    match fs_err::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(io("look for an existing repository", source)),
    }
}

/// A folder that becomes the repository, hence with the permissions of ordinary folders.
fn staging_folder(parent: &Utf8Path) -> Result<tempfile::TempDir, RegistryError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".new-repository-");
    #[cfg(unix)]
    let permissions = {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::Permissions::from_mode(0o777)
    };
    #[cfg(unix)]
    builder.permissions(permissions);
    builder
        .tempdir_in(parent)
        .map_err(|source| io(&format!("create a temporary folder in {parent}"), source))
}

fn sync_folder(path: &Utf8Path) -> Result<(), RegistryError> {
    fs_err::File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| io("make the new repository durable", source))
}

fn write_config(path: &Utf8Path) -> Result<(), RegistryError> {
    let write = || {
        let mut file = fs_err::File::create(path)?;
        file.write_all(CONFIG.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| io("write the repository configuration", source))
}

fn build_database(path: &Utf8Path, universe: &Arc<Universe>) -> Result<(), RegistryError> {
    let mut tables = static_tables(universe)?;
    let datastore = DatastoreTable::default();
    tables.push(records_table(&datastore.records_table));
    let database = DatabaseFile::new(path);
    let fill = || -> rusqlite::Result<()> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.pragma_update(None, "page_size", PAGE_SIZE)?;
        prepare_to_write(&connection)?;
        let transaction = connection.transaction()?;
        for statement in tables.iter().flat_map(create_statements) {
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
