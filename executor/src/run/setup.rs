//! From a request to a report.

use std::sync::Arc;
use std::time::Instant;

use crossbeam::channel::{Sender, unbounded};
use qbb::QuantumBackedButler;
use qbb::journal::{
    DatasetOutput, Event, JournalState, JournalWriter, ProcessIdentity, QuantumProgress, RunCounts,
    RunOutcome, Syncer, Timestamp,
};
use qbb_graph::{InitQuantum, QuantumGraph, QuantumIx};
use qbb_pipeline::{Runner, Task};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::budget::Needed;
use super::dispatcher::{Dispatcher, GraphOrder, Wishes};
use super::error::RunError;
use super::function_threads::Lookahead;
use super::intermediates::{DeletedIntermediates, Intermediates, Remover};
use super::lanes::{Lanes, Message};
use super::learned::LearnedResources;
use super::memory_events::KillCounter;
use super::opening::{OpenJournal, Opened};
use super::packing::RunPack;
use super::places::Places;
use super::report::RunReport;
use super::request::{InitOutputs, RunRequest};
use crate::cancel::SignalWatch;
use crate::local::{LocalOptions, LocalRunner, Packing, write_packages};
use crate::logging::Logged;
use crate::process_table::ProcessTable;
use crate::progress::ProgressEvent;
use crate::python::{
    Interpreter, PoolEvent, PythonPool, PythonSetup, Recycling, WorkerOptions, WorkerPackage,
    pipeline_json,
};
use crate::scheduler::{Amounts, Limits, QuantumState, Scheduler, StopReason};
use crate::selection::SelectionPlan;

/// Executes the quanta of a graph that have not succeeded before.
///
/// Init-outputs come first, as far as they are not there; then quanta, each as soon as those that
/// it reads from have succeeded. A quantum that fails blocks what depends on it and nothing else.
/// Everything is recorded in the journal, and a run that was stopped, by whatever means, goes on
/// where it stopped when it is run again.
///
/// # Errors
/// If the run cannot begin or cannot go on: another run is in progress, a task cannot be imported,
/// the journal cannot be written. Quanta that fail are no error but in the report.
pub fn run(request: &RunRequest<'_>) -> Result<RunReport, RunError> {
    let logged = Logged { graph: &request.graph, progress: request.progress };
    run_logged(&RunRequest { progress: &logged, ..request.clone() })
}

