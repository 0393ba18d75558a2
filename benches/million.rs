//! A graph of a million quanta: built into the native file, and one quantum fetched, by us alone,
//! since the middleware would need the better part of an hour. The floor of building is what SQLite
//! needs for the same rows.
//!
//! The release is one that the kit made, with its exposures and visits multiplied:
//! `QBB_BENCH_SIZE=100k` makes a million of it.

#[allow(dead_code, unused_imports, reason = "each benchmark uses its part")]
mod support;

use std::path::Path;

use support::{
    DEFAULTS, Report, Result, Setting, Unit, WHERE, alternate, measure, pipeline, run_statements,
    statements,
};

/// How many times each exposure and visit is there.
const FACTOR: u32 = 10;

fn main() -> Result<()> {
    support::main(run)
}

fn run(setting: &Setting, report: &mut Report) -> Result<()> {
    let release = setting.multiplied_release(FACTOR)?;
    let file = |name: &str| setting.scratch(name);
    let (export, graph, again) = (file("pipeline.json"), file("graph.qbb"), file("again.qbb"));
    let mut command = setting.qbb();
    measure(
        command.args(["pipeline", "export"]).arg(pipeline("data_release")).arg("-o").arg(&export),
    )?;
    let build = |graph: &Path| {
        let mut command = setting.qbb();
        command.args(["graph", "build", "-b"]).arg(&release).arg("-p").arg(&export);
        command.args(["-i", DEFAULTS, "-d", WHERE, "--output-run", "u/bench/run", "-q"]).arg(graph);
        command
    };
    let built = measure(&mut build(&graph))?.json()?;
    report.note(&format!(
        "{} quanta, {} datasets, {} SQL statements; the `.qbb` has {} bytes",
        built["quanta"],
        built["datasets"],
        built["statements"],
        fs_err::metadata(&graph)?.len(),
    ));
    let uuid = some_quantum(setting, &graph)?;
    let [ours, one] = alternate(
        setting.rounds,
        [&mut || measure(&mut build(&again)), &mut || {
            let mut command = setting.qbb();
            measure(command.args(["graph", "show"]).arg(&graph).args(["--quantum", &uuid]))
        }],
    )?;
    let sent = statements(&release, &export)?;
    let [database] = alternate(setting.rounds, [&mut || run_statements(&release, &sent)])?;
    let what = "exported pipeline to `.qbb`, floor: the same statements in SQLite";
    report.compare_with_floor(what, Unit::Seconds, &ours.wall(), &database.wall());
    report.alone("exported pipeline to `.qbb`: CPU", Unit::Seconds, &ours.cpu());
    report.alone("exported pipeline to `.qbb`: peak memory", Unit::Mebibytes, &ours.peak());
    report.alone("one quantum of it, whole process: wall", Unit::Seconds, &one.wall());
    report.alone("one quantum of it, whole process: CPU", Unit::Seconds, &one.cpu());
    report.alone("one quantum of it, whole process: peak memory", Unit::Mebibytes, &one.peak());
    Ok(())
}

/// UUID of a quantum from the middle of the graph.
fn some_quantum(setting: &Setting, graph: &Path) -> Result<String> {
    let mut command = setting.qbb();
    command.args(["graph", "quanta"]).arg(graph).args(["--task", "calibrate", "--limit", "1000"]);
    let quanta = measure(&mut command)?.json()?;
    let list = quanta["quanta"].as_array().ok_or("no list of quanta")?;
    let uuid = list.get(list.len() / 2).and_then(|quantum| quantum["quantum"].as_str());
    Ok(uuid.ok_or("no quanta of `calibrate`")?.to_owned())
}
