//! Why one quantum is where it is.

use std::collections::BTreeMap;

use camino::Utf8Path;
use qbb::journal::{
    JournalState, ProcessIdentity, QuantumEnd, QuantumProgress, RepeatReason, Timestamp,
};
use qbb_graph::{DatasetIx, QuantumGraph, QuantumIx};
use serde::Serialize;
use uuid::Uuid;

/// What became of a quantum, or what it waits for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuantumExplanation {
    /// Which.
    #[serde(flatten)]
    pub name: NamedQuantum,
    /// Where it stands.
    pub state: ExplainedState,
    /// Attempts that were begun.
    pub attempts: u32,
    /// The last attempt that ended, if it counts.
    pub last_attempt: Option<AttemptExplanation>,
    /// How a failed attempt is repeated, if that is about to happen.
    pub repetition: Option<RepetitionExplanation>,
    /// Where it runs.
    pub place: Option<PlaceExplanation>,
    /// The failure that it, directly or not, depends on.
    pub failed_ancestor: Option<Box<QuantumExplanation>>,
    /// Quanta that write what it reads and have not succeeded.
    pub waiting_for: Vec<WaitedFor>,
    /// All quanta before it that have not succeeded, by task and state.
    pub unfinished_before: Vec<UnfinishedTask>,
    /// Inputs that do not exist although the quanta that write them have succeeded.
    pub missing_inputs: Vec<MissingInput>,
    /// Quanta that cannot run because it failed.
    pub blocks: u64,
    /// What there is and what is taken, if a run is going on.
    pub run: Option<RunSituation>,
}

/// A quantum by its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedQuantum {
    /// UUID.
    pub quantum: Uuid,
    /// Label of its task.
    pub task: String,
    /// Data ID for people.
    pub data_id: String,
}

/// Where a quantum stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplainedState {
    /// It succeeded.
    Succeeded,
    /// It succeeded by finding nothing to do.
    NoWork,
    /// It succeeded with some of its outputs.
    PartialOutputs,
    /// It was found done.
    SkippedExisting,
    /// It failed.
    Failed,
    /// It failed, and there will be another attempt.
    ToBeRepeated,
    /// It runs.
    Running,
    /// It was begun by a run that has ended.
    CutOff,
    /// It depends on a failure.
    Blocked,
    /// Quanta before it have not succeeded.
    Waiting,
    /// It could run.
    Ready,
}

/// An attempt that ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttemptExplanation {
    /// How many came before.
    pub attempt: u32,
    /// When it began, RFC 3339.
    pub started: String,
    /// Seconds that it took.
    pub seconds: f64,
    /// Peak memory in bytes.
    pub memory: Option<u64>,
    /// Type of the exception.
    pub exception: Option<String>,
    /// What it says.
    pub message: Option<String>,
    /// Exit code; negative is a signal.
    pub exit_code: Option<i32>,
    /// Its log, relative to the repository.
    pub log: Option<String>,
}

/// What is to follow a failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepetitionExplanation {
    /// Why it is repeated.
    pub reason: &'static str,
    /// When that may begin, RFC 3339.
    pub not_before: String,
    /// Bytes of memory that it is given, if more than before.
    pub memory: Option<u64>,
}

/// Where a quantum runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlaceExplanation {
    /// How many attempts came before.
    pub attempt: u32,
    /// Number of its place among those that run at the same time.
    pub worker: u32,
    /// Since when, RFC 3339.
    pub since: String,
    /// Bytes of memory set aside for it.
    pub memory: Option<u64>,
}

/// A quantum that another one waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaitedFor {
    /// Which.
    #[serde(flatten)]
    pub name: NamedQuantum,
    /// Where it stands.
    pub state: ExplainedState,
}

/// Quanta of a task in one state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnfinishedTask {
    /// Label.
    pub task: String,
    /// Their state.
    pub state: ExplainedState,
    /// How many.
    pub quanta: u64,
}

/// An input that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingInput {
    /// Dataset type.
    pub dataset_type: String,
    /// Data ID for people.
    pub data_id: String,
    /// Whether it was deleted on purpose; otherwise it was not written.
    pub removed: bool,
    /// The quantum that writes it.
    pub written_by: Uuid,
}

/// What a run that goes on may take, and has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunSituation {
    /// Quanta that run.
    pub running: u64,
    /// Most that may run at the same time.
    pub jobs: Option<u64>,
    /// Memory for all of them in bytes.
    pub memory: Option<u64>,
    /// Memory set aside for those that run.
    pub memory_taken: u64,
    /// Highest peak of memory that was seen in this task, in bytes.
    pub task_peak_memory: Option<u64>,
}

struct Explainer<'a> {
    graph: &'a QuantumGraph,
    journal: &'a JournalState,
    is_live: bool,
}