fn run_logged(request: &RunRequest<'_>) -> Result<RunReport, RunError> {
    let begin = Instant::now();
    let graph = &request.graph;
    let datastore = &request.repository.datastore;
    let root = datastore
        .local_root()
        .ok_or_else(|| RunError::NotLocal { root: datastore.root.as_str().to_owned() })?;
    check_tasks(request)?;
    let Opened { journal, mut state, after_crash } = OpenJournal::open(
        &request.journal,
        graph,
        &request.options,
        request.jobs,
        &root,
        request.progress,
    )?;
    let _signals = if request.options.handle_signals {
        let watch = SignalWatch::start(&request.cancel)
            .map_err(|source| RunError::System { what: "signal handlers", source })?;
        Some(watch)
    } else {
        None
    };
    let mut wishes = Wishes::default();
    let plan = request.options.selection.plan(graph, &state)?;
    reset_quanta(&plan, &journal.writer, &mut state)?;
    let selected = selection(request);
    let (learned, warning) = LearnedResources::read(&request.journal, graph, &state);
    let Needed { budget, requests, warnings } = Needed::of(request, &learned)?;
    for text in warning.iter().chain(&warnings) {
        request.progress.event(&ProgressEvent::Warning { text });
    }
    let lookahead = Lookahead::new(may_look_ahead(request));
    // What is handed out ahead waits for a thread, of which there are no more than cores.
    let cores = budget.cores().saturating_mul(lookahead.most() as u64);
    let named = budget.named().iter().copied();
    let budget = Amounts::new(cores, budget.memory(), budget.scratch(), named);
    let limits = Limits {
        max_failures: request.options.max_failures,
        retries: request.options.retries.clone(),
        budget,
        requests,
    };
    let scheduler = Scheduler::new(
        &GraphOrder(graph),
        &state,
        |quantum| {
            let at = quantum.index();
            plan.selected[at] && selected.as_ref().is_none_or(|selected| selected[at])
        },
        limits,
        &mut wishes,
    );
    let (intermediates, unneeded) =
        Intermediates::of(&request.options.delete_intermediates, graph, &state)?;
    let interrupted = interrupted_quanta(&scheduler, &state);
    let butler = QuantumBackedButler::new(graph.clone(), datastore, state)?;
    let butler = Arc::new(butler.with_place_of(journal.writer.clone()));
    clear_interrupted(&butler, &interrupted)?;
    if after_crash {
        clear_unknown(&butler, &scheduler, request.options.init_outputs)?;
    }
    remove_outputs(&butler, &plan.reset)?;
    let (pack, packing) = match request.options.pack {
        true => {
            let pack = RunPack::create(&request.journal, &journal.writer, graph)?;
            (pack, Packing::of(&graph.pipeline))
        }
        false => (RunPack::default(), Packing::default()),
    };
    let sync = || {
        let sync_pack = pack.syncer()?;
        let sync_outputs = Syncer::sync_file_system(&root).map_err(|source| RunError::Folder {
            path: root.clone(),
            purpose: "the root of the output datastore",
            source,
        })?;
        Ok::<_, RunError>(move || sync_pack().and_then(|()| sync_outputs()))
    };
    let syncer = Syncer::start(journal.writer.clone(), request.options.durability, sync()?)?;
    let remover = match request.options.delete_intermediates {
        DeletedIntermediates::None => None,
        _ => Some(Remover::start(butler.clone(), journal.writer.clone(), sync()?)?),
    };
    if let Some(remover) = &remover {
        unneeded.into_iter().for_each(|dataset| remover.remove(dataset));
    }
    let done_before = scheduler.counts().succeeded;
    request.progress.event(&ProgressEvent::Begun { counts: scheduler.counts() });

    let table = Arc::new(ProcessTable::default());
    let (sender, messages) = unbounded();
    let needs = Needs::of(graph, &scheduler, &butler, request.options.init_outputs);
    let python = if needs.python_quanta > 0 || needs.python_init {
        Some(start_python(request, &butler, &table, &needs, &packing, sender.clone())?)
    } else {
        None
    };
    let workers_left = if python.is_some() { needs.workers(request.jobs.get()) } else { 0 };
    let local = Arc::new(LocalRunner {
        butler: butler.clone(),
        functions: request.functions.clone(),
        options: LocalOptions {
            skip_existing: request.options.skip_existing,
            clobber: request.options.clobber,
            assume_no_existing_outputs: request.options.assume_no_existing_outputs
                || butler.is_new_run()?,
            host: ProcessIdentity::current().host,
            packing,
        },
        table: table.clone(),
    });
    let mut dispatcher = Dispatcher {
        graph,
        scheduler,
        butler: butler.clone(),
        journal: &journal.writer,
        pack,
        lookahead,
        lanes: Lanes::new(python, local, request.jobs, request.options.timeout.is_some(), sender),
        messages,
        cancel: &request.cancel,
        table: &table,
        progress: request.progress,
        jobs: request.jobs.get(),
        timeout: request.options.timeout,
        workers_left,
        wishes,
        begin,
        places: Places::default(),
        kills: KillCounter::start(),
        learned,
        intermediates,
        remover,
        executed: 0,
        failures: Vec::new(),
    };
    prepare(request, &mut dispatcher, &butler, &needs)?;
    let went = dispatcher.run();
    let counts = dispatcher.scheduler.counts();
    let stop_reason = dispatcher.stop_reason();
    let Dispatcher { executed, failures, lanes, messages, mut learned, remover, .. } = dispatcher;
    // Ends the workers and waits for them.
    drop((lanes, messages));
    if let Err(error) = went {
        // What was claimed so far is still made durable, if that is possible.
        let _ = syncer.finish();
        return Err(error);
    }
    let removed = remover.map_or(Ok(0), Remover::finish)?;
    syncer.finish()?;
    let outcome = match stop_reason {
        Some(StopReason::Cancelled) => RunOutcome::Interrupted,
        Some(StopReason::TooManyFailures | StopReason::InvalidQuantum) => RunOutcome::StoppedEarly,
        None if counts.waiting > 0 => return Err(RunError::Stalled { waiting: counts.waiting }),
        None if counts.failed + counts.delayed + counts.blocked > 0 => RunOutcome::WithFailures,
        None => RunOutcome::Complete,
    };
    if let Err(error) = learned.write() {
        let text = format!("what was learned about memory cannot be kept: {error}");
        request.progress.event(&ProgressEvent::Warning { text: &text });
    }
    let file = journal.writer.path().to_owned();
    journal.close(
        outcome,
        RunCounts {
            succeeded: counts.succeeded,
            failed: counts.failed + counts.delayed,
            blocked: counts.blocked,
            not_attempted: counts.waiting + counts.ready + counts.elsewhere,
        },
    )?;
    let elapsed = begin.elapsed();
    // All threads that shared it have ended.
    let state = match Arc::try_unwrap(butler) {
        Ok(butler) => butler.into_journal(),
        Err(_) => qbb::journal::read_state(&request.journal, graph, qbb::GraphIdentity::of(graph))?,
    };
    let journal = file;
    Ok(RunReport {
        outcome,
        stop_reason,
        counts,
        executed,
        removed,
        done_before,
        failures,
        elapsed,
        journal,
        state,
    })
}

