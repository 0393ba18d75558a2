//! Making a personal repository for a release.

use camino::Utf8Path;
use qbb_datastore::{ArtifactUri, RepositoryConfig, open_store};
use qbb_dimensions::{RecordTable, Universe};
use qbb_registry::{NewDatabase, NewRepository, RegistryReader, RegistryWriter, open_writer};
use serde::Serialize;

use crate::create_error::CreateError;
use crate::record_choice::RecordChoice;

/// A personal repository to make.
#[derive(Debug, Clone)]
pub struct CreateRequest<'a> {
    /// Folder of the repository.
    pub root: &'a Utf8Path,
    /// The release as the repository is to remember it; see [`qbb_datastore::lasting_place`].
    pub release: &'a str,
    /// The release's configuration, of which storage classes and formatters are taken over.
    pub release_config: &'a RepositoryConfig,
    /// Where the registry is kept.
    pub database: NewDatabase<'a>,
    /// Root of the datastore; `None` is the folder.
    pub datastore_root: Option<&'a ArtifactUri>,
    /// Records of the release that are registered.
    pub records: &'a RecordChoice,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CreateReport {
    /// Whether the repository is new; otherwise it was there already, and is what was asked for.
    pub created: bool,
    /// Chosen records by element, in the universe's order.
    pub records: Vec<ElementCount>,
    /// How many records were new.
    pub records_inserted: u64,
}

/// Number of records of an element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ElementCount {
    /// Name of the element.
    pub element: String,
    /// Number of records.
    pub records: u64,
}

/// Makes a repository with the universe and the chosen records of a release, whole or not at all.
///
/// If it is there already and differs in nothing that was asked for, only records that it lacks
/// are added; so a call that was cut off can be repeated, and a second one changes nothing.
///
/// # Errors
/// If there is another repository, the release lacks what was chosen, or something cannot be read
/// or written.
pub fn create(
    request: &CreateRequest<'_>,
    release: &mut dyn RegistryReader,
) -> Result<CreateReport, CreateError> {
    let universe = release.universe().clone();
    request.check()?;
    let mut snapshot = release.snapshot()?;
    let (tables, symbols) = request.records.read(&mut *snapshot, &universe)?;
    drop(snapshot);
    let mut report =
        CreateReport { created: false, records: counts(&universe, &tables), records_inserted: 0 };
    let fill = |writer: &mut dyn RegistryWriter| -> Result<u64, CreateError> {
        let mut transaction = writer.begin()?;
        let inserted = transaction.insert_records(&tables, &symbols)?;
        transaction.commit()?;
        Ok(inserted)
    };
    if request.root.join("butler.yaml").exists() {
        let config = request.existing()?;
        let mut writer = open_writer(&config)?;
        if **writer.universe() != *universe {
            let text = |u: &Universe| format!("{} version {}", u.namespace(), u.version());
            return Err(request.different("universe", text(writer.universe()), text(&universe)));
        }
        report.records_inserted = fill(&mut *writer)?;
        return Ok(report);
    }
    if let Some(folder) = request.datastore_root.and_then(ArtifactUri::to_file_path) {
        fs_err::create_dir_all(folder).map_err(CreateError::DatastoreFolder)?;
    }
    let new = NewRepository {
        root: request.root,
        universe: &universe,
        database: request.database,
        datastore_root: request.datastore_root,
        release: Some(request.release),
        definitions: Some(request.release_config),
    };
    new.create(|writer| {
        report.records_inserted = fill(writer)?;
        Ok::<(), CreateError>(())
    })?;
    report.created = true;
    Ok(report)
}

impl CreateRequest<'_> {
    /// Checks what can be known before anything is read.
    fn check(&self) -> Result<(), CreateError> {
        if let NewDatabase::Postgres { schema, .. } = self.database {
            let begins = schema.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if !begins || !schema.chars().all(fits) {
                return Err(CreateError::Schema { schema: schema.to_owned() });
            }
        }
        if let Some(root) = self.datastore_root
            && root.to_file_path().is_none()
        {
            // Asks with the credentials that later commands use, for what is there already.
            open_store(root)?.probe()?;
        }
        Ok(())
    }

    /// The configuration of the repository that is there, if it is the one that is wanted.
    fn existing(&self) -> Result<RepositoryConfig, CreateError> {
        let absolute = camino::absolute_utf8(self.root).unwrap_or_else(|_| self.root.to_owned());
        let config = RepositoryConfig::open(absolute.join("butler.yaml").as_str())?;
        match config.release()? {
            Some(release) if release == self.release => {}
            Some(release) => {
                return Err(self.different("release", release, self.release));
            }
            None => return Err(self.different("release", "not known", self.release)),
        }
        let own = config.root_uri.as_str();
        let wanted = self.datastore_root.map_or(own, ArtifactUri::as_str);
        if config.datastore.root.as_str().trim_end_matches('/') != wanted.trim_end_matches('/') {
            return Err(self.different("datastore", config.datastore.root.as_str(), wanted));
        }
        let found = &config.registry.database;
        match self.database {
            NewDatabase::Sqlite if found.sqlite_path().is_some() => {}
            NewDatabase::Sqlite => {
                return Err(self.different("database", found.redacted(), "SQLite"));
            }
            NewDatabase::Postgres { url, schema } => {
                if url.without_password() != found.without_password() {
                    return Err(self.different("database", found.redacted(), url.redacted()));
                }
                let existing = config.registry.namespace.as_deref();
                if existing != Some(schema) {
                    let existing = existing.unwrap_or("the default one");
                    return Err(self.different("schema", existing, schema));
                }
            }
        }
        Ok(config)
    }

    fn different(
        &self,
        what: &'static str,
        existing: impl Into<String>,
        requested: impl Into<String>,
    ) -> CreateError {
        CreateError::Different {
            root: self.root.to_owned(),
            what,
            existing: existing.into(),
            requested: requested.into(),
        }
    }
}

fn counts(universe: &Universe, tables: &[RecordTable]) -> Vec<ElementCount> {
    let count = |table: &RecordTable| ElementCount {
        element: universe.element(table.element).name.clone(),
        records: table.len() as u64,
    };
    tables.iter().filter(|table| !table.is_empty()).map(count).collect()
}
