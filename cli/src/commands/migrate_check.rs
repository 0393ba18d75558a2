//! `qbb migrate-check`.

use qbb_datastore::RepositoryConfig;
use qbb_personal::{FitReport, check_fit};
use serde::Serialize;

use crate::arguments::MigrateCheckArguments;
use crate::commands::remembered::release_of;
use crate::output::{ExitCode, Failure, Terminal, table};

#[derive(Serialize)]
struct Checked<'a> {
    repository: &'a str,
    release: &'a str,
    #[serde(flatten)]
    report: FitReport,
}

/// Says whether a repository still fits its release.
pub fn execute(arguments: &MigrateCheckArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let release = release_of(arguments.from.as_deref(), Some(&arguments.repository))?;
    let report = check_fit(
        &RepositoryConfig::open(&arguments.repository)?,
        &RepositoryConfig::open(&release)?,
    )?;
    let checked = Checked { repository: &arguments.repository, release: &release, report };
    terminal.result(&checked, describe)?;
    Ok(match checked.report.fits {
        true => ExitCode::Success,
        false => ExitCode::Incomplete,
    })
}

fn describe(checked: &Checked<'_>) -> String {
    let Checked { repository, release, report } = checked;
    let mut text = String::new();
    if !report.findings.is_empty() {
        let rows = report.findings.iter().map(|finding| {
            [
                if finding.matters { "problem" } else { "note" }.to_owned(),
                finding.what.to_owned(),
                finding.name.clone(),
                finding.personal.clone(),
                finding.release.clone(),
            ]
        });
        text = table(["", "what", "name", "in the repository", "in the release"], 5, rows);
    }
    text.push_str(&format!(
        "{repository} {} {release}: {} dataset types and {} dimension records compared",
        if report.fits { "fits" } else { "does not fit" },
        report.dataset_types,
        report.records
    ));
    text
}
