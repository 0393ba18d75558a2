//! One worker process and the pipes to it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::interpreter::Interpreter;
use super::package::WorkerPackage;
use super::protocol::{FaultReply, WorkerFault};
use crate::process_table::{KillReason, ProcessTable};

/// Longest reply; one that is longer is not from our package.
const MAX_REPLY: u64 = 1 << 30;

/// How much of a dead worker's standard error is shown.
const SHOWN_LINES: usize = 8;
const SHOWN_BYTES: u64 = 4096;

/// A running process that answers requests. Dropping it closes its input, upon which it ends; it is killed if that does
/// not help.
#[derive(Debug)]
pub struct WorkerProcess {
    child: Child,
    // `None` while the process is being ended.
    pipes: Option<(ChildStdin, BufReader<ChildStdout>)>,
    log: Utf8PathBuf,
    /// Where this process' part of the log file begins.
    log_begin: u64,
    table: Arc<ProcessTable>,
    reaped: bool,
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
        let stderr = fs_err::OpenOptions::new().create(true).append(true).open(log)?;
        let log_begin = stderr.metadata()?.len();
        table.expect(&mut command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(File::from(stderr)))
            // A group of its own, so that programs which tasks start can be killed with it.
            .process_group(0)
            .spawn()?;
        table.add(child.id());
        let pipes = child.stdin.take().zip(child.stdout.take().map(BufReader::new));
        Ok(Self { child, pipes, log: log.to_owned(), log_begin, table, reaped: false })
    }

    /// Number of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Errors
    /// If the process refuses, dies, or replies with something else.
    pub fn ask<T: DeserializeOwned>(
        &mut self,
        request: &impl Serialize,
    ) -> Result<T, ExchangeError> {
        let mut line = serde_json::to_vec(request)
            .map_err(|error| ExchangeError::Protocol(format!("request: {error}")))?;
        line.push(b'\n');
        let Some((stdin, stdout)) = &mut self.pipes else {
            return Err(ExchangeError::Died(self.bury()));
        };
        let mut reply = Vec::new();
        let sent = stdin.write_all(&line).and_then(|()| stdin.flush());
        let received = sent.and_then(|()| stdout.take(MAX_REPLY).read_until(b'\n', &mut reply));
        // Whatever goes wrong with a pipe, the other end is no longer of use.
        if received.is_err() || reply.last() != Some(&b'\n') {
            return Err(ExchangeError::Died(self.bury()));
        }
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
        let pid = self.child.id();
        // Closing our ends makes a healthy worker leave.
        self.pipes = None;
        let status = if self.reaped {
            None
        } else {
            self.leave_time();
            let killed_before = self.table.kill_reason(pid);
            if killed_before.is_none() {
                // Its children, if nothing else; the status of a dead leader does not change.
                self.table.kill(pid, KillReason::Interrupted);
            }
            self.table.remove(pid);
            self.reaped = true;
            let status = self.child.wait().ok();
            return Death {
                status,
                killed: killed_before,
                last_lines: last_lines(&self.log, self.log_begin),
                log: self.log.clone(),
            };
        };
        Death { status, killed: None, last_lines: String::new(), log: self.log.clone() }
    }

    /// Waits a moment for the process to end by itself, without reaping it.
    fn leave_time(&self) {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) else { return };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        for _ in 0..100 {
            match waitid(WaitId::Pid(pid), options) {
                Ok(None) => std::thread::sleep(std::time::Duration::from_millis(20)),
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
