//! The configuration of a repository: `butler.yaml` on top of the middleware's defaults.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Map, Value};

use crate::config_tree::{merge, read_tree};
use crate::database_url::DatabaseUrl;
use crate::defaults;
use crate::repository_error::{IndexAnswer, RepositoryError};
use crate::repository_index::{RepositoryIndex, RepositoryIndexError};
use crate::uri::{ArtifactUri, UriError, absolute};

/// What stands for the repository's folder in configuration values.
const ROOT_TAG: &str = "<butlerRoot>";

/// The configuration of a repository, with defaults filled in.
///
/// `Debug` shows no credentials.
#[derive(Debug, Clone, PartialEq)]
pub struct RepositoryConfig {
    /// The file that was read, usually named `butler.yaml`.
    pub file: Utf8PathBuf,
    /// What `<butlerRoot>` stands for: the `root` setting, else the folder of the file.
    pub root_uri: ArtifactUri,
    /// The registry.
    pub registry: RegistryConfig,
    /// The datastore.
    pub datastore: DatastoreConfig,
    /// Storage classes that the repository defines beyond the middleware's, by name, as written.
    pub storage_classes: Map<String, Value>,
    tree: Map<String, Value>,
}

/// The `registry` section.
#[derive(Debug, Clone, PartialEq)]
pub struct RegistryConfig {
    /// `registry.db`, with `<butlerRoot>` replaced.
    pub database: DatabaseUrl,
    /// `registry.namespace`: the schema of a PostgreSQL database.
    pub namespace: Option<String>,
    /// `registry.managers`: class paths by role.
    pub managers: BTreeMap<String, String>,
}

/// The `datastore` section.
#[derive(Debug, Clone, PartialEq)]
pub struct DatastoreConfig {
    /// `datastore.cls`.
    pub class: String,
    /// Name by which registries and quantum graphs know it: `datastore.name`, else the class and
    /// the root as written, usually `FileDatastore@<butlerRoot>`.
    pub name: String,
    /// `datastore.root`, a folder.
    pub root: ArtifactUri,
    /// `datastore.records.table`.
    pub records_table: String,
    /// `datastore.templates`, with the two default ones unless overridden.
    pub templates: Map<String, Value>,
    /// `datastore.formatters` as written: overrides of the middleware's table.
    pub formatters: Map<String, Value>,
    /// `datastore.composites` as written: which storage classes and dataset types are taken apart.
    pub composites: Map<String, Value>,
    /// `datastore.checksum`: whether records carry checksums.
    pub checksum: bool,
    /// `datastore.trust_get_request`: whether datasets without a record are looked for on disk.
    pub trust_get_request: bool,
}

impl RepositoryConfig {
    /// Opens the repository at a place: its folder, its `butler.yaml`, the `file:` URI of either,
    /// or its label in the repository index that the environment names.
    ///
    /// # Errors
    /// If there is none, or it is of a kind that is not supported.
    pub fn open(place: &str) -> Result<Self, RepositoryError> {
        match RepositoryIndex::from_environment() {
            Ok(index) => Self::open_with(place, Some(&index), None),
            Err(RepositoryIndexError::NotSet) => Self::open_with(place, None, None),
            Err(error) => Self::open_with(place, None, Some(error)),
        }
    }

    /// Opens the repository at a place, or with a label of a given index.
    ///
    /// # Errors
    /// If there is none, or it is of a kind that is not supported.
    pub fn open_with_index(place: &str, index: &RepositoryIndex) -> Result<Self, RepositoryError> {
        Self::open_with(place, Some(index), None)
    }

    fn open_with(
        place: &str,
        index: Option<&RepositoryIndex>,
        index_error: Option<RepositoryIndexError>,
    ) -> Result<Self, RepositoryError> {
        // As with every Butler client, a label wins over a folder of the same name.
        let labelled = index.and_then(|index| index.place(place));
        let path = local_path(labelled.unwrap_or(place))?;
        let file = if path.is_dir() { path.join("butler.yaml") } else { path.clone() };
        if file.is_file() {
            return Self::read(&file);
        }
        if let Err(source) = fs_err::metadata(&file)
            && source.kind() != ErrorKind::NotFound
            && source.kind() != ErrorKind::NotADirectory
        {
            return Err(RepositoryError::Unseen { place: place.to_owned(), source });
        }
        if path.is_dir() {
            return Err(RepositoryError::NoConfiguration { folder: path });
        }
        let index = match (labelled, index, index_error) {
            (Some(_), ..) => IndexAnswer::Resolved { label: place.to_owned() },
            (None, Some(index), _) => IndexAnswer::Unknown {
                labels: index.labels().map(str::to_owned).collect(),
                similar: index.similar(place).map(str::to_owned),
            },
            (None, None, Some(error)) => IndexAnswer::Unusable(error),
            (None, None, None) => IndexAnswer::Absent,
        };
        Err(RepositoryError::Missing { place: place.to_owned(), path, index })
    }

