//! How far a submit directory is.

use qbb::journal::{JournalState, ProcessIdentity, QuantumEnd, RunOutcome, RunSummary, Timestamp};
use qbb_graph::{QuantumGraph, QuantumIx};
use rustc_hash::FxHashSet;
use serde::Serialize;
use uuid::Uuid;

use crate::attempts::{Attempt, AttemptTable};
use crate::counts::{QuantumCounts, TaskCounts, count_by_task};
use crate::failures::{Failures, data_id, task_label};
use crate::watch::History;

/// Seconds over which the rate is taken.
const RATE_SECONDS: f64 = 60.0;

/// From where and when something is looked at; whether a run goes on depends on both.
#[derive(Debug, Clone)]
pub struct Viewpoint {
    /// The process that looks.
    pub here: ProcessIdentity,
    /// When it looks.
    pub now: Timestamp,
}

impl Viewpoint {
    /// This process, now.
    pub fn current() -> Self {
        Self { here: ProcessIdentity::current(), now: Timestamp::now() }
    }
}

/// Quanta by state, in all and by task, the runs so far, and how fast the present one is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// RUN collection of the outputs.
    pub output_run: String,
    /// When this was read, ISO 8601.
    pub time: String,
    /// All quanta.
    #[serde(flatten)]
    pub totals: QuantumCounts,
    /// Quanta of each task.
    pub tasks: Vec<TaskCounts>,
    /// Number of `qbb run`s that wrote a journal here.
    pub runs: usize,
    /// Whether one of them seems to be working still.
    pub running: bool,
    /// How the last run ended: `complete`, `with failures`, `stopped early` or `interrupted`;
    /// nothing if it goes on, or was killed.
    pub outcome: Option<&'static str>,
    /// Quanta that runs which go on can run at a time.
    pub slots: u64,
    /// Seconds since the oldest run that goes on began, or that the last one took.
    pub elapsed_seconds: Option<f64>,
    /// Quanta that ended each second, over the last minute of a run that goes on, or over all of
    /// the last run.
    pub rate: Option<f64>,
    /// Seconds until everything that can run has run, while a run goes on: what quanta took so far
    /// times what is left, divided by the slots.
    pub seconds_left: Option<f64>,
    /// Peak memory of any attempt, bytes, if measured.
    pub peak_memory: Option<u64>,
    /// How many quanta run now.
    pub running_quanta_count: u64,
    /// Quanta that run now, the longest first.
    pub running_quanta: Vec<RunningQuantum>,
    /// Quanta that took longest.
    pub slowest: Vec<EndedQuantum>,
    /// Failures, the newest first.
    pub newest_failures: Vec<RecentFailure>,
    /// What the journal's readers had to overlook.
    pub warnings: Vec<String>,
}

/// A quantum that runs now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunningQuantum {
    /// Label of the task.
    pub task: String,
    /// UUID of the quantum.
    pub quantum: Uuid,
    /// Data ID for people.
    pub data_id: String,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// For how many seconds.
    pub seconds: f64,
    /// Where.
    pub host: String,
}

/// A quantum that ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EndedQuantum {
    /// Label of the task.
    pub task: String,
    /// UUID of the quantum.
    pub quantum: Uuid,
    /// Data ID for people.
    pub data_id: String,
    /// Seconds that it took.
    pub seconds: f64,
    /// Peak memory of its process in bytes, if measured.
    pub memory: Option<u64>,
    /// Whether it failed.
    pub failed: bool,
}

/// A failure, in short.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecentFailure {
    /// Label of the task.
    pub task: String,
    /// UUID of the quantum.
    pub quantum: Uuid,
    /// Data ID for people.
    pub data_id: String,
    /// When it failed, ISO 8601.
    pub time: String,
    /// Seconds since then.
    pub seconds_ago: f64,
    /// Type of the exception.
    pub exception: Option<String>,
    /// First line of what it says.
    pub message: Option<String>,
    /// Exit code; negative is a signal.
    pub exit_code: Option<i32>,
}

