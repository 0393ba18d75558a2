//! `qbb status`.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use qbb_submit_dirs::{QuantumCounts, Status, Watch};

use crate::arguments::{Format, StatusArguments};
use crate::output::{
    ExitCode, Failure, Redrawn, Terminal, bytes, duration, ended_with, pace, table,
};

/// Shows how far a submit directory is.
pub fn execute(arguments: &StatusArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let mut watch = Watch::open(&arguments.submit_dir)?;
    if arguments.follow {
        follow(arguments, &mut watch, terminal)?;
    } else {
        terminal.result(&watch.status(arguments.limit), describe)?;
    }
    Ok(ExitCode::Success)
}

/// Looks again and again until no run works on the directory.
fn follow(
    arguments: &StatusArguments,
    watch: &mut Watch,
    terminal: Terminal,
) -> Result<(), Failure> {
    let draws = std::io::stdout().is_terminal() && terminal.format() == Format::Text;
    let usual = if draws { 1.0 } else { 10.0 };
    let seconds = arguments.interval.unwrap_or(usual);
    let interval = Duration::try_from_secs_f64(seconds)
        .map_err(|_| Failure::usage(format!("--interval {seconds} is no time")))?
        .max(Duration::from_millis(100));
    let mut drawn = Redrawn::default();
    let mut last_line = String::new();
    loop {
        let status = watch.status(arguments.limit);
        // A directory that nobody has begun to work on yet is waited for.
        let goes_on = status.running || status.runs == 0;
        if draws {
            drawn.redraw(&describe(&status), goes_on).map_err(out_failed)?;
        } else if terminal.format() == Format::Json {
            let line = serde_json::to_string(&status).map_err(Failure::internal)?;
            print_line(&line)?;
        } else {
            let line = one_line(&status);
            if line != last_line {
                print_line(&format!("{} {line}", time_of_day(&status.time)))?;
                last_line = line;
            }
            if !goes_on {
                return terminal.print(&format!("\n{}", describe(&status)));
            }
        }
        if !goes_on {
            return Ok(());
        }
        std::thread::sleep(interval);
        watch.refresh()?;
    }
}

fn print_line(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(out_failed)
}

fn out_failed(error: std::io::Error) -> Failure {
    Failure::system("standard output could not be written", error)
}

/// Seconds are enough for people.
fn time_of_day(time: &str) -> &str {
    time.split('.').next().unwrap_or(time)
}

/// All that matters, in a line.
pub fn one_line(status: &Status) -> String {
    let totals = &status.totals;
    let mut text = format!("{} of {} quanta ended", totals.ended(), totals.quanta);
    for (count, what) in [
        (totals.failed, "failed"),
        (totals.blocked, "blocked"),
        (totals.wonky, "wonky"),
        (status.running_quanta_count, "running"),
    ] {
        if count != 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text.push_str(&format!("; {}", pace(status)));
    text
}

/// The status as text.
fn describe(status: &Status) -> String {
    let mut text = status_table(status);
    text.push_str(&format!("\n{}", pace(status)));
    if let Some(memory) = status.peak_memory {
        text.push_str(&format!("; at most {} for a quantum", bytes(memory)));
    }
    text.push('\n');
    section(&mut text, "running now", status.running_quanta_count, &status.running_quanta, |q| {
        let again = if q.attempt > 1 { format!(" (attempt {})", q.attempt) } else { String::new() };
        format!("{:>9}  {} {}{again}", duration(q.seconds), q.task, q.data_id)
    });
    let slowest = &status.slowest;
    section(&mut text, "slowest", slowest.len() as u64, slowest, |q| {
        format!("{:>9}  {} {}", duration(q.seconds), q.task, q.data_id)
    });
    let failures = &status.newest_failures;
    section(&mut text, "newest failures", status.totals.failed, failures, |q| {
        let why = match (&q.exception, q.exit_code) {
            (Some(exception), _) => {
                format!("{exception}: {}", q.message.as_deref().unwrap_or_default())
            }
            (None, Some(code)) => ended_with(code),
            (None, None) => "failed".to_owned(),
        };
        let ago = duration(q.seconds_ago);
        format!("{ago:>9} ago  {} {}\n{:15}{why}", q.task, q.data_id, "")
    });
    for warning in &status.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text
}

fn section<T>(
    text: &mut String,
    title: &str,
    total: u64,
    items: &[T],
    line: impl Fn(&T) -> String,
) {
    if items.is_empty() {
        return;
    }
    text.push_str(&format!("\n{title}"));
    if total > items.len() as u64 {
        text.push_str(&format!(" ({} of {total})", items.len()));
    }
    text.push('\n');
    for item in items {
        text.push_str(&line(item));
        text.push('\n');
    }
}

fn status_table(status: &Status) -> String {
    let rows = status.tasks.iter().map(|task| (task.task.as_str(), &task.counts));
    counts_table(rows, &status.totals, status.running)
}

/// Quanta by state, a line for each task and one for all. What was started and did not end runs if
/// anything does.
pub fn counts_table<'a>(
    tasks: impl Iterator<Item = (&'a str, &'a QuantumCounts)>,
    totals: &'a QuantumCounts,
    running: bool,
) -> String {
    let in_flight = if running { "running" } else { "cut off" };
    let header = [
        "task",
        "expected",
        "successful",
        "caveats",
        "failed",
        "blocked",
        "wonky",
        in_flight,
        "waiting",
    ];
    let rows = tasks.chain([("total", totals)]).map(|(name, counts)| {
        [
            name.to_owned(),
            counts.quanta.to_string(),
            counts.succeeded.to_string(),
            counts.with_caveats.to_string(),
            counts.failed.to_string(),
            counts.blocked.to_string(),
            counts.wonky.to_string(),
            counts.in_flight.to_string(),
            counts.waiting.to_string(),
        ]
    });
    table(header, 1, rows)
}
