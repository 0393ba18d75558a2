//! `qbb transfer` of a million datasets, as whole processes: time and memory, against the same rows
//! inserted by a bare program, into SQLite by prepared statements and into PostgreSQL by `COPY`.
//!
//! Graph and journal are made up: a survey whose quanta have all succeeded. `QBB_BENCH_DATASETS` is
//! another number of datasets, of which PostgreSQL gets a tenth, and `QBB_BENCH_ROUNDS` another
//! number of rounds (3). The floors read all rows into memory before their clocks start, which do not
//! see the start of a process, nor graph and journal being read.
#![expect(clippy::print_stdout, reason = "the report is what benchmarks are for")]
#![allow(clippy::expect_used, reason = "helpers of tests that are used here")]

#[path = "support/amount.rs"]
mod amount;
#[path = "support/copying.rs"]
mod copying;
#[path = "../tests/kit/postgres_server.rs"]
#[allow(dead_code, reason = "it is for all tests")]
mod postgres_server;
#[path = "support/prepared.rs"]
mod prepared;
#[path = "support/process.rs"]
#[allow(dead_code, reason = "each benchmark uses its part")]
mod process;
#[path = "support/samples.rs"]
#[allow(dead_code, reason = "each benchmark uses its part")]
mod samples;
#[path = "../graph/tests/support/synthetic.rs"]
#[allow(dead_code, reason = "it is for all tests")]
mod synthetic;

use std::process::Command;

use amount::amount;
use camino::{Utf8Path, Utf8PathBuf};
use postgres_server::postgres;
use prepared::{Indexes, Rows};
use process::{Measured, Runs, alternate, measure, measure_inside};
use qbb::GraphIdentity;
use qbb::journal::{
    DatasetOutput, Event, FileRecord, JournalWriter, ProcessIdentity, QuantumEnd, QuantumOutcome,
    Timestamp,
};
use qbb_datastore::DatabaseUrl;
use qbb_dimensions::DatasetType;
use qbb_graph::{QuantumGraph, QuantumIx};
use qbb_registry::{
    CollectionKind, DatastoreTable, NewCollection, NewDatabase, PostgresRegistry,
    RegistryWriter as _,
};
use qbb_submit_dirs::{Submission, SubmitDirectory, SubmitError};
use rayon::prelude::*;
use samples::{Samples, Unit};

/// Anything that ends a benchmark.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const DETECTORS: u32 = 100;
/// Outputs of quanta: six types by detector and three by visit.
const BY_VISIT: u32 = 6 * DETECTORS + 3;
const DATABASE: &str = "gen3.sqlite3";
/// Outputs of a dataset type whose files share a folder, at most.
const BY_FOLDER: u32 = 1000;

/// Events that are recorded at once.
const BATCH: usize = 256;

fn main() -> Result<()> {
    // Commands that run every target must not wait for a benchmark.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let wanted = amount("QBB_BENCH_DATASETS", 1_000_000)?;
    let rounds = amount("QBB_BENCH_ROUNDS", 3)?;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let root = Utf8PathBuf::try_from(folder.path().to_owned())?;
    println!("| what | qbb | floor | ratio |\n|---|---|---|---|");
    sqlite(&Run::make(&root.join("sqlite"), wanted)?, rounds)?;
    postgresql(&Run::make(&root.join("postgresql"), wanted / 10)?, rounds)
}