impl Status {
    /// Reads it off graph and journal; lists of quanta have at most `limit` items.
    pub fn of(
        graph: &QuantumGraph,
        history: &History,
        viewpoint: &Viewpoint,
        limit: usize,
    ) -> Self {
        let (journal, attempts, now) = (history.journal(), history.attempts(), viewpoint.now);
        let tasks = count_by_task(graph, journal);
        let live: Vec<&RunSummary> =
            journal.runs().iter().filter(|run| run.is_live(&viewpoint.here, now)).collect();
        let last = journal.runs().iter().max_by_key(|run| run.started);
        let running = Running::find(attempts, journal, &live);
        let slots = live.iter().map(|run| jobs(run)).sum();
        let begin = live.iter().map(|run| run.started).min();
        let elapsed = match (begin, last) {
            (Some(begin), _) => Some(now.seconds_since(begin)),
            (None, Some(last)) => Some(end_of(last).seconds_since(last.started)),
            (None, None) => None,
        };
        let rate = match (begin, last) {
            (Some(begin), _) => Some(recent_rate(attempts, begin, now)),
            (None, Some(last)) => average_rate(attempts, last),
            (None, None) => None,
        };
        Self {
            output_run: graph.header.output_run.clone(),
            time: now.to_string(),
            totals: tasks.iter().map(|task| task.counts).sum(),
            runs: journal.runs().len(),
            running: !live.is_empty(),
            outcome: (last.filter(|_| live.is_empty()))
                .and_then(|run| run.finished.as_ref())
                .map(|&(_, outcome, _)| outcome_name(outcome)),
            slots,
            elapsed_seconds: elapsed.map(|seconds| seconds.max(0.0)),
            rate,
            seconds_left: if live.is_empty() {
                None
            } else {
                seconds_left(graph, attempts, &tasks, &running, slots, now)
            },
            peak_memory: attempts.iter().filter_map(|attempt| attempt.memory).max(),
            running_quanta_count: running.0.len() as u64,
            running_quanta: running.describe(graph, &live, attempts, now, limit),
            slowest: slowest(graph, attempts, limit),
            newest_failures: newest_failures(graph, journal, now, limit),
            warnings: journal.warnings().iter().map(ToString::to_string).collect(),
            tasks,
        }
    }
}

/// Name of a run's outcome.
pub(crate) fn outcome_name(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Complete => "complete",
        RunOutcome::WithFailures => "with failures",
        RunOutcome::StoppedEarly => "stopped early",
        RunOutcome::Interrupted => "interrupted",
    }
}

/// When a run that does not go on was over, as far as anybody knows.
fn end_of(run: &RunSummary) -> Timestamp {
    run.finished.as_ref().map_or(run.last_seen, |&(ended, _, _)| ended)
}

/// Quanta that a run may run at a time.
fn jobs(run: &RunSummary) -> u64 {
    let options: Option<serde_json::Value> = serde_json::from_str(&run.options).ok();
    options.and_then(|options| options["jobs"].as_u64()).unwrap_or(1).max(1)
}

fn recent_rate(attempts: &AttemptTable, begin: Timestamp, now: Timestamp) -> f64 {
    let seconds = now.seconds_since(begin).clamp(1.0, RATE_SECONDS);
    let ended = (attempts.iter())
        .filter(|attempt| {
            attempt.ended.is_some_and(|(_, ended)| {
                let ago = now.seconds_since(ended);
                ended >= begin && ago <= seconds
            })
        })
        .count();
    ended as f64 / seconds
}

fn average_rate(attempts: &AttemptTable, run: &RunSummary) -> Option<f64> {
    let seconds = end_of(run).seconds_since(run.started);
    let ended = (attempts.iter())
        .filter(|attempt| {
            attempts.writer(attempt.writer) == run.writer
                && attempt.ended.is_some_and(|(_, ended)| ended >= run.started)
        })
        .count();
    (seconds > 0.0).then(|| ended as f64 / seconds)
}

/// Attempts that run now.
struct Running(Vec<Attempt>);

impl Running {
    fn find(attempts: &AttemptTable, journal: &JournalState, live: &[&RunSummary]) -> Self {
        let writers: FxHashSet<Uuid> = live.iter().map(|run| run.writer).collect();
        let mut running: Vec<Attempt> = (attempts.without_end())
            .filter(|attempt| {
                writers.contains(&attempts.writer(attempt.writer))
                    && journal.next_attempt(attempt.quantum) == attempt.attempt + 1
                    && live.iter().any(|run| {
                        run.writer == attempts.writer(attempt.writer)
                            && run.started <= attempt.started
                    })
            })
            .collect();
        running.sort_unstable_by_key(|attempt| (attempt.started, attempt.quantum));
        Self(running)
    }