    /// Reads a configuration file.
    fn read(file: &Utf8Path) -> Result<Self, RepositoryError> {
        let mut tree = read_tree(file)?;
        let settings = Settings { file };
        if let Some(class) = settings.text(&tree, "cls")?
            && class.ends_with(".RemoteButler")
        {
            return Err(RepositoryError::RemoteButler {
                file: file.to_owned(),
                class: class.to_owned(),
            });
        }
        let root_uri = match settings.text(&tree, "root")? {
            Some(root) => settings.folder("root", root)?,
            None => ArtifactUri::of_folder(file.parent().unwrap_or(Utf8Path::new("/")))?,
        };
        // Files that are included as a section may name the section once more.
        for name in ["registry", "datastore", "storageClasses"] {
            let inner = tree.get_mut(name).and_then(Value::as_object_mut);
            if let Some(doubled) = inner.and_then(|section| section.remove(name)) {
                tree.insert(name.to_owned(), doubled);
            }
        }
        let registry = settings.registry(&tree, &root_uri)?;
        let datastore = settings.datastore(&tree, &root_uri)?;
        let storage_classes = settings.section(&tree, "storageClasses")?;
        hide_credentials(&mut tree);
        Ok(Self { file: file.to_owned(), root_uri, registry, datastore, storage_classes, tree })
    }

    /// The repository's folder, if it is local.
    pub fn root(&self) -> Option<Utf8PathBuf> {
        self.root_uri.to_file_path()
    }

    /// The repository as a run sees it that writes its outputs: where the datastore's root is no
    /// local folder, they go to `folder` until they are transferred.
    ///
    /// # Errors
    /// If the path is relative and the current directory cannot be told.
    pub fn with_local_outputs(mut self, folder: &Utf8Path) -> Result<Self, RepositoryError> {
        if self.datastore.local_root().is_none() {
            self.datastore.root = ArtifactUri::of_folder(&absolute(folder.as_str())?)?;
        }
        Ok(self)
    }

    /// What the file says, with `!include` resolved, without defaults and without the credentials
    /// of the database. A Python worker opens the datastore with it.
    pub fn tree(&self) -> &Map<String, Value> {
        &self.tree
    }
}

impl DatastoreConfig {
    /// The datastore's root folder, if it is local.
    pub fn local_root(&self) -> Option<Utf8PathBuf> {
        self.root.to_file_path()
    }
}

/// Makes a place given by a person an absolute local path.
pub(crate) fn local_path(place: &str) -> Result<Utf8PathBuf, RepositoryError> {
    if place.contains("://") || place.starts_with("file:") {
        let uri = ArtifactUri::parse(place)?;
        return uri
            .to_file_path()
            .ok_or_else(|| RepositoryError::NotLocal { place: place.to_owned() });
    }
    Ok(absolute(place)?)
}

fn hide_credentials(tree: &mut Map<String, Value>) {
    let Some(Value::Object(registry)) = tree.get_mut("registry") else { return };
    // The middleware lets credentials stand beside the URL, too.
    registry.remove("password");
    if let Some(Value::String(url)) = registry.get_mut("db")
        && !url.starts_with("sqlite")
    {
        *url = DatabaseUrl::new(std::mem::take(url)).redacted();
    }
}

/// Reads settings and names them in errors.
struct Settings<'a> {
    file: &'a Utf8Path,
}

