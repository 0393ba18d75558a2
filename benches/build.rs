//! Building the quantum graph of a data release: `qbb graph build` against `pipetask qgraph`.
//!
//! Ours is measured from the Python pipeline and from its export, into both formats; the
//! middleware's also without starting Python and importing packages. That both graphs are the same
//! is checked first by the kit.

#[allow(dead_code, unused_imports, reason = "each benchmark uses its part")]
mod support;

use std::path::Path;
use std::process::Command;

use support::{
    DEFAULTS, Measured, Report, Result, Runs, Samples, Setting, Unit, WHERE, alternate, measure,
    pipeline, run_statements, statements,
};

fn main() -> Result<()> {
    support::main(run)
}

fn run(setting: &Setting, report: &mut Report) -> Result<()> {
    let yaml = pipeline("data_release");
    let export = setting.scratch("pipeline.json");
    measure(setting.qbb().args(["pipeline", "export"]).arg(&yaml).arg("-o").arg(&export))?;
    let file = |name: &str| setting.scratch(name);
    let (qbb, qg, theirs) = (file("ours.qbb"), file("ours.qg"), file("theirs.qg"));

    let built = measure(&mut ours(setting, &export, &qbb))?;
    measure(&mut ours(setting, &export, &qg))?;
    measure(&mut pipetask(setting, &yaml, &theirs))?;
    measure(setting.kit_script("compare_graphs.py").arg(&theirs).arg(&qg))?;
    let built = built.json()?;
    report.note(&format!(
        "{} quanta, {} datasets, {} SQL statements; the kit finds the graphs equal",
        built["quanta"], built["datasets"], built["statements"]
    ));

    // From now on the look at the Python pipeline is kept.
    measure(&mut ours(setting, &yaml, &qbb))?;
    let sent = statements(&setting.release, &export)?;
    let fresh = |graph: &Path| {
        let mut command = ours(setting, &yaml, graph);
        command.arg("--fresh-export");
        command
    };
    let [yaml_qbb, yaml_qg, kept_qbb, export_qbb, export_qg, exporting, stock, inside, database] =
        alternate(
            setting.rounds,
            [
                &mut || measured(fresh(&qbb), &qbb),
                &mut || measured(fresh(&qg), &qg),
                &mut || measured(ours(setting, &yaml, &qbb), &qbb),
                &mut || measured(ours(setting, &export, &qbb), &qbb),
                &mut || measured(ours(setting, &export, &qg), &qg),
                &mut || {
                    let mut command = setting.qbb();
                    command
                        .args(["pipeline", "export", "--fresh-export"])
                        .arg(&yaml)
                        .arg("-o")
                        .arg(&export);
                    measured(command, &export)
                },
                &mut || measured(pipetask(setting, &yaml, &theirs), &theirs),
                &mut || {
                    measured(inside_python(setting, &pipetask(setting, &yaml, &theirs)), &theirs)
                },
                &mut || run_statements(&setting.release, &sent),
            ],
        )?;
    for (what, ours) in [
        ("Python pipeline to `.qbb`", &yaml_qbb),
        ("Python pipeline to `.qg`", &yaml_qg),
        ("Python pipeline looked at before, to `.qbb`", &kept_qbb),
        ("exported pipeline to `.qbb`", &export_qbb),
        ("exported pipeline to `.qg`", &export_qg),
    ] {
        compare(report, what, ours, &stock);
    }
    let seconds = Unit::Seconds;
    let inside_wall = inside.numbers("inside_seconds")?;
    let inside_cpu = inside.numbers("inside_cpu_seconds")?;
    let what = "exported pipeline to `.qg`, peer without its imports";
    report.compare(&format!("{what}: wall"), seconds, &export_qg.wall(), &inside_wall);
    report.compare(&format!("{what}: CPU"), seconds, &export_qg.cpu(), &inside_cpu);
    let floor = "Python pipeline to `.qbb`, floor: exporting the pipeline only";
    report.compare_with_floor(
        &format!("{floor}: wall"),
        seconds,
        &yaml_qbb.wall(),
        &exporting.wall(),
    );
    let floor = "exported pipeline to `.qbb`, floor: the same statements in SQLite";
    report.compare_with_floor(
        &format!("{floor}: wall"),
        seconds,
        &export_qbb.wall(),
        &database.wall(),
    );
    let size =
        |path: &Path| Ok::<_, std::io::Error>(Samples::from(fs_err::metadata(path)?.len() as f64));
    report.compare("size of the `.qbb` file", Unit::Bytes, &size(&qbb)?, &size(&theirs)?);
    report.compare("size of the `.qg` file", Unit::Bytes, &size(&qg)?, &size(&theirs)?);
    Ok(())
}

fn compare(report: &mut Report, what: &str, ours: &Runs, stock: &Runs) {
    report.compare(&format!("{what}: wall"), Unit::Seconds, &ours.wall(), &stock.wall());
    report.compare(&format!("{what}: CPU"), Unit::Seconds, &ours.cpu(), &stock.cpu());
    report.compare(&format!("{what}: peak memory"), Unit::Mebibytes, &ours.peak(), &stock.peak());
}

/// Measures a command that makes a file, which is removed first.
fn measured(mut command: Command, file: &Path) -> Result<Measured> {
    if file.exists() {
        fs_err::remove_file(file)?;
    }
    measure(&mut command)
}

fn ours(setting: &Setting, pipeline: &Path, graph: &Path) -> Command {
    let mut command = setting.qbb();
    command.args(["graph", "build"]);
    add_arguments(&mut command, setting, pipeline, graph);
    command
}

fn pipetask(setting: &Setting, pipeline: &Path, graph: &Path) -> Command {
    let mut command = setting.middleware("pipetask");
    command.args(["qgraph", "--qgraph-datastore-records"]);
    add_arguments(&mut command, setting, pipeline, graph);
    command
}

/// The arguments are the same for both.
fn add_arguments(command: &mut Command, setting: &Setting, pipeline: &Path, graph: &Path) {
    command.arg("-b").arg(&setting.release).arg("-p").arg(pipeline);
    command.args(["-i", DEFAULTS, "-d", WHERE, "-o", "u/bench", "--output-run", "u/bench/run"]);
    command.arg("-q").arg(graph);
}

/// The same command inside of a process that has imported everything before the clock starts.
fn inside_python(setting: &Setting, stock: &Command) -> Command {
    let mut command = setting.kit_script("time_inside.py");
    let name = Path::new(stock.get_program()).file_name().unwrap_or_default();
    command.arg("command").arg(name).args(stock.get_args());
    command
}
