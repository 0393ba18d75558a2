//! Files of inputs and the registry never disagree, whatever fails on the way.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use qbb::journal::JournalState;
use qbb_datastore::disk::{DiskRequest, DiskWatcher, Verdict, watch};
use qbb_datastore::{ArtifactUri, Placing, RepositoryConfig};
use qbb_graph::QuantumGraph;
use qbb_registry::{
    CollectionKind, DatasetBatch, NewCollection, SqliteRegistry, open_reader, open_writer,
};
use qbb_transfer::{
    InputMode, Inputs, Outputs, TransferError, TransferPlan, TransferReport, transfer,
};

/// The request below the fragile folder that fails next, counted down; never if 0.
static FAILS: AtomicU64 = AtomicU64::new(0);

/// Fails one request, as a disk does that is full.
struct FullDisk;

impl DiskWatcher for FullDisk {
    fn request(&self, _: DiskRequest<'_>) -> Verdict {
        let counted = FAILS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        match counted {
            Ok(1) => Verdict::Failed(0, io::Error::from(io::ErrorKind::StorageFull)),
            _ => Verdict::Done,
        }
    }
}

/// What stands between the path of an archive and the name of its member.
const MEMBER: &str = "#zip-path=";

/// A release with the inputs of a graph, and an empty personal repository.
struct Setting {
    _folder: tempfile::TempDir,
    graph: QuantumGraph,
    personal: Utf8PathBuf,
    config: RepositoryConfig,
}

impl Setting {
    fn new() -> Self {
        Self::with_paths(|_, path| path)
    }

    /// Files of the release are where `path` says, by position and usual path of a record.
    fn with_paths(path_of: impl Fn(usize, String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let data = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../qbb/tests/data/visits.qg");
        let mut graph = qbb_graph::open(&data).unwrap();
        let (release, personal) = (path.join("release"), path.join("personal"));
        graph.set_missing_roots(&ArtifactUri::of_folder(&release).unwrap());
        let paths = &graph.records.path;
        let paths: Vec<String> = (0..graph.records.len())
            .map(|i| path_of(i, String::from_utf8(paths.get(i).to_vec()).unwrap()))
            .collect();
        graph.records.path = paths.iter().map(String::as_bytes).collect();
        for (record, path) in paths.iter().enumerate() {
            let file = match path.split_once(MEMBER) {
                Some((archive, _)) => release.join(archive),
                None => graph.input_uri(record).unwrap().to_file_path().unwrap(),
            };
            fs_err::create_dir_all(file.parent().unwrap()).unwrap();
            fs_err::write(&file, format!("content of {record}")).unwrap();
        }
        SqliteRegistry::create(&personal, graph.universe()).unwrap();
        let config = RepositoryConfig::open(personal.as_str()).unwrap();
        Self { _folder: folder, graph, personal, config }
    }

    fn transfer(&self, placing: Placing) -> Result<TransferReport, TransferError> {
        let journal = JournalState::new(self.graph.quanta.len(), self.graph.datasets.len());
        let (mode, datastore) = (InputMode::Place(placing), &self.config.datastore);
        let mut known = open_reader(&self.config).unwrap();
        let inputs = Inputs::prepare(&self.graph, mode, &mut *known, datastore, &|_, _| {})?;
        let mut writer = open_writer(&self.config).unwrap();
        let plan = TransferPlan {
            outputs: Outputs::in_place(),
            inputs,
            storage_classes: &[],
            output_chain: true,
            packed: None,
        };
        transfer(&self.graph, &journal, &mut *writer, plan, &mut |_, _| {})
    }

    /// Files of the personal repository besides its registry, with their content.
    fn files(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.personal.clone()];
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir_utf8().unwrap().map(Result::unwrap) {
                let name = entry.path().strip_prefix(&self.personal).unwrap().to_string();
                match entry.file_type().unwrap().is_dir() {
                    true => folders.push(entry.path().to_owned()),
                    false if name.starts_with("gen3") || name == "butler.yaml" => {}
                    false => {
                        let content = fs_err::read_to_string(entry.path()).unwrap();
                        found.insert(name, content);
                    }
                }
            }
        }
        found
    }

    /// Recorded paths of all inputs.
    fn recorded(&self) -> Vec<String> {
        let mut reader = open_reader(&self.config).unwrap();
        let ids: Vec<[u8; 16]> = self.graph.datasets.id.to_vec();
        let mut symbols = qbb_dimensions::Symbols::new();
        let mut snapshot = reader.snapshot().unwrap();
        let records = snapshot.datastore_records_of(&ids, &mut symbols).unwrap();
        let mut paths: Vec<String> = records.path.iter().map(|path| path.to_string()).collect();
        paths.sort();
        paths
    }
}

