//! What a quantum costs that does nothing, with metadata and logs in packs: a million of Rust functions,
//! against writing the same bytes; programs that end at once, against starting the same program.
//!
//! Needs neither a release nor the middleware: a small graph is made as large as is needed.
//!
//! Variables: `QBB_BENCH_ROUNDS` (3), `QBB_BENCH_QUANTA` of functions (a million) and
//! `QBB_BENCH_PROGRAMS` (2,000).
#![expect(clippy::print_stdout, reason = "the report is what benchmarks are for")]

#[path = "support/amount.rs"]
mod amount;
#[path = "support/process.rs"]
#[allow(dead_code, reason = "each benchmark uses its part")]
mod process;
#[path = "support/samples.rs"]
#[allow(dead_code, reason = "each benchmark uses its part")]
mod samples;
#[path = "support/tiled.rs"]
mod tiled;

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::process::{Command, Stdio};
use std::sync::Arc;

use amount::amount;
use camino::{Utf8Path, Utf8PathBuf};
use process::{Measured, alternate, measure, measure_inside};
use qbb_datastore::RepositoryConfig;
use qbb_executor::{
    Cancel, FunctionRegistry, QuantumContext, RunOptions, RunRequest, Silent, TaskError, run,
};
use qbb_pipeline::{CommandTemplate, Runner};
use samples::{Samples, Unit};

/// Anything that ends a benchmark.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The program whose start is compared.
const PROGRAM: &str = "/bin/true";

/// Tells a process of this program what to do.
const PART: &str = "QBB_BENCH_PART";

fn main() -> Result<()> {
    if let Ok(part) = std::env::var(PART) {
        return execute(&part);
    }
    // Commands that run every target must not wait for a benchmark.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let rounds = amount("QBB_BENCH_ROUNDS", 3)?;
    println!("{rounds} rounds; median (from–to); load before: {}", load());
    println!("\n| what | qbb | floor | ratio |\n|---|---|---|---|");
    functions(rounds, amount("QBB_BENCH_QUANTA", 1_000_000)?)?;
    programs(rounds, amount("QBB_BENCH_PROGRAMS", 2_000)?)?;
    println!("\nload after: {}", load());
    Ok(())
}

