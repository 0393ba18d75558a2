//! The quantum-backed butler over a graph that the real builder made.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use qbb::journal::{Event, JournalState, QuantumEnd, QuantumOutcome, Timestamp};
use qbb::{ButlerError, QuantumBackedButler};
use qbb_datastore::{ArtifactUri, DatastoreConfig, RepositoryConfig};
use qbb_graph::{DatasetIx, QuantumGraph, QuantumIx};

fn data(name: &str) -> Utf8PathBuf {
    Utf8PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

struct Space {
    folder: tempfile::TempDir,
    graph: Arc<QuantumGraph>,
}

impl Space {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut graph = qbb_graph::open(&data("visits.qg")).unwrap();
        let release = Utf8Path::from_path(folder.path()).unwrap().join("release");
        graph.set_missing_roots(&ArtifactUri::of_folder(&release).unwrap());
        Self { folder, graph: Arc::new(graph) }
    }

    fn root(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    fn datastore(&self, extra: &str) -> DatastoreConfig {
        let folder = self.root().join("personal");
        fs_err::create_dir_all(&folder).unwrap();
        let class = "lsst.daf.butler.datastores.fileDatastore.FileDatastore";
        let text = format!(
            "datastore:\n  cls: {class}\n  root: <butlerRoot>\n{extra}registry:\n  db: \
             sqlite:///<butlerRoot>/gen3.sqlite3\n"
        );
        fs_err::write(folder.join("butler.yaml"), text).unwrap();
        RepositoryConfig::open(folder.as_str()).unwrap().datastore
    }

    fn butler(&self) -> QuantumBackedButler {
        self.butler_with("")
    }

    fn butler_with(&self, extra: &str) -> QuantumBackedButler {
        let state = JournalState::new(self.graph.quanta.len(), self.graph.datasets.len());
        QuantumBackedButler::new(self.graph.clone(), &self.datastore(extra), state).unwrap()
    }

    /// The first quantum of a task.
    fn first(&self, label: &str) -> QuantumIx {
        let task = self.graph.pipeline.find_task(label).unwrap();
        self.graph.quanta.iter().find(|&quantum| self.graph.quanta.task(quantum) == task).unwrap()
    }
}

fn ended(quantum: QuantumIx, outcome: QuantumOutcome) -> Event {
    let (started, ended) = (Timestamp(1), Timestamp(2));
    Event::QuantumFinished { quantum, attempt: 0, started, ended, outcome }
}

#[test]
fn all_outputs_are_predicted_where_the_middleware_writes_them() {
    let space = Space::new();
    let butler = space.butler();
    let outputs = (space.graph.quanta.iter())
        .flat_map(|quantum| space.graph.outputs.edges(quantum).map(|(_, dataset)| dataset))
        .chain(space.graph.init_quanta.iter().flat_map(|init| init.output_datasets()));
    let predicted: BTreeSet<String> =
        outputs.map(|dataset| butler.predict(dataset).unwrap().path).collect();
    let expected = fs_err::read_to_string(data("visits_paths.txt")).unwrap();
    assert_eq!(predicted, expected.lines().map(str::to_owned).collect());
}

#[test]
fn inputs_are_read_from_the_release_and_outputs_written_to_the_personal_root() {
    let space = Space::new();
    let butler = space.butler();
    let quantum = butler.for_quantum(space.first("isr"));
    let raw = quantum.inputs("raw").unwrap()[0];
    assert!(quantum.exists(raw).unwrap(), "its record is proof enough");
    let missing = quantum.get(raw).unwrap_err();
    assert!(matches!(missing, ButlerError::Missing { .. }), "{missing}");
    assert!(missing.to_string().contains("/release/"), "{missing}");

    let file = quantum.uri(raw).unwrap().to_file_path().unwrap();
    fs_err::create_dir_all(file.parent().unwrap()).unwrap();
    fs_err::write(&file, "pixels").unwrap();
    assert_eq!(quantum.get(raw).unwrap(), b"pixels");

    let image = quantum.outputs("image").unwrap()[0];
    quantum.put(image, b"first").unwrap();
    quantum.put(image, b"second try").unwrap();
    let written = quantum.uri(image).unwrap().to_file_path().unwrap();
    assert!(written.starts_with(space.root().join("personal")));
    assert_eq!(fs_err::read(&written).unwrap(), b"second try");

    let summary = quantum.summary();
    assert_eq!((summary.metrics.n_get, summary.metrics.n_put), (1, 2));
    assert_eq!(summary.outputs.len(), 1, "a dataset is one output, however often it is written");
    assert_eq!(summary.outputs[0].records[0].file_size, 10);
}

#[test]
fn provenance_is_told_as_the_middleware_tells_it() {
    let space = Space::new();
    let butler = space.butler();
    let quantum = butler.for_quantum(space.first("isr"));
    let image = quantum.outputs("image").unwrap()[0];
    let bias = quantum.inputs("bias").unwrap()[0];
    quantum.exists(bias).unwrap();
    quantum.put(image, b"{}").unwrap();
    let told = quantum.provenance_json("FileDatastore@<butlerRoot>");
    let id = space.graph.datasets.uuid(image);
    assert_eq!(told["actual_outputs"], serde_json::json!([id.to_string()]));
    assert_eq!(told["actual_inputs"], serde_json::json!([]));
    let seen = space.graph.datasets.uuid(bias).to_string();
    assert_eq!(told["available_inputs"], serde_json::json!([seen]));
    assert_eq!(told["predicted_outputs"].as_array().unwrap().len(), 3);
    let records = &told["datastore_records"]["FileDatastore@<butlerRoot>"]["records"];
    let class = "lsst.daf.butler.datastore.stored_file_info.StoredFileInfo";
    let row = &records[class][id.simple().to_string()]["file_datastore_records"][0];
    assert_eq!(row["formatter"], "lsst.daf.butler.formatters.yaml.YamlFormatter");
    assert_eq!(row["storage_class"], "StructuredDataDict");
    assert_eq!(row["component"], "__NULL_STRING__");
    assert_eq!(row["file_size"], 2);
}

#[test]
fn of_intermediates_the_journal_knows_best() {
    let space = Space::new();
    let butler = space.butler();
    let calibrate = butler.for_quantum(space.first("calibrate"));
    let snap = calibrate.inputs("snaps").unwrap()[0];
    let producer = space.graph.producer(snap).unwrap();
    let path = calibrate.uri(snap).unwrap().to_file_path().unwrap();
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();

    assert!(!calibrate.exists(snap).unwrap(), "nobody knows, and there is no file");
    fs_err::write(&path, "by somebody else").unwrap();
    assert!(calibrate.exists(snap).unwrap(), "nobody knows, but there is a file");
    assert_eq!(calibrate.get(snap).unwrap(), b"by somebody else");

    butler.observe(&ended(producer, QuantumOutcome::bare(QuantumEnd::NoWork)));
    assert!(!calibrate.exists(snap).unwrap(), "its producer has not written it");
    assert!(matches!(calibrate.get(snap), Err(ButlerError::Missing { .. })));

    let isr = butler.for_quantum(producer);
    isr.put(snap, b"new").unwrap();
    let outcome = QuantumOutcome {
        outputs: isr.summary().outputs,
        ..QuantumOutcome::bare(QuantumEnd::Succeeded)
    };
    let Event::QuantumFinished { quantum, started, ended, .. } =
        ended(producer, QuantumOutcome::bare(QuantumEnd::Succeeded))
    else {
        panic!("it is one");
    };
    butler.observe(&Event::QuantumFinished { quantum, attempt: 1, started, ended, outcome });
    fs_err::remove_file(&path).unwrap();
    assert!(calibrate.exists(snap).unwrap(), "the journal is believed without looking");
}

#[test]
fn templates_that_do_not_tell_datasets_apart_are_noticed() {
    let space = Space::new();
    let butler =
        space.butler_with("  templates:\n    post_isr_image: \"{run}/{instrument}/image\"\n");
    let isr = space.graph.pipeline.find_task("isr").unwrap();
    let mut quanta =
        space.graph.quanta.iter().filter(|&quantum| space.graph.quanta.task(quantum) == isr);
    let mut put = || {
        let quantum = butler.for_quantum(quanta.next().unwrap());
        quantum.put(quantum.outputs("image").unwrap()[0], b"x")
    };
    put().unwrap();
    let error = put().unwrap_err();
    assert!(matches!(error, ButlerError::Collision { .. }), "{error}");
}

#[test]
fn datasets_of_others_are_refused_by_name() {
    let space = Space::new();
    let butler = space.butler();
    let isr = butler.for_quantum(space.first("isr"));
    let raw = isr.inputs("raw").unwrap()[0];
    let image = isr.outputs("image").unwrap()[0];
    let error = isr.put(raw, b"x").unwrap_err().to_string();
    assert!(error.starts_with("isr {instrument: 'QbbCam'"), "{error}");
    assert!(error.contains("may not write raw {instrument: 'QbbCam'"), "{error}");
    assert!(matches!(isr.get(image), Err(ButlerError::NotAnInput { .. })));
    let beyond = DatasetIx(u32::MAX - 1);
    assert!(matches!(isr.get(beyond), Err(ButlerError::NotAnInput { .. })));
}

#[test]
fn a_root_that_cannot_be_used_is_refused_at_once() {
    let space = Space::new();
    let datastore = space.datastore("");
    let root = space.root().join("personal");
    fs_err::remove_dir_all(&root).unwrap();
    fs_err::write(&root, "a file in the way").unwrap();
    let state = JournalState::new(space.graph.quanta.len(), space.graph.datasets.len());
    let error = QuantumBackedButler::new(space.graph.clone(), &datastore, state).unwrap_err();
    assert!(matches!(error, ButlerError::Root(_)), "{error}");
    assert!(error.to_string().contains("personal"), "{error}");
}

#[test]
fn init_outputs_have_a_butler_of_their_own() {
    let space = Space::new();
    let butler = space.butler();
    let packages = space.graph.init_quantum(None).unwrap();
    let init = butler.for_init(packages);
    let dataset = init.outputs("packages").unwrap()[0];
    init.put(dataset, b"qbb: 1\n").unwrap();
    let path = init.uri(dataset).unwrap().to_file_path().unwrap();
    assert!(path.as_str().ends_with("/packages_u_me_small_run1.yaml"), "{path}");
    assert!(init.inputs("anything").is_err());
}
