//! What can be wrong with a journal.

use camino::Utf8PathBuf;

use super::process::ProcessIdentity;
use crate::GraphIdentity;

/// Why a journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system says no.
    #[error("cannot {action} journal {path}: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// File or directory.
        path: Utf8PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// An earlier write failed, so nothing more is recorded.
    #[error("journal {path} is closed because an earlier write to it failed; run again to go on")]
    Poisoned {
        /// File.
        path: Utf8PathBuf,
    },
    /// What was recorded may not have reached the disk, so nothing more is.
    #[error("journal {path} is closed, since it is not known what is on disk: {reason}")]
    NotDurable {
        /// File.
        path: Utf8PathBuf,
        /// What could not be synced.
        reason: String,
    },
    /// Another run took this one for dead and has begun to execute the same graph.
    #[error(
        "this run stops: while it gave no sign of life, {} took over in {directory}",
        by.as_ref().map_or_else(|| "another run".to_owned(), ToString::to_string)
    )]
    TakenOver {
        /// Journal directory.
        directory: Utf8PathBuf,
        /// Who it is, if known.
        by: Option<ProcessIdentity>,
    },
    /// The file is something else.
    #[error("{path} is not a journal: it does not begin with the journal's magic bytes")]
    NotAJournal {
        /// File.
        path: Utf8PathBuf,
    },
    /// The file was written by an incompatible version.
    #[error("journal {path} has format version {found}, but this program reads version {known}")]
    Version {
        /// File.
        path: Utf8PathBuf,
        /// Its major version.
        found: u16,
        /// Ours.
        known: u16,
    },
    /// The header does not match its checksum.
    #[error(
        "the header of journal {path} is damaged: its checksum is wrong; move the file away \
             to lose what it recorded"
    )]
    DamagedHeader {
        /// File.
        path: Utf8PathBuf,
    },
    /// The journal belongs to another graph.
    #[error(
        "journal {path} belongs to graph {found}, not to {wanted}; give the graph that was \
             executed, or another journal directory"
    )]
    OtherGraph {
        /// File.
        path: Utf8PathBuf,
        /// Identity in the file.
        found: GraphIdentity,
        /// Identity of the graph given.
        wanted: GraphIdentity,
    },
    /// A frame is whole, but what it says cannot be.
    #[error("journal {path}, offset {offset}: {reason}")]
    Content {
        /// File.
        path: Utf8PathBuf,
        /// Where the frame begins.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// An event is too large to be recorded.
    #[error("an event cannot be recorded in journal {path}: {reason}")]
    Encode {
        /// File.
        path: Utf8PathBuf,
        /// Why not.
        reason: String,
    },
    /// Another process executes the same graph into the same directory.
    #[error("{process} is executing this graph now (journal {path}); wait for it or stop it")]
    LiveRun {
        /// Its file.
        path: Utf8PathBuf,
        /// Who it is.
        process: ProcessIdentity,
    },
}

impl JournalError {
    pub(super) fn io(
        action: &'static str,
        path: impl Into<Utf8PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

/// Something about a journal that its user should know and that does not stop anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalWarning {
    /// Valid frames follow an invalid one.
    #[error(
        "journal {path} is damaged at offset {offset}; {lost} bytes from there on, among them \
             valid records from offset {next_valid}, are not used"
    )]
    Damaged {
        /// File.
        path: Utf8PathBuf,
        /// Where the first invalid frame begins.
        offset: u64,
        /// Where the next valid one begins.
        next_valid: u64,
        /// Bytes from the damage to the end.
        lost: u64,
    },
    /// The file has events that this version does not know.
    #[error("journal {path} has {count} events of kinds that this version does not know")]
    UnknownEvents {
        /// File.
        path: Utf8PathBuf,
        /// How many.
        count: u64,
    },
}
