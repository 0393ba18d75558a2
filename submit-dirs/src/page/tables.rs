//! Tables of the page.

use super::markup::Markup;
use crate::counts::QuantumCounts;
use crate::failures::FailureGroup;
use crate::report::Report;
use crate::units::{bytes, duration};

/// Groups of failures on the page.
const MOST_GROUPS: usize = 500;

/// A cell: what is shown, and for numbers what they are sorted by.
struct Cell {
    text: String,
    value: Option<f64>,
}

fn words(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), value: None }
}

fn count(number: u64) -> Cell {
    Cell { text: number.to_string(), value: Some(number as f64) }
}

fn time(seconds: Option<f64>) -> Cell {
    Cell { text: seconds.map_or_else(|| "–".to_owned(), duration), value: seconds.or(Some(-1.0)) }
}

fn size(number: Option<u64>) -> Cell {
    let value = number.map_or(-1.0, |number| number as f64);
    Cell { text: number.map_or_else(|| "–".to_owned(), bytes), value: Some(value) }
}

/// A table whose first column names its rows.
fn table(markup: &mut Markup, caption: &str, header: &[&str], rows: Vec<Vec<Cell>>) {
    markup.element("div", &[("class", &"scroll")], |markup| {
        markup.element("table", &[], |markup| {
            markup.leaf("caption", &[], caption);
            markup.element("thead", &[], |markup| {
                markup.element("tr", &[], |markup| {
                    for name in header {
                        markup.leaf("th", &[("scope", &"col")], name);
                    }
                });
            });
            markup.element("tbody", &[], |markup| {
                for row in rows {
                    markup.element("tr", &[], |markup| row_cells(markup, &row));
                }
            });
        });
    });
}

fn row_cells(markup: &mut Markup, row: &[Cell]) {
    for (i, cell) in row.iter().enumerate() {
        match (i, cell.value) {
            (0, _) => markup.leaf("th", &[("scope", &"row")], &cell.text),
            (_, Some(value)) => {
                markup.leaf("td", &[("class", &"number"), ("data-value", &value)], &cell.text);
            }
            (_, None) => markup.leaf("td", &[], &cell.text),
        }
    }
}

fn section(markup: &mut Markup, title: &str, content: impl FnOnce(&mut Markup)) {
    markup.element("section", &[], |markup| {
        markup.leaf("h2", &[], title);
        content(markup);
    });
}

/// Quanta by state and task.
pub(super) fn states(markup: &mut Markup, report: &Report) {
    let header = [
        "task",
        "expected",
        "successful",
        "caveats",
        "failed",
        "blocked",
        "wonky",
        "in flight",
        "waiting",
    ];
    let row = |name: &str, counts: &QuantumCounts| {
        vec![
            words(name),
            count(counts.quanta),
            count(counts.succeeded),
            count(counts.with_caveats),
            count(counts.failed),
            count(counts.blocked),
            count(counts.wonky),
            count(counts.in_flight),
            count(counts.waiting),
        ]
    };
    let mut rows: Vec<_> = report.tasks.iter().map(|task| row(&task.task, &task.counts)).collect();
    rows.push(row("total", &report.totals));
    section(markup, "Quanta", |markup| table(markup, "Quanta by state", &header, rows));
}

/// Failures by kind, with an example each.
pub(super) fn failures(markup: &mut Markup, report: &Report) {
    if report.failure_groups.is_empty() {
        return;
    }
    section(markup, "Failures", |markup| {
        for group in report.failure_groups.iter().take(MOST_GROUPS) {
            failure_group(markup, group);
        }
        if let Some(left @ 1..) = report.failure_groups.len().checked_sub(MOST_GROUPS) {
            markup.leaf("p", &[("class", &"note")], &format!("And {left} more kinds."));
        }
    });
}

fn failure_group(markup: &mut Markup, group: &FailureGroup) {
    markup.element("details", &[], |markup| {
        markup.element("summary", &[], |markup| {
            markup.leaf("b", &[], &format!("{} × {}", group.quanta, group.exception));
            markup.text(&format!(" {}", group.message));
        });
        let tasks: Vec<String> =
            group.tasks.iter().map(|task| format!("{} {}", task.quanta, task.task)).collect();
        let blocks = match group.blocks {
            0 => String::new(),
            n => format!("; {n} quanta cannot run because of them"),
        };
        markup.leaf("p", &[], &format!("Of {}{blocks}. For example:", tasks.join(", ")));
        let example = &group.example;
        markup.element("dl", &[], |markup| {
            let mut item = |name: &str, text: &str| {
                markup.leaf("dt", &[], name);
                markup.leaf("dd", &[], text);
            };
            item("quantum", &format!("{} {}", example.task, example.data_id));
            item("UUID", &example.quantum.to_string());
            if let Some(code) = example.exit_code {
                item("exit code", &code.to_string());
            }
            if let Some(log) = &example.log {
                item("log", log);
            } else if example.log_is_packed {
                item("log", "packed; qbb log shows it");
            }
        });
        if let Some(message) = &example.message {
            markup.leaf("pre", &[], message);
        }
    });
}

