//! What a run needs besides its quanta, Python workers above all.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{RecvTimeoutError, Sender};
use qbb::QuantumBackedButler;
use qbb::journal::{DatasetOutput, ProcessIdentity};
use qbb_graph::{InitQuantum, QuantumGraph};
use qbb_pipeline::{Runner, Task};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::dispatcher::{Dispatcher, worker_error};
use super::error::RunError;
use super::lanes::Message;
use super::request::{InitOutputs, RunRequest};
use crate::cancel::Urgency;
use crate::local::Packing;
use crate::process_table::ProcessTable;
use crate::progress::ProgressEvent;
use crate::python::{
    Interpreter, PoolEvent, PythonPool, PythonSetup, Recycling, WorkerOptions, WorkerPackage,
    pipeline_json,
};
use crate::scheduler::{QuantumState, Scheduler};

/// What a run needs besides its quanta.
pub(super) struct Needs {
    /// Quanta that Python workers are to run.
    pub python_quanta: usize,
    /// Labels of their tasks.
    python_tasks: Vec<String>,
    /// Whether a worker must write init-outputs.
    pub python_init: bool,
    /// The packages dataset, if it is missing and no Python takes part.
    pub packages: Option<InitQuantum>,
}

impl Needs {
    pub fn of(
        graph: &QuantumGraph,
        scheduler: &Scheduler,
        butler: &QuantumBackedButler,
        init: InitOutputs,
    ) -> Self {
        let is_python: Vec<bool> = (graph.pipeline.tasks.iter())
            .map(|task| matches!(task.runner, Runner::PipelineTask(_)))
            .collect();
        let mut by_task = vec![0; graph.pipeline.tasks.len()];
        for quantum in graph.quanta.iter() {
            let state = scheduler.state(quantum);
            if matches!(state, QuantumState::Waiting { .. } | QuantumState::Ready) {
                by_task[graph.quanta.task(quantum).index()] += 1;
            }
        }
        let by_task = by_task.iter().zip(&is_python).zip(&graph.pipeline.tasks);
        let asked = by_task.filter(|((count, is_python), _)| **count > 0 && **is_python);
        let (counts, python_tasks): (Vec<usize>, Vec<String>) =
            asked.map(|((&count, _), task)| (count, task.label.clone())).unzip();
        let python_quanta = counts.iter().sum();
        let any_python = is_python.contains(&true);
        let missing = |quantum: &&InitQuantum| match init {
            InitOutputs::Never => false,
            InitOutputs::Only if any_python => true,
            InitOutputs::Only | InitOutputs::IfMissing => butler.with_journal(|journal| {
                quantum.output_datasets().any(|dataset| !journal.is_written(dataset))
            }),
        };
        let mut missing = graph.init_quanta.iter().filter(missing);
        let first = missing.next();
        Self {
            python_quanta,
            python_tasks,
            python_init: any_python && first.is_some(),
            packages: first.filter(|init| !any_python && init.task.is_none()).cloned(),
        }
    }

    pub fn workers(&self, jobs: usize) -> usize {
        jobs.min(self.python_quanta).max(1)
    }
}

