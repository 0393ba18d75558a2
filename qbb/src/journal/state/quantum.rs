//! What is known of one quantum.

use qbb_graph::QuantumIx;

use crate::journal::event::{ExceptionInfo, QuantumEnd, RepeatReason};
use crate::journal::time::Timestamp;
use crate::journal::usage::ResourceUsage;

/// Where a quantum stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuantumProgress {
    /// Nothing is known of it.
    NotStarted,
    /// It was started, and did not end as far as anybody recorded.
    InFlight,
    /// Its last attempt ended.
    Ended(QuantumEnd),
    /// It depends on a quantum that failed.
    Blocked {
        /// That quantum.
        cause: QuantumIx,
    },
}

impl QuantumProgress {
    /// Whether it ended successfully.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Ended(end) if end.is_success())
    }
}

/// The attempt that counts for a quantum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FinishedQuantum<'a> {
    /// How many attempts came before.
    pub attempt: u32,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How it ended.
    pub end: QuantumEnd,
    /// Caveat bits, if known.
    pub caveats: Option<u32>,
    /// The exception of a failure.
    pub exception: Option<&'a ExceptionInfo>,
    /// Exit code, if there was one; negative is a signal.
    pub exit_code: Option<i32>,
    /// What it cost.
    pub usage: Option<ResourceUsage>,
    /// Positions of inputs whose existence was seen.
    pub available_inputs: &'a [u32],
    /// Positions of inputs that were read.
    pub actual_inputs: &'a [u32],
}

/// Where an attempt that has not ended runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacedQuantum {
    /// How many attempts came before.
    pub attempt: u32,
    /// Since when.
    pub time: Timestamp,
    /// Number of its place among those that run at the same time.
    pub worker: u32,
    /// Memory set aside for it, in bytes, if its need is known.
    pub memory: Option<u64>,
}

/// A failed attempt that is followed by another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepeatedQuantum {
    /// The attempt that failed.
    pub attempt: u32,
    /// Why it is repeated.
    pub reason: RepeatReason,
    /// Before this the next attempt does not begin.
    pub not_before: Timestamp,
    /// Memory that the next attempt is given, in bytes, if that is more than before.
    pub memory: Option<u64>,
}
