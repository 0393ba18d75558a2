use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use super::*;

struct Place {
    _folder: tempfile::TempDir,
    path: Utf8PathBuf,
}

/// A folder with a `butler.yaml`.
fn repository(text: &str) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(folder.path()).unwrap().canonicalize_utf8().unwrap();
    fs_err::write(path.join("butler.yaml"), text).unwrap();
    Place { _folder: folder, path }
}

fn open(text: &str) -> (Place, Result<RepositoryConfig, RepositoryError>) {
    let place = repository(text);
    let config = RepositoryConfig::open_with(place.path.as_str(), None, None);
    (place, config)
}

const CREATED: &str = "
datastore:
  cls: lsst.daf.butler.datastores.fileDatastore.FileDatastore
  records:
    table: file_datastore_records
  root: <butlerRoot>
registry:
  db: sqlite:///<butlerRoot>/gen3.sqlite3
  managers:
    opaque: some.other.Manager
";

#[test]
fn a_created_repository() {
    let (place, config) = open(CREATED);
    let config = config.unwrap();
    assert_eq!(config.root().unwrap(), place.path);
    let file = place.path.join("gen3.sqlite3");
    assert_eq!(config.registry.database.sqlite_path(), Some(file));
    assert_eq!(config.registry.managers["opaque"], "some.other.Manager");
    assert_eq!(config.registry.managers.len(), 6);
    assert_eq!(config.registry.namespace, None);
    assert_eq!(config.datastore.name, "FileDatastore@<butlerRoot>");
    assert_eq!(config.datastore.local_root().unwrap(), place.path);
    assert!(config.datastore.root.is_folder());
    assert_eq!(config.datastore.templates.len(), 2);
    assert_eq!(config.tree()["registry"]["db"], "sqlite:///<butlerRoot>/gen3.sqlite3");
}

#[test]
fn an_empty_file_has_the_defaults_of_the_middleware() {
    let (place, config) = open("{}");
    let config = config.unwrap();
    assert_eq!(config.datastore.name, "FileDatastore@<butlerRoot>/datastore");
    assert_eq!(config.datastore.local_root().unwrap(), place.path.join("datastore"));
    assert_eq!(config.datastore.records_table, "file_datastore_records");
    assert_eq!(config.registry.database.dialect(), "sqlite");
    assert!(!config.datastore.checksum && !config.datastore.trust_get_request);
}

#[test]
fn every_form_of_the_place_opens_it() {
    let place = repository(CREATED);
    let path = &place.path;
    let index = RepositoryIndex::parse(&format!("/repo/main: {path}/butler.yaml")).unwrap();
    for form in [
        path.to_string(),
        format!("{path}/"),
        format!("{path}/butler.yaml"),
        format!("file://{path}"),
        format!("file://{path}/butler.yaml"),
        "/repo/main".to_owned(),
    ] {
        let config = RepositoryConfig::open_with_index(&form, &index).unwrap();
        assert_eq!(&config.root().unwrap(), path, "{form}");
    }
}

#[test]
fn odd_characters_in_the_root_survive() {
    let folder = tempfile::tempdir().unwrap();
    let base = Utf8Path::from_path(folder.path()).unwrap().canonicalize_utf8().unwrap();
    let root = base.join("a b#1 %41é");
    fs_err::create_dir(&root).unwrap();
    fs_err::write(root.join("butler.yaml"), CREATED).unwrap();
    let config = RepositoryConfig::open_with(root.as_str(), None, None).unwrap();
    assert_eq!(config.datastore.local_root().unwrap(), root);
    assert_eq!(config.registry.database.sqlite_path().unwrap(), root.join("gen3.sqlite3"));
    assert!(config.datastore.root.as_str().ends_with("/a%20b%231%20%2541%C3%A9/"));
}