impl Settings<'_> {
    fn wrong(&self, setting: impl fmt::Display, expected: &'static str) -> RepositoryError {
        RepositoryError::Setting {
            file: self.file.to_owned(),
            setting: setting.to_string(),
            expected,
        }
    }

    /// The value at a path of keys separated by dots; null counts as absent.
    fn find<'t>(&self, tree: &'t Map<String, Value>, setting: &str) -> Option<&'t Value> {
        let mut keys = setting.split('.');
        let mut value = tree.get(keys.next()?)?;
        for key in keys {
            value = value.as_object()?.get(key)?;
        }
        (!value.is_null()).then_some(value)
    }

    fn text<'t>(
        &self,
        tree: &'t Map<String, Value>,
        setting: &str,
    ) -> Result<Option<&'t str>, RepositoryError> {
        self.find(tree, setting)
            .map(|value| value.as_str().ok_or_else(|| self.wrong(setting, "a text")))
            .transpose()
    }

    fn flag(&self, tree: &Map<String, Value>, setting: &str) -> Result<bool, RepositoryError> {
        self.find(tree, setting)
            .map_or(Ok(false), |v| v.as_bool().ok_or_else(|| self.wrong(setting, "true or false")))
    }

    fn section(
        &self,
        tree: &Map<String, Value>,
        setting: &str,
    ) -> Result<Map<String, Value>, RepositoryError> {
        match self.find(tree, setting) {
            None => Ok(Map::new()),
            Some(Value::Object(section)) => Ok(section.clone()),
            Some(_) => Err(self.wrong(setting, "a mapping")),
        }
    }

    /// A folder given as a URI or a path.
    fn folder(&self, setting: &'static str, text: &str) -> Result<ArtifactUri, RepositoryError> {
        let uri = match ArtifactUri::parse(text) {
            Err(UriError::Relative(_)) => {
                absolute(text).and_then(|path| ArtifactUri::of_file(&path))
            }
            other => other,
        };
        uri.map(ArtifactUri::into_folder).map_err(|source| RepositoryError::Place {
            file: self.file.to_owned(),
            setting,
            source,
        })
    }

    fn registry(
        &self,
        tree: &Map<String, Value>,
        root: &ArtifactUri,
    ) -> Result<RegistryConfig, RepositoryError> {
        self.section(tree, "registry")?;
        let database = self.text(tree, "registry.db")?.unwrap_or(defaults::DATABASE);
        let mut managers: BTreeMap<String, String> =
            defaults::MANAGERS.map(|(role, class)| (role.to_owned(), class.to_owned())).into();
        for (role, class) in self.section(tree, "registry.managers")? {
            // A manager may be given with its configuration as `{cls: …}`.
            let class = class.get("cls").unwrap_or(&class).as_str().ok_or_else(|| {
                self.wrong(format_args!("registry.managers.{role}"), "the path of a class")
            })?;
            managers.insert(role.clone(), class.to_owned());
        }
        Ok(RegistryConfig {
            database: DatabaseUrl::new(replace_root(database, root)),
            namespace: self.text(tree, "registry.namespace")?.map(str::to_owned),
            managers,
        })
    }

    fn datastore(
        &self,
        tree: &Map<String, Value>,
        root: &ArtifactUri,
    ) -> Result<DatastoreConfig, RepositoryError> {
        self.section(tree, "datastore")?;
        let class = self.text(tree, "datastore.cls")?.unwrap_or(defaults::FILE_DATASTORE);
        if class != defaults::FILE_DATASTORE {
            return Err(RepositoryError::UnsupportedDatastore {
                file: self.file.to_owned(),
                class: class.to_owned(),
            });
        }
        let written_root = self.text(tree, "datastore.root")?.unwrap_or(defaults::DATASTORE_ROOT);
        let name = match self.text(tree, "datastore.name")? {
            Some(name) => name.to_owned(),
            None => format!("FileDatastore@{written_root}"),
        };
        let mut templates: Map<String, Value> = defaults::TEMPLATES
            .iter()
            .map(|&(key, template)| (key.to_owned(), Value::from(template)))
            .collect();
        merge(&mut templates, &self.section(tree, "datastore.templates")?);
        Ok(DatastoreConfig {
            class: class.to_owned(),
            name,
            root: self.datastore_root(written_root, root)?,
            records_table: self
                .text(tree, "datastore.records.table")?
                .unwrap_or(defaults::RECORDS_TABLE)
                .to_owned(),
            templates,
            formatters: self.section(tree, "datastore.formatters")?,
            composites: self.section(tree, "datastore.composites")?,
            checksum: self.flag(tree, "datastore.checksum")?,
            trust_get_request: self.flag(tree, "datastore.trust_get_request")?,
        })
    }

    /// The datastore's root; the usual forms keep characters that would be special in a path.
    fn datastore_root(
        &self,
        written: &str,
        root: &ArtifactUri,
    ) -> Result<ArtifactUri, RepositoryError> {
        let place = |source| RepositoryError::Place {
            file: self.file.to_owned(),
            setting: "datastore.root",
            source,
        };
        match (written.strip_prefix(ROOT_TAG), root.to_file_path()) {
            (Some(rest), Some(path)) => {
                let path = format!("{path}{rest}");
                ArtifactUri::of_folder(Utf8Path::new(&path)).map_err(place)
            }
            _ => self.folder("datastore.root", &replace_root(written, root)),
        }
    }
}

/// Replaces `<butlerRoot>` by the local path of the root, or by its URI if it is not local.
fn replace_root(text: &str, root: &ArtifactUri) -> String {
    match root.to_file_path() {
        Some(path) => text.replace(ROOT_TAG, path.as_str()),
        None => text.replace(ROOT_TAG, root.as_str().trim_end_matches('/')),
    }
}

#[cfg(test)]
#[path = "repository_tests.rs"]
mod tests;
