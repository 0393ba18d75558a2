//! The order of events around the work of a quantum.
//!
//! Metadata is written on success only, the log always and last: the presence of the metadata
//! dataset is the definition of success.

use qbb::journal::{DatasetOutput, ExceptionInfo, LeftRunning, QuantumEnd, QuantumOutcome};
use qbb::{AccessSummary, ButlerError, QuantumBackedButler, QuantumButler};
use qbb_graph::{DatasetIx, QuantumGraph};
use qbb_pipeline::Task;
use serde_json::{Map, json};

use super::context::QuantumContext;
use super::packing::{Packing, Parcel};
use super::runner::LocalOptions;
use crate::functions::TaskError;
use crate::products::{
    ButlerMetrics, LogContext, LogDataset, LogLevel, Marker, Measured, MetadataDataset,
};
use crate::python::QuantumJob;

/// Caveat bits of the middleware.
mod caveats {
    pub const ANY_OUTPUTS_MISSING: u32 = 1;
    pub const ALL_OUTPUTS_MISSING: u32 = 2;
    pub const NO_WORK: u32 = 4;
    pub const ADJUST_QUANTUM_RAISED: u32 = 8;
}

/// Name of the logger of what this program says itself.
const LOGGER: &str = "qbb.executor";

/// What the work of a quantum came to.
pub(super) struct Work {
    pub result: Result<(), TaskError>,
    /// Exit code of a program.
    pub exit_code: Option<i32>,
    /// What a program used; `None` means that the work was done by this thread.
    pub used: Option<Measured>,
}

/// How a quantum ended, with what goes into the pack.
#[derive(Debug)]
pub(crate) struct LocalEnd {
    pub outcome: QuantumOutcome,
    pub parcel: Parcel,
    /// What goes on although the quantum has ended.
    pub left: LeftRunning,
}

impl LocalEnd {
    /// An end that leaves nothing to be packed.
    pub fn of(outcome: QuantumOutcome) -> Self {
        Self { outcome, parcel: Parcel::default(), left: LeftRunning::default() }
    }
}

/// The datasets of a quantum that are not the task's own.
struct Special {
    metadata: Option<DatasetIx>,
    log: Option<DatasetIx>,
}

impl Special {
    fn of(task: &Task, butler: &QuantumButler<'_>) -> Result<Self, ButlerError> {
        let one = |name: &str| Ok::<_, ButlerError>(butler.outputs(name)?.first().copied());
        Ok(Self {
            metadata: one(&task.metadata_output.name)?,
            log: match &task.log_output {
                Some(connection) => one(&connection.name)?,
                None => None,
            },
        })
    }

    fn contains(&self, dataset: DatasetIx) -> bool {
        Some(dataset) == self.metadata || Some(dataset) == self.log
    }
}

/// Runs a quantum: `work` does what is the task's own. `None` if `work` was interrupted, in which
/// case nothing more is written.
pub(super) fn run_quantum(
    graph: &QuantumGraph,
    butler: &QuantumButler<'_>,
    job: QuantumJob,
    options: &LocalOptions,
    work: impl FnOnce(&mut QuantumContext<'_>) -> Option<Work>,
) -> Option<LocalEnd> {
    let task = graph.pipeline.task(graph.quanta.task(job.quantum));
    let sequence = Sequence { graph, butler, job, options, task };
    match sequence.run(work) {
        Ok(end) => end,
        // Even the books cannot be kept: what can be said goes to the journal only.
        Err(error) => Some(LocalEnd::of(QuantumOutcome {
            outputs: butler.summary().outputs,
            ..QuantumOutcome::failure("ButlerError", error.to_string())
        })),
    }
}

struct Sequence<'a> {
    graph: &'a QuantumGraph,
    butler: &'a QuantumButler<'a>,
    job: QuantumJob,
    options: &'a LocalOptions,
    task: &'a Task,
}

