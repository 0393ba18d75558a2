//! All attempts at all quanta of a graph.

use std::sync::atomic::{AtomicU8, Ordering};

use camino::Utf8Path;
use qbb_graph::{
    Attempt, AttemptException, AttemptStatus, AttemptUsage, DatasetIx, ProvenanceSource,
    ProvenanceTexts, PythonJson, QuantumGraph, QuantumIx, SourceError,
};
use qbb_pipeline::Task;
use uuid::Uuid;

use super::log_text::{LogAttempt, parse_log};
use super::metadata_text::MetadataNode;
use super::packages::packages_json;
use super::products::ProductStore;
use crate::journal::{
    AttemptHistory, ExceptionInfo, JournalState, QuantumEnd, QuantumProgress, ResourceUsage,
    Timestamp,
};
use crate::pack::Packs;

/// What happened to a graph, by its journal and by the metadata and logs that this names.
pub struct RunProvenance<'a> {
    graph: &'a QuantumGraph,
    journal: &'a JournalState,
    history: &'a AttemptHistory,
    products: &'a dyn ProductStore,
    packs: Packs,
    former: Option<ProvenanceTexts<'a>>,
    /// By which the former provenance graph knows the quanta, if not as the graph does.
    former_quanta: Option<&'a [[u8; 16]]>,
    /// Datasets of each quantum that have not been found. Quanta may be asked for repeatedly.
    missing: Vec<AtomicU8>,
    is_strict: bool,
}

/// What the journal says about an attempt.
#[derive(Debug, Clone, Copy)]
struct Known<'a> {
    started: Timestamp,
    /// `None` if nobody recorded an end.
    end: Option<QuantumEnd>,
    caveats: Option<u32>,
    exception: Option<&'a ExceptionInfo>,
    usage: Option<ResourceUsage>,
    has_log: bool,
}

impl Known<'_> {
    /// An attempt of which nothing was recorded but perhaps its start.
    const UNKNOWN: Self = Self {
        started: Timestamp(0),
        end: None,
        caveats: None,
        exception: None,
        usage: None,
        has_log: false,
    };
}

impl<'a> RunProvenance<'a> {
    /// Provenance of the graph that `journal` and `history` are about; metadata and logs come from
    /// `products`, unless they are packed.
    pub fn new(
        graph: &'a QuantumGraph,
        journal: &'a JournalState,
        history: &'a AttemptHistory,
        products: &'a dyn ProductStore,
    ) -> Self {
        let packs = Packs::new(journal.directory().unwrap_or(Utf8Path::new("")));
        let missing = graph.quanta.iter().map(|_| AtomicU8::new(0)).collect();
        let (former, former_quanta, is_strict) = (None, None, false);
        Self { graph, journal, history, products, packs, former, former_quanta, missing, is_strict }
    }

    /// Takes what is not in `products` any more from a provenance graph that was made before. If that
    /// is of the same graph under another name, `quanta` are their UUIDs there.
    #[must_use]
    pub fn with_former(self, former: ProvenanceTexts<'a>, quanta: Option<&'a [[u8; 16]]>) -> Self {
        Self { former: Some(former), former_quanta: quanta, ..self }
    }

    /// By which the former provenance graph knows a quantum.
    fn former_id(&self, quantum: QuantumIx) -> Uuid {
        match self.former_quanta {
            Some(quanta) => Uuid::from_bytes(quanta[quantum.index()]),
            None => self.graph.quanta.uuid(quantum),
        }
    }

    /// Makes it an error if metadata or a log that was written is gone.
    #[must_use]
    pub fn complete(self) -> Self {
        Self { is_strict: true, ..self }
    }

    /// How many metadata and log datasets that were written have not been found so far.
    pub fn missing(&self) -> u64 {
        self.missing.iter().map(|missing| u64::from(missing.load(Ordering::Relaxed))).sum()
    }

