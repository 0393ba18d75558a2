//! The process, which starts while other things are being done.

use std::io;
use std::thread::JoinHandle;

use camino::{Utf8Path, Utf8PathBuf};
use qbb_executor::python::{ExchangeError, Interpreter, WorkerPackage, WorkerProcess};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempPath;

use crate::reply::Done;
use crate::request::Request;

/// Why the process cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HookProcessError {
    /// It cannot be started.
    #[error("{program} cannot be started: {source}")]
    Start {
        /// The interpreter.
        program: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It said no.
    #[error("{message}{}", hint.as_deref().map_or_else(String::new, |hint| format!("; {hint}")))]
    Refused {
        /// What happened.
        message: String,
        /// What the user can do.
        hint: Option<String>,
    },
    /// It died, or does not make sense.
    #[error("{0}")]
    Exchange(ExchangeError),
}

impl From<ExchangeError> for HookProcessError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Fault(fault) => {
                Self::Refused { message: fault.message, hint: fault.hint }
            }
            error => Self::Exchange(error),
        }
    }
}

/// What the process does early.
#[derive(Debug, Clone)]
pub(crate) struct Preparation {
    pub interpreter: Interpreter,
    pub package: WorkerPackage,
    pub repository: String,
    pub task_classes: Vec<String>,
}

type Prepared = Result<(WorkerProcess, TempPath), HookProcessError>;

/// A process that is starting or has started.
#[derive(Debug)]
pub(crate) enum HookProcess {
    Starting(JoinHandle<Prepared>),
    Running {
        process: Box<WorkerProcess>,
        /// Where hooks print; deleted with the process.
        _log: TempPath,
    },
    Failed,
}

impl HookProcess {
    pub fn start(preparation: Preparation) -> Self {
        Self::Starting(std::thread::spawn(move || prepare(&preparation)))
    }

    /// Sends a request and waits for its reply, and before that for the process.
    pub fn ask<T: DeserializeOwned>(
        &mut self,
        request: &impl Serialize,
    ) -> Result<T, HookProcessError> {
        if matches!(self, Self::Starting(_))
            && let Self::Starting(thread) = std::mem::replace(self, Self::Failed)
        {
            let (process, log) = thread.join().map_err(|_| gone())??;
            *self = Self::Running { process: Box::new(process), _log: log };
        }
        match self {
            Self::Running { process, .. } => Ok(process.ask(request)?),
            _ => Err(gone()),
        }
    }
}

fn gone() -> HookProcessError {
    HookProcessError::Exchange(ExchangeError::Protocol("it was given up before".to_owned()))
}

fn prepare(preparation: &Preparation) -> Prepared {
    let Preparation { interpreter, package, repository, task_classes } = preparation;
    let failed = |source| HookProcessError::Start { program: interpreter.program.clone(), source };
    let log = tempfile::Builder::new().prefix("qbb-hooks-").suffix(".log").tempfile();
    let log = log.map_err(failed)?.into_temp_path();
    let path = Utf8Path::from_path(&log).ok_or_else(|| {
        failed(io::Error::other("the folder for temporary files has a name that is not UTF-8"))
    })?;
    let mut process =
        WorkerProcess::start(interpreter, package, "qbb_worker.hooks", path).map_err(failed)?;
    let _: Done = process.ask(&Request::Prepare { repository, task_classes })?;
    Ok((process, log))
}
