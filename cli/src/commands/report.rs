//! `qbb report`.

use camino::Utf8PathBuf;
use qbb::journal::Timestamp;
use qbb_submit_dirs::{
    FailureGroup, LeftRunningByTask, Report, ReportLimits, Retries, SubmitDirectory, TaskCosts,
    Watch, write_page,
};

use crate::arguments::ReportArguments;
use crate::commands::opened::outputs_of;
use crate::commands::status::counts_table;
use crate::output::{ExitCode, Failure, Terminal, bytes, duration, ended_with, table};

/// Groups of failures that are shown if nobody says how many.
const GROUPS: usize = 20;

/// Reports what happened.
pub fn execute(arguments: &ReportArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let watch = Watch::open(&arguments.submit_dir)?;
    let report = of_watch(&watch, arguments.limit);
    if let Some(html) = &arguments.html {
        write_page(watch.graph(), watch.history(), &report, Timestamp::now(), html)?;
    }
    terminal.result(&report, |report| describe(report, arguments.limit.unwrap_or(GROUPS)))?;
    Ok(ExitCode::Success)
}

/// The report of a directory.
pub fn of_watch(watch: &Watch, limit: Option<usize>) -> Report {
    let usual = ReportLimits::default();
    let limits = ReportLimits { failures: limit.unwrap_or(usual.failures), ..usual };
    let root = output_root(watch.directory());
    Report::of(watch.graph(), watch.history(), root.as_deref(), limits)
}

/// Where the outputs of a directory are, to name logs by. A repository that is not there any more
/// is no reason to report nothing.
fn output_root(directory: &SubmitDirectory) -> Option<Utf8PathBuf> {
    outputs_of(directory).ok()?.datastore.local_root()
}

/// The report as text, with at most `limit` groups of failures.
pub fn describe(report: &Report, limit: usize) -> String {
    let mut text = format!("run {}\n\n", report.output_run);
    let rows = report.tasks.iter().map(|task| (task.task.as_str(), &task.counts));
    text.push_str(&counts_table(rows, &report.totals, false));
    if !report.caveats.is_empty() {
        text.push_str("\ncaveats\n");
        let rows = report.caveats.iter();
        text.push_str(&table(
            ["task", "code", "quanta"],
            2,
            rows.map(|c| [c.task.clone(), c.code.clone(), c.quanta.to_string()]),
        ));
    }
    if !report.failure_groups.is_empty() {
        text.push_str("\nfailures\n");
    }
    for group in report.failure_groups.iter().take(limit) {
        text.push_str(&describe_group(group));
    }
    if let Some(left @ 1..) = report.failure_groups.len().checked_sub(limit) {
        text.push_str(&format!("… and {left} more kinds\n"));
    }
    if !report.retries.is_empty() {
        text.push_str("\ntried more than once\n");
        text.push_str(&table(
            ["task", "quanta", "recovered", "most attempts", "because"],
            1,
            report.retries.iter().map(retries_row),
        ));
    }
    if !report.left_running.is_empty() {
        text.push_str("\nleft threads or processes running\n");
        let rows = report.left_running.iter().map(left_running_row);
        text.push_str(&table(["task", "quanta", "threads", "processes"], 1, rows));
    }
    for LeftRunningByTask { task, example, .. } in &report.left_running {
        let left = example.left.text();
        text.push_str(&format!("for example {task} {}: {left}\n", example.data_id));
        text.push_str(&format!("        quantum {}\n", example.quantum));
    }
    if !report.costs.is_empty() {
        text.push_str("\ncosts of a quantum\n");
        let header = ["task", "median", "95 %", "longest", "together", "memory", "95 %", "most"];
        text.push_str(&table(header, 1, report.costs.iter().map(costs_row)));
    }
    if !report.longest.is_empty() {
        text.push_str("\nlongest\n");
        for quantum in &report.longest {
            let took = duration(quantum.seconds);
            text.push_str(&format!("{took:>9}  {} {}\n", quantum.task, quantum.data_id));
        }
    }
    text.push('\n');
    let rows = report.datasets.iter().map(|d| {
        [d.dataset_type.clone(), d.written.to_string(), d.predicted.to_string(), bytes(d.bytes)]
    });
    text.push_str(&table(["dataset type", "written", "predicted", "size"], 1, rows));
    for warning in &report.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text
}

fn describe_group(group: &FailureGroup) -> String {
    let tasks: Vec<String> =
        group.tasks.iter().map(|task| format!("{} {}", task.quanta, task.task)).collect();
    let mut text = format!("{} × {}", group.quanta, group.exception);
    if !group.message.is_empty() {
        text.push_str(&format!(": {}", group.message));
    }
    text.push_str(&format!("\n    of {}", tasks.join(", ")));
    if group.blocks != 0 {
        text.push_str(&format!("; blocks {} quanta", group.blocks));
    }
    let example = &group.example;
    text.push_str(&format!("\n    for example {} {}\n", example.task, example.data_id));
    let said = example.message.as_deref().and_then(|message| message.lines().next());
    match (said.filter(|said| *said != group.message), example.exit_code) {
        (Some(said), _) => text.push_str(&format!("        {said}\n")),
        (None, Some(code)) if example.exception.is_none() => {
            text.push_str(&format!("        {}\n", ended_with(code)));
        }
        _ => {}
    }
    text.push_str(&format!("        quantum {}\n", example.quantum));
    if let Some(log) = &example.log {
        text.push_str(&format!("        log {log}\n"));
    } else if example.log_is_packed {
        text.push_str("        its log is packed; `qbb log` shows it\n");
    }
    text
}

fn retries_row(retries: &Retries) -> [String; 5] {
    let reasons: Vec<String> =
        retries.reasons.iter().map(|r| format!("{} {}", r.attempts, r.reason)).collect();
    [
        retries.task.clone(),
        retries.quanta.to_string(),
        retries.recovered.to_string(),
        retries.most.to_string(),
        reasons.join(", "),
    ]
}

fn left_running_row(found: &LeftRunningByTask) -> [String; 4] {
    let [quanta, threads, processes] =
        [found.quanta, found.threads, found.processes].map(|number| number.to_string());
    [found.task.clone(), quanta, threads, processes]
}

fn costs_row(costs: &TaskCosts) -> [String; 8] {
    let none = || "-".to_owned();
    let [median, tail, longest] = match costs.seconds {
        Some(d) => [d.median, d.percentile95, d.max].map(duration),
        None => [none(), none(), none()],
    };
    let [middle, high, most] = match costs.memory {
        Some(d) => [d.median, d.percentile95, d.max].map(bytes),
        None => [none(), none(), none()],
    };
    let together = duration(costs.total_seconds);
    [costs.task.clone(), median, tail, longest, together, middle, high, most]
}
