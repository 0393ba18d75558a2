//! What earlier attempts have left and must not be there when quanta are executed again.

use qbb::QuantumBackedButler;
use qbb::journal::{Event, JournalState, JournalWriter, QuantumProgress, Timestamp};
use qbb_graph::{InitQuantum, QuantumIx};

use super::error::RunError;
use super::request::InitOutputs;
use crate::scheduler::{QuantumState, Scheduler};
use crate::selection::SelectionPlan;

/// Takes back the success of quanta that are to be executed again, durably: only then may what they
/// wrote be deleted.
pub(super) fn reset_quanta(
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
pub(super) fn remove_outputs(
    butler: &QuantumBackedButler,
    quanta: &[QuantumIx],
) -> Result<(), RunError> {
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
pub(super) fn interrupted_quanta(scheduler: &Scheduler, state: &JournalState) -> Vec<QuantumIx> {
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
pub(super) fn clear_interrupted(
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
pub(super) fn clear_unknown(
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
