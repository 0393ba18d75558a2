//! Finding out why one quantum is where it is.

use std::collections::BTreeMap;

use camino::Utf8Path;
use qbb::journal::{
    JournalState, ProcessIdentity, QuantumEnd, QuantumProgress, RepeatReason, Timestamp,
};
use qbb_graph::{DatasetIx, QuantumGraph, QuantumIx};

use crate::left_running::LeftRunningExplanation;
use crate::quantum_explanation::{
    AttemptExplanation, ExplainedState, MissingInput, NamedQuantum, PlaceExplanation,
    QuantumExplanation, RepetitionExplanation, RunSituation, UnfinishedTask, WaitedFor,
};

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
            left_running: LeftRunningExplanation::of(journal, quantum),
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
            cpu_seconds: finished.usage.and_then(|usage| usage.cpu_seconds()),
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
