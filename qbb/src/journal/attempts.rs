//! Attempts that do not count any more.

use camino::Utf8Path;
use qbb_graph::{DatasetIx, QuantumIx};
use rustc_hash::FxHashMap;

use super::directory::journal_files;
use super::error::JournalError;
use super::event::{Event, ExceptionInfo, QuantumEnd};
use super::reader::JournalReader;
use super::state::JournalState;
use super::time::Timestamp;
use super::usage::ResourceUsage;
use crate::GraphIdentity;

/// An attempt that ended, and that another one has superseded.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedAttempt {
    /// How many attempts came before.
    pub attempt: u32,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How it ended.
    pub end: QuantumEnd,
    /// Caveat bits, if known.
    pub caveats: Option<u32>,
    /// The exception of a failure.
    pub exception: Option<ExceptionInfo>,
    /// Exit code, if there was one; negative is a signal.
    pub exit_code: Option<i32>,
    /// What it cost.
    pub usage: Option<ResourceUsage>,
    /// Datasets that it wrote, metadata and log among them.
    pub outputs: Vec<DatasetIx>,
}

/// Datasets that were packed, by quantum and attempt.
type PackedOutputs = FxHashMap<(u32, u32), Vec<DatasetIx>>;

/// All ended attempts but those that count. As few as quanta were tried again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AttemptHistory {
    quanta: FxHashMap<u32, Vec<EndedAttempt>>,
}

impl AttemptHistory {
    /// Superseded attempts at a quantum, the earliest first.
    pub fn of(&self, quantum: QuantumIx) -> &[EndedAttempt] {
        self.quanta.get(&quantum.0).map_or(&[], Vec::as_slice)
    }

    /// Number of quanta that were tried more than once.
    pub fn len(&self) -> usize {
        self.quanta.len()
    }

    /// Whether no quantum was tried more than once.
    pub fn is_empty(&self) -> bool {
        self.quanta.is_empty()
    }

    /// Takes an event into account; `packed` are datasets of attempts that have not ended yet.
    fn add(&mut self, event: Event, packed: &mut PackedOutputs, state: &JournalState) {
        let (quantum, attempt, started, ended, outcome) = match event {
            Event::OutputsPacked { blocks, .. } => {
                for row in blocks.iter().flat_map(|block| &block.rows) {
                    packed.entry((row.quantum.0, row.attempt)).or_default().push(row.dataset);
                }
                return;
            }
            Event::QuantumFinished { quantum, attempt, started, ended, outcome } => {
                (quantum, attempt, started, ended, outcome)
            }
            _ => return,
        };
        let packed = packed.remove(&(quantum.0, attempt)).unwrap_or_default();
        let counts = state.finished(quantum);
        if counts.is_some_and(|counts| (counts.attempt, counts.ended) == (attempt, ended)) {
            return;
        }
        let outputs = outcome.outputs.iter().map(|output| output.dataset).chain(packed).collect();
        self.quanta.entry(quantum.0).or_default().push(EndedAttempt {
            attempt,
            started,
            ended,
            end: outcome.end,
            caveats: outcome.caveats,
            exception: outcome.exception,
            exit_code: outcome.exit_code,
            usage: outcome.usage,
            outputs,
        });
    }
}

/// Reads what the journal files of a directory tell of attempts that do not count in `state`, which
/// must have been read from the same directory.
///
/// # Errors
/// As [`super::read_state`].
pub fn read_attempts(
    directory: &Utf8Path,
    identity: GraphIdentity,
    state: &JournalState,
) -> Result<AttemptHistory, JournalError> {
    let mut history = AttemptHistory::default();
    for path in journal_files(directory)? {
        let mut reader = match JournalReader::open(&path) {
            // A process that gave up removes its file.
            Err(JournalError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                continue;
            }
            opened => opened?,
        };
        let Some(header) = reader.header() else { continue };
        if header.graph != identity {
            let (found, wanted) = (header.graph, identity);
            return Err(JournalError::OtherGraph { path, found, wanted });
        }
        let mut packed = PackedOutputs::default();
        while let Some((offset, event)) = reader.next_event()? {
            if let Event::QuantumFinished { quantum, .. } = &event
                && quantum.index() >= state.n_quanta()
            {
                let reason = format!("quantum {} of a graph of {}", quantum.0, state.n_quanta());
                return Err(JournalError::Content { path, offset, reason });
            }
            history.add(event, &mut packed, state);
        }
    }
    for attempts in history.quanta.values_mut() {
        attempts.sort_by_key(|attempt| (attempt.attempt, attempt.ended));
    }
    Ok(history)
}
