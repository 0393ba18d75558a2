//! What follows from the end of a quantum.

use camino::Utf8Path;
use qbb::journal::{Event, QuantumOutcome, RepeatReason, Timestamp};
use qbb_graph::QuantumIx;

use super::budget::shares_process;
use super::dispatcher::{Dispatcher, Round};
use super::error::RunError;
use super::failure_cause::{cause_of, name_cause};
use super::report::{FailedQuantum, FailureKind};
use super::wishes::GraphOrder;
use crate::cancel::Urgency;
use crate::local::LocalEnd;
use crate::progress::ProgressEvent;
use crate::python::QuantumJob;
use crate::scheduler::QuantumState;

impl Dispatcher<'_> {
    /// Records an end, and lets the scheduler know.
    pub(super) fn handle_end(
        &mut self,
        job: QuantumJob,
        (started, ended): (Timestamp, Timestamp),
        end: Option<Box<LocalEnd>>,
        round: &mut Round,
    ) {
        let outcome = end.map(|end| {
            if let Err(error) = self.pack.stage(job, &end.parcel) {
                round.fatal = Some(error.into());
            }
            if !end.left.is_empty() {
                let (time, left) = (Timestamp::now(), end.left);
                let QuantumJob { quantum, attempt, .. } = job;
                round.events.push(Event::LeftRunning { time, quantum, attempt, left });
            }
            end.outcome
        });
        let QuantumJob { quantum, attempt, memory } = job;
        let Some(mut outcome) = outcome else {
            self.interrupt(quantum);
            return;
        };
        self.executed += 1;
        self.places.give_back(quantum);
        self.learn_memory(quantum, &outcome);
        if outcome.end.is_success() {
            self.scheduler.on_succeeded(&GraphOrder(self.graph), quantum);
            let unneeded = &mut round.unneeded;
            self.intermediates.on_succeeded(self.graph, quantum, |dataset| unneeded.push(dataset));
        } else {
            let cause = cause_of(&outcome, memory, &mut self.kills);
            name_cause(&mut outcome, &cause, memory);
            if cause.kind != RepeatReason::Failure {
                self.remove_metadata(quantum);
            }
            let runner = &self.graph.pipeline.task(self.graph.quanta.task(quantum)).runner;
            let kind = FailureKind::of(runner, outcome.exit_code);
            let running_before = self.scheduler.stop_reason();
            if kind == FailureKind::Invalid {
                self.scheduler.on_invalid_quantum();
            }
            let (order, now) = (GraphOrder(self.graph), self.begin.elapsed());
            self.scheduler.on_failed(&order, quantum, &cause, now, &mut self.wishes);
            if self.scheduler.state(quantum) == QuantumState::Failed {
                self.failures.push(FailedQuantum {
                    quantum,
                    exception: outcome.exception.clone(),
                    exit_code: outcome.exit_code,
                    kind,
                });
            }
            if running_before.is_none() {
                self.tell_stop(Urgency::Finish);
            }
            // Otherwise every quantum that is left would fail the same way.
            if is_full(self.butler.root()) {
                let root = self.butler.root().to_owned();
                round.fatal = Some(RunError::DiskFull { root });
            }
        }
        let counts = self.scheduler.counts();
        let told = ProgressEvent::QuantumFinished { quantum, attempt, outcome: &outcome, counts };
        self.progress.event(&told);
        round.events.push(Event::QuantumFinished { quantum, attempt, started, ended, outcome });
    }

    /// Lets later quanta of a task ask for what this one needed.
    fn learn_memory(&mut self, quantum: QuantumIx, outcome: &QuantumOutcome) {
        let task = self.graph.pipeline.task(self.graph.quanta.task(quantum));
        if let Some(usage) = outcome.usage
            && usage.memory != 0
            && !shares_process(task)
        {
            self.scheduler.on_peak_memory(quantum, usage.memory);
            self.learned.learn(&task.label, usage.memory);
        }
    }

    /// Removes the metadata of an attempt whose process died after it had written them and before
    /// its log: they would make the next attempt count as successful.
    fn remove_metadata(&self, quantum: QuantumIx) {
        let name = &self.graph.pipeline.task(self.graph.quanta.task(quantum)).metadata_output.name;
        let found = self.butler.for_quantum(quantum).outputs(name);
        let removed = found.and_then(|datasets| {
            datasets.into_iter().try_for_each(|dataset| self.butler.remove_output(dataset))
        });
        if let Err(error) = removed {
            let text = format!("what a failed attempt left cannot be removed: {error}");
            self.progress.event(&ProgressEvent::Warning { text: &text });
        }
    }
}

/// Less room than any dataset needs, in bytes.
const NO_ROOM: u64 = 64 << 10;

fn is_full(root: &Utf8Path) -> bool {
    rustix::fs::statvfs(root.as_std_path())
        .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < NO_ROOM)
}