    fn task(&self, quantum: QuantumIx) -> &'a Task {
        self.graph.pipeline.task(self.graph.quanta.task(quantum))
    }

    /// The metadata and the log dataset of a quantum.
    fn special(&self, quantum: QuantumIx) -> (Option<DatasetIx>, Option<DatasetIx>) {
        let task = self.task(quantum);
        let metadata = task.outputs.len() as u16;
        let one = |number| self.graph.outputs.of_connection(quantum, number).next();
        (one(metadata), task.log_output.as_ref().and_then(|_| one(metadata + 1)))
    }

    /// The bytes of a dataset that was written.
    fn read(&self, dataset: DatasetIx) -> Result<Option<Vec<u8>>, SourceError> {
        if let Some(place) = self.journal.packed(dataset) {
            return Ok(Some(self.packs.read(place)?));
        }
        let Some(record) = self.journal.records(dataset).next() else { return Ok(None) };
        Ok(self.products.read(dataset, &record)?)
    }

    /// All attempts that the journal knows, and which of them wrote the datasets that are there.
    fn known(&self, quantum: QuantumIx, log: Option<DatasetIx>) -> (Vec<Known<'a>>, Option<usize>) {
        let mut ends: Vec<(u32, Known<'a>)> = (self.history.of(quantum).iter())
            .map(|ended| {
                let known = Known {
                    started: ended.started,
                    end: Some(ended.end),
                    caveats: ended.caveats,
                    exception: ended.exception.as_ref(),
                    usage: ended.usage,
                    has_log: log.is_some_and(|log| ended.outputs.contains(&log)),
                };
                (ended.attempt, known)
            })
            .collect();
        let counts = self.journal.finished(quantum);
        if let Some(ended) = counts {
            let known = Known {
                started: ended.started,
                end: Some(ended.end),
                caveats: ended.caveats,
                exception: ended.exception,
                usage: ended.usage,
                has_log: log.is_some_and(|log| self.journal.is_written(log)),
            };
            ends.push((ended.attempt, known));
        }
        let n = self.journal.next_attempt(quantum);
        let (mut known, mut current): (Vec<Known<'a>>, _) = (Vec::new(), None);
        let mut succeeded = false;
        let mut ends = ends.into_iter().peekable();
        for attempt in 0..n {
            let mut found = false;
            while let Some((_, end)) = ends.next_if(|(number, _)| *number == attempt) {
                found = true;
                // Seeing that there is nothing to do is no attempt, unless it is all that is known
                // of a success.
                if end.end == Some(QuantumEnd::SkippedExisting) && succeeded {
                    continue;
                }
                succeeded |= end.end.is_some_and(QuantumEnd::is_success);
                current = Some(known.len());
                known.push(end);
            }
            if !found {
                known.push(Known::UNKNOWN);
            }
        }
        if counts.is_some() {
            return (known, current);
        }
        match (self.journal.progress(quantum), known.last_mut()) {
            (_, None) => {}
            // It ended, and what it wrote was lost when the machine stopped.
            (QuantumProgress::InFlight, Some(last)) => (last.end, last.has_log) = (None, false),
            // It is to be done again.
            (_, Some(_)) => known.push(Known::UNKNOWN),
        }
        (known, None)
    }

    /// Whether something upstream did not succeed.
    fn is_blocked(&self, quantum: QuantumIx) -> bool {
        let mut before = self.graph.flow().predecessors(quantum);
        before.any(|quantum| !self.journal.progress(quantum).is_success())
    }

    fn tell(&self, quantum: QuantumIx) -> Result<Vec<Attempt>, SourceError> {
        let (metadata, log) = self.special(quantum);
        let (known, current) = self.known(quantum, log);
        if known.is_empty() {
            return Ok(match self.is_blocked(quantum) {
                true => Vec::new(),
                false => vec![Attempt::bare(AttemptStatus::Unknown)],
            });
        }
        let is_written = |dataset: &DatasetIx| self.journal.is_written(*dataset);
        let (metadata, log) = (metadata.filter(is_written), log.filter(is_written));
        let metadata_text = metadata.map(|dataset| self.read(dataset)).transpose()?.flatten();
        let log_text = log.map(|dataset| self.read(dataset)).transpose()?.flatten();
        let lost = u8::from(metadata.is_some() && metadata_text.is_none())
            + u8::from(log.is_some() && log_text.is_none());
        let former = match &self.former {
            // Also where there are several attempts: a log that was removed when it was taken over
            // into a provenance graph is not part of a later one.
            Some(former) if lost != 0 || known.len() > 1 => {
                former_attempts(former, self.former_id(quantum))?
            }
            _ => None,
        };
        if former.is_none() {
            if lost != 0 && self.is_strict {
                let what = self.graph.describe_quantum(quantum);
                return Err(format!("metadata or log of {what} was written and is gone").into());
            }
            self.missing[quantum.index()].store(lost, Ordering::Relaxed);
        }
        let logs = match &log_text {
            Some(text) => {
                parse_log(text).map_err(|error| self.unreadable("log", quantum, error))?
            }
            None => Vec::new(),
        };
        let metadata = match &metadata_text {
            Some(text) => Some(
                PythonJson::parse(text)
                    .map_err(|error| self.unreadable("metadata", quantum, error))?,
            ),
            None => None,
        };
        let mut attempts = self.combine(quantum, &known, current, logs, metadata);
        if let Some(former) = former {
            // What was told before stays; only attempts that came later are added.
            let later = attempts.split_off(former.len().min(attempts.len()));
            attempts = former.into_iter().chain(later).collect();
        }
        Ok(attempts)
    }

    fn unreadable(
        &self,
        what: &str,
        quantum: QuantumIx,
        error: impl std::fmt::Display,
    ) -> SourceError {
        format!("the {what} of {} is {error}", self.graph.describe_quantum(quantum)).into()
    }

    /// Puts together what the journal, the log and the metadata tell.
    fn combine(
        &self,
        quantum: QuantumIx,
        known: &[Known<'_>],
        current: Option<usize>,
        mut logs: Vec<LogAttempt>,
        metadata: Option<PythonJson<'_>>,
    ) -> Vec<Attempt> {
        let task = self.task(quantum);
        // A log belongs to the attempt that counts and goes on with those before it that wrote
        // one; these are matched from the end, because the earliest may be lost.
        let mut log_of: Vec<Option<LogAttempt>> = vec![None; known.len()];
        if let Some(current) = current {
            log_of[current] = logs.pop();
            for at in (0..current).rev().filter(|&at| known[at].has_log) {
                log_of[at] = logs.pop();
            }
        }
        // What is left are attempts by other software, before the journal began.
        let foreign = Known { end: Some(QuantumEnd::Failed), has_log: true, ..Known::UNKNOWN };
        let foreign = logs.into_iter().map(|log| attempt(task, &foreign, false, Some(log), None));
        let own = known.iter().zip(log_of).enumerate().map(|(at, (known_one, log))| {
            let metadata = metadata.filter(|_| current == Some(at));
            attempt(task, known_one, at + 1 == known.len(), log, metadata)
        });
        foreign.chain(own).collect()
    }
}

impl ProvenanceSource for RunProvenance<'_> {
    fn attempts(&self, quantum: QuantumIx) -> Result<Vec<Attempt>, SourceError> {
        self.tell(quantum)
    }

    fn is_produced(&self, dataset: DatasetIx) -> bool {
        // Also what was deleted on purpose was there.
        self.journal.is_written(dataset) || self.journal.is_removed(dataset)
    }

    fn packages(&self) -> Result<Vec<u8>, SourceError> {
        let global = self.graph.init_quantum(None);
        for dataset in global.into_iter().flat_map(|init| init.output_datasets()) {
            if let Some(json) = self.read(dataset)?.as_deref().and_then(packages_json) {
                return Ok(json);
            }
        }
        Ok(b"{}".to_vec())
    }
}

impl std::fmt::Debug for RunProvenance<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RunProvenance")
    }
}

