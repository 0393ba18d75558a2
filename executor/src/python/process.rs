//! One worker process and the talk with it.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::forking::ForkingParent;
use super::interpreter::Interpreter;
use super::link::{Life, Link};
use super::log_file::LogFile;
use super::package::WorkerPackage;
use super::protocol::{FaultReply, WorkerFault};
use crate::process_table::{KillReason, ProcessTable};
use crate::products::{children_usage, cpu_time};

/// How long a process that was asked to leave may take.
const LEAVE_TIME: Duration = Duration::from_secs(2);

/// A running process that answers requests. Dropping it closes its input, upon which it ends; it is killed if that does
/// not help.
#[derive(Debug)]
pub struct WorkerProcess {
    pid: u32,
    origin: Origin,
    // `None` while the process is being ended.
    link: Option<Link>,
    life: Life,
    log: LogFile,
    table: Arc<ProcessTable>,
    /// CPU seconds that it had used when it was asked last.
    cpu_before: Option<f64>,
    reaped: bool,
}

/// Who waits for a process when it has ended.
#[derive(Debug)]
pub(super) enum Origin {
    /// We do.
    Child,
    /// The process that forked it does, when we say so.
    Forked(Arc<ForkingParent>),
}

/// Why a request has no usable reply.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The worker says no.
    #[error(transparent)]
    Fault(WorkerFault),
    /// The worker is gone.
    #[error("{0}")]
    Died(Death),
    /// The request cannot be made, or the reply cannot be understood.
    #[error("the Python process and this program do not understand each other: {0}")]
    Protocol(String),
}

/// How a worker ended.
#[derive(Debug)]
pub struct Death {
    /// How the system saw it, if it could be told.
    pub status: Option<ExitStatus>,
    /// Whether it was us.
    pub(crate) killed: Option<KillReason>,
    /// Most memory that it held since it was last told to forget that, in bytes, if the system knows.
    pub peak_memory: Option<u64>,
    /// CPU seconds that it used since the last request, if the system knows.
    pub cpu_time: Option<f64>,
    /// Last lines of its standard error.
    pub last_lines: String,
    /// File with all of it.
    pub log: Utf8PathBuf,
}

impl Death {
    /// Exit code, or the signal as a negative number.
    pub fn exit_code(&self) -> Option<i32> {
        let status = self.status?;
        status.code().or_else(|| status.signal().map(|signal| -signal))
    }
}

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the Python process ")?;
        match self.status {
            Some(status) => match (status.signal(), status.code()) {
                (Some(signal), _) => write!(f, "was killed by signal {signal}")?,
                (None, Some(code)) => write!(f, "exited with status {code}")?,
                (None, None) => write!(f, "ended ({status})")?,
            },
            None => f.write_str("cannot be reached")?,
        }
        if self.last_lines.is_empty() {
            write!(f, " without a word (log: {})", self.log)
        } else {
            write!(f, "; the end of its log ({}):\n{}", self.log, self.last_lines)
        }
    }
}

impl WorkerProcess {
    /// Starts a module of our package that answers requests; its standard error is appended to
    /// `log`.
    ///
    /// # Errors
    /// If the log cannot be opened or the interpreter cannot be started.
    pub fn start(
        interpreter: &Interpreter,
        package: &WorkerPackage,
        module: &str,
        log: &Utf8Path,
    ) -> std::io::Result<Self> {
        let command = interpreter.module(package, module);
        Self::spawn(command, log, Arc::new(ProcessTable::default()))
    }