impl QuantumExplanation {
    /// Explains a quantum. `resources` is the file with what was learned about memory.
    pub fn of(
        graph: &QuantumGraph,
        journal: &JournalState,
        quantum: QuantumIx,
        resources: &Utf8Path,
    ) -> Self {
        let (here, now) = (ProcessIdentity::current(), Timestamp::now());
        let live = journal.runs().iter().rfind(|run| run.is_live(&here, now));
        let explainer = Explainer { graph, journal, is_live: live.is_some() };
        let mut explanation = explainer.explain(quantum);
        if let QuantumProgress::Blocked { cause } = journal.progress(quantum) {
            explanation.failed_ancestor = Some(Box::new(explainer.explain(cause)));
        }
        if let Some(run) = live {
            let task = &explanation.name.task;
            explanation.run = Some(explainer.situation(&run.options, task, resources));
        }
        explanation
    }
}

impl Explainer<'_> {
    fn explain(&self, quantum: QuantumIx) -> QuantumExplanation {
        let journal = self.journal;
        let state = self.state(quantum);
        QuantumExplanation {
            name: self.name(quantum),
            state,
            attempts: journal.next_attempt(quantum),
            last_attempt: self.last_attempt(quantum),
            repetition: (state == ExplainedState::ToBeRepeated)
                .then(|| journal.repeated(quantum))
                .flatten()
                .map(|repeated| RepetitionExplanation {
                    reason: reason(repeated.reason),
                    not_before: time(repeated.not_before),
                    memory: repeated.memory,
                }),
            place: journal.placed(quantum).map(|placed| PlaceExplanation {
                attempt: placed.attempt,
                worker: placed.worker,
                since: time(placed.time),
                memory: placed.memory,
            }),
            failed_ancestor: None,
            waiting_for: self.waiting_for(quantum),
            unfinished_before: self.unfinished_before(quantum),
            missing_inputs: self.missing_inputs(quantum),
            blocks: self.blocks(quantum),
            run: None,
        }
    }

    fn name(&self, quantum: QuantumIx) -> NamedQuantum {
        let graph = self.graph;
        let task = graph.quanta.task(quantum);
        let row = graph.quanta.data_id[quantum.index()];
        NamedQuantum {
            quantum: graph.quanta.uuid(quantum),
            task: graph.pipeline.task(task).label.clone(),
            data_id: graph.task_data_ids(task).describe(row, &graph.symbols),
        }
    }

    fn state(&self, quantum: QuantumIx) -> ExplainedState {
        match self.journal.progress(quantum) {
            QuantumProgress::Ended(QuantumEnd::Succeeded) => ExplainedState::Succeeded,
            QuantumProgress::Ended(QuantumEnd::NoWork) => ExplainedState::NoWork,
            QuantumProgress::Ended(QuantumEnd::PartialOutputs) => ExplainedState::PartialOutputs,
            QuantumProgress::Ended(QuantumEnd::SkippedExisting) => ExplainedState::SkippedExisting,
            QuantumProgress::Ended(QuantumEnd::Failed)
                if self.is_live && self.journal.repeated(quantum).is_some() =>
            {
                ExplainedState::ToBeRepeated
            }
            QuantumProgress::Ended(QuantumEnd::Failed) => ExplainedState::Failed,
            QuantumProgress::InFlight if self.is_live => ExplainedState::Running,
            QuantumProgress::InFlight => ExplainedState::CutOff,
            QuantumProgress::Blocked { .. } => ExplainedState::Blocked,
            QuantumProgress::NotStarted => {
                let mut before = self.graph.flow().predecessors(quantum);
                match before.all(|other| self.journal.progress(other).is_success()) {
                    true => ExplainedState::Ready,
                    false => ExplainedState::Waiting,
                }
            }
        }
    }

    fn last_attempt(&self, quantum: QuantumIx) -> Option<AttemptExplanation> {
        let finished = self.journal.finished(quantum)?;
        Some(AttemptExplanation {
            attempt: finished.attempt,
            started: time(finished.started),
            seconds: finished.ended.seconds_since(finished.started),
            memory: finished.usage.map(|usage| usage.memory),
            exception: finished.exception.map(|exception| exception.type_name.clone()),
            message: finished.exception.map(|exception| exception.message.clone()),
            exit_code: finished.exit_code,
            log: self.log(quantum),
        })
    }

    /// Where the log is, as far as the journal knows.
    fn log(&self, quantum: QuantumIx) -> Option<String> {
        let task = self.graph.pipeline.task(self.graph.quanta.task(quantum));
        let log = task.log_output.as_ref()?.dataset_type;
        let is_log =
            |dataset: &DatasetIx| self.graph.datasets.dataset_type(*dataset).index() == log.index();
        let mut outputs = self.graph.outputs.edges(quantum).map(|(_, dataset)| dataset);
        let record = self.journal.records(outputs.find(is_log)?).next()?;
        Some(record.path.to_owned())
    }

    fn waiting_for(&self, quantum: QuantumIx) -> Vec<WaitedFor> {
        let before = self.graph.flow().predecessors(quantum);
        before
            .filter(|&other| !self.journal.progress(other).is_success())
            .map(|other| WaitedFor { name: self.name(other), state: self.state(other) })
            .collect()
    }

    fn unfinished_before(&self, quantum: QuantumIx) -> Vec<UnfinishedTask> {
        let mut seen = vec![false; self.graph.quanta.len()];
        let mut counts: BTreeMap<(u32, ExplainedState), u64> = BTreeMap::new();
        let mut open = vec![quantum];
        while let Some(quantum) = open.pop() {
            for before in self.graph.flow().predecessors(quantum) {
                let is_done = self.journal.progress(before).is_success();
                if is_done || std::mem::replace(&mut seen[before.index()], true) {
                    continue;
                }
                let key = (self.graph.quanta.task(before).0, self.state(before));
                *counts.entry(key).or_default() += 1;
                open.push(before);
            }
        }
        (counts.into_iter())
            .map(|((task, state), quanta)| UnfinishedTask {
                task: self.graph.pipeline.tasks[task as usize].label.clone(),
                state,
                quanta,
            })
            .collect()
    }

    fn missing_inputs(&self, quantum: QuantumIx) -> Vec<MissingInput> {
        let mut missing = Vec::new();
        for (_, dataset) in self.graph.inputs.edges(quantum) {
            let Some(producer) = self.graph.producer(dataset) else { continue };
            let is_done = self.journal.progress(producer).is_success();
            if !is_done || self.journal.is_written(dataset) {
                continue;
            }
            let dataset_type = self.graph.datasets.dataset_type(dataset);
            let row = self.graph.datasets.data_id[dataset.index()];
            let data_ids = self.graph.dataset_type_data_ids(dataset_type);
            missing.push(MissingInput {
                dataset_type: self
                    .graph
                    .pipeline
                    .dataset_type(dataset_type)
                    .dataset_type
                    .name
                    .clone(),
                data_id: data_ids.describe(row, &self.graph.symbols),
                removed: self.journal.is_removed(dataset),
                written_by: self.graph.quanta.uuid(producer),
            });
        }
        missing
    }

    fn blocks(&self, quantum: QuantumIx) -> u64 {
        let is_blocked = |other: &QuantumIx| {
            self.journal.progress(*other) == QuantumProgress::Blocked { cause: quantum }
        };
        match self.journal.progress(quantum) {
            QuantumProgress::Ended(QuantumEnd::Failed) => {
                self.graph.quanta.iter().filter(is_blocked).count() as u64
            }
            _ => 0,
        }
    }

    fn situation(&self, options: &str, task: &str, resources: &Utf8Path) -> RunSituation {
        let options: serde_json::Value = serde_json::from_str(options).unwrap_or_default();
        let places = (self.graph.quanta.iter())
            .filter(|&quantum| self.journal.progress(quantum) == QuantumProgress::InFlight)
            .filter_map(|quantum| self.journal.placed(quantum));
        let (mut running, mut memory_taken) = (0, 0u64);
        for place in places {
            running += 1;
            memory_taken = memory_taken.saturating_add(place.memory.unwrap_or(0));
        }
        let seen = (self.graph.quanta.iter())
            .filter(|&quantum| {
                self.graph.pipeline.task(self.graph.quanta.task(quantum)).label == task
            })
            .filter_map(|quantum| Some(self.journal.finished(quantum)?.usage?.memory))
            .max();
        RunSituation {
            running,
            jobs: options["jobs"].as_u64(),
            memory: options["memory"].as_u64(),
            memory_taken,
            task_peak_memory: learned_peak(resources, task).max(seen),
        }
    }
}

/// What earlier runs have learned of a task, see `docs/formats/resources.md`.
fn learned_peak(resources: &Utf8Path, task: &str) -> Option<u64> {
    let text = fs_err::read(resources).ok()?;
    let content: serde_json::Value = serde_json::from_slice(&text).ok()?;
    content["tasks"][task]["peak_memory"].as_u64()
}

fn reason(reason: RepeatReason) -> &'static str {
    match reason {
        RepeatReason::OutOfMemory => "it ran out of memory",
        RepeatReason::TimedOut => "it ran into its time limit",
        RepeatReason::Signal => "a signal ended its process",
        RepeatReason::WorkerDied => "its process ended",
        RepeatReason::ExitCode => "its exit code is one that is repeated",
        RepeatReason::Failure => "all failures are repeated",
    }
}

fn time(time: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(time.0).map_or_else(|_| String::new(), |t| t.to_string())
}
