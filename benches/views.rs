//! What it takes to look at a run of a million quanta: `qbb status`, `qbb report` and `qbb trace`, as
//! whole processes, against reading and hashing the journal that they read.
//!
//! The run is made up: a small graph as large as is needed, and a journal that two processes might have
//! written. `QBB_BENCH_QUANTA` is another number of quanta, `QBB_BENCH_ROUNDS` another number of rounds.
#![expect(clippy::print_stdout, reason = "the report is what benchmarks are for")]

#[path = "support/amount.rs"]
mod amount;
#[path = "support/process.rs"]
#[allow(dead_code, reason = "each benchmark uses its part")]
mod process;
#[path = "support/reading.rs"]
mod reading;
#[path = "support/samples.rs"]
#[allow(dead_code, reason = "each benchmark uses its part")]
mod samples;
#[path = "support/tiled.rs"]
mod tiled;

use std::process::Command;

use amount::amount;
use camino::{Utf8Path, Utf8PathBuf};
use process::{alternate, measure, measure_inside};
use qbb::GraphIdentity;
use qbb::journal::{
    DatasetOutput, Event, FileRecord, JournalWriter, ProcessIdentity, QuantumEnd, QuantumOutcome,
    ResourceUsage, RunCounts, RunOutcome, Timestamp,
};
use qbb_graph::{QuantumGraph, QuantumIx};
use qbb_submit_dirs::{Submission, SubmitDirectory, SubmitError};
use reading::read_and_hash;
use samples::{Samples, Unit};

/// Anything that ends a benchmark.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Processes that wrote the journal.
const WRITERS: u32 = 2;
/// Quanta that each of them ran at a time.
const PLACES: u32 = 8;
/// Events that are recorded at once.
const BATCH: usize = 256;
/// Of so many quanta one has failed.
const FAILURES: u32 = 10_000;
/// When the run began.
const BEGIN: i64 = 1_700_000_000_000_000;

fn main() -> Result<()> {
    // Commands that run every target must not wait for a benchmark.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let n_quanta = amount("QBB_BENCH_QUANTA", 1_000_000)?;
    let rounds = amount("QBB_BENCH_ROUNDS", 3)?;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let root = Utf8PathBuf::try_from(folder.path().join("run"))?;
    let n_quanta = make(&root, n_quanta)?;
    let journal = root.join("journal");
    println!("{n_quanta} quanta, journal {} MiB, {rounds} rounds", length(&journal)? >> 20);
    let trace = root.join("trace.json");
    let ours = |arguments: &[&str]| {
        measure(Command::new(env!("CARGO_BIN_EXE_qbb")).args(arguments).arg(&root))
    };
    let [status, report, traced, floor] = alternate(
        rounds,
        [
            &mut || ours(&["status", "--format", "json"]),
            &mut || ours(&["report", "--format", "json"]),
            &mut || ours(&["trace", "--output", trace.as_str()]),
            &mut || measure_inside(|| Ok(read_and_hash(&journal)?)),
        ],
    )?;
    println!("\n| what | qbb | floor | ratio |\n|---|---|---|---|");
    for (what, runs) in [("status", &status), ("report", &report), ("trace", &traced)] {
        row(&format!("`qbb {what}`, wall"), &runs.wall(), &floor.wall());
        row("same, CPU", &runs.cpu(), &floor.cpu());
        println!("| same, peak memory | {} | | |", runs.peak().text(Unit::Mebibytes));
    }
    Ok(())
}

fn row(what: &str, ours: &Samples, floor: &Samples) {
    let ratio = floor.median() / ours.median();
    println!(
        "| {what} | {} | {} | {ratio:.2} |",
        ours.text(Unit::Seconds),
        floor.text(Unit::Seconds)
    );
}

