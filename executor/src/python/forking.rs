//! A process that has imported everything and forks workers.
//!
//! Imports take seconds, a fork milliseconds. So a run has one process that imports and runs no
//! task itself, and its workers, the first ones as those that replace others, are copies of it.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use camino::Utf8Path;
use serde::{Deserialize, Serialize};

use super::link::Link;
use super::log_file::LogFile;
use super::process::{ExchangeError, Origin, WorkerProcess};
use super::protocol::{Request, StartReply};
use crate::process_table::ProcessTable;

/// What is asked of it besides what workers are asked.
#[derive(Debug, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum ForkRequest<'a> {
    /// Comes with what will be the worker's standard input, output and error.
    Fork {
        worker: &'a str,
    },
    Wait {
        pid: u32,
    },
}

#[derive(Debug, Deserialize)]
struct ForkReply {
    pid: u32,
}

#[derive(Debug, Deserialize)]
struct WaitReply {
    /// As the system gives it.
    status: i32,
    /// Bytes.
    #[serde(default)]
    max_resident: u64,
}

/// The process. Dropping the last reference ends it.
#[derive(Debug)]
pub(super) struct ForkingParent {
    process: Mutex<WorkerProcess>,
    table: Arc<ProcessTable>,
}

impl ForkingParent {
    /// Has a process import what workers need. The reply says whether it can fork.
    pub fn start(
        mut process: WorkerProcess,
        table: &Arc<ProcessTable>,
        start: &Request<'_>,
    ) -> Result<(Self, StartReply), ExchangeError> {
        let reply = process.ask(start)?;
        Ok((Self { process: Mutex::new(process), table: table.clone() }, reply))
    }

    /// Makes a worker whose standard error is appended to `log`.
    pub fn fork(
        self: &Arc<Self>,
        name: &str,
        log: &Utf8Path,
    ) -> Result<WorkerProcess, ExchangeError> {
        let failed = |error: std::io::Error| {
            ExchangeError::Protocol(format!("cannot make a worker with its log in {log}: {error}"))
        };
        let (stderr, log) = LogFile::open(log).map_err(failed)?;
        let (their_requests, requests) = std::io::pipe().map_err(failed)?;
        let (replies, their_replies) = std::io::pipe().map_err(failed)?;
        let link = Link::new(OwnedFd::from(requests), OwnedFd::from(replies)).map_err(failed)?;
        let descriptors = [their_requests.as_fd(), their_replies.as_fd(), stderr.as_fd()];
        let ForkReply { pid } =
            self.lock().ask_with(&ForkRequest::Fork { worker: name }, &descriptors)?;
        self.table.add(pid);
        let (origin, table) = (Origin::Forked(self.clone()), self.table.clone());
        Ok(WorkerProcess::new(pid, origin, Some(link), log, table))
    }

    /// Waits for a worker that has ended or was killed, and tells the most memory that it held. Until then
    /// its number is its own.
    pub fn wait(&self, pid: u32) -> Option<(ExitStatus, u64)> {
        let WaitReply { status, max_resident } =
            self.lock().ask(&ForkRequest::Wait { pid }).ok()?;
        Some((ExitStatus::from_raw(status), max_resident))
    }

    fn lock(&self) -> MutexGuard<'_, WorkerProcess> {
        // Between two statements there is nothing half done.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
