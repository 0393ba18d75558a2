//! The runners of a run, behind one door.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, unbounded};
use qbb::journal::Timestamp;
use qbb_pipeline::{PipelineGraph, Runner};

use super::error::RunError;
use super::function_threads::FunctionThreads;
use crate::command::WorkFolder;
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
        started: Timestamp,
        ended: Timestamp,
        end: Option<Box<LocalEnd>>,
    },
}

/// Hands quanta to the runner of their task.
pub(super) struct Lanes {
    python: Option<PythonPool>,
    local: Arc<LocalRunner>,
    functions: Option<FunctionThreads>,
    commands: Option<CommandThreads>,
    jobs: NonZeroUsize,
    messages: Sender<Message>,
}

impl Lanes {
    pub fn new(
        python: Option<PythonPool>,
        local: Arc<LocalRunner>,
        jobs: NonZeroUsize,
        messages: Sender<Message>,
    ) -> Self {
        Self { python, local, functions: None, commands: None, jobs, messages }
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
                    self.functions =
                        Some(FunctionThreads::start(self.jobs, &self.local, &self.messages)?);
                }
                if let Some(threads) = &self.functions {
                    threads.run(job);
                }
            }
            Runner::Command(_) => {
                if self.commands.is_none() {
                    self.commands =
                        Some(CommandThreads::start(self.jobs, &self.local, &self.messages)?);
                }
                if let Some(threads) = &self.commands {
                    threads.run(job);
                }
            }
        }
        Ok(())
    }
}

/// Threads that wait for programs.
struct CommandThreads {
    jobs: Option<Sender<QuantumJob>>,
    threads: Vec<JoinHandle<()>>,
}

impl CommandThreads {
    fn start(
        n: NonZeroUsize,
        local: &Arc<LocalRunner>,
        messages: &Sender<Message>,
    ) -> Result<Self, RunError> {
        let (sender, jobs): (_, Receiver<QuantumJob>) = unbounded();
        let mut started = Self { jobs: Some(sender), threads: Vec::with_capacity(n.get()) };
        for number in 0..n.get() {
            let (local, messages, jobs) = (local.clone(), messages.clone(), jobs.clone());
            let serve = move || {
                let mut folder = WorkFolder::default();
                for job in jobs {
                    let started = Timestamp::now();
                    let begun = |pid| {
                        let _ = messages.send(Message::Begun { job, pid });
                    };
                    let end = local.run_command(job, &mut folder, begun).map(Box::new);
                    let ended = Timestamp::now();
                    let _ = messages.send(Message::Ended { job, started, ended, end });
                }
            };
            let thread = std::thread::Builder::new()
                .name(format!("qbb-command-{number}"))
                .spawn(serve)
                .map_err(|source| RunError::System { what: "threads for programs", source })?;
            started.threads.push(thread);
        }
        Ok(started)
    }

    fn run(&self, job: QuantumJob) {
        if let Some(jobs) = &self.jobs {
            // The threads live until this is dropped.
            let _ = jobs.send(job);
        }
    }
}

impl Drop for CommandThreads {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
