//! Comparing a repository with its files: `qbb verify` against the middleware's look for the files of
//! all datasets, and against the least that can be done: folders listed, each file looked at once.

#[allow(dead_code, unused_imports, reason = "each benchmark uses its part")]
mod support;

use std::path::Path;

use support::{Report, Result, Setting, Unit, alternate, measure, measure_inside};

fn main() -> Result<()> {
    support::main(run)
}

fn run(setting: &Setting, report: &mut Report) -> Result<()> {
    let ours = || {
        let mut command = setting.qbb();
        command.arg("verify").arg(&setting.release);
        command
    };
    let theirs = || {
        let mut command = setting.kit_script("time_inside.py");
        command.arg("exists").arg(&setting.release);
        command
    };
    let found = measure(&mut ours())?.json()?;
    report.note(&format!("{} records, {} files", found["records"], found["files"]));
    let [verified, existing, looked] = alternate(
        setting.rounds,
        [&mut || measure(&mut ours()), &mut || measure(&mut theirs()), &mut || {
            measure_inside(|| {
                std::hint::black_box(look_at_all(&setting.release)?);
                Ok(())
            })
        }],
    )?;
    report.compare("wall", Unit::Seconds, &verified.wall(), &existing.wall());
    let inside = existing.numbers("inside_seconds")?;
    report.compare("wall, without imports there", Unit::Seconds, &verified.wall(), &inside);
    report.compare("CPU", Unit::Seconds, &verified.cpu(), &existing.cpu());
    report.compare("peak memory", Unit::Mebibytes, &verified.peak(), &existing.peak());
    report.compare_with_floor("wall", Unit::Seconds, &verified.wall(), &looked.wall());
    Ok(())
}

/// Sizes of all files below a folder.
fn look_at_all(folder: &Path) -> Result<u64> {
    let mut size = 0;
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        size += match entry.file_type()?.is_dir() {
            true => look_at_all(&entry.path())?,
            false => entry.metadata()?.len(),
        };
    }
    Ok(size)
}
