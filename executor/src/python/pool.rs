//! A pool of warm workers, one thread for each.
//!
//! Plain threads and not a rayon pool, because they spend their lives waiting for a pipe. A worker
//! that dies costs the quantum that it was running; its thread starts another one.

use std::sync::Arc;
use std::thread::JoinHandle;

use camino::Utf8PathBuf;
use crossbeam::channel::{Receiver, Sender, unbounded};
use qbb::QuantumBackedButler;
use qbb::journal::{
    DatasetOutput, ExceptionInfo, QuantumEnd, QuantumOutcome, ResourceUsage, Timestamp,
};
use qbb_graph::{DatasetIx, QuantumGraph, QuantumIx, RecordPaths};
use qbb_pipeline::TaskIx;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::interpreter::Interpreter;
use super::nursery::{Newborn, Nursery};
use super::package::WorkerPackage;
use super::process::{Death, ExchangeError, WorkerProcess};
use super::protocol::{
    DatasetJson, InitReply, PackedJson, QuantumReply, Request, StatusJson, WorkerOptions,
};
use crate::local::{LocalEnd, Packing, Parcel, log_death};
use crate::logging::quantum_span;
use crate::process_table::{KillReason, ProcessTable};

/// Caveat bits of the middleware that decide how an end is called.
const NO_WORK: u32 = 4;
const PARTIAL_OUTPUTS: u32 = 64;

/// What all workers of a run have in common.
#[derive(Debug)]
pub(crate) struct PythonSetup {
    pub butler: Arc<QuantumBackedButler>,
    /// Name of this host.
    pub host: String,
    pub interpreter: Interpreter,
    pub package: WorkerPackage,
    /// Folder for the workers' standard error.
    pub logs: Utf8PathBuf,
    pub options: WorkerOptions,
    /// URI of the root of the output datastore.
    pub root: String,
    /// Content of the output repository's `butler.yaml`.
    pub config: Value,
    /// Folders with butler configuration.
    pub search_paths: Vec<Utf8PathBuf>,
    pub header: Box<RawValue>,
    pub pipeline: Box<RawValue>,
    pub table: Arc<ProcessTable>,
    pub recycling: Recycling,
    /// What is packed.
    pub packing: Packing,
    /// Whether workers are forked by a process that has imported everything.
    pub fork: bool,
}

/// When a worker that is sound is replaced by a new one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Recycling {
    /// After so many quanta.
    pub quanta: Option<u32>,
    /// When it holds more bytes of memory than this after a quantum.
    pub memory: Option<u64>,
}

/// A quantum to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QuantumJob {
    pub quantum: QuantumIx,
    pub attempt: u32,
    /// Bytes that are set aside for it, if that is known.
    pub memory: Option<u64>,
}

#[derive(Debug)]
enum PoolJob {
    Init,
    Quantum(QuantumJob),
}

/// What workers have to tell.
#[derive(Debug)]
pub(crate) enum PoolEvent {
    /// A worker has imported all tasks.
    Ready { imports_seconds: f64 },
    /// Something that should be known, but changes nothing.
    Warning(String),
    /// A worker cannot be started; its thread has ended.
    Lost(ExchangeError),
    /// Init-outputs were written, or not.
    Init(Result<Vec<DatasetOutput>, ExchangeError>),
    /// A worker process has begun with a quantum.
    Begun { job: QuantumJob, pid: u32 },
    /// A quantum ended. `None` if it was interrupted by us.
    Ended { job: QuantumJob, started: Timestamp, end: Option<Box<LocalEnd>> },
}

/// The pool. Dropping it lets each worker finish what it does, and ends it.
#[derive(Debug)]
pub(crate) struct PythonPool {
    jobs: Option<Sender<PoolJob>>,
    /// Our own end, to take back what nobody has begun.
    queue: Receiver<PoolJob>,
    threads: Vec<JoinHandle<()>>,
}

