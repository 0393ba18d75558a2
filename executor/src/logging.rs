//! Telling the log what a run does.
//!
//! Where nobody listens, an event or a span costs the look at one number: nothing about a quantum
//! is put into words.

use qbb_graph::{QuantumGraph, QuantumIx};
use tracing::field::display;
use tracing::{Level, Span, debug, enabled, error, info, info_span, warn};

use crate::progress::{Progress, ProgressEvent};
use crate::python::QuantumJob;

/// The span in which a quantum runs, on the thread that runs it or waits for its process.
pub(crate) fn quantum_span(graph: &QuantumGraph, job: QuantumJob) -> Span {
    info_span!(
        "quantum",
        what = %graph.describe_quantum(job.quantum),
        id = %graph.quanta.uuid(job.quantum),
        attempt = job.attempt + 1,
    )
}

/// Logs everything on its way to who shows it.
pub(crate) struct Logged<'a> {
    pub graph: &'a QuantumGraph,
    pub progress: &'a dyn Progress,
}

impl Progress for Logged<'_> {
    fn event(&self, event: &ProgressEvent<'_>) {
        // Quanta that succeed are nearly all there is, and only told at this level.
        if enabled!(Level::ERROR) {
            self.log(event);
        }
        self.progress.event(event);
    }
}

impl Logged<'_> {
    fn log(&self, event: &ProgressEvent<'_>) {
        let what = |quantum: QuantumIx| display(self.graph.describe_quantum(quantum));
        let id = |quantum: QuantumIx| display(self.graph.quanta.uuid(quantum));
        match event {
            ProgressEvent::Begun { counts } => info!(
                succeeded = counts.succeeded,
                ready = counts.ready,
                waiting = counts.waiting,
                "run begins"
            ),
            ProgressEvent::Warning { text } => warn!("{text}"),
            ProgressEvent::WorkersStarting { count } => info!(count, "Python workers start"),
            ProgressEvent::WorkerReady { imports_seconds } => {
                info!(imports_seconds, "a Python worker is ready");
            }
            ProgressEvent::InitOutputs { count } => info!(count, "init-outputs are there"),
            ProgressEvent::QuantumStarted { quantum, attempt } => debug!(
                what = what(*quantum),
                id = id(*quantum),
                attempt = attempt + 1,
                "quantum starts"
            ),
            ProgressEvent::QuantumFinished { quantum, attempt, outcome, .. } => {
                let seconds = outcome.usage.map(|usage| usage.run_time);
                let memory = outcome.usage.map(|usage| usage.memory);
                let exception = outcome.exception.as_ref();
                if outcome.end.is_success() {
                    info!(
                        what = what(*quantum),
                        id = id(*quantum),
                        attempt = attempt + 1,
                        seconds,
                        memory,
                        caveats = outcome.caveats,
                        "quantum succeeded"
                    );
                } else {
                    error!(
                        what = what(*quantum),
                        id = id(*quantum),
                        attempt = attempt + 1,
                        seconds,
                        memory,
                        exit_code = outcome.exit_code,
                        exception = exception.map(|exception| exception.type_name.as_str()),
                        message = exception.map(|exception| exception.message.as_str()),
                        "quantum failed"
                    );
                }
            }
            ProgressEvent::Repeated { repetition } => warn!(
                what = what(repetition.quantum),
                id = id(repetition.quantum),
                reason = ?repetition.reason,
                wait_seconds = repetition.wait.as_secs_f64(),
                memory = repetition.memory,
                "quantum will be tried again"
            ),
            ProgressEvent::Blocked { cause, quanta } => warn!(
                cause = what(*cause),
                quanta = quanta.len(),
                "quanta cannot run because of a failure"
            ),
            ProgressEvent::Stopping { reason, running, .. } => {
                warn!(?reason, running, "no more quanta are started");
            }
        }
    }
}