fn load() -> String {
    let load = fs_err::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn row(what: &str, unit: Unit, ours: &Samples, floor: &Samples) {
    let ratio = floor.median() / ours.median();
    println!("| {what} | {} | {} | {ratio:.2} |", ours.text(unit), floor.text(unit));
}

fn alone(what: &str, unit: Unit, ours: &Samples) {
    println!("| {what} | {} | | |", ours.text(unit));
}

/// Functions, run by one and by two threads, against writing what they have left once more.
fn functions(rounds: usize, quanta: u32) -> Result<()> {
    let last = std::cell::RefCell::new(Vec::new());
    let ours = |jobs: u32| {
        let folder = fresh()?;
        let measured = start(&format!("functions {jobs} {quanta} {folder}"))?;
        let files: Result<Vec<Vec<u8>>> = (["journal", "pack"].into_iter())
            .map(|ending| Ok(fs_err::read(only_file(&folder.join("journal"), ending)?)?))
            .collect();
        last.replace(files?);
        Ok(measured)
    };
    let write = || {
        let folder = fresh()?;
        measure_inside(|| {
            for (name, content) in ["a", "b"].into_iter().zip(last.borrow().iter()) {
                let mut file = fs_err::File::create(folder.join(name))?;
                content.chunks(64 << 10).try_for_each(|chunk| file.write_all(chunk))?;
                file.sync_all()?;
            }
            Ok(())
        })
    };
    let [one, two, floor] = alternate(rounds, [&mut || ours(1), &mut || ours(2), &mut || write()])?;
    let sizes: Vec<String> =
        last.borrow().iter().map(|f| format!("{} MiB", f.len() >> 20)).collect();
    let n = f64::from(quanta);
    for (jobs, runs) in [(1, &one), (2, &two)] {
        let what = format!("a function, `-j {jobs}`");
        let seconds = runs.numbers("seconds")?.per(n);
        row(&format!("{what}: wall"), Unit::Seconds, &seconds, &floor.wall().per(n));
        row(&format!("{what}: CPU"), Unit::Seconds, &runs.cpu().per(n), &floor.cpu().per(n));
        alone(
            &format!("{quanta} of them, `-j {jobs}`: wall"),
            Unit::Seconds,
            &runs.numbers("seconds")?,
        );
        alone("same, peak memory", Unit::Mebibytes, &runs.peak());
    }
    println!("| journal and pack | {} | | |", sizes.join(" and "));
    Ok(())
}

/// Programs, one and two at a time, against starting them and waiting for them, and nothing else.
fn programs(rounds: usize, quanta: u32) -> Result<()> {
    let ours = |jobs: u32| start(&format!("programs {jobs} {quanta} {}", fresh()?));
    let bare = |jobs: u32| start(&format!("bare {jobs} {quanta} {}", fresh()?));
    let [one, two, bare_one, bare_two] =
        alternate(rounds, [&mut || ours(1), &mut || ours(2), &mut || bare(1), &mut || bare(2)])?;
    for (jobs, ours, bare) in [(1, &one, &bare_one), (2, &two, &bare_two)] {
        let per = |runs: &process::Runs| {
            Ok::<_, Box<dyn std::error::Error>>(runs.numbers("seconds")?.per(f64::from(quanta)))
        };
        row(&format!("a program, `-j {jobs}`: wall"), Unit::Seconds, &per(ours)?, &per(bare)?);
    }
    Ok(())
}

/// Does a part of the work in a process of its own, whose memory can be measured.
fn start(part: &str) -> Result<Measured> {
    measure(Command::new(std::env::current_exe()?).env(PART, part))
}

fn execute(part: &str) -> Result<()> {
    let [kind, jobs, quanta, folder] = part.split(' ').collect::<Vec<_>>()[..] else {
        return Err(format!("cannot do `{part}`").into());
    };
    let (jobs, quanta) = (jobs.parse::<NonZeroUsize>()?, quanta.parse::<u32>()?);
    let seconds = match kind {
        "bare" => start_programs(jobs, quanta)?,
        "programs" => execute_quanta(&program(), jobs, quanta, Utf8Path::new(folder))?,
        _ => {
            let nothing = Runner::Function("nothing".to_owned());
            execute_quanta(&nothing, jobs, quanta, Utf8Path::new(folder))?
        }
    };
    println!("{{\"seconds\": {seconds}}}");
    Ok(())
}

fn program() -> Runner {
    let arguments = vec![PROGRAM.to_owned()];
    Runner::Command(CommandTemplate { arguments, environment: Default::default() })
}

/// Executes at least so many quanta, and gives the time for so many.
fn execute_quanta(
    runner: &Runner,
    jobs: NonZeroUsize,
    quanta: u32,
    folder: &Utf8Path,
) -> Result<f64> {
    let data = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../qbb/tests/data/visits.qg");
    let mut graph = qbb_graph::open(&data)?;
    for task in &mut graph.pipeline.tasks {
        task.runner = runner.clone();
        task.config_output = None;
        task.init_outputs.clear();
        for input in task.inputs.iter_mut().chain(&mut task.prerequisite_inputs) {
            // What does nothing writes nothing, and its readers must not mind.
            input.minimum = 0;
        }
    }
    let graph = tiled::tiled(&graph, quanta.div_ceil(graph.quanta.len() as u32));
    let n = graph.quanta.len();
    fs_err::write(folder.join("butler.yaml"), BUTLER_YAML)?;
    let mut functions = FunctionRegistry::new();
    functions.register("nothing", nothing);
    let report = run(&RunRequest {
        graph: Arc::new(graph),
        repository: &RepositoryConfig::open(folder.as_str())?,
        journal: folder.join("journal"),
        logs: folder.join("logs"),
        jobs,
        quanta: None,
        options: RunOptions { pack: true, ..RunOptions::default() },
        functions: Arc::new(functions),
        cancel: Cancel::new(),
        progress: &Silent,
    })?;
    if !report.is_complete() {
        return Err(format!("{:?}", report.failures.first()).into());
    }
    Ok(report.elapsed.as_secs_f64() * f64::from(quanta) / n as f64)
}

fn nothing(_: &mut QuantumContext<'_>) -> std::result::Result<(), TaskError> {
    Ok(())
}

/// Starts a program so many times in all on several threads, and waits for each.
fn start_programs(jobs: NonZeroUsize, times: u32) -> Result<f64> {
    let begin = std::time::Instant::now();
    let share = times / jobs.get() as u32;
    let started = std::thread::scope(|scope| {
        let serve = || {
            for _ in 0..share {
                let mut command = Command::new(PROGRAM);
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                command.spawn()?.wait()?;
            }
            Ok::<_, std::io::Error>(())
        };
        let threads: Vec<_> = (0..jobs.get()).map(|_| scope.spawn(serve)).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result,
            Err(_) => Err(std::io::Error::other("a thread panicked")),
        })
    });
    started?;
    Ok(begin.elapsed().as_secs_f64() * f64::from(times) / (f64::from(share) * jobs.get() as f64))
}

/// A folder that nobody has used. Nothing is deleted before the end: ext4 makes files slowly for
/// minutes after that.
fn fresh() -> Result<Utf8PathBuf> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?.keep();
    Utf8PathBuf::from_path_buf(folder)
        .map_err(|path| format!("{} is not UTF-8", path.display()).into())
}

fn only_file(folder: &Utf8Path, ending: &str) -> Result<Utf8PathBuf> {
    for entry in folder.read_dir_utf8()? {
        let path = entry?.into_path();
        if path.extension() == Some(ending) {
            return Ok(path);
        }
    }
    Err(format!("no {ending} in {folder}").into())
}

const BUTLER_YAML: &str = "datastore:\n  cls: lsst.daf.butler.datastores.fileDatastore.FileDatastore\n  \
                           root: <butlerRoot>\nregistry:\n  db: sqlite:///<butlerRoot>/gen3.sqlite3\n";