    fn describe(
        &self,
        graph: &QuantumGraph,
        live: &[&RunSummary],
        attempts: &AttemptTable,
        now: Timestamp,
        limit: usize,
    ) -> Vec<RunningQuantum> {
        let host = |attempt: &Attempt| {
            let writer = attempts.writer(attempt.writer);
            let run = live.iter().find(|run| run.writer == writer);
            run.map_or_else(String::new, |run| run.process.host.clone())
        };
        (self.0.iter().take(limit))
            .map(|attempt| RunningQuantum {
                task: task_label(graph, attempt.quantum).to_owned(),
                quantum: graph.quanta.uuid(attempt.quantum),
                data_id: data_id(graph, attempt.quantum),
                attempt: attempt.attempt + 1,
                seconds: now.seconds_since(attempt.started).max(0.0),
                host: host(attempt),
            })
            .collect()
    }
}

/// What is left, by the mean of what quanta of a task took; tasks of which none ended are taken to
/// be like all others. `None` if nothing ended yet.
fn seconds_left(
    graph: &QuantumGraph,
    attempts: &AttemptTable,
    tasks: &[TaskCounts],
    running: &Running,
    slots: u64,
    now: Timestamp,
) -> Option<f64> {
    let labels = &graph.pipeline.tasks;
    let mut took = vec![(0.0, 0u64); labels.len()];
    for attempt in attempts.iter().filter(Attempt::did_work) {
        if let Some(seconds) = attempt.seconds() {
            let (total, count) = &mut took[graph.quanta.task(attempt.quantum).index()];
            *total += seconds;
            *count += 1;
        }
    }
    let (total, count) =
        took.iter().fold((0.0, 0), |(total, count), (seconds, n)| (total + seconds, count + n));
    if count == 0 {
        return (tasks.iter().all(|task| task.counts.unknown() == 0)).then_some(0.0);
    }
    let mean = |task: usize| match took[task] {
        (_, 0) => total / count as f64,
        (total, count) => total / count as f64,
    };
    let mut left = 0.0;
    for (i, task) in labels.iter().enumerate() {
        if let Some(counts) = tasks.iter().find(|counts| counts.task == task.label) {
            // What was cut off has to be done again.
            left += mean(i) * counts.counts.unknown() as f64;
        }
    }
    for attempt in &running.0 {
        let mean = mean(graph.quanta.task(attempt.quantum).index());
        left -= now.seconds_since(attempt.started).clamp(0.0, mean);
    }
    Some(left.max(0.0) / slots.max(1) as f64)
}

/// Attempts that took longest, the longest first.
pub(crate) fn slowest(
    graph: &QuantumGraph,
    attempts: &AttemptTable,
    limit: usize,
) -> Vec<EndedQuantum> {
    // Whole microseconds, which have an order.
    let mut ended: Vec<(std::cmp::Reverse<i64>, u32)> = (attempts.iter().enumerate())
        .filter(|(_, attempt)| attempt.did_work())
        .filter_map(|(row, attempt)| {
            let (_, end) = attempt.ended?;
            Some((std::cmp::Reverse(end.0.saturating_sub(attempt.started.0)), row as u32))
        })
        .collect();
    if limit > 0 && ended.len() > limit {
        ended.select_nth_unstable(limit - 1);
    }
    ended.truncate(limit);
    ended.sort_unstable();
    (ended.into_iter())
        .map(|(_, row)| {
            let attempt = attempts.get(row);
            describe_ended(graph, &attempt)
        })
        .collect()
}

fn describe_ended(graph: &QuantumGraph, attempt: &Attempt) -> EndedQuantum {
    let quantum: QuantumIx = attempt.quantum;
    EndedQuantum {
        task: task_label(graph, quantum).to_owned(),
        quantum: graph.quanta.uuid(quantum),
        data_id: data_id(graph, quantum),
        seconds: attempt.seconds().unwrap_or(0.0),
        memory: attempt.memory,
        failed: attempt.ended.is_some_and(|(end, _)| end == QuantumEnd::Failed),
    }
}

fn newest_failures(
    graph: &QuantumGraph,
    journal: &JournalState,
    now: Timestamp,
    limit: usize,
) -> Vec<RecentFailure> {
    let newest = Failures::find(graph, journal, None).newest(limit);
    (newest.into_iter())
        .map(|(quantum, finished)| RecentFailure {
            task: task_label(graph, quantum).to_owned(),
            quantum: graph.quanta.uuid(quantum),
            data_id: data_id(graph, quantum),
            time: finished.ended.to_string(),
            seconds_ago: now.seconds_since(finished.ended).max(0.0),
            exception: finished.exception.map(|exception| exception.type_name.clone()),
            message: finished
                .exception
                .map(|exception| exception.message.lines().next().unwrap_or_default().to_owned()),
            exit_code: finished.exit_code,
        })
        .collect()
}