impl Sequence<'_> {
    fn run(
        &self,
        work: impl FnOnce(&mut QuantumContext<'_>) -> Option<Work>,
    ) -> Result<Option<LocalEnd>, ButlerError> {
        let mut metadata = MetadataDataset {
            label: self.task.label.clone(),
            host: self.options.host.clone(),
            ..MetadataDataset::default()
        };
        metadata.mark(Marker::Prep, Measured::this_thread());
        let special = Special::of(self.task, self.butler)?;
        let mut context = QuantumContext {
            butler: self.butler,
            label: &self.task.label,
            attempt: self.job.attempt,
            log: LogDataset {
                context: LogContext {
                    label: self.labelled_data_id(),
                    run: self.graph.header.output_run.clone(),
                    process: std::process::id(),
                },
                ..LogDataset::default()
            },
            metadata: Map::new(),
        };
        if let Some(outcome) = self.look_at_outputs(&special, &mut context.log)? {
            return Ok(Some(LocalEnd::of(outcome)));
        }
        let (result, exit_code) = match self.missing_input()? {
            Some(connection) => {
                metadata.caveats = caveats::ADJUST_QUANTUM_RAISED;
                let message = format!("none of the inputs `{connection}` exists");
                (Err(TaskError::NoWork(message)), None)
            }
            None => {
                let before = Measured::this_thread();
                metadata.mark(Marker::Init, before);
                metadata.mark(Marker::Start, before);
                let Some(Work { result, exit_code, used }) = work(&mut context) else {
                    return Ok(None);
                };
                let end = used.map_or_else(Measured::this_thread, |used| after(&before, &used));
                metadata.mark(Marker::End, end);
                (result, exit_code)
            }
        };
        if metadata.caveats != 0 {
            metadata.mark(Marker::End, Measured::this_thread());
        }
        self.conclude(&special, context, metadata, result, exit_code).map(Some)
    }

    /// Writes metadata and log, and sums up.
    fn conclude(
        &self,
        special: &Special,
        mut context: QuantumContext<'_>,
        mut metadata: MetadataDataset,
        result: Result<(), TaskError>,
        exit_code: Option<i32>,
    ) -> Result<LocalEnd, ButlerError> {
        let mut parcel = Parcel::default();
        let summary = self.butler.summary();
        self.sum_up(&summary, special, &mut metadata);
        metadata.task = std::mem::take(&mut context.metadata);
        let mut log = context.log;
        let mut outcome = match result {
            Ok(()) => QuantumOutcome::bare(QuantumEnd::Succeeded),
            Err(TaskError::NoWork(message)) => {
                metadata.caveats |= caveats::NO_WORK;
                log.log(LogLevel::Info, LOGGER, format!("Nothing to do: {message}"));
                QuantumOutcome::bare(QuantumEnd::NoWork)
            }
            Err(TaskError::Failed { type_name, message }) => {
                log.log(LogLevel::Error, LOGGER, format!("Failed with {type_name}: {message}"));
                QuantumOutcome::failure(type_name, message)
            }
        };
        outcome.usage = metadata.usage();
        if exit_code.is_some() {
            outcome.exit_code = exit_code;
        }
        if outcome.end.is_success() {
            outcome.caveats = Some(metadata.caveats);
            if let Some(dataset) = special.metadata {
                self.keep(dataset, &mut parcel, |bytes| metadata.write(bytes))?;
            }
        } else if let Some(exception) = &outcome.exception {
            log.failure = Some((exception.clone(), json!(metadata)));
        }
        if let Some(dataset) = special.log {
            self.keep(dataset, &mut parcel, |bytes| log.write(bytes))?;
        }
        let AccessSummary { available_inputs, actual_inputs, outputs, .. } = self.butler.summary();
        let outcome = QuantumOutcome { available_inputs, actual_inputs, outputs, ..outcome };
        Ok(LocalEnd { outcome, parcel, left: LeftRunning::default() })
    }

    /// Packs a dataset or writes its file.
    fn keep(
        &self,
        dataset: DatasetIx,
        parcel: &mut Parcel,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), serde_json::Error>,
    ) -> Result<(), ButlerError> {
        let begin = parcel.bytes.len();
        write(&mut parcel.bytes).map_err(|error| self.not_json(dataset, error))?;
        let length = parcel.bytes.len() - begin;
        if self.options.packing.takes(self.graph, dataset, length) && parcel.close_entry(dataset) {
            return Ok(());
        }
        self.butler.put(dataset, &parcel.bytes[begin..])?;
        parcel.bytes.truncate(begin);
        Ok(())
    }

    fn not_json(&self, dataset: DatasetIx, error: serde_json::Error) -> ButlerError {
        ButlerError::Content {
            dataset: self.butler.shared().describe_dataset(dataset),
            reason: error.to_string(),
        }
    }

    /// Deals with what is there already: skips the quantum if it has succeeded, removes what an
    /// unsuccessful attempt left, and takes over that attempt's log.
    fn look_at_outputs(
        &self,
        special: &Special,
        log: &mut LogDataset,
    ) -> Result<Option<QuantumOutcome>, ButlerError> {
        let again = self.job.attempt > 0;
        if !again {
            if self.options.assume_no_existing_outputs {
                return Ok(None);
            }
            let Some(metadata) = special.metadata else { return Ok(None) };
            let found = self.butler.output_on_disk(metadata)?.is_some();
            if found && self.options.skip_existing {
                return self.skipped().map(Some);
            }
            // Without metadata there may still be a log or some outputs, but only if somebody
            // else executed this graph, who then has left a log.
            let log_is_there = match special.log {
                Some(dataset) => self.butler.output_on_disk(dataset)?.is_some(),
                None => false,
            };
            if !found && !log_is_there {
                return Ok(None);
            }
            if !self.options.clobber {
                let message = "outputs of an earlier attempt exist, and replacing them was not \
                               allowed";
                return Ok(Some(QuantumOutcome::failure("ExistingOutputs", message)));
            }
        }
        if let Some(dataset) = special.log
            && let Some(bytes) = self.butler.get_earlier_output(dataset)?
        {
            log.attach_previous(&bytes);
        }
        for output in self.butler.predicted_outputs() {
            self.butler.remove_earlier_output(output)?;
        }
        Ok(None)
    }

    fn skipped(&self) -> Result<QuantumOutcome, ButlerError> {
        let mut outputs: Vec<DatasetOutput> = Vec::new();
        for output in self.butler.predicted_outputs() {
            outputs.extend(self.butler.output_on_disk(output)?);
        }
        Ok(QuantumOutcome { outputs, ..QuantumOutcome::bare(QuantumEnd::SkippedExisting) })
    }

    /// The first connection that needs a dataset and has none left.
    fn missing_input(&self) -> Result<Option<&str>, ButlerError> {
        let edges = &self.graph.inputs;
        for (number, connection) in self.task.quantum_inputs().enumerate() {
            let mut predicted = 0u32;
            let mut exists = 0u32;
            for dataset in edges.of_connection(self.job.quantum, number as u16) {
                predicted += 1;
                exists += u32::from(self.butler.exists(dataset)?);
            }
            // An optional input was not predicted and is not missed.
            let needed = if connection.multiple { connection.minimum.max(1) } else { 1 };
            if predicted > 0 && exists < needed.min(predicted) && connection.minimum > 0 {
                return Ok(Some(&connection.name));
            }
        }
        Ok(None)
    }

    fn sum_up(&self, summary: &AccessSummary, special: &Special, metadata: &mut MetadataDataset) {
        let datasets = &self.graph.datasets;
        metadata.outputs = (summary.outputs.iter())
            .filter(|output| !special.contains(output.dataset))
            .map(|output| datasets.uuid(output.dataset))
            .collect();
        let predicted = (self.butler.predicted_outputs().into_iter())
            .filter(|&output| !special.contains(output))
            .count();
        if metadata.outputs.len() < predicted {
            metadata.caveats |= caveats::ANY_OUTPUTS_MISSING;
            if metadata.outputs.is_empty() {
                metadata.caveats |= caveats::ALL_OUTPUTS_MISSING;
            }
        }
        let metrics = summary.metrics;
        metadata.metrics = ButlerMetrics {
            n_get: metrics.n_get,
            n_put: metrics.n_put,
            time_in_get: metrics.time_in_get,
            time_in_put: metrics.time_in_put,
        };
    }

    fn labelled_data_id(&self) -> String {
        let graph = self.graph;
        let data_ids = graph.task_data_ids(graph.quanta.task(self.job.quantum));
        let row = graph.quanta.data_id[self.job.quantum.index()];
        format!("{}:{}", self.task.label, data_ids.describe(row, &graph.symbols))
    }
}

