//! From a request to a report.

use std::sync::Arc;
use std::time::Instant;

use crossbeam::channel::unbounded;
use qbb::QuantumBackedButler;
use qbb::journal::{
    DatasetOutput, Durability, Event, ProcessIdentity, RunCounts, RunOutcome, Syncer, Timestamp,
};
use qbb_pipeline::Runner;

use super::budget::Needed;
use super::dispatcher::Dispatcher;
use super::error::RunError;
use super::function_threads::Lookahead;
use super::intermediates::{DeletedIntermediates, Intermediates, Remover};
use super::lanes::Lanes;
use super::learned::LearnedResources;
use super::memory_events::KillCounter;
use super::opening::{OpenJournal, Opened};
use super::packing::RunPack;
use super::places::{Places, ThreadPlaces};
use super::python_workers::{Needs, start_python};
use super::report::RunReport;
use super::request::{InitOutputs, RunRequest};
use super::stale_outputs::{
    clear_interrupted, clear_unknown, interrupted_quanta, remove_outputs, reset_quanta,
};
use super::wishes::{GraphOrder, Wishes};
use crate::cancel::SignalWatch;
use crate::local::{LocalOptions, LocalRunner, Packing, write_packages};
use crate::logging::Logged;
use crate::process_table::ProcessTable;
use crate::progress::ProgressEvent;
use crate::scheduler::{Amounts, Limits, Scheduler, StopReason};

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
        thread_places: ThreadPlaces::default(),
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
/// programs and none asks for more than a thread. Ends of what is handed out ahead are recorded together,
/// so not if each has to be durable before the next quantum begins.
fn may_look_ahead(request: &RunRequest<'_>) -> bool {
    let options = &request.options;
    options.durability != Durability::Quantum
        && (request.graph.pipeline.tasks.iter())
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
