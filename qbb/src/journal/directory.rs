//! Reading all journal files of a directory.

use camino::{Utf8Path, Utf8PathBuf};
use qbb_graph::QuantumGraph;

use super::error::{JournalError, JournalWarning};
use super::event::Event;
use super::reader::{JournalReader, Tail};
use super::runs::RunSummary;
use super::state::{JournalState, UnprovenClaim};
use super::writer::EXTENSION;
use crate::GraphIdentity;

/// Merges all journal files of a directory; a directory that does not exist is an empty one.
///
/// # Errors
/// If a file cannot be read, is not a journal, or belongs to another graph.
pub fn read_state(
    directory: &Utf8Path,
    graph: &QuantumGraph,
    identity: GraphIdentity,
) -> Result<JournalState, JournalError> {
    let mut state = JournalState::new(graph.quanta.len(), graph.datasets.len());
    for path in journal_files(directory)? {
        read_file(&path, identity, &mut state)?;
    }
    state.runs.sort_by_key(|run| (run.started, run.writer));
    Ok(state)
}

/// Journal files, sorted by name so that messages come in the same order each time.
fn journal_files(directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, JournalError> {
    let entries = match directory.read_dir_utf8() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(JournalError::io("list", directory)(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(JournalError::io("list", directory))?.into_path();
        if path.extension() == Some(EXTENSION) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(
    path: &Utf8Path,
    identity: GraphIdentity,
    state: &mut JournalState,
) -> Result<(), JournalError> {
    let mut reader = match JournalReader::open(path) {
        // A process that gave up removes its file.
        Err(JournalError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(());
        }
        opened => opened?,
    };
    let Some(&header) = reader.header() else { return Ok(()) };
    if header.graph != identity {
        let path = path.to_owned();
        return Err(JournalError::OtherGraph { path, found: header.graph, wanted: identity });
    }
    let writer = state.add_writer(header.writer);
    let mut run: Option<RunSummary> = None;
    // Claims since the last durable mark, by the offsets of their frames.
    let mut unproven: Vec<(u64, UnprovenClaim)> = Vec::new();
    while let Some((offset, event)) = reader.next_event()? {
        state.fold(writer, &event).map_err(|reason| JournalError::Content {
            path: path.to_owned(),
            offset,
            reason,
        })?;
        if let Some(run) = &mut run {
            run.last_seen = run.last_seen.max(event.time());
        }
        match event {
            Event::RunStarted { time, process, options } => {
                state.runs.extend(run.replace(RunSummary {
                    path: path.to_owned(),
                    writer: header.writer,
                    process,
                    options,
                    started: time,
                    last_seen: time,
                    finished: None,
                }));
            }
            Event::RunFinished { time, outcome, counts } => {
                if let Some(run) = &mut run {
                    run.finished = Some((time, outcome, counts));
                }
            }
            Event::QuantumFinished { quantum, .. } => {
                unproven.push((offset, UnprovenClaim::Quantum(quantum)));
            }
            Event::InitOutputsWritten { outputs, .. } => unproven
                .extend(outputs.iter().map(|output| (offset, UnprovenClaim::Init(output.dataset)))),
            Event::OutputsDurable { end, .. } => {
                let proven = unproven.partition_point(|&(offset, _)| offset < end);
                unproven.drain(..proven);
            }
            Event::QuantumStarted { .. }
            | Event::QuantaBlocked { .. }
            | Event::QuantumPlaced { .. }
            | Event::AttemptRepeated { .. }
            | Event::DatasetsRemoved { .. }
            | Event::QuantaReset { .. } => {}
        }
    }
    state.runs.extend(run);
    state.unproven.extend(unproven.into_iter().map(|(_, claim)| claim));
    if let Some(Tail::Damaged { offset, next_valid, length }) = reader.tail() {
        let (path, lost) = (path.to_owned(), length - offset);
        state.warnings.push(JournalWarning::Damaged { path, offset, next_valid, lost });
    }
    if reader.unknown_events() > 0 {
        let (path, count) = (path.to_owned(), reader.unknown_events());
        state.warnings.push(JournalWarning::UnknownEvents { path, count });
    }
    Ok(())
}