pub(super) fn start_python(
    request: &RunRequest<'_>,
    butler: &Arc<QuantumBackedButler>,
    table: &Arc<ProcessTable>,
    needs: &Needs,
    packing: &Packing,
    messages: Sender<Message>,
) -> Result<PythonPool, RunError> {
    let options = &request.options;
    let datastore = &request.repository.datastore;
    fs_err::create_dir_all(&request.logs).map_err(|source| RunError::Folder {
        path: request.logs.clone(),
        purpose: "the folder for logs of Python workers",
        source,
    })?;
    // Others need not be imported; a job that runs one quantum needs one task.
    let wanted = |task: &Task| needs.python_init || needs.python_tasks.contains(&task.label);
    let setup = Arc::new(PythonSetup {
        butler: butler.clone(),
        host: ProcessIdentity::current().host,
        interpreter: Interpreter::find(options.python.as_deref())?,
        package: WorkerPackage::unpack()?,
        logs: request.logs.clone(),
        options: WorkerOptions {
            raise_on_partial_outputs: options.raise_on_partial_outputs,
            skip_existing: options.skip_existing,
            clobber: options.clobber,
            assume_no_existing_outputs: options.assume_no_existing_outputs,
            cores_per_quantum: options.cores_per_quantum,
            memory_per_quantum: options.max_memory,
            // Several quanta at a time share the cores.
            implicit_threading: options.implicit_threading && request.jobs.get() == 1,
            debug: options.debug,
            profile: options.profile.clone(),
            // There is one terminal.
            pdb: options.pdb && request.jobs.get() == 1,
            side_by_side: if request.jobs.get() > 1 {
                needs.python_tasks.clone()
            } else {
                Vec::new()
            },
            packed: packing.names(&request.graph.pipeline),
            log_levels: options.python_log_levels.clone(),
        },
        memory_said: (request.graph.pipeline.tasks.iter())
            .map(|task| options.memory_said(&task.label).is_some())
            .collect(),
        root: datastore.root.as_str().to_owned(),
        search_paths: options.config_search_path.clone(),
        config: Value::Object(request.repository.tree().clone()),
        header: header(request)?,
        pipeline: raw_json(
            pipeline_json(&request.graph.pipeline, wanted).to_string().into_bytes(),
        )?,
        table: table.clone(),
        packing: packing.clone(),
        recycling: Recycling {
            // What a worker was told to profile is written when it ends.
            quanta: options.worker_max_quanta.filter(|_| options.profile.is_none()),
            memory: options.worker_max_memory.filter(|_| options.profile.is_none()),
        },
        fork: options.fork,
    });
    let count = needs.workers(request.jobs.get());
    request.progress.event(&ProgressEvent::WorkersStarting { count });
    let events = move |event: PoolEvent| {
        // The dispatcher may have left because of an error.
        let _ = messages.send(Message::Python(event));
    };
    PythonPool::start(&setup, count, events)
        .map_err(|source| RunError::System { what: "threads for Python workers", source })
}

/// The graph's header. Whoever executes some quanta only reads no others in the middleware, and how
/// many were read gets into metadata.
fn header(request: &RunRequest<'_>) -> Result<Box<RawValue>, RunError> {
    let json = request.graph.header_json();
    let Some(quanta) = request.quanta else { return raw_json(json) };
    let mut header: Map<String, Value> = serde_json::from_slice(&json).map_err(untellable)?;
    header.insert("n_quanta".to_owned(), quanta.len().into());
    raw_json(serde_json::to_vec(&header).map_err(untellable)?)
}

fn raw_json(bytes: Vec<u8>) -> Result<Box<RawValue>, RunError> {
    serde_json::from_slice(&bytes).map_err(untellable)
}

fn untellable(error: serde_json::Error) -> RunError {
    RunError::NoWorker { reason: format!("the graph cannot be told to Python: {error}") }
}

impl Dispatcher<'_> {
    /// Waits for what must be there before any quantum runs: a worker, and then the init-outputs if
    /// they are asked for. There are none if the run is to stop.
    pub fn wait_for_python(
        &mut self,
        write_init_outputs: bool,
    ) -> Result<Option<Vec<DatasetOutput>>, RunError> {
        let mut asked = false;
        loop {
            let waits_for_nothing = match self.cancel.urgency() {
                Urgency::None => false,
                Urgency::Finish => !asked,
                Urgency::Kill => true,
            };
            if waits_for_nothing {
                // Imports are of no use any more, however long they would take.
                self.table.kill_all();
                return Ok(None);
            }
            let message = match self.messages.recv_timeout(Duration::from_millis(100)) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => {
                    let reason = "their threads ended unexpectedly".to_owned();
                    return Err(RunError::NoWorker { reason });
                }
            };
            match message {
                Message::Python(PoolEvent::Ready { imports_seconds }) => {
                    self.progress.event(&ProgressEvent::WorkerReady { imports_seconds });
                    if !write_init_outputs {
                        return Ok(None);
                    }
                    if !asked && let Some(pool) = self.lanes.python() {
                        pool.write_init_outputs();
                        asked = true;
                    }
                }
                Message::Python(PoolEvent::Warning(text)) => {
                    self.progress.event(&ProgressEvent::Warning { text: &text });
                }
                // Before anything runs, one worker that cannot start is reason enough to stop: it
                // is nearly always a task that cannot be imported.
                Message::Python(PoolEvent::Lost(error)) => return Err(worker_error(error)),
                Message::Python(PoolEvent::Init(result)) => {
                    return result.map(Some).map_err(worker_error);
                }
                _ => {}
            }
        }
    }
}
