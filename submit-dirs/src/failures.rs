//! Failures, put together by what went wrong.

use std::collections::BTreeMap;

use camino::Utf8Path;
use qbb::journal::{FinishedQuantum, JournalState, QuantumProgress};
use qbb_graph::{DatasetIx, QuantumGraph, QuantumIx};
use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::counts::will_be_repeated;

/// A quantum that failed in its last attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Label of the task.
    pub task: String,
    /// UUID of the quantum.
    pub quantum: uuid::Uuid,
    /// Data ID for people.
    pub data_id: String,
    /// Number of attempts.
    pub attempts: u32,
    /// Type of the exception.
    pub exception: Option<String>,
    /// What it says.
    pub message: Option<String>,
    /// Exit code; negative is a signal.
    pub exit_code: Option<i32>,
    /// Quanta that cannot run because of it.
    pub blocks: u64,
    /// The file with its log, if one was written.
    pub log: Option<String>,
    /// Whether its log is packed, so that `qbb log` shows it.
    pub log_is_packed: bool,
}

/// Failures with the same type of exception and, apart from numbers and names, the same message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailureGroup {
    /// Type of the exception, or how the process ended where there was none.
    pub exception: String,
    /// First line of the message, with numbers, identifiers, data IDs and paths left out.
    pub message: String,
    /// Number of quanta.
    pub quanta: u64,
    /// Quanta that cannot run because of them.
    pub blocks: u64,
    /// Tasks with such failures, in the order of the pipeline.
    pub tasks: Vec<TaskFailures>,
    /// One of them: the first in the order of the graph.
    pub example: Failure,
}

/// How many quanta of a task failed in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskFailures {
    /// Label.
    pub task: String,
    /// Number of quanta.
    pub quanta: u64,
}

/// All failures of a run, found once and then told in several ways.
pub(crate) struct Failures<'a> {
    graph: &'a QuantumGraph,
    journal: &'a JournalState,
    /// Root of the output datastore, to name logs by.
    root: Option<&'a Utf8Path>,
    quanta: Vec<QuantumIx>,
    blocked: FxHashMap<u32, u64>,
}

impl<'a> Failures<'a> {
    pub fn find(
        graph: &'a QuantumGraph,
        journal: &'a JournalState,
        root: Option<&'a Utf8Path>,
    ) -> Self {
        let mut quanta = Vec::new();
        let mut blocked: FxHashMap<u32, u64> = FxHashMap::default();
        for quantum in graph.quanta.iter() {
            match journal.progress(quantum) {
                QuantumProgress::Blocked { cause } => *blocked.entry(cause.0).or_default() += 1,
                QuantumProgress::Ended(end)
                    if !end.is_success() && !will_be_repeated(journal, quantum) =>
                {
                    quanta.push(quantum);
                }
                _ => {}
            }
        }
        Self { graph, journal, root, quanta, blocked }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.quanta.len()
    }

    /// The first ones in the order of the graph.
    pub fn first(&self, limit: usize) -> Vec<Failure> {
        self.quanta.iter().take(limit).map(|&quantum| self.describe(quantum)).collect()
    }

    /// The newest ones, newest first.
    pub fn newest(&self, limit: usize) -> Vec<(QuantumIx, FinishedQuantum<'a>)> {
        let mut ends: Vec<_> = (self.quanta.iter())
            .filter_map(|&quantum| Some((quantum, self.journal.finished(quantum)?)))
            .collect();
        let key = |(quantum, finished): &(QuantumIx, FinishedQuantum<'_>)| {
            std::cmp::Reverse((finished.ended, *quantum))
        };
        if ends.len() > limit && limit > 0 {
            ends.select_nth_unstable_by_key(limit - 1, key);
        }
        ends.truncate(limit);
        ends.sort_unstable_by_key(key);
        ends
    }