/// Times and memory.
pub(super) fn costs(markup: &mut Markup, report: &Report) {
    let header =
        ["task", "attempts", "median", "95 %", "longest", "together", "memory", "95 %", "most"];
    let rows = (report.costs.iter())
        .map(|costs| {
            let (seconds, memory) = (costs.seconds, costs.memory);
            vec![
                words(&*costs.task),
                count(seconds.map_or(0, |d| d.count)),
                time(seconds.map(|d| d.median)),
                time(seconds.map(|d| d.percentile95)),
                time(seconds.map(|d| d.max)),
                time(Some(costs.total_seconds)),
                size(memory.map(|d| d.median)),
                size(memory.map(|d| d.percentile95)),
                size(memory.map(|d| d.max)),
            ]
        })
        .collect::<Vec<_>>();
    if !rows.is_empty() {
        section(markup, "Costs", |markup| {
            table(markup, "Time and peak memory of attempts", &header, rows);
        });
    }
}

/// What took longest.
pub(super) fn longest(markup: &mut Markup, report: &Report) {
    if report.longest.is_empty() {
        return;
    }
    let rows = (report.longest.iter())
        .map(|quantum| {
            let how = if quantum.failed { "failed" } else { "succeeded" };
            vec![
                words(&*quantum.task),
                words(&*quantum.data_id),
                time(Some(quantum.seconds)),
                size(quantum.memory),
                words(how),
            ]
        })
        .collect();
    section(markup, "Longest quanta", |markup| {
        let header = ["task", "data ID", "took", "memory", "and"];
        table(markup, "Attempts that took longest", &header, rows);
    });
}

/// What was tried again.
pub(super) fn retries(markup: &mut Markup, report: &Report) {
    if report.retries.is_empty() {
        return;
    }
    let rows = (report.retries.iter())
        .map(|retries| {
            let reasons: Vec<String> =
                retries.reasons.iter().map(|r| format!("{} {}", r.attempts, r.reason)).collect();
            vec![
                words(&*retries.task),
                count(retries.quanta),
                count(retries.recovered),
                count(u64::from(retries.most)),
                words(reasons.join(", ")),
            ]
        })
        .collect();
    section(markup, "Tried more than once", |markup| {
        let header = ["task", "quanta", "recovered", "most attempts", "because"];
        table(markup, "Quanta with several attempts", &header, rows);
    });
}

/// Tasks that do not end what they start.
pub(super) fn left_running(markup: &mut Markup, report: &Report) {
    if report.left_running.is_empty() {
        return;
    }
    let rows = (report.left_running.iter())
        .map(|found| {
            let example = &found.example;
            vec![
                words(&*found.task),
                count(found.quanta),
                count(found.threads),
                count(found.processes),
                words(format!("{}: {}", example.data_id, example.left.text())),
            ]
        })
        .collect();
    section(markup, "Left running", |markup| {
        let header = ["task", "quanta", "threads", "processes", "for example"];
        table(markup, "Quanta that have left threads or processes running", &header, rows);
    });
}

/// Successes that something is to be said about.
pub(super) fn caveats(markup: &mut Markup, report: &Report) {
    if report.caveats.is_empty() {
        return;
    }
    let rows = (report.caveats.iter())
        .map(|caveat| vec![words(&*caveat.task), words(&*caveat.code), count(caveat.quanta)])
        .collect();
    section(markup, "Caveats", |markup| {
        table(markup, "Quanta that succeeded with a caveat", &["task", "code", "quanta"], rows);
        let codes = "+ some outputs missing, * all outputs missing, A adjustQuantum raised, \
                     D unprocessable data, U upstream failure, P partial outputs, N no work.";
        markup.leaf("p", &[("class", &"note")], codes);
    });
}

/// What was written.
pub(super) fn datasets(markup: &mut Markup, report: &Report) {
    let rows = (report.datasets.iter())
        .map(|d| {
            vec![words(&*d.dataset_type), count(d.written), count(d.predicted), size(Some(d.bytes))]
        })
        .collect();
    section(markup, "Datasets", |markup| {
        let header = ["dataset type", "written", "predicted", "size"];
        table(markup, "Outputs by dataset type", &header, rows);
    });
}
