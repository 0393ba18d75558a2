//! One worker process and the talk with it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::forking::ForkingParent;
use super::interpreter::Interpreter;
use super::link::{Life, Link};
use super::package::WorkerPackage;
use super::protocol::{FaultReply, WorkerFault};
use crate::process_table::{KillReason, ProcessTable};

/// How long a process that was asked to leave may take.
const LEAVE_TIME: Duration = Duration::from_secs(2);

/// How much of a dead worker's standard error is shown.
const SHOWN_LINES: usize = 8;
const SHOWN_BYTES: u64 = 4096;

/// A running process that answers requests. Dropping it closes its input, upon which it ends; it is killed if that does
/// not help.
#[derive(Debug)]
pub struct WorkerProcess {
    pid: u32,
    origin: Origin,
    // `None` while the process is being ended.
    link: Option<Link>,
    life: Life,
    log: Utf8PathBuf,
    /// Where this process' part of the log file begins.
    log_begin: u64,
    table: Arc<ProcessTable>,
    reaped: bool,
}

/// Who waits for a process when it has ended.
#[derive(Debug)]
pub(super) enum Origin {
    /// We do.
    Child(Child),
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
        let (stderr, log_begin) = open_log(log)?;
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
        Ok(Self::new(child.id(), Origin::Child(child), link, log, log_begin, table))
    }

    /// Starts a process that talks over a socket, its standard input, and can be handed
    /// descriptors.
    pub(super) fn spawn_with_socket(
        mut command: Command,
        log: &Utf8Path,
        table: Arc<ProcessTable>,
    ) -> std::io::Result<Self> {
        let (stderr, log_begin) = open_log(log)?;
        let (ours, theirs) = UnixStream::pair()?;
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        command.stdout(Stdio::null()).stderr(Stdio::from(stderr));
        table.expect(&mut command);
        let child = command.process_group(0).spawn()?;
        // It holds the other end of the socket, which must close with the process.
        drop(command);
        table.add(child.id());
        let link = Link::new(ours.try_clone()?.into(), ours.into())?;
        Ok(Self::new(child.id(), Origin::Child(child), Some(link), log, log_begin, table))
    }

    /// A process that is there already.
    pub(super) fn new(
        pid: u32,
        origin: Origin,
        link: Option<Link>,
        log: &Utf8Path,
        log_begin: u64,
        table: Arc<ProcessTable>,
    ) -> Self {
        let (life, log) = (Life::of(pid), log.to_owned());
        Self { pid, origin, link, life, log, log_begin, table, reaped: false }
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
        let Some(link) = &mut self.link else {
            return Err(ExchangeError::Died(self.bury()));
        };
        let sent = match descriptors {
            Some(descriptors) => link.send_with(&line, descriptors, &self.life),
            None => link.send(&line, &self.life),
        };
        // Whatever goes wrong with a pipe, the other end is no longer of use.
        let Ok(reply) = sent.and_then(|()| link.receive(&self.life)) else {
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
        let log = self.log.clone();
        if self.reaped {
            return Death { status: None, killed: None, last_lines: String::new(), log };
        }
        self.leave_time();
        let killed = self.table.kill_reason(self.pid);
        if killed.is_none() {
            // Its children, if nothing else; the status of a dead leader does not change.
            self.table.kill(self.pid, KillReason::Interrupted);
        }
        self.table.remove(self.pid);
        self.reaped = true;
        let status = match &mut self.origin {
            Origin::Child(child) => child.wait().ok(),
            Origin::Forked(parent) => parent.wait(self.pid),
        };
        Death { status, killed, last_lines: last_lines(&self.log, self.log_begin), log }
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

/// Opens a log to append to, and tells where that begins.
pub(super) fn open_log(log: &Utf8Path) -> std::io::Result<(File, u64)> {
    let file = fs_err::OpenOptions::new().create(true).append(true).open(log)?;
    let begin = file.metadata()?.len();
    Ok((file.into(), begin))
}

/// The last lines of a file from an offset on; empty if there are none or it cannot be read.
fn last_lines(path: &Utf8Path, begin: u64) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(begin.max(length.saturating_sub(SHOWN_BYTES))))?;
        let mut bytes = Vec::new();
        file.take(SHOWN_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_of_this_process_are_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = Utf8Path::from_path(file.path()).unwrap();
        let earlier = "of another process\n";
        let ours: String = (0..20).map(|i| format!("line {i}\n\n")).collect();
        fs_err::write(path, format!("{earlier}{ours}")).unwrap();
        let begin = earlier.len() as u64;
        let shown = last_lines(path, begin);
        assert!(shown.starts_with("line 12\n") && shown.ends_with("line 19"), "{shown}");
        fs_err::write(path, earlier).unwrap();
        assert_eq!(last_lines(path, begin), "");
        assert_eq!(last_lines("/nonexistent".into(), 0), "");
    }
}