    /// Puts them together, the most frequent first.
    pub fn groups(&self) -> Vec<FailureGroup> {
        struct Group {
            first: QuantumIx,
            blocks: u64,
            tasks: BTreeMap<u32, u64>,
        }
        let mut numbers: FxHashMap<(String, String), usize> = FxHashMap::default();
        let mut groups: Vec<Group> = Vec::new();
        for &quantum in &self.quanta {
            let finished = self.journal.finished(quantum);
            let next = groups.len();
            let number = *numbers.entry(key(finished.as_ref())).or_insert(next);
            if number == next {
                groups.push(Group { first: quantum, blocks: 0, tasks: BTreeMap::new() });
            }
            let group = &mut groups[number];
            group.blocks += self.blocks(quantum);
            *group.tasks.entry(self.graph.quanta.task(quantum).0).or_default() += 1;
        }
        let mut told: Vec<FailureGroup> = (numbers.into_iter())
            .map(|((exception, message), number)| {
                let Group { first, blocks, tasks } = &groups[number];
                FailureGroup {
                    exception,
                    message,
                    blocks: *blocks,
                    quanta: tasks.values().sum(),
                    tasks: (tasks.iter())
                        .map(|(&task, &quanta)| TaskFailures {
                            task: self.graph.pipeline.tasks[task as usize].label.clone(),
                            quanta,
                        })
                        .collect(),
                    example: self.describe(*first),
                }
            })
            .collect();
        told.sort_by(|a, b| {
            let key = |group: &FailureGroup| std::cmp::Reverse((group.quanta, group.blocks));
            key(a)
                .cmp(&key(b))
                .then_with(|| (&a.exception, &a.message).cmp(&(&b.exception, &b.message)))
        });
        told
    }

    fn blocks(&self, quantum: QuantumIx) -> u64 {
        self.blocked.get(&quantum.0).copied().unwrap_or(0)
    }

    fn describe(&self, quantum: QuantumIx) -> Failure {
        let finished = self.journal.finished(quantum);
        let exception = finished.and_then(|finished| finished.exception);
        Failure {
            task: task_label(self.graph, quantum).to_owned(),
            quantum: self.graph.quanta.uuid(quantum),
            data_id: data_id(self.graph, quantum),
            attempts: self.journal.next_attempt(quantum),
            exception: exception.map(|exception| exception.type_name.clone()),
            message: exception.map(|exception| exception.message.clone()),
            exit_code: finished.and_then(|finished| finished.exit_code),
            blocks: self.blocks(quantum),
            log: self.log(quantum),
            log_is_packed: (self.log_dataset(quantum))
                .is_some_and(|log| self.journal.packed(log).is_some()),
        }
    }

    fn log_dataset(&self, quantum: QuantumIx) -> Option<DatasetIx> {
        let task = self.graph.pipeline.task(self.graph.quanta.task(quantum));
        task.log_output.as_ref()?;
        // Its position among a task's outputs is the last.
        let connection = task.quantum_outputs().count() - 1;
        self.graph.outputs.of_connection(quantum, connection as u16).next()
    }

    fn log(&self, quantum: QuantumIx) -> Option<String> {
        let log = self.log_dataset(quantum)?;
        let record = self.journal.records(log).next()?;
        Some(match self.root {
            Some(root) => root.join(record.path).into_string(),
            None => record.path.to_owned(),
        })
    }
}

/// Label of a quantum's task.
pub(crate) fn task_label(graph: &QuantumGraph, quantum: QuantumIx) -> &str {
    &graph.pipeline.task(graph.quanta.task(quantum)).label
}

/// A quantum's data ID for people.
pub(crate) fn data_id(graph: &QuantumGraph, quantum: QuantumIx) -> String {
    let data_ids = graph.task_data_ids(graph.quanta.task(quantum));
    data_ids.describe(graph.quanta.data_id[quantum.index()], &graph.symbols)
}

