//! What runs that were cut off have left, and removing it.

use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use qbb::journal::{JournalError, JournalFollower, JournalState, ProcessIdentity, Timestamp};
use qbb::{ButlerError, QuantumBackedButler};
use qbb_datastore::{LocalStore, RepositoryConfig};
use qbb_graph::{DatasetIx, InitQuantum, QuantumGraph, QuantumIx};
use rustc_hash::FxHashSet;
use uuid::Uuid;

use super::error::RunError;
use super::opening::OpenJournal;
use super::request::RunOptions;
use crate::progress::Silent;

/// Why a file is there that nobody needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftoverKind {
    /// The beginning of an output, under a name of its own.
    Unfinished,
    /// The folder of a program that was to write outputs.
    ProgramFolder,
    /// An output of a quantum that was cut off, or failed, which the journal does not claim.
    Output,
    /// What a Python worker said.
    WorkerLog,
}

/// A file or folder that was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// What it is.
    pub kind: LeftoverKind,
    /// Where it is.
    pub path: Utf8PathBuf,
    /// Size in bytes; of a folder, that of all files in it.
    pub bytes: u64,
    /// The quantum that would have written it, if known.
    pub quantum: Option<QuantumIx>,
}

/// Where to look for leftovers.
#[derive(Debug)]
pub struct CleanRequest<'a> {
    /// The graph that was executed.
    pub graph: Arc<QuantumGraph>,
    /// The repository whose datastore took the outputs.
    pub repository: &'a RepositoryConfig,
    /// Folder of the journal.
    pub journal: Utf8PathBuf,
    /// Folder for the standard error of Python workers.
    pub logs: Utf8PathBuf,
    /// Whether those are leftovers, too.
    pub worker_logs: bool,
}

/// A folder that nobody can be just about to use any more.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Finds what runs of a graph have left, and changes nothing.
///
/// # Errors
/// If a run is working on it, or something cannot be read.
pub fn find_leftovers(request: &CleanRequest<'_>) -> Result<Vec<Leftover>, RunError> {
    let follower = JournalFollower::open(&request.journal, &request.graph)?;
    let (here, now) = (ProcessIdentity::current(), Timestamp::now());
    if let Some(run) = follower.state().runs().iter().find(|run| run.is_live(&here, now)) {
        let (path, process) = (run.path.clone(), run.process.clone());
        return Err(JournalError::LiveRun { path, process }.into());
    }
    let mut state = follower.into_state();
    let root = local_root(request)?;
    state.verify(|record| QuantumBackedButler::file_matches(&root, record));
    Search::new(request, state)?.all()
}

/// Removes what runs of a graph have left; gives what that was. No run can begin meanwhile, and if
/// this is cut off, it can be done again.
///
/// # Errors
/// If a run is working on it, or something cannot be read or removed.
pub fn remove_leftovers(request: &CleanRequest<'_>) -> Result<Vec<Leftover>, RunError> {
    let opened = OpenJournal::open(
        &request.journal,
        &request.graph,
        &RunOptions::default(),
        NonZeroUsize::MIN,
        &local_root(request)?,
        &Silent,
    )?;
    let removed = Search::new(request, opened.state).and_then(|search| {
        let found = search.all()?;
        found.iter().try_for_each(remove)?;
        Ok(found)
    });
    // Nothing was executed, so there is nothing to remember.
    opened.journal.abandon();
    removed
}

fn local_root(request: &CleanRequest<'_>) -> Result<Utf8PathBuf, RunError> {
    let datastore = &request.repository.datastore;
    datastore
        .local_root()
        .ok_or_else(|| RunError::NotLocal { root: datastore.root.as_str().to_owned() })
}

fn remove(leftover: &Leftover) -> Result<(), RunError> {
    let path = &leftover.path;
    let removed = match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(RunError::Leftover { path: path.clone(), action: "remove", source }),
        Ok(()) => Ok(()),
    }
}

struct Search<'a> {
    request: &'a CleanRequest<'a>,
    butler: QuantumBackedButler,
    /// The runs of the graph, whose unfinished files bear their names.
    writers: FxHashSet<Uuid>,
}

impl<'a> Search<'a> {
    fn new(request: &'a CleanRequest<'a>, state: JournalState) -> Result<Self, RunError> {
        let datastore = &request.repository.datastore;
        let writers = state.runs().iter().map(|run| run.writer).collect();
        let butler = QuantumBackedButler::new(request.graph.clone(), datastore, state)?;
        Ok(Self { request, butler, writers })
    }

    fn is_unfinished(&self, name: &str) -> bool {
        LocalStore::is_unfinished(name)
            && self.writers.iter().any(|&writer| LocalStore::is_unfinished_of(name, writer))
    }

    fn all(&self) -> Result<Vec<Leftover>, RunError> {
        let mut found = Vec::new();
        self.find_outputs(&mut found)?;
        self.find_unfinished(&mut found)?;
        self.find_program_folders(&mut found)?;
        if self.request.worker_logs {
            self.find_worker_logs(&mut found)?;
        }
        found.sort_by(|a, b| (a.kind, &a.path).cmp(&(b.kind, &b.path)));
        Ok(found)
    }