impl PythonPool {
    /// Starts `n` workers, which tell `events` what happens.
    pub fn start(
        setup: &Arc<PythonSetup>,
        n: usize,
        events: impl Fn(PoolEvent) + Clone + Send + 'static,
    ) -> std::io::Result<Self> {
        let (sender, jobs) = unbounded();
        let (queue, threads) = (jobs.clone(), Vec::with_capacity(n));
        let mut pool = Self { jobs: Some(sender), queue, threads };
        let nursery = Arc::new(Nursery::new(setup.clone()));
        for number in 0..n {
            let (setup, jobs, events) = (setup.clone(), jobs.clone(), events.clone());
            let (nursery, name) = (nursery.clone(), format!("w{number}"));
            let worker = Worker { setup, nursery, name, process: None, quanta: 0 };
            let thread = std::thread::Builder::new()
                .name(format!("qbb-python-{number}"))
                .spawn(move || worker.serve(&jobs, &events))?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// Asks for the init-outputs to be written.
    pub fn write_init_outputs(&self) {
        self.send(PoolJob::Init);
    }

    /// Hands over a quantum.
    pub fn run(&self, job: QuantumJob) {
        self.send(PoolJob::Quantum(job));
    }

    /// Takes back the quanta that no worker has begun.
    pub fn withdraw(&self) -> Vec<QuantumJob> {
        (self.queue.try_iter())
            .filter_map(|job| match job {
                PoolJob::Quantum(job) => Some(job),
                PoolJob::Init => None,
            })
            .collect()
    }

    fn send(&self, job: PoolJob) {
        if let Some(jobs) = &self.jobs {
            // We hold a receiver ourselves, so this does not fail; if all workers were lost, the
            // dispatcher was told and takes the job back.
            let _ = jobs.send(job);
        }
    }
}

impl Drop for PythonPool {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A panic in a worker's thread was noticed by the events that did not come.
            let _ = thread.join();
        }
    }
}

/// State of a worker after a quantum.
#[derive(Debug, Default)]
struct Aftermath {
    resident: Option<u64>,
    left_behind: Vec<u32>,
    /// What goes into the pack.
    parcel: Parcel,
}

struct Worker {
    setup: Arc<PythonSetup>,
    nursery: Arc<Nursery>,
    name: String,
    process: Option<WorkerProcess>,
    /// How many quanta the process has run.
    quanta: u32,
}

impl Worker {
    fn serve(mut self, jobs: &Receiver<PoolJob>, events: &impl Fn(PoolEvent)) {
        if !self.ensure_started(events) {
            return;
        }
        for job in jobs {
            match job {
                PoolJob::Init => {
                    let written = self.write_init_outputs();
                    events(PoolEvent::Init(written));
                }
                PoolJob::Quantum(job) => {
                    let started = Timestamp::now();
                    if let Some(process) = &self.process {
                        events(PoolEvent::Begun { job, pid: process.pid() });
                    }
                    let (outcome, mut aftermath) = self.run(job);
                    let parcel = std::mem::take(&mut aftermath.parcel);
                    let end = outcome.map(|outcome| Box::new(LocalEnd { outcome, parcel }));
                    events(PoolEvent::Ended { job, started, end });
                    self.recycle(job, &aftermath, events);
                }
            }
            // Before the next job is taken, so that a quantum is never taken in vain.
            if !self.ensure_started(events) {
                return;
            }
        }
    }

    /// Starts a process unless there is one; returns whether there is one.
    fn ensure_started(&mut self, events: &impl Fn(PoolEvent)) -> bool {
        if self.process.is_some() {
            return true;
        }
        match self.nursery.worker(&self.name) {
            Ok(Newborn { process, imports_seconds, warning }) => {
                self.process = Some(process);
                self.quanta = 0;
                if let Some(text) = warning {
                    events(PoolEvent::Warning(text));
                }
                events(PoolEvent::Ready { imports_seconds });
                true
            }
            Err(error) => {
                events(PoolEvent::Lost(error));
                false
            }
        }
    }

    /// Ends a process that should not run more quanta.
    fn recycle(&mut self, job: QuantumJob, after: &Aftermath, events: &impl Fn(PoolEvent)) {
        self.quanta += 1;
        if !after.left_behind.is_empty() && self.process.is_some() {
            let quantum = self.setup.butler.graph().describe_quantum(job.quantum);
            let what = match after.left_behind.len() {
                1 => "a process running, which is".to_owned(),
                n => format!("{n} processes running, which are"),
            };
            let text = format!("{quantum} left {what} ended now");
            events(PoolEvent::Warning(text));
            self.process = None;
        }
        let Recycling { quanta, memory } = self.setup.recycling;
        let worn_out = quanta.is_some_and(|most| self.quanta >= most);
        let swollen = memory.zip(after.resident).is_some_and(|(most, now)| now > most);
        if worn_out || swollen {
            self.process = None;
        }
    }

