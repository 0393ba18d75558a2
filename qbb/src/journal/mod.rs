//! The journal: what happened when a graph was executed.
//!
//! Bytes, durability and merging are specified in `docs/formats/journal.md`. A [`JournalWriter`]
//! belongs to one process; a [`JournalState`] is what all files of a directory add up to.

mod attempt_sink;
mod attempts;
mod codec;
mod directory;
mod durability;
mod ends;
mod error;
mod event;
mod follower;
pub(crate) mod frame;
mod guard;
mod header;
mod left_running;
mod merging;
mod packed;
mod piece;
mod process;
mod reader;
mod records;
mod runs;
mod state;
#[cfg(test)]
mod strategies;
mod stretch;
mod syncer;
mod time;
mod usage;
mod writer;
mod written;

pub use attempt_sink::{AttemptEnd, AttemptSink};
pub use attempts::{AttemptHistory, EndedAttempt, read_attempts};
pub use directory::read_state;
pub use durability::Durability;
pub use error::{JournalError, JournalWarning};
pub use event::{
    DatasetOutput, Event, ExceptionInfo, FileRecord, QuantumEnd, QuantumOutcome, RepeatReason,
    RunCounts, RunOutcome,
};
pub use follower::{GraphOutline, JournalFollower};
pub use header::JournalHeader;
pub use left_running::LeftRunning;
pub use packed::{PackedBlock, PackedRow};
pub use process::ProcessIdentity;
pub use reader::{JournalReader, Tail};
pub use records::WrittenRecord;
pub use runs::RunSummary;
pub use state::{
    Detail, FinishedQuantum, JournalState, PlacedQuantum, QuantumProgress, RepeatedQuantum,
};
pub use syncer::Syncer;
pub use time::Timestamp;
pub use usage::ResourceUsage;
pub use writer::JournalWriter;
