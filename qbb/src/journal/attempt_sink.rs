//! Telling of attempts that a state does not keep.

use qbb_graph::QuantumIx;
use uuid::Uuid;

use super::event::QuantumEnd;
use super::time::Timestamp;

/// How an attempt ended, in short.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttemptEnd<'a> {
    /// Which quantum.
    pub quantum: QuantumIx,
    /// How many attempts came before.
    pub attempt: u32,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How it ended.
    pub end: QuantumEnd,
    /// Peak memory of its process in bytes, if measured.
    pub memory: Option<u64>,
    /// Type of the exception of a failure.
    pub exception: Option<&'a str>,
}

/// Is told of every attempt that a [follower](super::JournalFollower) reads of, also of those that
/// do not count for their quanta. Each attempt's start comes before its end; attempts of one writer
/// and those of different writers come in any order.
pub trait AttemptSink {
    /// There is another writer, which gets this number.
    fn begin_writer(&mut self, number: u32, writer: Uuid);
    /// An attempt began.
    fn started(&mut self, writer: u32, quantum: QuantumIx, attempt: u32, time: Timestamp);
    /// An attempt was given the place with this number among those that run at the same time.
    fn placed(&mut self, writer: u32, quantum: QuantumIx, attempt: u32, place: u32);
    /// An attempt ended.
    fn ended(&mut self, writer: u32, end: AttemptEnd<'_>);
    /// Everything is forgotten and told again.
    fn start_again(&mut self);
}

/// Is told and remembers nothing.
impl AttemptSink for () {
    fn begin_writer(&mut self, _: u32, _: Uuid) {}
    fn started(&mut self, _: u32, _: QuantumIx, _: u32, _: Timestamp) {}
    fn placed(&mut self, _: u32, _: QuantumIx, _: u32, _: u32) {}
    fn ended(&mut self, _: u32, _: AttemptEnd<'_>) {}
    fn start_again(&mut self) {}
}
