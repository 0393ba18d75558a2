//! One worker of the pool: a process after another, a quantum after another.

use std::sync::Arc;

use crossbeam::channel::Receiver;
use qbb::journal::{DatasetOutput, LeftRunning, QuantumOutcome, Timestamp};
use qbb_graph::{QuantumGraph, RecordPaths};
use qbb_pipeline::TaskIx;
use serde_json::value::RawValue;

use super::nursery::{Newborn, Nursery};
use super::outcomes::{outcome_of_death, outcome_of_reply, outputs, parcel_of_reply};
use super::pool::{PoolEvent, PoolJob, PythonSetup, QuantumJob, Recycling};
use super::process::{ExchangeError, WorkerProcess};
use super::protocol::{InitReply, QuantumReply, Request};
use crate::local::{LocalEnd, Parcel, log_death};
use crate::logging::quantum_span;

/// State of a worker after a quantum.
#[derive(Debug, Default)]
struct Aftermath {
    resident: Option<u64>,
    left: LeftRunning,
    /// What goes into the pack.
    parcel: Parcel,
}

/// A place for a process, which takes quanta from the pool.
pub(super) struct Worker {
    setup: Arc<PythonSetup>,
    nursery: Arc<Nursery>,
    name: String,
    process: Option<WorkerProcess>,
    /// How many quanta the process has run.
    quanta: u32,
}

impl Worker {
    pub fn new(setup: Arc<PythonSetup>, nursery: Arc<Nursery>, name: String) -> Self {
        Self { setup, nursery, name, process: None, quanta: 0 }
    }

    /// Serves until there are no more jobs, or no process can be started.
    pub fn serve(mut self, jobs: &Receiver<PoolJob>, events: &impl Fn(PoolEvent)) {
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
                    let left = aftermath.left.clone();
                    // Before its end, behind which nobody may listen any more.
                    self.tell_what_is_left(job, &left, events);
                    let end = outcome.map(|outcome| Box::new(LocalEnd { outcome, parcel, left }));
                    events(PoolEvent::Ended { job, started, end });
                    self.recycle(&aftermath);
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

    /// Names the threads and processes that a quantum has left running.
    fn tell_what_is_left(&self, job: QuantumJob, left: &LeftRunning, events: &impl Fn(PoolEvent)) {
        let LeftRunning { processes, threads, names } = left;
        let quantum = || self.setup.butler.graph().describe_quantum(job.quantum);
        if *threads != 0 {
            let more = if *threads as usize > names.len() { ", …" } else { "" };
            let (quantum, names) = (quantum(), names.join(", "));
            events(PoolEvent::Warning(format!("{quantum} left threads running: {names}{more}")));
        }
        if *processes != 0 && self.process.is_some() {
            let what = match processes {
                1 => "a process running, which is".to_owned(),
                n => format!("{n} processes running, which are"),
            };
            let text = format!("{} left {what} ended now", quantum());
            events(PoolEvent::Warning(text));
        }
    }

    /// Ends a process that should not run more quanta.
    fn recycle(&mut self, after: &Aftermath) {
        self.quanta += 1;
        if after.left.processes != 0 {
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
        let begun = Timestamp::now();
        let outcome = match self.try_run(job, &mut after) {
            Ok(outcome) => Some(outcome),
            Err(ExchangeError::Died(death)) => {
                let parcel = &mut after.parcel;
                let run_time = Timestamp::now().seconds_since(begun);
                outcome_of_death(&death, run_time)
                    .map(|outcome| self.with_log(job, outcome, parcel))
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
            memory: self.told_memory(job),
        })?;
        let threads = std::mem::take(&mut reply.threads_left);
        let left = LeftRunning::new(reply.left_behind.len(), threads);
        let parcel = parcel_of_reply(&graph, std::mem::take(&mut reply.packed))?;
        *after = Aftermath { resident: reply.resident, left, parcel };
        outcome_of_reply(&graph, reply)
    }

    /// Memory that a task is told it may use: what was set aside, if somebody has said how much that is
    /// or a quantum was given more because it had too little. What was learned from peaks is no limit.
    fn told_memory(&self, job: QuantumJob) -> Option<u64> {
        let butler = &self.setup.butler;
        let task = butler.graph().quanta.task(job.quantum);
        let was_raised = || {
            butler.with_journal(|journal| {
                journal.repeated(job.quantum).is_some_and(|repeated| repeated.memory.is_some())
            })
        };
        job.memory.filter(|_| self.setup.memory_said[task.index()] || was_raised())
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
