//! SQLite registries: conformance, and what is particular about files.

use std::sync::Arc;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use qbb_dimensions::{Symbols, Universe};

use super::SqliteRegistry;
use crate::DatastoreTable;
use crate::changes::NewCollection;
use crate::collection::CollectionKind;
use crate::conformance::{MakeRepository, RepositoryUnderTest, Sample, check_all, check_reading};
use crate::error::RegistryError;
use crate::reader::RegistryReader;
use crate::writer::RegistryWriter;

pub(super) struct TemporaryRepository {
    folder: tempfile::TempDir,
}

impl TemporaryRepository {
    pub(super) fn new(universe: &Arc<Universe>) -> Self {
        let repository = Self { folder: tempfile::tempdir().unwrap() };
        SqliteRegistry::create(&repository.root(), universe).unwrap();
        repository
    }

    pub(super) fn root(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join("repo?mode=rwc#%20")
    }

    pub(super) fn database(&self) -> Utf8PathBuf {
        self.root().join("gen3.sqlite3")
    }

    pub(super) fn read(&self) -> SqliteRegistry {
        SqliteRegistry::open_read(&self.database(), DatastoreTable::default()).unwrap()
    }

    pub(super) fn write(&self) -> SqliteRegistry {
        SqliteRegistry::open_write(&self.database(), DatastoreTable::default()).unwrap()
    }

    fn sql(&self, sql: &str) {
        rusqlite::Connection::open(self.database()).unwrap().execute_batch(sql).unwrap();
    }

