//! Reading all journal files of a directory.

use camino::{Utf8Path, Utf8PathBuf};
use qbb_graph::QuantumGraph;

use super::error::JournalError;
use super::follower::{GraphOutline, JournalFollower};
use super::state::{Detail, JournalState};
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
    let graph = GraphOutline::known(graph, identity);
    Ok(JournalFollower::open_with(directory, graph, Detail::Full, &mut ())?.into_state())
}

/// Journal files, sorted by name so that messages come in the same order each time.
pub(super) fn journal_files(directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, JournalError> {
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
