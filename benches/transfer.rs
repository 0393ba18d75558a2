//! Putting the outputs of a graph into a repository: `qbb transfer` against
//! `butler transfer-from-graph`, against `butler aggregate-graph` with as many processes as suit it
//! best, and against SQLite doing nothing but inserting the same rows.
//!
//! Ours goes into a personal repository that holds nothing yet, so it also registers dimension
//! records. The stock command cannot do that from a graph, so it transfers the same files of the
//! same graph into a copy of the release, whose registry has them.

#[allow(dead_code, unused_imports, reason = "each benchmark uses its part")]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "support/prepared.rs"]
mod prepared;

use prepared::{Indexes, Rows};
use support::{
    DEFAULTS, Measured, Report, Result, Runs, Samples, Setting, Unit, WHERE, alternate, measure,
    measure_inside, pipeline,
};

/// Numbers of processes that the other command is tried with.
const PROCESSES: [&str; 3] = ["1", "2", "4"];

/// Registry of a repository.
const DATABASE: &str = "gen3.sqlite3";

fn main() -> Result<()> {
    support::main(run)
}

fn run(setting: &Setting, report: &mut Report) -> Result<()> {
    let place = |name: &str| setting.scratch(name);
    let (personal, submit, graph) = (place("personal"), place("submit"), place("graph.qg"));
    execute(setting, &personal, &submit)?;
    measure(setting.qbb().args(["graph", "convert"]).arg(&submit).arg(&graph))?;
    let copy = setting.copy_of_release("copy")?;
    measure(Command::new("cp").arg("-a").arg(personal.join("u")).arg(&copy))?;
    let (ours, theirs) = (Database::save(&personal)?, Database::save(&copy)?);

    let mut transfer = setting.qbb();
    transfer.arg("transfer").arg(&submit);
    let mut with_inputs = setting.qbb();
    with_inputs.arg("transfer").arg(&submit).arg("--inputs");
    let mut stock = setting.middleware("butler");
    stock.args(["transfer-from-graph", "--register-dataset-types", "--update-output-chain"]);
    stock.arg(&graph).arg(&copy);
    let mut inside = setting.kit_script("time_inside.py");
    inside.args(["command", "butler"]).args(stock.get_args());

    let outputs = check(setting, &mut transfer, &mut stock, [&personal, &copy], &graph)?;
    let done = place("done.sqlite3");
    fs_err::copy(personal.join(DATABASE), &done)?;
    let rows = Rows::added(&done, &ours.saved)?;
    let floor = |indexes: Indexes| {
        let scratch = place("floor.sqlite3");
        fs_err::copy(&ours.saved, &scratch)?;
        measure_inside(|| rows.insert(&scratch, indexes, true))
    };
    let aggregate = |processes: &str| {
        let mut command = setting.middleware("butler");
        command.args(["aggregate-graph", "--complete", "--register-dataset-types"]);
        theirs.restored(command.args(["-j", processes]).arg(&graph).arg(&copy))
    };
    let [bare, full, stock, inside, kept, remade, one, two, four] = alternate(
        setting.rounds,
        [
            &mut || ours.restored(&mut transfer),
            &mut || ours.restored(&mut with_inputs),
            &mut || theirs.restored(&mut stock),
            &mut || theirs.restored(&mut inside),
            &mut || floor(Indexes::Kept),
            &mut || floor(Indexes::Remade),
            &mut || aggregate(PROCESSES[0]),
            &mut || aggregate(PROCESSES[1]),
            &mut || aggregate(PROCESSES[2]),
        ],
    )?;
    let of = |runs: &Runs| runs.wall().median();
    let (processes, best) = PROCESSES
        .iter()
        .zip([&one, &two, &four])
        .min_by(|(_, a), (_, b)| of(a).total_cmp(&of(b)))
        .ok_or("there are several")?;
    let inputs = full.numbers("inputs")?.median();
    report.note(&format!("{outputs} outputs; with inputs {inputs} more"));
    let seconds = Unit::Seconds;
    let inside = inside.numbers("inside_seconds")?;
    report.compare("process: wall", seconds, &bare.wall(), &stock.wall());
    report.compare("process: CPU", seconds, &bare.cpu(), &stock.cpu());
    report.compare("process: peak memory", Unit::Mebibytes, &bare.peak(), &stock.peak());
    let per = |samples: Samples| samples.per(outputs);
    report.compare("per dataset: wall", seconds, &per(bare.wall()), &per(stock.wall()));
    let what = "per dataset, peer without its imports: wall";
    report.compare(what, seconds, &per(bare.wall()), &per(inside));
    let what = "process that also registers inputs, peer without: wall";
    report.compare(what, seconds, &full.wall(), &stock.wall());
    let what = format!("process, against `aggregate-graph -j {processes}`");
    report.compare(&format!("{what}: wall"), seconds, &bare.wall(), &best.wall());
    report.compare(&format!("{what}: CPU"), seconds, &bare.cpu(), &best.cpu());
    for (indexes, floor) in [("indexes kept", &kept), ("indexes made at the end", &remade)] {
        let what = format!("process, floor: the same rows by prepared statements, {indexes}");
        report.compare_with_floor(&format!("{what}: wall"), seconds, &bare.wall(), &floor.wall());
        report.compare_with_floor(&format!("{what}: CPU"), seconds, &bare.cpu(), &floor.cpu());
    }
    Ok(())
}

/// Builds the graph and runs it into a new personal repository.
fn execute(setting: &Setting, personal: &Path, submit: &Path) -> Result<()> {
    measure(setting.qbb().arg("create").arg(personal).arg("--from").arg(&setting.release))?;
    let mut prepare = setting.qbb();
    prepare.arg("prepare").arg("-b").arg(&setting.release).arg("-p").arg(pipeline("data_release"));
    prepare.args(["-i", DEFAULTS, "-d", WHERE, "-o", "u/bench", "--output-run", "u/bench/run"]);
    measure(prepare.arg("--personal").arg(personal).arg("--submit-dir").arg(submit))?;
    measure(setting.qbb().arg("run").arg(submit).args(["-j", "2"]))?;
    Ok(())
}

/// Transfers once by both, and lets the kit check that all outputs are in both repositories;
/// returns their number.
fn check(
    setting: &Setting,
    transfer: &mut Command,
    stock: &mut Command,
    repositories: [&PathBuf; 2],
    graph: &Path,
) -> Result<f64> {
    let outputs = measure(transfer)?.number("datasets_inserted")?;
    measure(stock)?;
    for repository in repositories {
        let mut check = setting.kit_script("check_repository.py");
        measure(check.arg(repository).arg("--graph").arg(graph).arg("--expect-all"))?;
    }
    Ok(outputs)
}

/// A registry with a copy of how it was before.
struct Database {
    live: PathBuf,
    saved: PathBuf,
}

impl Database {
    fn save(repository: &Path) -> Result<Self> {
        let live = repository.join(DATABASE);
        let saved = repository.with_extension("sqlite3");
        fs_err::copy(&live, &saved)?;
        Ok(Self { live, saved })
    }

    /// Measures a command on the registry as it was before.
    fn restored(&self, command: &mut Command) -> Result<Measured> {
        fs_err::copy(&self.saved, &self.live)?;
        measure(command)
    }
}