    fn write_init_outputs(&mut self) -> Result<Vec<DatasetOutput>, ExchangeError> {
        let graph = self.setup.butler.graph().clone();
        let init_quanta = raw(graph.init_quanta_json(RecordPaths::AbsoluteUris))?;
        let empty = RawValue::from_string("{}".to_owned())
            .map_err(|error| ExchangeError::Protocol(error.to_string()))?;
        let request = Request::Init { init_quanta: &init_quanta, dimension_data: &empty };
        let reply: InitReply = self.ask(&request)?;
        outputs(&graph, reply.written.into_iter().chain(reply.kept))
    }

    /// Runs a quantum; there is no outcome if it was interrupted.
    fn run(&mut self, job: QuantumJob) -> (Option<QuantumOutcome>, Aftermath) {
        let _span = quantum_span(self.setup.butler.graph(), job).entered();
        let mut after = Aftermath::default();
        let outcome = match self.try_run(job, &mut after) {
            Ok(outcome) => Some(outcome),
            Err(ExchangeError::Died(death)) => {
                let parcel = &mut after.parcel;
                outcome_of_death(&death).map(|outcome| self.with_log(job, outcome, parcel))
            }
            Err(ExchangeError::Fault(fault)) => Some(QuantumOutcome::failure(
                "qbb.WorkerFault",
                match fault.hint {
                    Some(hint) => format!("{} {hint}", fault.message),
                    None => fault.message,
                },
            )),
            Err(ExchangeError::Protocol(message)) => {
                // What it would say next is anybody's guess.
                self.process = None;
                Some(QuantumOutcome::failure("qbb.ProtocolError", message))
            }
        };
        (outcome, after)
    }

    /// Writes the log that a dead worker could not write.
    fn with_log(
        &self,
        job: QuantumJob,
        mut outcome: QuantumOutcome,
        parcel: &mut Parcel,
    ) -> QuantumOutcome {
        let PythonSetup { butler, host, packing, .. } = &*self.setup;
        if let Some(exception) = &mut outcome.exception {
            match log_death(butler, job, host, packing, exception, parcel) {
                Ok(outputs) => outcome.outputs = outputs,
                Err(error) => {
                    exception.message.push_str(&format!("\nIts log cannot be written: {error}"));
                }
            }
        }
        outcome
    }

    fn try_run(
        &mut self,
        job: QuantumJob,
        after: &mut Aftermath,
    ) -> Result<QuantumOutcome, ExchangeError> {
        let graph = self.setup.butler.graph().clone();
        let paths = RecordPaths::AbsoluteUris;
        let block = raw(graph.quantum_json(job.quantum, paths))?;
        let init = graph.init_quantum(Some(graph.quanta.task(job.quantum)));
        let init_block = match init {
            Some(init) => raw(graph.init_quantum_json(init, paths))?,
            None => return Err(no_init_quantum(&graph, graph.quanta.task(job.quantum))),
        };
        let dimension_data = raw(graph.dimension_data_json(job.quantum))?;
        self.unpack_earlier_log(job);
        let mut reply: QuantumReply = self.ask(&Request::Quantum {
            quantum: &block,
            init_quantum: &init_block,
            dimension_data: &dimension_data,
            attempt: job.attempt,
        })?;
        let left_behind = std::mem::take(&mut reply.left_behind);
        let parcel = parcel_of_reply(&graph, std::mem::take(&mut reply.packed))?;
        *after = Aftermath { resident: reply.resident, left_behind, parcel };
        outcome_of_reply(&graph, reply)
    }

    /// Makes the packed log of an earlier attempt a file, which the worker takes over and removes.
    fn unpack_earlier_log(&self, job: QuantumJob) {
        let butler = &self.setup.butler;
        let graph = butler.graph();
        let task = graph.pipeline.task(graph.quanta.task(job.quantum));
        let Some(connection) = task.log_output.as_ref().filter(|_| job.attempt > 0) else { return };
        let logs = butler.for_quantum(job.quantum).outputs(&connection.name).unwrap_or_default();
        for log in logs {
            // A log that cannot be read is no reason not to try again.
            if let Ok(Some(bytes)) = butler.get_packed(log) {
                let _ = butler.unpack(log, &bytes);
            }
        }
    }

