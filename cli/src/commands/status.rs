//! `qbb status`.

use qbb_submit_dirs::{QuantumCounts, Status};

use crate::arguments::StatusArguments;
use crate::commands::opened::OpenedRun;
use crate::output::{ExitCode, Failure, Terminal, table};

/// Shows how far a submit directory is.
pub fn execute(arguments: &StatusArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let opened = OpenedRun::open(&arguments.submit_dir)?;
    let status = Status::of(&opened.graph, &opened.journal);
    terminal.result(&status, describe)?;
    Ok(ExitCode::Success)
}

fn describe(status: &Status) -> String {
    let rows = status.tasks.iter().map(|task| (task.task.as_str(), &task.counts));
    let mut text = counts_table(rows, &status.totals);
    text.push_str(match (status.running, status.runs) {
        (true, _) => "\na run is working on it\n",
        (false, 0) => "\nnot run yet\n",
        (false, _) => "",
    });
    for warning in &status.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text
}

/// Quanta by state, a line for each task and one for all.
pub fn counts_table<'a>(
    tasks: impl Iterator<Item = (&'a str, &'a QuantumCounts)>,
    totals: &'a QuantumCounts,
) -> String {
    let header =
        ["task", "quanta", "succeeded", "caveats", "failed", "blocked", "in flight", "waiting"];
    let rows = tasks.chain([("total", totals)]).map(|(name, counts)| {
        [
            name.to_owned(),
            counts.quanta.to_string(),
            counts.succeeded.to_string(),
            counts.with_caveats.to_string(),
            counts.failed.to_string(),
            counts.blocked.to_string(),
            counts.in_flight.to_string(),
            counts.waiting.to_string(),
        ]
    });
    table(header, 1, rows)
}
