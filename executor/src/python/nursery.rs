//! Where workers come from: a process that forks, or processes that import each by itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::forking::ForkingParent;
use super::pool::PythonSetup;
use super::process::{ExchangeError, WorkerProcess};
use super::protocol::{DatastoreJson, Request, StartReply};

/// A worker that is ready.
#[derive(Debug)]
pub(super) struct Newborn {
    pub process: WorkerProcess,
    /// How long this worker waited for imports.
    pub imports_seconds: f64,
    /// What the user should know about how it was made.
    pub warning: Option<String>,
}

/// How the next worker is made.
#[derive(Debug)]
enum Way {
    /// By a process that forks, once there is one.
    NotYet,
    Forked(Arc<ForkingParent>),
    /// By itself.
    Separate,
    /// Not at all; the process that should fork could not be started.
    Broken(String),
}

/// Makes the workers of a run.
#[derive(Debug)]
pub(super) struct Nursery {
    setup: Arc<PythonSetup>,
    way: Mutex<Way>,
}

impl Nursery {
    pub fn new(setup: Arc<PythonSetup>) -> Self {
        let way = Mutex::new(if setup.fork { Way::NotYet } else { Way::Separate });
        Self { setup, way }
    }

    /// Makes a worker.
    pub fn worker(&self, name: &str) -> Result<Newborn, ExchangeError> {
        let mut way = self.lock();
        let (mut imports_seconds, mut warning) = (0.0, None);
        // A process that used to fork may have died since.
        for _ in 0..2 {
            match &*way {
                Way::Forked(parent) => {
                    let parent = parent.clone();
                    let log = self.setup.logs.join(format!("worker-{name}.log"));
                    match parent.fork(name, &log) {
                        Ok(process) => return Ok(Newborn { process, imports_seconds, warning }),
                        Err(ExchangeError::Died(death)) => {
                            warning = Some(format!("the process that forks workers: {death}"));
                            *way = Way::NotYet;
                        }
                        Err(error) => return Err(error),
                    }
                }
                Way::Separate => break,
                Way::Broken(reason) => return Err(ExchangeError::Protocol(reason.clone())),
                Way::NotYet => {}
            }
            if matches!(*way, Way::NotYet) {
                match self.start_parent() {
                    Ok((parent, reply)) if reply.threads.is_empty() => {
                        imports_seconds += reply.imports_seconds;
                        *way = Way::Forked(Arc::new(parent));
                    }
                    Ok((_, StartReply { threads, .. })) => {
                        warning = Some(format!(
                            "Python workers are started one by one, because importing the tasks \
                             started threads ({}), and a process with threads must not be forked; \
                             --no-fork avoids the attempt",
                            threads.join(", ")
                        ));
                        *way = Way::Separate;
                    }
                    Err(error) => {
                        *way = Way::Broken(error.to_string());
                        return Err(error);
                    }
                }
            }
        }
        let separate = matches!(*way, Way::Separate);
        drop(way);
        if separate {
            let (process, imports_seconds) = self.start_separate(name)?;
            return Ok(Newborn { process, imports_seconds, warning });
        }
        let text = warning.unwrap_or_else(|| "no worker could be forked".to_owned());
        Err(ExchangeError::Protocol(text))
    }

    fn start_parent(&self) -> Result<(ForkingParent, StartReply), ExchangeError> {
        let setup = &*self.setup;
        let log = setup.logs.join("workers.log");
        let command = setup.interpreter.module(&setup.package, "qbb_worker.forking");
        let process = WorkerProcess::spawn_with_socket(command, &log, setup.table.clone());
        let process = process.map_err(|error| self.cannot_start(&log, &error))?;
        ForkingParent::start(process, &setup.table, &self.start_request(""))
    }

    fn start_separate(&self, name: &str) -> Result<(WorkerProcess, f64), ExchangeError> {
        let setup = &*self.setup;
        let log = setup.logs.join(format!("worker-{name}.log"));
        let command = setup.interpreter.module(&setup.package, "qbb_worker.serve");
        let process = WorkerProcess::spawn(command, &log, setup.table.clone());
        let mut process = process.map_err(|error| self.cannot_start(&log, &error))?;
        let StartReply { imports_seconds, .. } = process.ask(&self.start_request(name))?;
        Ok((process, imports_seconds))
    }

    fn start_request<'a>(&'a self, worker: &'a str) -> Request<'a> {
        let setup = &*self.setup;
        Request::Start {
            pipeline_graph: &setup.pipeline,
            header: &setup.header,
            datastore: DatastoreJson {
                root: &setup.root,
                config: &setup.config,
                search_paths: &setup.search_paths,
            },
            options: &setup.options,
            worker,
        }
    }

    fn cannot_start(&self, log: &camino::Utf8Path, error: &std::io::Error) -> ExchangeError {
        let program = &self.setup.interpreter.program;
        ExchangeError::Protocol(format!("cannot start {program} with its log in {log}: {error}"))
    }

    fn lock(&self) -> MutexGuard<'_, Way> {
        // Whatever a panic left behind, it is one of the ways.
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
