//! `qbb provenance`.

use camino::{Utf8Path, Utf8PathBuf};
use qbb::journal::{AttemptHistory, JournalState, read_attempts, read_state};
use qbb::provenance::{FileProducts, ProvenanceDataset, RunProvenance};
use qbb::{GraphIdentity, QuantumBackedButler};
use qbb_datastore::{DatastoreConfig, LocalFile, Origins, RepositoryConfig, StoreError};
use qbb_graph::{ProvenanceReader, QuantumGraph, write_provenance};
use qbb_submit_dirs::SubmitDirectory;
use serde::Serialize;

use crate::arguments::ProvenanceArguments;
use crate::output::{
    ExitCode, Failure, ProgressBars, Terminal, bytes, check_destination,
    remove_unfinished_at_signals,
};

/// Writes what happened as a provenance graph.
pub fn execute(arguments: &ProvenanceArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let place = Place::of(arguments)?;
    check_destination(&place.output)?;
    let graph = qbb_graph::open(&place.graph)?;
    let identity = GraphIdentity::of(&graph);
    let mut journal = read_state(&place.journal, &graph, identity)?;
    let config = RepositoryConfig::open(&place.personal)?;
    let datastore = config.datastore.clone();
    let config = config.with_local_outputs(&place.outputs)?;
    let root = config.datastore.local_root().ok_or_else(|| {
        Failure::input(format!("the datastore of {} is not a local folder", place.personal))
    })?;
    journal.verify(|record| QuantumBackedButler::file_matches(&root, record));
    let history = read_attempts(&place.journal, identity, &journal)?;
    remove_unfinished_at_signals()?;
    let bars = ProgressBars::new(terminal);
    bars.stage("writing provenance");
    let dataset = ProvenanceDataset::of(&graph, &config.datastore).map_err(Failure::from_error)?;
    let former = Former::find(&datastore, &dataset)?;
    let told = Told { graph: &graph, journal: &journal, history: &history, complete: false };
    let former = former.as_ref().map(|former| (former, None));
    let report = told.write(&root, former, &place.output, &mut |done, total| {
        bars.count("writing provenance", done, total);
    })?;
    drop(bars);
    terminal.result(&report, describe)?;
    Ok(ExitCode::Success)
}

/// The provenance graph that a transfer has put in place of metadata and logs.
pub struct Former {
    reader: ProvenanceReader,
    /// The file, which may be a copy for as long as this is there.
    _file: LocalFile,
}

impl Former {
    /// The one of a run, if there is one in the datastore.
    pub fn find(
        datastore: &DatastoreConfig,
        dataset: &ProvenanceDataset,
    ) -> Result<Option<Self>, Failure> {
        let place = datastore.root.join(&dataset.path).map_err(Failure::from_error)?;
        let file = match Origins::default().local_file(&place) {
            Err(StoreError::NotFound { .. }) => return Ok(None),
            file => file.map_err(Failure::from_error)?,
        };
        if !file.path().is_file() {
            return Ok(None);
        }
        let reader = ProvenanceReader::open_if_provenance(file.path())?;
        Ok(reader.map(|reader| Self { reader, _file: file }))
    }
}

/// What is told.
pub struct Told<'a> {
    /// The graph.
    pub graph: &'a QuantumGraph,
    /// What became of it.
    pub journal: &'a JournalState,
    /// Attempts that were repeated.
    pub history: &'a AttemptHistory,
    /// Whether anything that is gone is an error.
    pub complete: bool,
}

impl Told<'_> {
    /// Writes it to a file. What has no files any more comes from a former provenance graph; if
    /// this knows the quanta by other UUIDs, these are given.
    pub fn write(
        &self,
        root: &Utf8Path,
        former: Option<(&Former, Option<&[[u8; 16]]>)>,
        output: &Utf8Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Written, Failure> {
        let products = FileProducts::new(root);
        let mut source = RunProvenance::new(self.graph, self.journal, self.history, &products);
        if self.complete {
            source = source.complete();
        }
        if let Some((former, quanta)) = former {
            source = source.with_former(former.reader.texts()?, quanta);
        }
        let written = write_provenance(self.graph, &source, output, progress)?;
        Ok(Written {
            file: output.to_owned(),
            quanta: written.quanta,
            datasets: written.datasets,
            attempts: written.attempts,
            bytes: written.bytes,
            missing: source.missing(),
        })
    }
}

/// Where everything is.
struct Place {
    graph: Utf8PathBuf,
    personal: String,
    journal: Utf8PathBuf,
    outputs: Utf8PathBuf,
    output: Utf8PathBuf,
}

impl Place {
    fn of(arguments: &ProvenanceArguments) -> Result<Self, Failure> {
        let target = &arguments.target;
        let default = |folder: &Utf8Path| {
            arguments.output.clone().unwrap_or_else(|| folder.join("run_provenance.qg"))
        };
        if target.is_file() {
            let personal = arguments.personal.clone().ok_or_else(|| {
                Failure::usage(format!("{target} does not say where its outputs are"))
                    .with_hint("name the repository whose datastore has them with --personal")
            })?;
            let folder = (arguments.run_dir.clone())
                .unwrap_or_else(|| Utf8PathBuf::from(format!("{target}.run")));
            let (journal, output) = (folder.join("journal"), default(&folder));
            let outputs = folder.join("outputs");
            return Ok(Self { graph: target.clone(), personal, journal, outputs, output });
        }
        let directory = SubmitDirectory::open(target)?;
        Ok(Self {
            graph: directory.graph(),
            personal: directory.submission().personal.to_string(),
            journal: directory.journal(),
            outputs: directory.outputs(),
            output: default(directory.root()),
        })
    }
}

/// What was written.
#[derive(Serialize)]
pub struct Written {
    /// The file.
    pub file: Utf8PathBuf,
    quanta: u64,
    datasets: u64,
    attempts: u64,
    /// Its size.
    pub bytes: u64,
    /// Metadata and logs that were written and are gone.
    missing: u64,
}

fn describe(written: &Written) -> String {
    let mut text = format!(
        "{} ({}): {} attempts at {} quanta, {} datasets",
        written.file,
        bytes(written.bytes),
        written.attempts,
        written.quanta,
        written.datasets
    );
    if written.missing != 0 {
        text.push_str(&format!(
            "\nwarning: {} metadata and log datasets were written and are gone; they are left out",
            written.missing
        ));
    }
    text
}
