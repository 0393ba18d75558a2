//! How fast the state of a million quanta is read, from one journal file and from sixteen, against
//! reading the same bytes and hashing them; how fast what was appended since is taken in; and what
//! the durability of results costs for each quantum.
//!
//! `QBB_BENCH_QUANTA` is another number of quanta, `QBB_BENCH_ROUNDS` another number of rounds.
#![expect(clippy::print_stdout, reason = "the report is what benchmarks are for")]

#[path = "support/amount.rs"]
mod amount;
#[path = "support/reading.rs"]
mod reading;
#[path = "support/samples.rs"]
#[allow(dead_code, reason = "it is for all benchmarks")]
mod samples;

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use amount::amount;
use camino::Utf8PathBuf;
use qbb::GraphIdentity;
use qbb::journal::{
    DatasetOutput, Detail, Durability, Event, FileRecord, GraphOutline, JournalFollower,
    JournalWriter, QuantumEnd, QuantumOutcome, ResourceUsage, Syncer, Timestamp,
};
use qbb_datastore::{ArtifactPath, ArtifactStore as _, LocalStore, PutOptions};
use qbb_graph::{DatasetIx, QuantumIx};
use reading::read_and_hash;
use samples::{Samples, Unit};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const IDENTITY: GraphIdentity = GraphIdentity([7; 32]);
/// Datasets that each quantum writes: one of its own, metadata and log.
const OUTPUTS: u32 = 3;

fn main() -> Result<()> {
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let n_quanta = amount("QBB_BENCH_QUANTA", 1_000_000)?;
    let rounds = amount("QBB_BENCH_ROUNDS", 5)?;
    println!("{n_quanta} quanta, {} threads, {rounds} rounds; median (from–to)", threads());
    println!("\n| what | qbb | floor | ratio |\n|---|---|---|---|");
    for n_files in [1, 16] {
        read_states(n_quanta, n_files, rounds)?;
    }
    keep_durable(rounds)?;
    println!("\npeak memory of this process: {} MiB", peak_memory()?);
    Ok(())
}

fn threads() -> usize {
    rayon::current_num_threads()
}

fn scratch() -> Result<(tempfile::TempDir, Utf8PathBuf)> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let path = Utf8PathBuf::try_from(folder.path().to_owned())?;
    Ok((folder, path))
}

fn seconds<T>(action: impl FnOnce() -> Result<T>) -> Result<f64> {
    let begin = Instant::now();
    action()?;
    Ok(begin.elapsed().as_secs_f64())
}

fn read_states(n_quanta: u32, n_files: usize, rounds: u32) -> Result<()> {
    let (_folder, path) = scratch()?;
    let writers = (0..n_files)
        .map(|_| JournalWriter::create(&path, IDENTITY))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    for (number, first) in (0..n_quanta).step_by(256).enumerate() {
        let events: Vec<Event> = (first..n_quanta.min(first + 256)).flat_map(events).collect();
        writers[number % n_files].record(&events)?;
    }
    let open = || {
        let n_datasets = n_quanta as usize * (OUTPUTS as usize + 1);
        let graph = GraphOutline { identity: IDENTITY, n_quanta: n_quanta as usize, n_datasets };
        JournalFollower::open_with(&path, graph, Detail::Full, &mut ())
    };
    let mut follower = open()?;
    let last = QuantumIx(n_quanta - 1);
    if !follower.state().progress(last).is_success() {
        return Err("the state is not what was written".into());
    }
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(seconds(|| Ok(open()?))?);
        floor.push(seconds(|| Ok(read_and_hash(&path)?))?);
    }
    let bytes = writers.iter().map(JournalWriter::end).sum::<u64>();
    let what = format!("state from {n_files} file(s), {} MiB", bytes >> 20);
    row(&what, &ours.into_iter().collect(), Some(&floor.into_iter().collect()));

    let mut polls = Vec::new();
    for _ in 0..rounds {
        for writer in &writers {
            let again: Vec<Event> = events(0).collect();
            writer.record(&again)?;
        }
        polls.push(seconds(|| Ok(follower.poll()?))?);
    }
    row(
        &format!("what a quantum in each of {n_files} file(s) has added"),
        &polls.into_iter().collect(),
        None,
    );
    Ok(())
}

