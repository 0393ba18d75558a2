//! A pool of warm workers, one thread for each.
//!
//! Plain threads and not a rayon pool, because they spend their lives waiting for a pipe. A worker
//! that dies costs the quantum that it was running; its thread starts another one.

use std::sync::Arc;
use std::thread::JoinHandle;

use camino::Utf8PathBuf;
use crossbeam::channel::{Receiver, Sender, unbounded};
use qbb::QuantumBackedButler;
use qbb::journal::{DatasetOutput, Timestamp};
use qbb_graph::QuantumIx;
use serde_json::Value;
use serde_json::value::RawValue;

use super::interpreter::Interpreter;
use super::nursery::Nursery;
use super::package::WorkerPackage;
use super::process::ExchangeError;
use super::protocol::WorkerOptions;
use super::worker::Worker;
use crate::local::{LocalEnd, Packing};
use crate::process_table::ProcessTable;

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
    /// Whether somebody has said how much memory quanta may use, by task.
    pub memory_said: Vec<bool>,
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
pub(super) enum PoolJob {
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
            let worker = Worker::new(setup, nursery, name);
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
