//! When claims are made durable.

use std::time::Duration;

/// When what a run claims reaches the disk; see "What is durable when" in
/// `docs/formats/journal.md`.
///
/// Whatever is chosen, a killed process loses nothing but what was in flight. This is about crashes
/// of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Before a quantum counts as ended, so that nothing that was recorded is ever lost.
    Quantum,
    /// After this time at most, and at the end.
    Batch(Duration),
    /// At the end of the run.
    Exit,
}

impl Durability {
    /// The usual choice: a crash costs the work of five seconds.
    pub const DEFAULT: Self = Self::Batch(Duration::from_secs(5));
}

impl Default for Durability {
    fn default() -> Self {
        Self::DEFAULT
    }
}