fn row(what: &str, ours: &Samples, floor: Option<&Samples>) {
    let (floor, ratio) = match floor {
        Some(floor) => {
            let ratio = floor.median() / ours.median();
            (floor.text(Unit::Seconds), format!("{ratio:.2}"))
        }
        None => (String::new(), String::new()),
    };
    println!("| {what} | {} | {floor} | {ratio} |", ours.text(Unit::Seconds));
}

/// What a journal says of one quantum.
fn events(quantum: u32) -> impl Iterator<Item = Event> {
    let time = Timestamp(1_700_000_000_000_000 + i64::from(quantum) * 1000);
    let quantum_ix = QuantumIx(quantum);
    let (visit, detector) = (quantum / 189, quantum % 189);
    let formatter: Arc<str> = "lsst.daf.butler.formatters.json.JsonFormatter".into();
    let output = |(number, name): (u32, &str)| DatasetOutput {
        dataset: DatasetIx(quantum * (OUTPUTS + 1) + number),
        records: vec![FileRecord {
            path: format!(
                "u/someone/DM-12345/20261120T120000Z/{name}/20261120/r/r_57/{visit}/\
                 {name}_LSSTCam_r_r_57_{visit}_R{detector:03}_u_someone_DM-12345.json"
            ),
            formatter: formatter.clone(),
            storage_class: "TaskMetadata".into(),
            component: None,
            checksum: None,
            file_size: 4711,
        }],
    };
    let names = ["calexp", "calibrate_metadata", "calibrate_log"];
    let inputs: Vec<DatasetIx> =
        [3, 2, 1].into_iter().map(|n| DatasetIx(quantum.saturating_sub(n))).collect();
    let outcome = QuantumOutcome {
        usage: Some(ResourceUsage { memory: 1 << 30, run_time: 12.5, ..ResourceUsage::default() }),
        outputs: (0..OUTPUTS).zip(names).map(output).collect(),
        available_inputs: inputs.clone(),
        actual_inputs: inputs,
        ..QuantumOutcome::bare(QuantumEnd::Succeeded)
    };
    let (started, ended) = (time, Timestamp(time.0 + 500));
    let (quantum, attempt) = (quantum_ix, 0);
    [
        Event::QuantumStarted { time, quantum, attempt },
        Event::QuantumFinished { quantum, attempt, started, ended, outcome },
    ]
    .into_iter()
}

/// Quanta that write three small files each, one after the other.
fn keep_durable(rounds: u32) -> Result<()> {
    const QUANTA: u32 = 200;
    for (name, durability) in [
        ("exit", Durability::Exit),
        ("batch", Durability::Batch(Duration::from_secs(5))),
        ("quantum", Durability::Quantum),
    ] {
        let mut times = Vec::new();
        for _ in 0..rounds {
            let (_folder, path) = scratch()?;
            let store = LocalStore::new(&path.join("outputs"))?;
            fs_err::create_dir_all(store.root_path())?;
            let journal = Arc::new(JournalWriter::create(&path.join("journal"), IDENTITY)?);
            let sync = Syncer::sync_file_system(store.root_path())?;
            let syncer = Syncer::start(journal.clone(), durability, sync)?;
            let begin = Instant::now();
            for quantum in 0..QUANTA {
                let [started, finished] =
                    <[Event; 2]>::try_from(events(quantum).collect::<Vec<_>>())
                        .map_err(|_| "a quantum has two events")?;
                journal.record([&started])?;
                if let Event::QuantumFinished { outcome, .. } = &finished {
                    for record in outcome.outputs.iter().flat_map(|output| &output.records) {
                        let place = ArtifactPath::plain(&record.path)?;
                        store.put(&place, &[b'x'; 4711], PutOptions::default())?;
                    }
                }
                journal.record([&finished])?;
            }
            times.push(begin.elapsed().as_secs_f64() / f64::from(QUANTA));
            syncer.finish()?;
        }
        row(
            &format!("a quantum with three small files, `--durability {name}`"),
            &times.into_iter().collect(),
            None,
        );
    }
    Ok(())
}

fn peak_memory() -> Result<u64> {
    let status = fs_err::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or("no VmHWM")?;
    let kibibytes: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kibibytes >> 10)
}