/// Makes sure that every task can be run by this program.
fn check_tasks(request: &RunRequest<'_>) -> Result<(), RunError> {
    for task in &request.graph.pipeline.tasks {
        if let Runner::Function(function) = &task.runner
            && request.functions.get(function).is_none()
        {
            let (task, function) = (task.label.clone(), function.clone());
            return Err(RunError::NoSuchFunction { task, function });
        }
        if let (Runner::Function(_) | Runner::Command(_), Some(connection)) =
            (&task.runner, task.all_init_outputs().next())
        {
            let (task, connection) = (task.label.clone(), connection.name.clone());
            return Err(RunError::InitOutput { task, connection });
        }
    }
    Ok(())
}

/// Whether quanta may be handed out before there is a thread for them: if all are of functions and
/// programs and none asks for more than a thread.
fn may_look_ahead(request: &RunRequest<'_>) -> bool {
    let options = &request.options;
    (request.graph.pipeline.tasks.iter())
        .all(|task| !matches!(task.runner, Runner::PipelineTask(_)))
        && options.resources.tasks.is_empty()
}

fn selection(request: &RunRequest<'_>) -> Option<Vec<bool>> {
    let quanta = match request.options.init_outputs {
        InitOutputs::Only => Some(&[][..]),
        InitOutputs::IfMissing | InitOutputs::Never => request.quanta,
    };
    quanta.map(|quanta| {
        let mut selected = vec![false; request.graph.quanta.len()];
        for quantum in quanta {
            if let Some(cell) = selected.get_mut(quantum.index()) {
                *cell = true;
            }
        }
        selected
    })
}

/// Takes back the success of quanta that are to be executed again, durably: only then may what they
/// wrote be deleted.
fn reset_quanta(
    plan: &SelectionPlan,
    journal: &JournalWriter,
    state: &mut JournalState,
) -> Result<(), RunError> {
    if plan.reset.is_empty() {
        return Ok(());
    }
    let next = |&quantum: &QuantumIx| (quantum, state.next_attempt(quantum));
    let quanta = plan.reset.iter().map(next).collect();
    let event = Event::QuantaReset { time: Timestamp::now(), quanta };
    journal.record([&event])?;
    journal.sync()?;
    state.observe(&event);
    Ok(())
}

