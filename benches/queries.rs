//! Asking a release: `qbb query` against the `butler query-*` commands with the same arguments.

#[allow(dead_code, unused_imports, reason = "each benchmark uses its part")]
mod support;

use std::process::Command;

use support::{DEFAULTS, Report, Result, Runs, Setting, Unit, WHERE, alternate, measure};

/// How often the rows of the release are repeated.
const FACTOR: u32 = 20;

fn main() -> Result<()> {
    support::main(run)
}

fn run(setting: &Setting, report: &mut Report) -> Result<()> {
    let release = setting.multiplied_release(FACTOR)?;
    let questions: [(&str, &str, Vec<&str>); 3] = [
        ("all raws", "datasets", vec!["raw", "--collections", DEFAULTS]),
        (
            "raws of one detector, find-first",
            "datasets",
            vec![
                "raw",
                "--collections",
                DEFAULTS,
                "--find-first",
                "--where",
                "instrument='QbbCam' AND detector=1",
            ],
        ),
        ("visits and patches", "data-ids", vec!["visit", "patch", "--where", WHERE]),
    ];
    for (what, command, arguments) in &questions {
        let with_arguments = |mut process: Command| {
            process.arg(&release).args(arguments).args(["--limit", "0"]);
            process
        };
        let ours = |format: &str| {
            let mut process = setting.qbb_as(format);
            process.args(["query", command]);
            with_arguments(process)
        };
        let theirs = || {
            let mut process = setting.middleware("butler");
            process.arg(format!("query-{command}"));
            with_arguments(process)
        };
        let counted = measure(&mut ours("json"))?.json()?;
        let rows = counted.as_object().and_then(|object| object.values().next());
        let rows = rows.and_then(|rows| rows.as_array()).map_or(0, Vec::len);
        report.note(&format!("{what}: {rows} rows"));
        let [text, json, parquet, stock] = alternate(
            setting.rounds,
            [
                &mut || measure(&mut ours("text")),
                &mut || measure(&mut ours("json")),
                &mut || {
                    let mut process = ours("parquet");
                    process.arg("--output").arg(setting.scratch("rows.parquet"));
                    measure(&mut process)
                },
                &mut || measure(&mut theirs()),
            ],
        )?;
        compare(report, &format!("{what}, as text"), &text, &stock);
        compare(report, &format!("{what}, as JSON"), &json, &stock);
        compare(report, &format!("{what}, as Parquet"), &parquet, &stock);
    }
    Ok(())
}

fn compare(report: &mut Report, what: &str, ours: &Runs, stock: &Runs) {
    report.compare(&format!("{what}: wall"), Unit::Seconds, &ours.wall(), &stock.wall());
    report.compare(&format!("{what}: CPU"), Unit::Seconds, &ours.cpu(), &stock.cpu());
    report.compare(&format!("{what}: peak memory"), Unit::Mebibytes, &ours.peak(), &stock.peak());
}