    fn ask<T: serde::de::DeserializeOwned>(
        &mut self,
        request: &Request<'_>,
    ) -> Result<T, ExchangeError> {
        let Some(process) = &mut self.process else {
            return Err(ExchangeError::Protocol("there is no worker".to_owned()));
        };
        let reply = process.ask(request);
        if let Err(ExchangeError::Died(_)) = reply {
            self.process = None;
        }
        reply
    }
}

fn raw<E: std::fmt::Display>(json: Result<Vec<u8>, E>) -> Result<Box<RawValue>, ExchangeError> {
    let json = json.map_err(|error| ExchangeError::Protocol(error.to_string()))?;
    serde_json::from_slice(&json).map_err(|error| ExchangeError::Protocol(error.to_string()))
}

fn no_init_quantum(graph: &QuantumGraph, task: TaskIx) -> ExchangeError {
    let label = &graph.pipeline.task(task).label;
    ExchangeError::Protocol(format!("the graph has no init quantum for task `{label}`"))
}

fn outcome_of_death(death: &Death) -> Option<QuantumOutcome> {
    match death.killed {
        Some(KillReason::Interrupted) => None,
        Some(KillReason::TimedOut) => {
            let message = format!("it ran into its time limit; {death}");
            let failure = QuantumOutcome::failure("qbb.TimedOut", message);
            Some(QuantumOutcome { exit_code: death.exit_code(), ..failure })
        }
        None => {
            let failure = QuantumOutcome::failure("qbb.WorkerDied", death.to_string());
            Some(QuantumOutcome { exit_code: death.exit_code(), ..failure })
        }
    }
}

fn outcome_of_reply(
    graph: &QuantumGraph,
    reply: QuantumReply,
) -> Result<QuantumOutcome, ExchangeError> {
    let caveats = reply.caveats.unwrap_or(0);
    let end = match reply.status {
        StatusJson::Failed => QuantumEnd::Failed,
        StatusJson::SkippedExisting => QuantumEnd::SkippedExisting,
        StatusJson::Succeeded if caveats & PARTIAL_OUTPUTS != 0 => QuantumEnd::PartialOutputs,
        StatusJson::Succeeded if caveats & NO_WORK != 0 => QuantumEnd::NoWork,
        StatusJson::Succeeded => QuantumEnd::Succeeded,
    };
    Ok(QuantumOutcome {
        end,
        caveats: reply.caveats,
        exception: reply.exception.map(|exception| ExceptionInfo {
            type_name: exception.type_name,
            message: exception.message,
        }),
        exit_code: reply.exit_code,
        usage: reply.resource_usage.map(ResourceUsage::from),
        outputs: outputs(graph, reply.actual_outputs)?,
        available_inputs: datasets(graph, &reply.available_inputs)?,
        actual_inputs: datasets(graph, &reply.actual_inputs)?,
    })
}

/// Datasets that came with a reply.
fn parcel_of_reply(graph: &QuantumGraph, packed: Vec<PackedJson>) -> Result<Parcel, ExchangeError> {
    let mut parcel = Parcel::default();
    for PackedJson { dataset_id, text } in packed {
        parcel.bytes.extend_from_slice(text.as_bytes());
        if !parcel.close_entry(dataset(graph, dataset_id)?) {
            let message = "the worker packed more than metadata and log".to_owned();
            return Err(ExchangeError::Protocol(message));
        }
    }
    Ok(parcel)
}

fn outputs(
    graph: &QuantumGraph,
    datasets: impl IntoIterator<Item = DatasetJson>,
) -> Result<Vec<DatasetOutput>, ExchangeError> {
    (datasets.into_iter())
        .map(|output| {
            let dataset = dataset(graph, output.dataset_id)?;
            Ok(DatasetOutput {
                dataset,
                records: output.rows.into_iter().map(Into::into).collect(),
            })
        })
        .collect()
}

fn datasets(graph: &QuantumGraph, ids: &[Uuid]) -> Result<Vec<DatasetIx>, ExchangeError> {
    ids.iter().map(|&id| dataset(graph, id)).collect()
}

fn dataset(graph: &QuantumGraph, id: Uuid) -> Result<DatasetIx, ExchangeError> {
    graph
        .find_dataset(id)
        .ok_or_else(|| ExchangeError::Protocol(format!("the graph has no dataset {id}")))
}