fn sqlite(run: &Run, rounds: usize) -> Result<()> {
    let personal = run.root.join("personal");
    qbb_registry::create(&personal, NewDatabase::Sqlite, run.graph.universe())?;
    let submit = run.submit("submit", &personal)?;
    let (live, before) = (personal.join(DATABASE), run.root.join("before"));
    fs_err::copy(&live, &before)?;
    // A process takes over the peak of the one that starts it, so rows are not in memory yet.
    let [ours] = alternate(
        rounds,
        [&mut || {
            fs_err::copy(&before, &live)?;
            transfer(&submit)
        }],
    )?;
    let [again] = alternate(rounds, [&mut || transfer(&submit)])?;
    let rows = Rows::added(live.as_std_path(), before.as_std_path())?;
    let floor = |indexes: Indexes, foreign_keys: bool| {
        let place = run.root.join("floor");
        fs_err::copy(&before, &place)?;
        measure_inside(|| rows.insert(place.as_std_path(), indexes, foreign_keys))
    };
    let [kept, remade, unchecked] = alternate(
        rounds,
        [&mut || floor(Indexes::Kept, true), &mut || floor(Indexes::Remade, true), &mut || {
            floor(Indexes::Remade, false)
        }],
    )?;
    let n = ours.numbers("datasets_inserted")?.median();
    assert!(n > 0.0, "the files of outputs were not found");
    let what = format!("{n} datasets into SQLite");
    for (floor, runs) in [
        ("indexes and foreign keys kept", &kept),
        ("indexes made at the end", &remade),
        ("indexes made at the end, no foreign keys", &unchecked),
    ] {
        row(&format!("{what}, wall; floor: {floor}"), &ours.wall(), &runs.wall());
        row("same, CPU", &ours.cpu(), &runs.cpu());
    }
    alone("same, peak memory", &ours.peak(), Unit::Mebibytes);
    alone("again, wall", &again.wall(), Unit::Seconds);
    alone("again, CPU", &again.cpu(), Unit::Seconds);
    alone("again, peak memory", &again.peak(), Unit::Mebibytes);
    Ok(())
}

fn postgresql(run: &Run, rounds: usize) -> Result<()> {
    let url = &postgres().url;
    let address = DatabaseUrl::new(url);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut ours, mut floor) = (Runs::default(), Vec::new());
    for round in 0..rounds {
        let [filled, empty] = ["filled", "empty"].map(|name| format!("transfer_{name}_{round}"));
        let personal = run.root.join(&filled);
        let database = NewDatabase::Postgres { url: &address, schema: &filled };
        qbb_registry::create(&personal, database, run.graph.universe())?;
        ours.0.push(transfer(&run.submit(&format!("submit{round}"), &personal)?)?);
        run.define(&address, &empty)?;
        let tables = runtime.block_on(copying::dataset_tables(url, &filled))?;
        floor.push(runtime.block_on(copying::copy(url, &tables, &filled, &empty))?);
    }
    let n = ours.numbers("datasets_inserted")?.median();
    let what = format!("{n} datasets into PostgreSQL, wall; floor: bare COPY");
    row(&what, &ours.wall(), &floor.into_iter().collect());
    alone("same, CPU of the client", &ours.cpu(), Unit::Seconds);
    Ok(())
}

fn transfer(submit: &Utf8Path) -> Result<Measured> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qbb"));
    measure(command.args(["--quiet", "--format", "json", "transfer"]).arg(submit))
}

fn row(what: &str, ours: &Samples, floor: &Samples) {
    let ratio = floor.median() / ours.median();
    let (ours, floor) = (ours.text(Unit::Seconds), floor.text(Unit::Seconds));
    println!("| {what} | {ours} | {floor} | {ratio:.2} |");
}

fn alone(what: &str, ours: &Samples, unit: Unit) {
    println!("| {what} | {} | | |", ours.text(unit));
}

/// A run that is over, not yet transferred.
struct Run {
    root: Utf8PathBuf,
    graph: QuantumGraph,
}

impl Run {
    /// Makes a graph with about so many outputs, and the journal of its run.
    fn make(root: &Utf8Path, outputs: u32) -> Result<Self> {
        let mut graph = synthetic::survey(outputs.div_ceil(BY_VISIT), DETECTORS);
        // Those that are made up are no regions.
        for regions in graph.dimension_records.iter_mut().filter_map(|table| table.regions.as_mut())
        {
            regions.fill(Default::default());
        }
        fs_err::create_dir_all(root)?;
        qbb_graph::write_native(&graph, &root.join("graph"))?;
        let journal = JournalWriter::create(&root.join("journal"), GraphIdentity::of(&graph))?;
        let (time, process) = (Timestamp(1_700_000_000_000_000), ProcessIdentity::current());
        let started = Event::RunStarted { time, process, options: "{}".to_owned() };
        journal.record([&started])?;
        let quanta: Vec<QuantumIx> = graph.quanta.iter().collect();
        for quanta in quanta.chunks(BATCH) {
            let events: Vec<Event> = (quanta.iter())
                .map(|&quantum| {
                    let outcome = outcome(&graph, quantum);
                    let (started, ended) = (time, time);
                    Event::QuantumFinished { quantum, attempt: 0, started, ended, outcome }
                })
                .collect();
            journal.record(&events)?;
        }
        // Otherwise each file would be looked at.
        journal.record([&Event::OutputsDurable { time, end: journal.end() }])?;
        Ok(Self { root: root.to_owned(), graph })
    }

