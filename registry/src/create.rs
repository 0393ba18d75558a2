//! Making a new personal repository.

use std::io::Write as _;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use qbb_datastore::DatabaseUrl;
use qbb_dimensions::Universe;

use crate::error::RegistryError;
#[cfg(feature = "postgres")]
use crate::postgres::PostgresRegistry;
#[cfg(feature = "postgres")]
use crate::reading::DatastoreTable;
use crate::sqlite::SqliteRegistry;

const CONFIG_NAME: &str = "butler.yaml";

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
/// The folder appears whole or not at all: it is built beside `root` (or, if `root` is a folder that
/// holds something else, inside it) and renamed. Tables in PostgreSQL are committed before that; if
/// the folder then cannot be made, they stay, and the schema is to be dropped.
///
/// # Errors
/// [`RegistryError::AlreadyExists`] if there is a repository, or a registry in the schema; other
/// errors if the universe cannot be stored, files cannot be written, or the database refuses.
pub fn create(
    root: &Utf8Path,
    database: NewDatabase<'_>,
    universe: &Arc<Universe>,
) -> Result<(), RegistryError> {
    match database {
        NewDatabase::Sqlite => SqliteRegistry::create(root, universe).map(|_| ()),
        #[cfg(feature = "postgres")]
        NewDatabase::Postgres { url, schema } => publish(root, &[], |_| {
            PostgresRegistry::create(url, schema, universe, &DatastoreTable::default())?;
            Ok(configuration(url.without_password().expose(), Some(schema)))
        }),
        #[cfg(not(feature = "postgres"))]
        NewDatabase::Postgres { url, .. } => Err(RegistryError::UnsupportedDatabase {
            database: url.redacted(),
            kind: "postgresql".to_owned(),
            access: "created",
            supported: "sqlite",
        }),
    }
}

/// Repository configuration as the middleware writes it; `<butlerRoot>` is the file's folder.
pub(crate) fn configuration(database: &str, namespace: Option<&str>) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let namespace = namespace.map(|name| format!("\n  namespace: {}", quoted(name)));
    format!(
        "\
datastore:
  cls: lsst.daf.butler.datastores.fileDatastore.FileDatastore
  records:
    table: file_datastore_records
  root: <butlerRoot>
registry:
  db: {}
  managers:
    attributes: lsst.daf.butler.registry.attributes.DefaultButlerAttributeManager
    collections: lsst.daf.butler.registry.collections.synthIntKey.SynthIntKeyCollectionManager
    datasets: lsst.daf.butler.registry.datasets.byDimensions.\
ByDimensionsDatasetRecordStorageManagerUUID
    datastores: lsst.daf.butler.registry.bridge.monolithic.MonolithicDatastoreRegistryBridgeManager
    dimensions: lsst.daf.butler.registry.dimensions.static.StaticDimensionRecordStorageManager
    opaque: lsst.daf.butler.registry.opaque.ByNameOpaqueTableStorageManager{}
",
        quoted(database),
        namespace.unwrap_or_default()
    )
}

/// Makes a repository's folder appear. `fill` makes `files` in the folder that it is given and
/// returns the configuration.
pub(crate) fn publish(
    root: &Utf8Path,
    files: &[&str],
    fill: impl FnOnce(&Utf8Path) -> Result<String, RegistryError>,
) -> Result<(), RegistryError> {
    for name in std::iter::once(CONFIG_NAME).chain(files.iter().copied()) {
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
    write_config(&stage.join(CONFIG_NAME), &fill(stage)?)?;
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
        for name in files.iter().copied().chain([CONFIG_NAME]) {
            let path = absolute.join(name);
            fs_err::hard_link(stage.join(name), &path).map_err(|source| match source.kind() {
                std::io::ErrorKind::AlreadyExists => RegistryError::AlreadyExists { path },
                _ => io("move the new repository to its place", source),
            })?;
        }
    }
    sync_folder(beside)
}

fn io(action: &str, source: std::io::Error) -> RegistryError {
    RegistryError::Io { action: action.to_owned(), source }
}

fn exists(path: &Utf8PathBuf) -> Result<bool, RegistryError> {
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

fn write_config(path: &Utf8Path, text: &str) -> Result<(), RegistryError> {
    let write = || {
        let mut file = fs_err::File::create(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| io("write the repository configuration", source))
}
