//! What a run tells while it goes on.

use qbb::journal::QuantumOutcome;
use qbb_graph::QuantumIx;

use crate::cancel::Urgency;
use crate::scheduler::{QuantumCounts, Repetition, StopReason};

/// Something worth showing. All of it also goes to the journal, which is the truth.
#[derive(Debug)]
pub enum ProgressEvent<'a> {
    /// The run is about to begin; quanta that succeeded before are counted as such.
    Begun {
        /// Quanta by state.
        counts: QuantumCounts,
    },
    /// Something is wrong that does not stop the run.
    Warning {
        /// What.
        text: &'a str,
    },
    /// Python workers are being started, which takes seconds.
    WorkersStarting {
        /// How many.
        count: usize,
    },
    /// A Python worker has imported all tasks.
    WorkerReady {
        /// Seconds that the imports took.
        imports_seconds: f64,
    },
    /// Init-outputs, configurations and package versions are there.
    InitOutputs {
        /// How many datasets.
        count: usize,
    },
    /// A quantum runs.
    QuantumStarted {
        /// Which.
        quantum: QuantumIx,
        /// How many attempts came before.
        attempt: u32,
    },
    /// A quantum ended.
    QuantumFinished {
        /// Which.
        quantum: QuantumIx,
        /// How many attempts came before.
        attempt: u32,
        /// How.
        outcome: &'a QuantumOutcome,
        /// Quanta by state.
        counts: QuantumCounts,
    },
    /// A failed attempt will be followed by another one.
    Repeated {
        /// Which, and when.
        repetition: Repetition,
    },
    /// Quanta cannot run because another one failed.
    Blocked {
        /// The failure.
        cause: QuantumIx,
        /// All that depends on it.
        quanta: &'a [QuantumIx],
    },
    /// No more quanta are started.
    Stopping {
        /// Why.
        reason: StopReason,
        /// Whether what runs is waited for or killed.
        urgency: Urgency,
        /// How many still run.
        running: u32,
    },
}

/// Shows a run to somebody. Called from the thread that called [`crate::run`], so it should be
/// quick.
pub trait Progress {
    /// Takes note of an event.
    fn event(&self, event: &ProgressEvent<'_>);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: &ProgressEvent<'_>) {}
}