    pub(super) fn files(&self) -> Vec<String> {
        let entries = fs_err::read_dir(self.root()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl RepositoryUnderTest for TemporaryRepository {
    fn reader(&self) -> Box<dyn RegistryReader> {
        Box::new(self.read())
    }

    fn writer(&self) -> Box<dyn RegistryWriter> {
        Box::new(self.write())
    }
}

pub(super) fn filled() -> TemporaryRepository {
    let mut sample = Sample::new();
    let repository = TemporaryRepository::new(sample.universe());
    sample.fill(&mut repository.write());
    repository
}

pub(super) fn run(name: &str) -> [NewCollection; 1] {
    let kind = CollectionKind::Run;
    [NewCollection { name: name.to_owned(), kind, doc: None, children: Vec::new() }]
}

#[test]
fn sqlite_registries_conform() {
    let make: MakeRepository<'_> = &|universe| Box::new(TemporaryRepository::new(universe));
    check_all(make);
}

#[test]
fn a_repository_is_created_once_and_whole() {
    let universe = Sample::new().universe().clone();
    let folder = tempfile::tempdir().unwrap();
    let parent = Utf8Path::from_path(folder.path()).unwrap();
    let (fresh, empty, used) = (parent.join("a/b"), parent.join("empty"), parent.join("used"));
    fs_err::create_dir(&empty).unwrap();
    fs_err::create_dir(&used).unwrap();
    fs_err::write(used.join("artifact"), "").unwrap();
    for root in [&fresh, &empty, &used] {
        let database = SqliteRegistry::create(root, &universe).unwrap();
        SqliteRegistry::open_write(&database, DatastoreTable::default()).unwrap();
        let again = SqliteRegistry::create(root, &universe).unwrap_err();
        assert!(matches!(again, RegistryError::AlreadyExists { .. }), "{again}");
        let names: Vec<_> = fs_err::read_dir(root.parent().unwrap())
            .unwrap()
            .chain(fs_err::read_dir(root).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with('.'))
            .collect();
        assert!(names.is_empty(), "left behind: {names:?}");
    }
    assert!(used.join("artifact").exists());
    // Half a repository is in the way, too.
    fs_err::remove_file(used.join("butler.yaml")).unwrap();
    let half = SqliteRegistry::create(&used, &universe).unwrap_err();
    assert!(half.to_string().contains("gen3.sqlite3"), "{half}");
}

#[test]
fn a_universe_without_a_place_in_the_schema_leaves_no_repository() {
    let config = Sample::new().universe().config().replace(
        "\"cell\": {",
        "\"far\": {\"keys\": [{\"name\": \"id\", \"type\": \"int\"}]}, \"cell\": {",
    );
    let config =
        config.replace("\"atlas_regions\": [", "\"far_regions\": [\"far\"], \"atlas_regions\": [");
    let universe = Universe::from_json(&config).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap().join("me");
    let error = SqliteRegistry::create(&root, &universe).unwrap_err();
    assert!(error.to_string().contains("`far` must require exactly one governor"), "{error}");
    assert!(fs_err::read_dir(folder.path()).unwrap().next().is_none(), "nothing is left");
}

#[test]
fn pages_and_journal_are_the_middlewares() {
    let repository = TemporaryRepository::new(Sample::new().universe());
    let connection = rusqlite::Connection::open(repository.database()).unwrap();
    let pragma = |name: &str| -> String {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|value| format!("{value:?}"))
            .unwrap()
    };
    assert_eq!(pragma("page_size"), "Integer(4096)");
    assert_eq!(pragma("journal_mode"), "Text(\"delete\")");
    assert_eq!(repository.files(), ["butler.yaml", "gen3.sqlite3"]);
}

#[cfg(unix)]
#[test]
fn a_registry_can_be_read_where_nothing_can_be_written() {
    use std::os::unix::fs::PermissionsExt as _;
    let repository = filled();
    let mode = |path: &Utf8Path, mode| {
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&repository.database(), 0o444);
    mode(&repository.root(), 0o555);
    check_reading(&mut repository.read());
    assert_eq!(repository.files(), ["butler.yaml", "gen3.sqlite3"]);
    // A privileged user may write in spite of permissions.
    let privileged = fs_err::File::create(repository.root().join("probe")).is_ok();
    if !privileged {
        let error = SqliteRegistry::open_write(&repository.database(), DatastoreTable::default());
        assert!(matches!(error.unwrap_err(), RegistryError::ReadOnly { .. }));
    }
    mode(&repository.root(), 0o755);
}

#[test]
fn reading_creates_no_files_and_needs_a_registry() {
    let repository = filled();
    let open = |path: &Utf8Path| SqliteRegistry::open_read(path, DatastoreTable::default());
    let absent = repository.root().join("absent.sqlite3");
    for path in [&absent, &repository.root()] {
        assert!(matches!(open(path).unwrap_err(), RegistryError::NotFound { .. }));
    }
    assert!(!absent.exists());
    let text = repository.root().join("text");
    fs_err::write(&text, "this is no database, and long enough to tell: ".repeat(40)).unwrap();
    let error = open(&text).unwrap_err();
    assert!(matches!(error, RegistryError::Database { .. }), "{error}");
    assert!(error.to_string().starts_with(text.as_str()), "{error}");
    let other = repository.root().join("other.sqlite3");
    rusqlite::Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let error = open(&other).unwrap_err();
    assert!(error.to_string().contains("`butler_attributes`"), "{error}");

    let mut reader = repository.read();
    let error = reader.begin().err().unwrap();
    assert!(matches!(error, RegistryError::ReadOnly { .. }), "{error}");
}

#[test]
fn unknown_schemas_and_universes_are_named_before_anything_is_written() {
    let repository = filled();
    let open = |write: bool| {
        let open = if write { SqliteRegistry::open_write } else { SqliteRegistry::open_read };
        open(&repository.database(), DatastoreTable::default())
    };
    let dataset_version = "UPDATE butler_attributes SET value = '1.0.0' \
                           WHERE name LIKE 'version:%ByDimensionsDataset%'";
    repository.sql(dataset_version);
    check_reading(&mut open(false).unwrap());
    match open(true).unwrap_err() {
        RegistryError::UnknownSchema { found, supported, access, what, .. } => {
            assert_eq!((found.as_str(), supported.as_str(), access), ("1.0.0", "2.0.0", "write"));
            assert_eq!(what, "version of the datasets manager");
        }
        other => panic!("{other}"),
    }
    repository.sql(&dataset_version.replace("1.0.0", "3.0.0"));
    assert!(matches!(open(false).unwrap_err(), RegistryError::UnknownSchema { .. }));
    repository.sql(&dataset_version.replace("1.0.0", "2.0.0"));
    repository.sql("UPDATE butler_attributes SET value = '{}' WHERE name LIKE 'config:dim%'");
    assert!(matches!(open(false).unwrap_err(), RegistryError::UnknownUniverse { .. }));
}

#[test]
fn what_the_schema_forbids_is_reported_with_its_place() {
    let repository = filled();
    repository.sql("UPDATE \"order\" SET region = '!' WHERE id = 11");
    let mut reader = repository.read();
    let order = reader.universe().find("order").unwrap().ix;
    let mut snapshot = reader.snapshot().unwrap();
    match snapshot.records(order, &crate::Filter::default(), &mut Symbols::new()).unwrap_err() {
        RegistryError::Corrupt { table, column, row, reason, .. } => {
            assert_eq!((table.as_str(), column.as_str(), row), ("order", "region", 1));
            assert!(reason.starts_with("not base64"), "{reason}");
        }
        other => panic!("{other}"),
    }
    drop(snapshot);
    repository.sql("UPDATE collection SET type = 9 WHERE name = 'tag'");
    let error = reader.snapshot().unwrap().collections().unwrap_err();
    assert!(error.to_string().contains("unknown collection type 9"), "{error}");
}

#[test]
fn a_chain_without_room_in_front_is_numbered_anew() {
    let repository = filled();
    repository.sql("UPDATE collection_chain SET position = position - 32768");
    let mut writer = repository.write();
    let mut transaction = writer.begin().unwrap();
    transaction.prepend_to_chain("chain", &["run1".to_owned()]).unwrap();
    let children = transaction.chain_children("chain").unwrap().unwrap();
    assert_eq!(children, ["run1", "tag", "run2", "calib"]);
    transaction.commit().unwrap();
    let connection = rusqlite::Connection::open(repository.database()).unwrap();
    let lowest: i64 = connection
        .query_row("SELECT min(position) FROM collection_chain", [], |row| row.get(0))
        .unwrap();
    assert_eq!(lowest, -32768, "the other chain keeps its positions");
    let span: i64 = connection
        .query_row(
            "SELECT max(position) - min(position) FROM collection_chain WHERE parent = \
             (SELECT collection_id FROM collection WHERE name = 'chain')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(span, 3);
}

/// As the middleware leaves a repository that no datastore has been opened in.
#[test]
fn a_table_of_records_is_made_where_there_is_none() {
    let repository = TemporaryRepository::new(Sample::new().universe());
    repository.sql("DROP TABLE file_datastore_records; DELETE FROM opaque_meta");
    let contents = repository.read().snapshot().unwrap().datastore_contents().unwrap();
    assert!(contents.id.is_empty());
    Sample::new().fill(&mut repository.write());
    check_reading(&mut repository.read());
}

#[test]
fn a_second_writer_waits_and_then_says_so() {
    let repository = TemporaryRepository::new(Sample::new().universe());
    let (mut first, mut second) = (repository.write(), repository.write());
    second.set_wait(Duration::from_millis(150)).unwrap();
    let transaction = first.begin().unwrap();
    let started = Instant::now();
    let error = second.begin().err().unwrap();
    assert!(matches!(error, RegistryError::Busy { .. }), "{error}");
    assert!(started.elapsed() >= Duration::from_millis(100));
    assert!(error.to_string().contains("locked by another process for 0.15 s"), "{error}");
    // A reader is not disturbed.
    repository.read().snapshot().unwrap().collections().unwrap();
    drop(transaction);

    // A patient one gets its turn.
    second.set_wait(Duration::from_secs(30)).unwrap();
    let mut transaction = first.begin().unwrap();
    transaction.register_collections(&run("first")).unwrap();
    let waiting = std::thread::spawn(move || {
        let mut transaction = second.begin().unwrap();
        assert_eq!(transaction.register_collections(&run("first")).unwrap(), 0);
        transaction.register_collections(&run("second")).unwrap();
        transaction.commit().unwrap();
    });
    std::thread::sleep(Duration::from_millis(50));
    transaction.commit().unwrap();
    waiting.join().unwrap();
    let catalog = repository.read().snapshot().unwrap().collections().unwrap();
    assert_eq!(catalog.collections.len(), 2);
}

#[test]
fn a_killed_writer_leaves_the_repository_as_it_was() {
    let repository = filled();
    let mut writer = repository.write();
    // Pages that do not fit the cache go to the file before the commit.
    writer.limit_cache_for_test();
    let mut transaction = writer.begin().unwrap();
    for i in 0..2_000 {
        transaction.register_collections(&run(&format!("u/{i}"))).unwrap();
    }
    // The state of the files at this moment is what a killed process leaves.
    let copy = TemporaryRepository { folder: tempfile::tempdir().unwrap() };
    fs_err::create_dir(copy.root()).unwrap();
    let journal = "gen3.sqlite3-journal";
    for name in ["gen3.sqlite3", journal] {
        fs_err::copy(repository.root().join(name), copy.root().join(name)).unwrap();
    }
    drop(transaction);
    let changed = |name: &str| {
        fs_err::read(copy.root().join(name)).unwrap()
            != fs_err::read(repository.root().join(name)).unwrap()
    };
    assert!(changed("gen3.sqlite3"), "the file was written to before the commit");
    // Who comes next finds it as it was, whether to read or to write.
    let left = fs_err::read(copy.root().join(journal)).unwrap();
    let spoiled = fs_err::read(copy.root().join("gen3.sqlite3")).unwrap();
    check_reading(&mut copy.read());
    assert!(!copy.root().join(journal).exists());
    fs_err::write(copy.root().join("gen3.sqlite3"), spoiled).unwrap();
    fs_err::write(copy.root().join(journal), left).unwrap();
    let mut writer = copy.write();
    assert_eq!(writer.begin().unwrap().register_collections(&run("run1")).unwrap(), 0);
    drop(writer);
    check_reading(&mut copy.read());
    assert!(!copy.root().join(journal).exists());
}
