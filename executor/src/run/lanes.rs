//! The runners of a run, behind one door.

use std::num::NonZeroUsize;
use std::sync::Arc;

use crossbeam::channel::Sender;
use qbb::journal::Timestamp;
use qbb_pipeline::{PipelineGraph, Runner};

use super::error::RunError;
use super::function_threads::function_threads;
use super::quantum_threads::QuantumThreads;
use crate::command::Workbench;
use crate::local::{LocalEnd, LocalRunner};
use crate::python::{PoolEvent, PythonPool, QuantumJob};

/// What runners tell the dispatcher.
#[derive(Debug)]
pub(super) enum Message {
    Python(PoolEvent),
    /// A program has begun with a quantum.
    Begun {
        job: QuantumJob,
        pid: u32,
    },
    /// A quantum of a function or a program ended; `None` if it was interrupted by us.
    Ended {
        job: QuantumJob,
        /// Number of the thread that ran it, or waited for its program.
        thread: u32,
        started: Timestamp,
        ended: Timestamp,
        end: Option<Box<LocalEnd>>,
    },
}

/// Hands quanta to the runner of their task.
pub(super) struct Lanes {
    python: Option<PythonPool>,
    local: Arc<LocalRunner>,
    functions: Option<QuantumThreads>,
    commands: Option<QuantumThreads>,
    jobs: NonZeroUsize,
    /// Whether programs have a time limit.
    timed: bool,
    messages: Sender<Message>,
}

impl Lanes {
    pub fn new(
        python: Option<PythonPool>,
        local: Arc<LocalRunner>,
        jobs: NonZeroUsize,
        timed: bool,
        messages: Sender<Message>,
    ) -> Self {
        Self { python, local, functions: None, commands: None, jobs, timed, messages }
    }

    pub fn python(&self) -> Option<&PythonPool> {
        self.python.as_ref()
    }

    /// Takes back the quanta that no worker has begun.
    pub fn withdraw_python(&self) -> Vec<QuantumJob> {
        self.python.as_ref().map(PythonPool::withdraw).unwrap_or_default()
    }

    /// Runs a quantum; the end comes as a message.
    pub fn run(&mut self, pipeline: &PipelineGraph, job: QuantumJob) -> Result<(), RunError> {
        let graph = self.local.graph();
        match &pipeline.task(graph.quanta.task(job.quantum)).runner {
            Runner::PipelineTask(_) => match &self.python {
                Some(pool) => pool.run(job),
                None => {
                    let reason = "none was started".to_owned();
                    return Err(RunError::NoWorker { reason });
                }
            },
            Runner::Function(_) => {
                if self.functions.is_none() {
                    let first = self.first_thread();
                    self.functions =
                        Some(function_threads(self.jobs, first, &self.local, &self.messages)?);
                }
                if let Some(threads) = &self.functions {
                    threads.run(job);
                }
            }
            Runner::Command(_) => {
                if self.commands.is_none() {
                    let first = self.first_thread();
                    let timed = self.timed;
                    let (local, messages) = (&self.local, &self.messages);
                    self.commands =
                        Some(command_threads(self.jobs, first, timed, local, messages)?);
                }
                if let Some(threads) = &self.commands {
                    threads.run(job);
                }
            }
        }
        Ok(())
    }

    /// Number of the first of the threads that are about to be started.
    fn first_thread(&self) -> u32 {
        let started = usize::from(self.functions.is_some()) + usize::from(self.commands.is_some());
        (started * self.jobs.get()) as u32
    }
}

/// Threads that wait for programs; their numbers begin with the given one.
fn command_threads(
    n: NonZeroUsize,
    first: u32,
    timed: bool,
    local: &Arc<LocalRunner>,
    messages: &Sender<Message>,
) -> Result<QuantumThreads, RunError> {
    QuantumThreads::start(n, "command", |number| {
        let (local, messages) = (local.clone(), messages.clone());
        let mut bench = Workbench::default();
        move |job| {
            let started = Timestamp::now();
            let begun = |pid| {
                if !timed {
                    return;
                }
                let _ = messages.send(Message::Begun { job, pid });
            };
            let end = local.run_command(job, &mut bench, begun).map(Box::new);
            let ended = Timestamp::now();
            let thread = first + number;
            let _ = messages.send(Message::Ended { job, thread, started, ended, end });
        }
    })
}
