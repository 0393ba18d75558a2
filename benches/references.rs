//! References to a release with their collections in an empty repository: `qbb reference` against
//! export and direct import by the middleware, which is how it can be done there, and against a bare
//! program that inserts the same rows, into SQLite by prepared statements and into PostgreSQL by
//! `COPY`.
//!
//! The release has its exposures and visits many times over, so that there are enough raws; they
//! share the files that there are. Collections are those of `QbbCam/defaults`: RUNs, TAGGED,
//! CALIBRATION with validity ranges, and the chains.

#[path = "support/copying.rs"]
mod copying;
#[path = "../tests/kit/postgres_server.rs"]
#[allow(dead_code, clippy::expect_used, reason = "it is for all tests, and a helper of theirs")]
mod postgres_server;
#[path = "support/prepared.rs"]
mod prepared;
#[allow(dead_code, unused_imports, reason = "each benchmark uses its part")]
mod support;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use postgres_server::postgres;
use prepared::{Indexes, Rows};
use rusqlite::Connection;
use support::{
    DEFAULTS, Measured, Report, Result, Runs, Setting, Unit, alternate, measure, measure_inside,
};

/// Registry of a repository.
const DATABASE: &str = "gen3.sqlite3";

/// How often the exposures of a release of some size are repeated.
const FACTORS: [(&str, u32); 4] = [("small", 20), ("1k", 20), ("10k", 57), ("100k", 5)];

fn main() -> Result<()> {
    support::main(run)
}

fn run(setting: &Setting, report: &mut Report) -> Result<()> {
    let factor = FACTORS.iter().find(|(size, _)| *size == setting.size);
    let release = setting.multiplied_release(factor.map_or(1, |(_, factor)| *factor))?;
    link_files(&setting.release, &release)?;
    sqlite(setting, &release, report)?;
    postgresql(setting, &release, report)
}

/// The middleware looks for the files of what it imports.
fn link_files(original: &Path, multiplied: &Path) -> Result<()> {
    for entry in fs_err::read_dir(original)? {
        let entry = entry?;
        let (from, to) = (entry.path(), multiplied.join(entry.file_name()));
        if from.is_dir() && to.symlink_metadata().is_err() {
            symlink(&from, &to)?;
        }
    }
    Ok(())
}

fn sqlite(setting: &Setting, release: &Path, report: &mut Report) -> Result<()> {
    let [ours, theirs] = ["ours", "theirs"].map(|name| setting.scratch(name));
    for personal in [&ours, &theirs] {
        measure(setting.qbb().arg("create").arg(personal).arg("--from").arg(release))?;
    }
    let (live, before) = (ours.join(DATABASE), setting.scratch("before.sqlite3"));
    fs_err::copy(&live, &before)?;
    let restored = |command: &mut Command, personal: &Path| {
        fs_err::copy(&before, personal.join(DATABASE))?;
        measure(command)
    };
    let reference = || reference(setting, &ours);
    let import = || export_import(setting, release, &theirs);

    let counted = restored(&mut reference(), &ours)?;
    restored(&mut import(), &theirs)?;
    check_same(&live, &theirs.join(DATABASE))?;
    let rows = Rows::added(&live, &before)?;
    let floor = |indexes: Indexes| {
        let place = setting.scratch("floor.sqlite3");
        fs_err::copy(&before, &place)?;
        measure_inside(|| rows.insert(&place, indexes, true))
    };
    let [reference, stock, kept, remade] = alternate(
        setting.rounds,
        [
            &mut || restored(&mut reference(), &ours),
            &mut || restored(&mut import(), &theirs),
            &mut || floor(Indexes::Kept),
            &mut || floor(Indexes::Remade),
        ],
    )?;
    let [again] =
        alternate(setting.rounds, [&mut || measure(&mut self::reference(setting, &ours))])?;
    note(report, &counted, "SQLite")?;
    compare(report, &reference, &stock)?;
    for (indexes, floor) in [("indexes kept", &kept), ("indexes made at the end", &remade)] {
        let what = format!("floor: the same rows by prepared statements, {indexes}: wall");
        report.compare_with_floor(&what, Unit::Seconds, &reference.wall(), &floor.wall());
    }
    report.alone("again, which inserts nothing: wall", Unit::Seconds, &again.wall());
    Ok(())
}