#[test]
fn settings_override_defaults() {
    let (_place, config) = open(
        "
root: /data/real root
registry:
  db: postgresql+psycopg://user:secret@db.example.org:5432/butler
  password: secret too
  namespace: dp2
datastore:
  root: s3://bucket/prefix
  name: release
  checksum: true
  templates: {default: '{run}/x', raw: '{run}/raw'}
  formatters: {Thing: some.Formatter}
storageClasses: {Thing: {pytype: some.Thing}}
",
    );
    let config = config.unwrap();
    assert_eq!(config.root_uri.as_str(), "file:///data/real%20root/");
    assert_eq!(config.registry.namespace.as_deref(), Some("dp2"));
    assert_eq!(config.datastore.root.as_str(), "s3://bucket/prefix/");
    assert_eq!(config.datastore.local_root(), None);
    assert_eq!(config.datastore.name, "release");
    assert!(config.datastore.checksum);
    assert_eq!(config.datastore.templates["default"], "{run}/x");
    assert_eq!(config.datastore.templates.len(), 3);
    assert_eq!(config.datastore.formatters["Thing"], "some.Formatter");
    assert_eq!(config.storage_classes["Thing"], json!({"pytype": "some.Thing"}));
    assert!(config.registry.database.expose().contains("secret"));
    assert!(!format!("{config:?}").contains("secret"));
    assert!(!serde_json::to_string(config.tree()).unwrap().contains("secret"));
}

#[test]
fn sections_may_be_included() {
    let place = repository("datastore: !include sub/datastore.yaml\nregistry: !include r.yaml\n");
    fs_err::create_dir(place.path.join("sub")).unwrap();
    fs_err::write(
        place.path.join("sub/datastore.yaml"),
        "datastore: {root: <butlerRoot>, templates: !include t.yaml}",
    )
    .unwrap();
    fs_err::write(place.path.join("sub/t.yaml"), "default: '{run}/y'").unwrap();
    fs_err::write(place.path.join("r.yaml"), "namespace: x").unwrap();
    let config = RepositoryConfig::open_with(place.path.as_str(), None, None).unwrap();
    assert_eq!(config.datastore.templates["default"], "{run}/y");
    assert_eq!(config.registry.namespace.as_deref(), Some("x"));
    assert_eq!(config.tree()["datastore"]["root"], "<butlerRoot>");
}

/// The message of an error with the folder's name made the same on every run.
fn message(place: &Place, error: &RepositoryError) -> String {
    error.to_string().replace(place.path.as_str(), "/repo")
}

#[test]
fn messages_name_the_file_the_setting_and_the_fix() {
    let cases = [
        "datastore: {cls: lsst.daf.butler.datastores.chainedDatastore.ChainedDatastore}",
        "cls: lsst.daf.butler.remote_butler.RemoteButler",
        "datastore: {root: 5}",
        "datastore: {checksum: maybe}",
        "registry: [1]\ndatastore: x",
        "registry:\n  db: postgresql://u:secret@h/d\n db: x",
        "- a",
    ];
    let messages: Vec<String> = cases
        .iter()
        .map(|text| {
            let (place, config) = open(text);
            message(&place, &config.unwrap_err())
        })
        .collect();
    assert!(messages.iter().all(|message| !message.contains("secret")));
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn what_cannot_be_looked_at_is_not_called_missing() {
    let place = repository(CREATED);
    // The system refuses names of that length, as it refuses folders that are closed to the account.
    let error = RepositoryConfig::open_with_index(
        place.path.join("x".repeat(300)).as_str(),
        &RepositoryIndex::parse("{}").unwrap(),
    );
    assert!(matches!(error.unwrap_err(), RepositoryError::Unseen { .. }));
}

#[test]
fn missing_places_are_explained() {
    let place = repository(CREATED);
    fs_err::create_dir(place.path.join("empty")).unwrap();
    let index =
        RepositoryIndex::parse("{dp2_prompt: /nowhere, embargo: s3://b/butler.yaml}").unwrap();
    let mut messages = Vec::new();
    for form in ["empty", "none", "dp2_promt", "dp2_prompt", "embargo", "s3://other/x"] {
        let given = match form {
            "empty" | "none" => place.path.join(form).into_string(),
            _ => form.to_owned(),
        };
        let error = RepositoryConfig::open_with_index(&given, &index).unwrap_err();
        let here = std::env::current_dir().unwrap();
        messages.push(message(&place, &error).replace(here.to_str().unwrap(), "/here"));
    }
    insta::assert_snapshot!(messages.join("\n"));
}