/// Makes the submit directory of a run that is over; tells how many quanta it has.
fn make(root: &Utf8Path, n_quanta: u32) -> Result<usize> {
    let data = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../qbb/tests/data/visits.qg");
    let small = qbb_graph::open(&data)?;
    let graph = tiled::tiled(&small, n_quanta.div_ceil(small.quanta.len() as u32));
    let submission = Submission::new("none", Utf8Path::new("/nowhere"), "none");
    SubmitDirectory::create(root, submission, |directory| {
        qbb_graph::write_native(&graph, &directory.graph()).map_err(SubmitError::from)
    })?;
    let identity = GraphIdentity::of(&graph);
    for writer in 0..WRITERS {
        let journal = JournalWriter::create(&root.join("journal"), identity)?;
        write(&journal, &graph, writer)?;
    }
    Ok(graph.quanta.len())
}

/// A run of those quanta that fall to a writer.
fn write(journal: &JournalWriter, graph: &QuantumGraph, writer: u32) -> Result<()> {
    let process = ProcessIdentity { pid: writer, ..ProcessIdentity::current() };
    let options = format!("{{\"jobs\": {PLACES}}}");
    journal.record([&Event::RunStarted { time: Timestamp(BEGIN), process, options }])?;
    let own: Vec<QuantumIx> =
        graph.quanta.iter().filter(|quantum| quantum.0 % WRITERS == writer).collect();
    let mut end = Timestamp(BEGIN);
    for (number, quanta) in own.chunks(BATCH).enumerate() {
        let mut events = Vec::with_capacity(3 * BATCH);
        for (i, &quantum) in quanta.iter().enumerate() {
            let nth = (number * BATCH + i) as u32;
            let time = Timestamp(BEGIN + i64::from(nth / PLACES) * 1_000_000);
            end = Timestamp(time.0 + 900_000);
            let (attempt, worker) = (0, nth % PLACES);
            events.push(Event::QuantumStarted { time, quantum, attempt });
            events.push(Event::QuantumPlaced { time, quantum, attempt, worker, memory: None });
            let (started, ended) = (time, end);
            let outcome = outcome(graph, quantum);
            events.push(Event::QuantumFinished { quantum, attempt, started, ended, outcome });
        }
        journal.record(&events)?;
    }
    let (time, outcome, counts) = (end, RunOutcome::WithFailures, RunCounts::default());
    journal.record([&Event::RunFinished { time, outcome, counts }])?;
    Ok(())
}

fn outcome(graph: &QuantumGraph, quantum: QuantumIx) -> QuantumOutcome {
    let memory = (500 << 20) + u64::from(quantum.0 % 1000) * (1 << 20);
    let usage = Some(ResourceUsage { memory, run_time: 0.9, ..ResourceUsage::default() });
    if quantum.0.is_multiple_of(FAILURES) {
        let message = format!("fit of {} failed", quantum.0);
        return QuantumOutcome { usage, ..QuantumOutcome::failure("lsst.FitError", message) };
    }
    let outputs = (graph.outputs.edges(quantum))
        .map(|(_, dataset)| {
            let name = &graph.pipeline.dataset_types[graph.datasets.dataset_type(dataset).index()]
                .dataset_type
                .name;
            let record = FileRecord {
                path: format!(
                    "u/someone/DM-12345/20261120T120000Z/{name}/20261120/r/r_57/{quantum}/\
                     {name}_LSSTCam_r_r_57_{quantum}_u_someone_DM-12345.json",
                    quantum = quantum.0
                ),
                formatter: "lsst.daf.butler.formatters.json.JsonFormatter".into(),
                storage_class: "StructuredDataDict".into(),
                component: None,
                checksum: None,
                file_size: 4711,
            };
            DatasetOutput { dataset, records: vec![record] }
        })
        .collect();
    QuantumOutcome { usage, outputs, ..QuantumOutcome::bare(QuantumEnd::Succeeded) }
}

fn length(directory: &Utf8Path) -> Result<u64> {
    let mut sum = 0;
    for entry in directory.read_dir_utf8()? {
        sum += entry?.metadata()?.len();
    }
    Ok(sum)
}