fn postgresql(setting: &Setting, release: &Path, report: &mut Report) -> Result<()> {
    let url = &postgres().url;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Each measurement has a schema of its own, since no copy of one can be brought back.
    let create = |schema: &str| -> Result<PathBuf> {
        let personal = setting.scratch(schema);
        let mut command = setting.qbb();
        command.arg("create").arg(&personal).arg("--from").arg(release);
        measure(command.args(["--db", url, "--schema", schema]))?;
        Ok(personal)
    };
    let (mut ours, mut again, mut theirs) = (Runs::default(), Runs::default(), Runs::default());
    let mut floor = Vec::new();
    for round in 0..setting.rounds {
        let [filled, imported, empty] =
            ["filled", "imported", "empty"].map(|name| format!("{name}_{round}"));
        let personal = create(&filled)?;
        ours.0.push(measure(&mut reference(setting, &personal))?);
        again.0.push(measure(&mut reference(setting, &personal))?);
        theirs.0.push(measure(&mut export_import(setting, release, &create(&imported)?))?);
        // The same definitions, without the datasets.
        measure(&mut reference(setting, &create(&empty)?))?;
        let tables = runtime.block_on(copying::dataset_tables(url, &filled))?;
        runtime.block_on(copying::clear(url, &empty))?;
        floor.push(runtime.block_on(copying::copy(url, &tables, &filled, &empty))?);
    }
    if let Some(counted) = ours.0.first() {
        note(report, counted, "PostgreSQL")?;
    }
    compare(report, &ours, &theirs)?;
    let what = "floor: bare `COPY` of the datasets alone: wall";
    report.compare_with_floor(what, Unit::Seconds, &ours.wall(), &floor.into_iter().collect());
    report.alone("again, which inserts nothing: wall", Unit::Seconds, &again.wall());
    Ok(())
}

fn reference(setting: &Setting, personal: &Path) -> Command {
    let mut command = setting.qbb();
    command.arg("reference").arg(personal).args(["--collections", DEFAULTS]);
    command
}

fn export_import(setting: &Setting, release: &Path, personal: &Path) -> Command {
    let mut command = setting.kit_script("export_import.py");
    command.arg(release).arg(personal).arg(DEFAULTS);
    command
}

fn note(report: &mut Report, counted: &Measured, database: &str) -> Result<()> {
    let json = counted.json()?;
    let (inserted, collections) = (&json["inserted"], &json["collections"]);
    report.note(&format!(
        "{} references into {database}, with {} memberships and {} dimension records, in {collections} \
         collections",
        inserted["datasets_inserted"],
        inserted["associations_inserted"],
        inserted["records_inserted"],
    ));
    Ok(())
}

fn compare(report: &mut Report, ours: &Runs, stock: &Runs) -> Result<()> {
    let inside = stock.numbers("inside_seconds")?;
    report.compare("process: wall", Unit::Seconds, &ours.wall(), &stock.wall());
    let what = "process, peer without its imports: wall";
    report.compare(what, Unit::Seconds, &ours.wall(), &inside);
    report.compare("process: CPU", Unit::Seconds, &ours.cpu(), &stock.cpu());
    report.compare("process: peak memory", Unit::Mebibytes, &ours.peak(), &stock.peak());
    Ok(())
}

/// Checks that two registries hold as many datasets and memberships in as many collections.
fn check_same(ours: &Path, theirs: &Path) -> Result<()> {
    let [ours, theirs] = [ours, theirs].map(Connection::open);
    let (ours, theirs) = (ours?, theirs?);
    let names: Vec<String> = ours
        .prepare(
            "SELECT name FROM sqlite_master WHERE type = 'table' \
             AND (name LIKE 'dataset%' OR name LIKE 'collection%') ORDER BY name",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for name in names.iter().filter(|name| !name.starts_with("dataset_type")) {
        let sql = format!("SELECT count(*) FROM \"{name}\"");
        let count = |of: &Connection| of.query_row(&sql, [], |row| row.get::<_, i64>(0));
        let (ours, theirs) = (count(&ours)?, count(&theirs)?);
        if ours != theirs {
            return Err(format!("{ours} rows in `{name}`, but {theirs} of the middleware").into());
        }
    }
    Ok(())
}