/// One test, because all of the process sees what the disk does.
#[test]
fn files_and_registry_agree_after_every_failure() {
    assert!(watch(Box::new(FullDisk)));

    // Whatever request fails, nothing is left; or it was not needed and all is there.
    let mut failures = 0;
    let (setting, done) = loop {
        let setting = Setting::new();
        failures += 1;
        FAILS.store(failures, Ordering::SeqCst);
        let result = setting.transfer(Placing::Copy);
        let reached = FAILS.swap(0, Ordering::SeqCst) == 0;
        match result {
            Ok(report) if !reached => break (setting, report),
            Ok(_) => {
                let mut files = setting.files();
                // Names of what is unfinished may stay.
                files.retain(|name, _| !name.contains("/.qbb-"));
                assert_eq!(setting.recorded(), files.into_keys().collect::<Vec<_>>());
            }
            Err(error) => {
                assert!(matches!(error, TransferError::Store(_) | TransferError::Sync { .. }));
                assert!(setting.files().is_empty(), "after request {failures}: {error}");
                assert!(setting.recorded().is_empty());
            }
        }
    };
    assert!(failures > 10, "{failures}");
    assert_eq!((done.inputs, done.inputs_missing), (done.datasets_inserted, 0));
    let files = setting.files();
    assert_eq!(setting.recorded(), files.keys().cloned().collect::<Vec<_>>());
    assert_eq!(files.len() as u64, done.files_placed);

    // Again, nothing is new.
    let again = setting.transfer(Placing::Symlink).unwrap();
    assert_eq!((again.inputs, again.datasets_inserted), (done.inputs, 0));
    assert_eq!(again.files_placed, 0);
    assert_eq!(setting.files(), files);

    // What a killed transfer has left is used; what is something else is not touched.
    let other = Setting::new();
    let (name, content) = files.iter().next().unwrap();
    let place = other.personal.join(name);
    fs_err::create_dir_all(place.parent().unwrap()).unwrap();
    fs_err::write(&place, "something else").unwrap();
    let error = other.transfer(Placing::Copy).unwrap_err();
    assert!(matches!(&error, TransferError::Occupied { .. }), "{error}");
    assert_eq!(other.files().into_values().collect::<Vec<_>>(), ["something else"]);
    fs_err::write(&place, content).unwrap();
    let report = other.transfer(Placing::Copy).unwrap();
    assert_eq!(report.datasets_inserted, done.datasets_inserted);
    assert_eq!(other.files(), files);

    // The registry refuses: another dataset has the data ID of an input.
    let refusing = Setting::new();
    occupy(&refusing);
    let error = refusing.transfer(Placing::Hardlink).unwrap_err();
    assert!(matches!(&error, TransferError::Registry(_)), "{error}");
    assert!(refusing.files().is_empty() && refusing.recorded().is_empty());

    // Inputs without files are left out.
    let lacking = Setting::new();
    fs_err::remove_file(lacking.graph.input_uri(0).unwrap().to_file_path().unwrap()).unwrap();
    let report = lacking.transfer(Placing::Hardlink).unwrap();
    assert_eq!((report.inputs_missing, report.inputs), (1, done.inputs - 1));
    assert_eq!(lacking.recorded().len(), files.len() - 1);

    archives_and_shared_files_are_copied_once();
    what_is_given_up_leaves_what_others_have_registered();
}

/// Registers an input of the graph under another UUID.
fn occupy(setting: &Setting) {
    let graph = &setting.graph;
    let dataset = graph.overall_inputs().into_iter().next().unwrap();
    let ix = graph.datasets.dataset_type(dataset);
    let dataset_type = graph.pipeline.dataset_type(ix).dataset_type.clone();
    let data_ids = graph.dataset_type_data_ids(ix);
    let run = graph.runs[graph.datasets.run[dataset.index()] as usize].clone();
    let row = graph.datasets.data_id[dataset.index()];
    let keys: Vec<Vec<i64>> = (data_ids.row(row).take(data_ids.group().required().len()))
        .map(|cell| vec![cell])
        .collect();
    let mut writer = open_writer(&setting.config).unwrap();
    let mut transaction = writer.begin().unwrap();
    transaction.insert_records(&graph.dimension_records, &graph.symbols).unwrap();
    transaction.register_dataset_types(std::slice::from_ref(&dataset_type)).unwrap();
    let collection = NewCollection {
        name: run.clone(),
        kind: CollectionKind::Run,
        doc: None,
        children: Vec::new(),
    };
    transaction.register_collections(&[collection]).unwrap();
    let batch = DatasetBatch {
        dataset_type: &dataset_type.name,
        run: &run,
        keys: &keys,
        id: &[[7; 16]],
        files: &[],
    };
    transaction.insert_datasets(&batch, &graph.symbols).unwrap();
    transaction.commit().unwrap();
}

/// Archives go to their own folder and keep their members; what several datasets share is one file.
fn archives_and_shared_files_are_copied_once() {
    let setting = Setting::with_paths(|record, path| match record {
        0..2 => format!("packed/16d97fc3.zip{MEMBER}{record}.json"),
        2..4 => "shared/odd name +&.json".to_owned(),
        _ => path,
    });
    let done = setting.transfer(Placing::Copy).unwrap();
    let (files, recorded) = (setting.files(), setting.recorded());
    assert_eq!(files.len(), setting.graph.records.len() - 2);
    assert_eq!(files.len() as u64, done.files_placed);
    let members: Vec<&str> =
        recorded.iter().filter_map(|p| p.split_once(MEMBER)).map(|p| p.1).collect();
    assert_eq!(members, ["0.json", "1.json"]);
    let mut places: Vec<&str> = recorded.iter().map(|p| p.split(MEMBER).next().unwrap()).collect();
    places.dedup();
    assert!(places.iter().any(|place| place.starts_with("zips/") && place.ends_with(".zip")));
    assert_eq!(places, files.keys().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(setting.transfer(Placing::Copy).unwrap().files_placed, 0);
}

/// Two transfers want the same files; the one that placed them first fails in the end.
fn what_is_given_up_leaves_what_others_have_registered() {
    for placing in [Placing::Copy, Placing::Hardlink, Placing::Symlink] {
        let setting = Setting::new();
        let (mode, datastore) = (InputMode::Place(placing), &setting.config.datastore);
        let mut known = open_reader(&setting.config).unwrap();
        let given_up =
            Inputs::prepare(&setting.graph, mode, &mut *known, datastore, &|_, _| {}).unwrap();
        let done = setting.transfer(placing).unwrap();
        assert_eq!((done.inputs, done.inputs_missing), (done.datasets_inserted, 0));
        drop(given_up);
        let files = setting.files();
        assert_eq!(setting.recorded(), files.into_keys().collect::<Vec<_>>(), "{placing:?}");
    }
}
