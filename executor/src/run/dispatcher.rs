//! The loop that reacts: messages in, journal and starts out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Select};
use qbb::QuantumBackedButler;
use qbb::journal::{Event, JournalWriter, Timestamp};
use qbb_graph::{DatasetIx, QuantumGraph, QuantumIx};
use rustc_hash::FxHashMap;

use super::error::RunError;
use super::function_threads::Lookahead;
use super::intermediates::{Intermediates, Remover};
use super::lanes::{Lanes, Message};
use super::learned::LearnedResources;
use super::memory_events::KillCounter;
use super::packing::RunPack;
use super::places::{Places, ThreadPlaces};
use super::report::FailedQuantum;
use super::wishes::Wishes;
use crate::cancel::{Cancel, Urgency};
use crate::process_table::{KillReason, ProcessTable};
use crate::progress::{Progress, ProgressEvent};
use crate::python::{ExchangeError, PoolEvent, QuantumJob};
use crate::scheduler::{Repetition, Scheduler, StopReason};

/// Most messages that are handled, and recorded, at once.
const BATCH: usize = 256;

/// A quantum that runs, as far as time limits are concerned.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    pid: u32,
    at: Instant,
}

/// Everything that the loop works on.
pub(super) struct Dispatcher<'a> {
    pub graph: &'a QuantumGraph,
    pub scheduler: Scheduler,
    pub butler: Arc<QuantumBackedButler>,
    pub journal: &'a JournalWriter,
    pub pack: RunPack,
    pub lookahead: Lookahead,
    pub lanes: Lanes,
    pub messages: Receiver<Message>,
    pub cancel: &'a Cancel,
    pub table: &'a ProcessTable,
    pub progress: &'a dyn Progress,
    pub jobs: usize,
    pub timeout: Option<Duration>,
    /// Python workers that have not been lost.
    pub workers_left: usize,
    pub wishes: Wishes,
    /// The moment from which the scheduler counts.
    pub begin: Instant,
    pub places: Places,
    pub thread_places: ThreadPlaces,
    pub kills: KillCounter,
    pub learned: LearnedResources,
    pub intermediates: Intermediates,
    /// Nothing is deleted without.
    pub remover: Option<Remover>,
    pub executed: u32,
    pub failures: Vec<FailedQuantum>,
}

/// State of one round of the loop.
#[derive(Default)]
pub(super) struct Round {
    pub events: Vec<Event>,
    /// Datasets that nobody needs once the events are recorded.
    pub unneeded: Vec<DatasetIx>,
    /// Why the run must end.
    pub fatal: Option<RunError>,
}