/// Usage of this thread before a program ran, plus that of the program.
fn after(before: &Measured, used: &Measured) -> Measured {
    Measured {
        time: used.time,
        user: before.user + used.user,
        system: before.system + used.system,
        max_resident: used.max_resident,
        minor_faults: before.minor_faults + used.minor_faults,
        major_faults: before.major_faults + used.major_faults,
        block_inputs: before.block_inputs + used.block_inputs,
        block_outputs: before.block_outputs + used.block_outputs,
        voluntary_switches: before.voluntary_switches + used.voluntary_switches,
        involuntary_switches: before.involuntary_switches + used.involuntary_switches,
    }
}

/// Writes the log dataset of a quantum whose worker died before it could.
pub(crate) fn log_death(
    butler: &QuantumBackedButler,
    job: QuantumJob,
    host: &str,
    packing: &Packing,
    exception: &ExceptionInfo,
    parcel: &mut Parcel,
) -> Result<Vec<DatasetOutput>, ButlerError> {
    let graph = &**butler.graph();
    let butler = &butler.for_quantum(job.quantum);
    let (host, packing) = (host.to_owned(), packing.clone());
    let options = LocalOptions { host, packing, ..LocalOptions::default() };
    let task = graph.pipeline.task(graph.quanta.task(job.quantum));
    let sequence = Sequence { graph, butler, job, options: &options, task };
    let special = Special::of(task, butler)?;
    let Some(dataset) = special.log else { return Ok(Vec::new()) };
    let mut log = LogDataset {
        context: LogContext {
            label: sequence.labelled_data_id(),
            run: graph.header.output_run.clone(),
            process: std::process::id(),
        },
        ..LogDataset::default()
    };
    log.log(LogLevel::Error, LOGGER, exception.message.clone());
    // Without the markers of its stages, which nobody took, the middleware refuses metadata.
    log.failure = Some((exception.clone(), serde_json::Value::Null));
    sequence.keep(dataset, parcel, |bytes| log.write(bytes))?;
    Ok(butler.summary().outputs)
}