/// What failures must have in common to be told together.
fn key(finished: Option<&FinishedQuantum<'_>>) -> (String, String) {
    let exception = finished.and_then(|finished| finished.exception);
    let message = exception.map_or_else(String::new, |e| normalised(&e.message));
    let kind = match (exception, finished.and_then(|finished| finished.exit_code)) {
        (Some(exception), _) => exception.type_name.clone(),
        (None, Some(code)) if code < 0 => format!("signal {}", code.unsigned_abs()),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "failed".to_owned(),
    };
    (kind, message)
}

/// Longest message by which failures are told apart, in characters.
const LONGEST: usize = 200;

/// The first line of a message without what differs from quantum to quantum: data IDs and other
/// things in braces become `{…}`, paths and URLs `<path>`, identifiers and numbers `#`.
fn normalised(message: &str) -> String {
    let line = message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let mut text = String::with_capacity(line.len().min(LONGEST));
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let (taken, written) = token(rest, first, text.chars().next_back());
        text.push_str(written.unwrap_or(&rest[..taken]));
        rest = &rest[taken..];
        if let Some((end, _)) = text.char_indices().nth(LONGEST) {
            text.truncate(end);
            text.push('…');
            break;
        }
    }
    text
}

/// Bytes that belong together at the beginning of a text, and what is written in their place.
fn token(rest: &str, first: char, before: Option<char>) -> (usize, Option<&'static str>) {
    if first == '{'
        && let Some(end) = rest.find('}')
    {
        return (end + 1, Some("{…}"));
    }
    if first.is_whitespace() {
        let end = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        return (end, Some(" "));
    }
    let inside = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '_' | '-' | '.' | '/' | ':' | '%' | '~' | '+' | '@' | '#')
    };
    let end = rest.find(|c: char| !inside(c)).unwrap_or(rest.len());
    if end == 0 {
        return (first.len_utf8(), None);
    }
    // A sentence's full stop or colon is not part of a name.
    let word = rest[..end].trim_end_matches(['.', ':', '-']);
    let word = if word.is_empty() { &rest[..end] } else { word };
    let starts_word = before.is_none_or(|c| !inside(c));
    if starts_word && (word.contains("://") || (word.len() > 1 && word.contains('/'))) {
        return (word.len(), Some("<path>"));
    }
    // Words with several digits name something: numbers, UUIDs, hashes, files. `chi2` does not.
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let number = word.trim_start_matches(['-', '+', '.']).starts_with(|c: char| c.is_ascii_digit());
    if starts_word && (number || digits > 1) {
        return (word.len(), Some("#"));
    }
    (word.len().max(first.len_utf8()), None)
}

#[cfg(test)]
mod tests {
    use super::normalised;

    #[test]
    fn messages_that_differ_in_numbers_and_names_are_one() {
        for (message, text) in [
            ("fit failed: chi2=12.5 after 30 steps", "fit failed: chi2=# after # steps"),
            ("\n  Sources < 10:  7\nmore", "Sources < #: #"),
            ("no PSF for {instrument: 'Q', visit: 42, detector: 3}.", "no PSF for {…}."),
            ("cannot open /data/u/x_12.fits", "cannot open <path>"),
            ("cannot open 's3://bucket/a?b'", "cannot open '<path>?b'"),
            ("dataset 01a1f81b-f9b8-75af-a033-105522233eb5 is missing", "dataset # is missing"),
            ("[Errno 28] No space left", "[Errno #] No space left"),
            ("value is -1.5e-3, not nan", "value is #, not nan"),
            ("unbalanced { brace", "unbalanced { brace"),
            ("größer als Ω", "größer als Ω"),
            ("", ""),
        ] {
            assert_eq!(normalised(message), text, "{message}");
        }
    }

    #[test]
    fn long_messages_are_cut() {
        let text = normalised(&"word ".repeat(1000));
        assert!(text.ends_with('…') && text.chars().count() < 210, "{text}");
        assert_eq!(normalised(&"ä".repeat(1000)).chars().count(), 201);
    }
}