impl Dispatcher<'_> {
    /// Runs until nothing runs and nothing will.
    pub fn run(&mut self) -> Result<(), RunError> {
        let mut deadlines: FxHashMap<u32, Deadline> = FxHashMap::default();
        let mut urgency = Urgency::None;
        let mut fatal: Option<RunError> = None;
        let mut round = Round::default();
        loop {
            self.react_to_cancel(&mut urgency);
            let places = self.jobs * self.lookahead.depth();
            let free = places.saturating_sub(self.scheduler.counts().running as usize);
            self.scheduler.on_capacity(free, self.begin.elapsed(), &mut self.wishes);
            match self.record_and_start(&mut round.events) {
                Ok(()) => self.remove(&mut round.unneeded),
                Err(error) => round.fatal = Some(error),
            }
            if let Some(error) = round.fatal.take() {
                self.give_up();
                fatal.get_or_insert(error);
            }
            if self.scheduler.is_finished() {
                break;
            }
            let handed_out = self.scheduler.counts().running as usize;
            if let Some(pause) = self.lookahead.pause(handed_out, self.jobs) {
                std::thread::sleep(pause);
            }
            let Some(first) = self.wait(&deadlines) else {
                self.enforce_deadlines(&mut deadlines);
                continue;
            };
            self.handle(first, &mut deadlines, &mut round);
            for _ in 1..BATCH {
                let Ok(message) = self.messages.try_recv() else { break };
                self.handle(message, &mut deadlines, &mut round);
            }
        }
        match fatal {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Writes down what happened and what is about to, in one piece, and only then lets it happen.
    fn record_and_start(&mut self, events: &mut Vec<Event>) -> Result<(), RunError> {
        let time = Timestamp::now();
        for (cause, quanta) in std::mem::take(&mut self.wishes.blocked) {
            self.progress.event(&ProgressEvent::Blocked { cause, quanta: &quanta });
            events.push(Event::QuantaBlocked { time, cause, quanta });
        }
        for repetition in std::mem::take(&mut self.wishes.repeats) {
            self.progress.event(&ProgressEvent::Repeated { repetition });
            let Repetition { quantum, attempt, reason, wait, memory } = repetition;
            let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
            let not_before = Timestamp(time.0.saturating_add(micros));
            let told =
                Event::AttemptRepeated { time, quantum, attempt, reason, not_before, memory };
            events.push(told);
        }
        let ahead = self.lookahead.depth() > 1;
        for &QuantumJob { quantum, attempt, memory } in &self.wishes.starts {
            events.push(Event::QuantumStarted { time, quantum, attempt });
            // What is handed out ahead has no place yet.
            if !ahead {
                let worker = self.places.take(quantum);
                events.push(Event::QuantumPlaced { time, quantum, attempt, worker, memory });
            }
        }
        let recorded = self.record(time, events);
        let starts = std::mem::take(&mut self.wishes.starts);
        if let Err(error) = recorded {
            // Not recorded, hence not started.
            for job in starts {
                self.interrupt(job.quantum);
            }
            events.clear();
            return Err(error);
        }
        for job in starts {
            let QuantumJob { quantum, attempt, .. } = job;
            self.progress.event(&ProgressEvent::QuantumStarted { quantum, attempt });
            if let Err(error) = self.lanes.run(&self.graph.pipeline, job) {
                self.interrupt(quantum);
                return Err(error);
            }
        }
        Ok(())
    }

    fn remove(&self, unneeded: &mut Vec<DatasetIx>) {
        for dataset in unneeded.drain(..) {
            if let Some(remover) = &self.remover {
                remover.remove(dataset);
            }
        }
    }

    pub(super) fn interrupt(&mut self, quantum: QuantumIx) {
        self.places.give_back(quantum);
        self.scheduler.on_interrupted(quantum);
    }

    /// Writes down what happened; before that, what it has left in the pack, and where it was.
    fn record(&mut self, time: Timestamp, events: &mut Vec<Event>) -> Result<(), RunError> {
        let packed = self.pack.seal(time)?;
        let before: Vec<Event> = packed.into_iter().chain(self.thread_places.take(time)).collect();
        let all = || before.iter().chain(&*events);
        if all().next().is_some() {
            self.journal.record(all())?;
            self.butler.observe_all(all());
            events.clear();
        }
        Ok(())
    }

    /// The next message; `None` if something else needs attention.
    fn wait(&self, deadlines: &FxHashMap<u32, Deadline>) -> Option<Message> {
        let mut select = Select::new();
        let message = select.recv(&self.messages);
        select.recv(self.cancel.woken());
        let wakeup = self.scheduler.next_wakeup().and_then(|at| self.begin.checked_add(at));
        let next = deadlines.values().map(|deadline| deadline.at).chain(wakeup).min();
        let operation = match next {
            Some(next) => select.select_deadline(next).ok()?,
            None => select.select(),
        };
        if operation.index() == message {
            operation.recv(&self.messages).ok()
        } else {
            // What was asked is read from the request itself.
            let _ = operation.recv(self.cancel.woken());
            None
        }
    }

    fn handle(
        &mut self,
        message: Message,
        deadlines: &mut FxHashMap<u32, Deadline>,
        round: &mut Round,
    ) {
        match message {
            Message::Begun { job, pid } | Message::Python(PoolEvent::Begun { job, pid }) => {
                if let Some(timeout) = self.timeout {
                    let at = Instant::now() + timeout;
                    deadlines.insert(job.quantum.0, Deadline { pid, at });
                }
            }
            Message::Ended { job, thread, started, ended, end } => {
                deadlines.remove(&job.quantum.0);
                self.lookahead.learn(started, ended);
                let known = self.places.give_back(job.quantum);
                // Without looking ahead there are as many places as may be taken.
                if end.is_some() && self.lookahead.most() > 1 && known != Some(thread) {
                    self.thread_places.add(thread, job.quantum, job.attempt);
                }
                self.handle_end(job, (started, ended), end, round);
            }
            Message::Python(PoolEvent::Ended { job, started, end }) => {
                deadlines.remove(&job.quantum.0);
                self.handle_end(job, (started, Timestamp::now()), end, round);
            }
            Message::Python(PoolEvent::Ready { imports_seconds }) => {
                self.progress.event(&ProgressEvent::WorkerReady { imports_seconds });
            }
            Message::Python(PoolEvent::Warning(text)) => {
                self.progress.event(&ProgressEvent::Warning { text: &text });
            }
            Message::Python(PoolEvent::Lost(error)) => {
                self.workers_left = self.workers_left.saturating_sub(1);
                // Of those we kill, nothing else was to be expected.
                if self.cancel.urgency() == Urgency::Kill {
                    return;
                }
                let text = format!("a Python worker is lost: {error}");
                self.progress.event(&ProgressEvent::Warning { text: &text });
                if self.workers_left == 0 {
                    round.fatal = Some(worker_error(error));
                }
            }
            // Init-outputs are waited for before this loop.
            Message::Python(PoolEvent::Init(_)) => {}
        }
    }

    fn react_to_cancel(&mut self, seen: &mut Urgency) {
        let urgency = self.cancel.urgency();
        if urgency > *seen {
            *seen = urgency;
            self.scheduler.on_cancelled();
            self.tell_stop(urgency);
            if urgency == Urgency::Kill {
                self.kill_all();
            }
        }
    }

    fn kill_all(&mut self) {
        self.table.kill_all();
        // What waits for a worker need not wait for its successor.
        for job in self.lanes.withdraw_python() {
            self.interrupt(job.quantum);
        }
    }

    pub(super) fn tell_stop(&self, urgency: Urgency) {
        if let Some(reason) = self.scheduler.stop_reason() {
            let running = self.scheduler.counts().running;
            self.progress.event(&ProgressEvent::Stopping { reason, urgency, running });
        }
    }

    /// Ends the run because of an error that concerns all quanta.
    fn give_up(&mut self) {
        self.scheduler.on_cancelled();
        self.kill_all();
    }

    fn enforce_deadlines(&self, deadlines: &mut FxHashMap<u32, Deadline>) {
        let now = Instant::now();
        deadlines.retain(|_, deadline| {
            let expired = deadline.at <= now;
            if expired {
                self.table.kill(deadline.pid, KillReason::TimedOut);
            }
            !expired
        });
    }

    /// Tells why the scheduler stopped, if it did not come to its natural end.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.scheduler.stop_reason()
    }
}

/// Why no worker can be had.
pub(super) fn worker_error(error: ExchangeError) -> RunError {
    match error {
        ExchangeError::Fault(fault) => RunError::Worker(fault),
        other => RunError::NoWorker { reason: other.to_string() },
    }
}