fn attempt(
    task: &Task,
    known: &Known<'_>,
    is_last: bool,
    log: Option<LogAttempt>,
    metadata: Option<PythonJson<'_>>,
) -> Attempt {
    let has_log = known.has_log || task.log_output.is_none();
    let status = match known.end {
        None if is_last => AttemptStatus::Unknown,
        None => AttemptStatus::Aborted,
        Some(QuantumEnd::Failed) if has_log => AttemptStatus::Failed,
        Some(QuantumEnd::Failed) => AttemptStatus::Aborted,
        Some(_) if has_log => AttemptStatus::Successful,
        Some(_) => AttemptStatus::AbortedSuccess,
    };
    let mut attempt = Attempt {
        exception: known.exception.map(exception),
        usage: known.usage.filter(has_stages).map(|used| usage(&used, known.started)),
        ..Attempt::bare(status)
    };
    if let Some(log) = log {
        if let Some(text) = &log.metadata
            && let Some(used) = PythonJson::parse(text).ok().map(MetadataNode::new)
        {
            attempt.usage = used.usage().or(attempt.usage);
        }
        attempt.exception = log.exception.or(attempt.exception);
        attempt.metadata = log.metadata;
        attempt.logs = Some(log.records);
        attempt.previous_process_quanta = log.previous_process_quanta;
    }
    if known.end.is_some_and(QuantumEnd::is_success) {
        attempt.caveats = Some(known.caveats.unwrap_or(0));
    }
    if let Some(metadata) = metadata {
        let node = MetadataNode::new(metadata);
        attempt.caveats = node.caveats();
        attempt.exception = node.failure(&task.label).or(attempt.exception);
        attempt.usage = node.usage().or(attempt.usage);
        attempt.metadata = Some(metadata.text().to_vec());
    }
    attempt
}

fn exception(info: &ExceptionInfo) -> AttemptException {
    let (type_name, message) = (info.type_name.clone(), info.message.clone());
    AttemptException { type_name, message, metadata: Vec::new() }
}

/// Of a process that died its peak of memory is known, its CPU time, and how long it took to die; the
/// middleware takes nothing for resource usage that does not tell the stages of a quantum.
fn has_stages(used: &ResourceUsage) -> bool {
    used.prep_time > 0.0 || used.init_time > 0.0
}

fn usage(used: &ResourceUsage, started: Timestamp) -> AttemptUsage {
    AttemptUsage {
        memory: used.memory as f64,
        start: started.0,
        prep_time: used.prep_time,
        init_time: used.init_time,
        run_time: used.run_time,
        run_time_cpu: used.run_time_cpu,
    }
}

/// What a provenance graph tells of a quantum; `None` if it tells of no attempt.
fn former_attempts(
    former: &ProvenanceTexts<'_>,
    id: Uuid,
) -> Result<Option<Vec<Attempt>>, SourceError> {
    let Some(mut attempts) = former.attempts(id)? else { return Ok(None) };
    // What was in flight then has ended or is to be told anew.
    attempts.pop_if(|attempt| attempt.status == AttemptStatus::Unknown);
    Ok(Some(attempts).filter(|attempts| !attempts.is_empty()))
}