    /// Starts a process whose standard error is appended to `log`.
    pub(super) fn spawn(
        mut command: Command,
        log: &Utf8Path,
        table: Arc<ProcessTable>,
    ) -> std::io::Result<Self> {
        let (stderr, log) = LogFile::open(log)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::from(stderr));
        table.expect(&mut command);
        // A group of its own, so that programs which tasks start can be killed with it.
        let mut child = command.process_group(0).spawn()?;
        table.add(child.id());
        let ends = child.stdin.take().zip(child.stdout.take());
        let link = match ends.map(|(to, from)| Link::new(to.into(), from.into())) {
            Some(link) => Some(link?),
            None => None,
        };
        Ok(Self::new(child.id(), Origin::Child, link, log, table))
    }

    /// Starts a process that talks over a socket, its standard input, and can be handed
    /// descriptors.
    pub(super) fn spawn_with_socket(
        mut command: Command,
        log: &Utf8Path,
        table: Arc<ProcessTable>,
    ) -> std::io::Result<Self> {
        let (stderr, log) = LogFile::open(log)?;
        let (ours, theirs) = UnixStream::pair()?;
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        command.stdout(Stdio::null()).stderr(Stdio::from(stderr));
        table.expect(&mut command);
        let child = command.process_group(0).spawn()?;
        // It holds the other end of the socket, which must close with the process.
        drop(command);
        table.add(child.id());
        let link = Link::new(ours.try_clone()?.into(), ours.into())?;
        Ok(Self::new(child.id(), Origin::Child, Some(link), log, table))
    }

    /// A process that is there already.
    pub(super) fn new(
        pid: u32,
        origin: Origin,
        link: Option<Link>,
        log: LogFile,
        table: Arc<ProcessTable>,
    ) -> Self {
        Self { pid, origin, link, life: Life::of(pid), log, table, cpu_before: None, reaped: false }
    }

    /// Number of the process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Errors
    /// If the process refuses, dies, or replies with something else.
    pub fn ask<T: DeserializeOwned>(
        &mut self,
        request: &impl Serialize,
    ) -> Result<T, ExchangeError> {
        self.exchange(request, None)
    }

    /// Sends a request and copies of descriptors with it, which takes a socket.
    pub(super) fn ask_with<T: DeserializeOwned>(
        &mut self,
        request: &impl Serialize,
        descriptors: &[BorrowedFd<'_>; 3],
    ) -> Result<T, ExchangeError> {
        self.exchange(request, Some(descriptors))
    }

    fn exchange<T: DeserializeOwned>(
        &mut self,
        request: &impl Serialize,
        descriptors: Option<&[BorrowedFd<'_>; 3]>,
    ) -> Result<T, ExchangeError> {
        let mut line = serde_json::to_vec(request)
            .map_err(|error| ExchangeError::Protocol(format!("request: {error}")))?;
        line.push(b'\n');
        self.cpu_before = cpu_time(self.pid);
        let Some(link) = &mut self.link else {
            return Err(ExchangeError::Died(self.bury()));
        };
        let sent = match descriptors {
            Some(descriptors) => link.send_with(&line, descriptors, &self.life),
            None => link.send(&line, &self.life),
        };
        let log = &mut self.log;
        let reply = sent.and_then(|()| link.receive(&self.life, || log.bound()));
        self.log.bound();
        // Whatever goes wrong with a pipe, the other end is no longer of use.
        let Ok(reply) = reply else {
            return Err(ExchangeError::Died(self.bury()));
        };
        let understood = |error: serde_json::Error| {
            let begin = String::from_utf8_lossy(&reply[..reply.len().min(200)]).into_owned();
            ExchangeError::Protocol(format!("reply `{}`: {error}", begin.trim_end()))
        };
        let FaultReply { ok, error } = serde_json::from_slice(&reply).map_err(understood)?;
        match error {
            Some(fault) if !ok => Err(ExchangeError::Fault(fault)),
            _ => serde_json::from_slice(&reply).map_err(understood),
        }
    }

    /// Ends the process, if it has not ended, and tells how it went.
    fn bury(&mut self) -> Death {
        // Closing our ends makes a healthy worker leave.
        self.link = None;
        let log = self.log.path().to_owned();
        if self.reaped {
            let (status, killed, peak_memory, cpu_time) = (None, None, None, None);
            return Death { status, killed, peak_memory, cpu_time, last_lines: String::new(), log };
        }
        self.leave_time();
        let killed = self.table.kill_reason(self.pid);
        if killed.is_none() {
            // Its children, if nothing else; the status of a dead leader does not change.
            self.table.kill(self.pid, KillReason::Interrupted);
        }
        self.table.remove(self.pid);
        self.reaped = true;
        // The number is its own until it is waited for, and the clock is there as long.
        let used = self.cpu_before.zip(cpu_time(self.pid));
        let cpu_time = used.map(|(before, after)| (after - before).max(0.0));
        let ended = match &self.origin {
            Origin::Child => {
                children_usage(self.pid).ok().map(|(status, used)| (status, used.max_resident))
            }
            Origin::Forked(parent) => parent.wait(self.pid),
        };
        let status = ended.map(|(status, _)| status);
        let peak_memory = ended.map(|(_, peak)| peak).filter(|&peak| peak > 0);
        self.log.bound();
        let last_lines = self.log.last_lines();
        Death { status, killed, peak_memory, cpu_time, last_lines, log }
    }

    /// Waits a moment for the process to end by itself, without reaping it.
    fn leave_time(&self) {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        if self.life.wait(LEAVE_TIME).is_some() {
            return;
        }
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let step = Duration::from_millis(20);
        for _ in 0..LEAVE_TIME.as_millis() / step.as_millis() {
            match waitid(WaitId::Pid(pid), options) {
                Ok(None) => std::thread::sleep(step),
                _ => return,
            }
        }
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        if !self.reaped {
            self.bury();
        }
    }
}
