//! `qbb report`.

use qbb_submit_dirs::Report;

use crate::arguments::ReportArguments;
use crate::commands::opened::OpenedRun;
use crate::commands::status::counts_table;
use crate::output::{ExitCode, Failure, Terminal, table};

/// Reports what happened.
pub fn execute(arguments: &ReportArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let opened = OpenedRun::open(&arguments.submit_dir)?;
    let report = Report::of(&opened.graph, &opened.journal);
    terminal.result(&report, |report| describe(report, arguments.limit))?;
    Ok(ExitCode::Success)
}

/// The report as text, with at most `limit` failures.
pub fn describe(report: &Report, limit: usize) -> String {
    let mut text = format!("run {}\n\n", report.output_run);
    let rows = report.tasks.iter().map(|task| (task.task.as_str(), &task.counts));
    text.push_str(&counts_table(rows, &report.totals));
    if !report.caveats.is_empty() {
        text.push_str("\ncaveats\n");
        let rows = report.caveats.iter();
        text.push_str(&table(
            ["task", "code", "quanta"],
            2,
            rows.map(|c| [c.task.clone(), c.code.clone(), c.quanta.to_string()]),
        ));
    }
    if !report.failures.is_empty() {
        text.push_str("\nfailures\n");
    }
    for failure in report.failures.iter().take(limit) {
        let exception = failure.exception.as_deref().unwrap_or("failed");
        let message = failure.message.as_deref().unwrap_or("without a message");
        text.push_str(&format!("{} {}\n", failure.task, failure.data_id));
        text.push_str(&format!("    {exception}: {}\n", message.lines().next().unwrap_or("")));
        if failure.blocks != 0 {
            text.push_str(&format!("    blocks {} quanta\n", failure.blocks));
        }
    }
    if report.failures.len() > limit {
        text.push_str(&format!("… and {} more\n", report.failures.len() - limit));
    }
    text.push('\n');
    let rows = report.datasets.iter().map(|d| {
        [d.dataset_type.clone(), d.written.to_string(), d.predicted.to_string(), bytes(d.bytes)]
    });
    text.push_str(&table(["dataset type", "written", "predicted", "size"], 1, rows));
    text
}

/// A number of bytes for people.
pub fn bytes(number: u64) -> String {
    let mut value = number as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return if unit == "B" { format!("{number} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_in_decimal_units() {
        for (number, text) in [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_550_000, "2.5 MB")]
        {
            assert_eq!(bytes(number), text);
        }
    }
}