    /// A submit directory of it, and the files of its outputs in the personal repository.
    fn submit(&self, name: &str, personal: &Utf8Path) -> Result<Utf8PathBuf> {
        let quanta: Vec<QuantumIx> = self.graph.quanta.iter().collect();
        quanta.par_chunks(BATCH).try_for_each(|quanta| -> std::io::Result<()> {
            for &quantum in quanta {
                for record in outcome(&self.graph, quantum).outputs.iter().flat_map(|o| &o.records)
                {
                    let path = personal.join(&*record.path);
                    if fs_err::File::create(&path).is_err() {
                        fs_err::create_dir_all(path.parent().unwrap_or(personal))?;
                        fs_err::File::create(&path)?;
                    }
                }
            }
            Ok(())
        })?;
        let place = self.root.join(name);
        let submission = Submission::new("none", personal, "none");
        SubmitDirectory::create(&place, submission, |directory| {
            let link = || -> std::io::Result<()> {
                fs_err::hard_link(self.root.join("graph"), directory.graph())?;
                fs_err::create_dir_all(directory.journal())?;
                for entry in self.root.join("journal").read_dir_utf8()? {
                    let entry = entry?;
                    fs_err::hard_link(entry.path(), directory.journal().join(entry.file_name()))?;
                }
                Ok(())
            };
            link().map_err(|source| SubmitError::Io { path: place.clone(), action: "made", source })
        })?;
        Ok(place)
    }

    /// A registry in a new schema, with all that the datasets refer to.
    fn define(&self, url: &DatabaseUrl, schema: &str) -> Result<()> {
        let datastore = DatastoreTable::default();
        PostgresRegistry::create(url, schema, self.graph.universe(), &datastore)?;
        let mut writer = PostgresRegistry::open_write(url, Some(schema), datastore)?;
        let mut transaction = writer.begin()?;
        transaction.insert_records(&self.graph.dimension_records, &self.graph.symbols)?;
        let mut dataset_types: Vec<DatasetType> = Vec::new();
        let mut last = None;
        for quantum in self.graph.quanta.iter() {
            for (_, dataset) in self.graph.outputs.edges(quantum) {
                let ix = self.graph.datasets.dataset_type(dataset);
                if last.replace(ix) != Some(ix) {
                    let known = &self.graph.pipeline.dataset_type(ix).dataset_type;
                    if dataset_types.iter().all(|other| other.name != known.name) {
                        dataset_types.push(known.clone());
                    }
                }
            }
        }
        dataset_types.sort_by(|a, b| a.name.cmp(&b.name));
        transaction.register_dataset_types(&dataset_types)?;
        let run = NewCollection {
            name: self.graph.header.output_run.clone(),
            kind: CollectionKind::Run,
            doc: None,
            children: Vec::new(),
        };
        transaction.register_collections(&[run])?;
        Ok(transaction.commit()?)
    }
}

fn outcome(graph: &QuantumGraph, quantum: QuantumIx) -> QuantumOutcome {
    let outputs = (graph.outputs.edges(quantum))
        .map(|(_, dataset)| {
            let dataset_type = graph.pipeline.dataset_type(graph.datasets.dataset_type(dataset));
            let name = &dataset_type.dataset_type.name;
            let record = FileRecord {
                path: format!(
                    "{run}/{name}/20250101/g/Cam-g/{visit}/{name}_Cam_g_Cam-g_{number}.json",
                    run = graph.header.output_run,
                    visit = dataset.0 / BY_FOLDER,
                    number = dataset.0
                ),
                formatter: "lsst.daf.butler.formatters.json.JsonFormatter".into(),
                storage_class: (&*dataset_type.dataset_type.storage_class).into(),
                component: None,
                checksum: None,
                file_size: 4711,
            };
            DatasetOutput { dataset, records: vec![record] }
        })
        .collect();
    QuantumOutcome { outputs, ..QuantumOutcome::bare(QuantumEnd::Succeeded) }
}