    /// Outputs of quanta that were tried and have not succeeded, but none that the journal claims:
    /// the log of a failure is needed by whoever asks why.
    fn find_outputs(&self, found: &mut Vec<Leftover>) -> Result<(), RunError> {
        let graph = &self.request.graph;
        for quantum in graph.quanta.iter() {
            let unclaimed: Vec<DatasetIx> = self.butler.with_journal(|journal| {
                let tried = journal.next_attempt(quantum) > 0;
                if !tried || journal.progress(quantum).is_success() {
                    return Vec::new();
                }
                let outputs = graph.outputs.edges(quantum).map(|(_, dataset)| dataset);
                outputs.filter(|&dataset| !journal.is_written(dataset)).collect()
            });
            for dataset in unclaimed {
                let path = self.butler.root().join(self.butler.predict(dataset)?.path);
                if let Ok(metadata) = std::fs::symlink_metadata(&path)
                    && metadata.is_file()
                {
                    let (kind, bytes) = (LeftoverKind::Output, metadata.len());
                    found.push(Leftover { kind, path, bytes, quantum: Some(quantum) });
                }
            }
        }
        Ok(())
    }

    /// Files and folders for unfinished writes, where this graph's outputs are.
    fn find_unfinished(&self, found: &mut Vec<Leftover>) -> Result<(), RunError> {
        let mut folders: FxHashSet<Utf8PathBuf> = FxHashSet::default();
        let mut files: FxHashSet<u64> = FxHashSet::default();
        self.predicted(|path| {
            files.insert(hash(path));
            let folder = path.parent().unwrap_or(Utf8Path::new(""));
            if !folders.contains(folder) {
                folders.insert(folder.to_owned());
            }
        })?;
        for folder in folders {
            let place = self.butler.root().join(&folder);
            for path in entries(&place)? {
                let name = path.file_name().unwrap_or_default();
                let ours = self.is_unfinished(name)
                    || worker_name(name).is_some_and(|f| files.contains(&hash(&folder.join(f))));
                if ours {
                    let (kind, bytes) = (LeftoverKind::Unfinished, size(&path)?);
                    found.push(Leftover { kind, path, bytes, quantum: None });
                }
            }
        }
        Ok(())
    }

    /// Folders of programs are in the root of the datastore, beside those of other graphs' runs.
    fn find_program_folders(&self, found: &mut Vec<Leftover>) -> Result<(), RunError> {
        for path in entries(self.butler.root())? {
            let name = path.file_name().unwrap_or_default();
            let ours =
                self.is_unfinished(name) || LocalStore::is_unfinished(name) && is_abandoned(&path);
            if ours && path.is_dir() {
                let (kind, bytes) = (LeftoverKind::ProgramFolder, size(&path)?);
                found.push(Leftover { kind, path, bytes, quantum: None });
            }
        }
        Ok(())
    }

    fn find_worker_logs(&self, found: &mut Vec<Leftover>) -> Result<(), RunError> {
        for path in entries(&self.request.logs)? {
            let (kind, bytes) = (LeftoverKind::WorkerLog, size(&path)?);
            found.push(Leftover { kind, path, bytes, quantum: None });
        }
        Ok(())
    }

    /// Paths, relative to the root, of all outputs of the graph.
    fn predicted(&self, mut each: impl FnMut(&Utf8Path)) -> Result<(), ButlerError> {
        let graph = &self.request.graph;
        let quanta = graph.quanta.iter();
        let outputs = quanta.flat_map(|quantum| graph.outputs.edges(quantum).map(|(_, d)| d));
        let init_outputs = graph.init_quanta.iter().flat_map(InitQuantum::output_datasets);
        for dataset in outputs.chain(init_outputs) {
            each(Utf8Path::new(&self.butler.predict(dataset)?.path));
        }
        Ok(())
    }
}

/// The name that a file of a Python worker would have got: before it is finished it has sixteen
/// hexadecimal digits before its name and `.tmp` before its extension.
fn worker_name(name: &str) -> Option<String> {
    let (digits, rest) = name.split_at_checked(16)?;
    let (stem, extension) = rest.split_once(".tmp")?;
    let is_ours = digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        && (extension.is_empty() || extension.starts_with('.'));
    is_ours.then(|| format!("{stem}{extension}"))
}

fn hash(path: &Utf8Path) -> u64 {
    use std::hash::{BuildHasher as _, BuildHasherDefault};
    BuildHasherDefault::<rustc_hash::FxHasher>::default().hash_one(path.as_str())
}

/// Whether a folder is empty and has been so for long.
fn is_abandoned(path: &Utf8Path) -> bool {
    let is_empty = path.read_dir_utf8().is_ok_and(|mut entries| entries.next().is_none());
    let age =
        path.metadata().and_then(|m| m.modified()).map(|t| SystemTime::now().duration_since(t));
    is_empty && matches!(age, Ok(Ok(age)) if age > ABANDONED)
}

/// What is in a folder; nothing if there is no such folder.
fn entries(folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>, RunError> {
    let failed = |source| RunError::Leftover { path: folder.to_owned(), action: "list", source };
    match folder.read_dir_utf8() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
        Ok(entries) => entries
            .map(|entry| entry.map(camino::Utf8DirEntry::into_path).map_err(failed))
            .collect(),
    }
}

/// Bytes of a file, or of all files in a folder.
fn size(path: &Utf8Path) -> Result<u64, RunError> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => entries(path)?.iter().map(|entry| size(entry)).sum(),
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(source) => Err(RunError::Leftover { path: path.to_owned(), action: "look at", source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_files_of_workers_are_known_by_the_files_they_would_have_become() {
        assert_eq!(worker_name("0123456789abcdefx_1.tmp.json").as_deref(), Some("x_1.json"));
        assert_eq!(worker_name("0123456789abcdefx.tmp.fits.gz").as_deref(), Some("x.fits.gz"));
        assert_eq!(worker_name("0123456789abcdefx.tmp").as_deref(), Some("x"));
        for other in ["x_1.json", "0123456789abcdefx.json", "0123456789abcdezx.tmp.json", "é"] {
            assert_eq!(worker_name(other), None, "{other}");
        }
    }
}