/// Removes what quanta wrote, but for their logs: the next attempt takes them over.
fn remove_outputs(butler: &QuantumBackedButler, quanta: &[QuantumIx]) -> Result<(), RunError> {
    let graph = butler.graph();
    for &quantum in quanta {
        let log = &graph.pipeline.task(graph.quanta.task(quantum)).log_output;
        let outputs = butler.for_quantum(quantum);
        let log = match log {
            Some(connection) => outputs.outputs(&connection.name)?,
            None => Vec::new(),
        };
        for dataset in outputs.predicted_outputs() {
            if !log.contains(&dataset) {
                butler.remove_output(dataset)?;
            }
        }
    }
    Ok(())
}

/// Quanta of this run that were in flight when an earlier run was killed, or that it was about to
/// execute again.
fn interrupted_quanta(scheduler: &Scheduler, state: &JournalState) -> Vec<QuantumIx> {
    (0..scheduler.n_quanta() as u32)
        .map(QuantumIx)
        .filter(|&quantum| {
            scheduler.state(quantum) != QuantumState::Elsewhere
                && match state.progress(quantum) {
                    QuantumProgress::InFlight => true,
                    QuantumProgress::NotStarted => state.next_attempt(quantum) > 0,
                    _ => false,
                }
        })
        .collect()
}

/// Removes the metadata of quanta that were killed after they had written it and before their log:
/// it would make them count as successful, and they would never get a log.
fn clear_interrupted(
    butler: &QuantumBackedButler,
    interrupted: &[QuantumIx],
) -> Result<(), RunError> {
    let graph = butler.graph();
    for &quantum in interrupted {
        let metadata = &graph.pipeline.task(graph.quanta.task(quantum)).metadata_output.name;
        for dataset in butler.for_quantum(quantum).outputs(metadata)? {
            butler.remove_output(dataset)?;
        }
    }
    Ok(())
}

/// Removes what quanta that are still to be executed may have left before a crash that took the
/// records of it with it: nothing tells whole files from others.
fn clear_unknown(
    butler: &QuantumBackedButler,
    scheduler: &Scheduler,
    init_outputs: InitOutputs,
) -> Result<(), RunError> {
    let graph = butler.graph();
    for quantum in graph.quanta.iter() {
        let ended = butler.with_journal(|journal| journal.finished(quantum).is_some());
        if !ended && scheduler.state(quantum) != QuantumState::Elsewhere {
            for (_, dataset) in graph.outputs.edges(quantum) {
                butler.remove_output(dataset)?;
            }
        }
    }
    if init_outputs == InitOutputs::Never {
        return Ok(());
    }
    let unknown = graph.init_quanta.iter().flat_map(InitQuantum::output_datasets);
    for dataset in unknown {
        if !butler.with_journal(|journal| journal.is_written(dataset)) {
            butler.remove_output(dataset)?;
        }
    }
    Ok(())
}

/// What a run needs besides its quanta.
struct Needs {
    /// Quanta that Python workers are to run.
    python_quanta: usize,
    /// Labels of their tasks.
    python_tasks: Vec<String>,
    /// Whether a worker must write init-outputs.
    python_init: bool,
    /// The packages dataset, if it is missing and no Python takes part.
    packages: Option<InitQuantum>,
}

impl Needs {
    fn of(
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

    fn workers(&self, jobs: usize) -> usize {
        jobs.min(self.python_quanta).max(1)
    }
}

fn start_python(
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
        },
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

/// Everything that comes before quanta.
fn prepare(
    request: &RunRequest<'_>,
    dispatcher: &mut Dispatcher<'_>,
    butler: &QuantumBackedButler,
    needs: &Needs,
) -> Result<(), RunError> {
    let written = if dispatcher.lanes.python().is_some() {
        dispatcher.wait_for_python(needs.python_init)?
    } else {
        None
    };
    let written: Option<Vec<DatasetOutput>> = match (&needs.packages, written) {
        (_, Some(outputs)) => Some(outputs),
        (Some(init), None) => Some(write_packages(butler, init)?),
        (None, None) => None,
    };
    if let Some(outputs) = written {
        request.progress.event(&ProgressEvent::InitOutputs { count: outputs.len() });
        let event = Event::InitOutputsWritten { time: Timestamp::now(), outputs };
        dispatcher.journal.record([&event])?;
        butler.observe(&event);
    }
    Ok(())
}
