//! Waiting for a program while reading what it prints, on one thread.

use std::io::{self, ErrorKind, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::process::ExitStatus;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::capture::Capture;
use super::child::Child;
use crate::process_table::{KillReason, ProcessTable};
use crate::products::{LogLevel, LogRecord, Measured, children_usage};

/// Exit status, what was used, and whether we killed it.
pub(super) type Ended = io::Result<(ExitStatus, Measured, Option<KillReason>)>;

/// How often to look whether a program has ended where the system cannot tell, in nanoseconds.
const LOOK: i64 = 5_000_000;

/// A pipe from a program.
struct Stream<'n, 'p> {
    /// `None` once it cannot be read any more.
    pipe: Option<&'p mut PipeReader>,
    capture: Capture<'n>,
}

impl<'n, 'p> Stream<'n, 'p> {
    fn new(pipe: &'p mut PipeReader, level: LogLevel, name: &'n str) -> Self {
        Self { pipe: Some(pipe), capture: Capture::new(level, name) }
    }

    /// Reads all that is there.
    fn drain(&mut self, buffer: &mut [u8]) {
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(buffer) {
                Ok(n) if n > 0 => {
                    self.capture.take(&buffer[..n]);
                    if n < buffer.len() {
                        // Nearly always nothing is left; poll tells otherwise.
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // The exit status tells the rest.
                Ok(_) | Err(_) => self.pipe = None,
            }
        }
    }

    /// Reads until nothing more is there.
    fn finish(mut self, buffer: &mut [u8]) -> Vec<LogRecord> {
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(buffer) {
                Ok(n) if n > 0 => self.capture.take(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Somebody who left the process group may keep it open for long.
                Ok(_) | Err(_) => self.pipe = None,
            }
        }
        self.capture.finish()
    }
}

/// Reads what a program prints until it ends, ends what it left behind, and reaps it. Messages come
/// in the order of their times.
pub(super) fn wait_for(
    child: &mut Child,
    label: &str,
    table: &ProcessTable,
) -> (Vec<LogRecord>, Ended) {
    let pid = child.pid;
    let mut out = Stream::new(&mut child.stdout.reader, LogLevel::Info, label);
    let mut err = Stream::new(&mut child.stderr.reader, LogLevel::Warning, label);
    let mut buffer = [0; 16 << 10];
    let ended = child.life.take().or_else(|| end_of(pid));
    while !has_ended(pid, &ended, &mut out, &mut err, &mut buffer) {}
    let killed = table.kill_reason(pid);
    // Its number stays taken until it is reaped below, so the group is still ours.
    table.kill(pid, KillReason::Interrupted);
    table.remove(pid);
    let mut records = out.finish(&mut buffer);
    let warnings = err.finish(&mut buffer);
    if !warnings.is_empty() {
        records.extend(warnings);
        records.sort_by_key(|record| record.time);
    }
    (records, children_usage(pid).map(|(status, used)| (status, used, killed)))
}

/// What becomes readable when a process ends, where the system has such a thing.
fn end_of(pid: u32) -> Option<OwnedFd> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{PidfdFlags, pidfd_open};
        pidfd_open(raw(pid)?, PidfdFlags::empty()).ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = pid;
        None
    }
}

/// Waits for something to happen and reads what was printed. Tells whether the process has ended.
fn has_ended(
    pid: u32,
    ended: &Option<OwnedFd>,
    out: &mut Stream<'_, '_>,
    err: &mut Stream<'_, '_>,
    buffer: &mut [u8],
) -> bool {
    let (has_out, has_err) = (out.pipe.is_some(), err.pipe.is_some());
    let flags = {
        // Of what is not there, the place is taken by something that never becomes ready.
        let mut fds: [Option<PollFd<'_>>; 3] = [None, None, None];
        fds[0] = ended.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN));
        fds[1] = out.pipe.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN));
        fds[2] = err.pipe.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN));
        let mut fds: Vec<PollFd<'_>> = fds.into_iter().flatten().collect();
        let look = Timespec { tv_sec: 0, tv_nsec: LOOK };
        let timeout = if ended.is_some() { None } else { Some(&look) };
        // An interruption is like a time-out: whatever is there is read below.
        let _ = poll(&mut fds, timeout);
        let mut flags = fds.into_iter().map(|fd| !fd.revents().is_empty());
        let end_seen = if ended.is_some() { flags.next() } else { None };
        let out_ready = has_out && flags.next().unwrap_or(false);
        let err_ready = has_err && flags.next().unwrap_or(false);
        (end_seen, out_ready, err_ready)
    };
    let (end_seen, out_ready, err_ready) = flags;
    if out_ready {
        out.drain(buffer);
    }
    if err_ready {
        err.drain(buffer);
    }
    match end_seen {
        Some(seen) => seen,
        None => is_zombie(pid),
    }
}

fn is_zombie(pid: u32) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    // A process that cannot be asked about will not be seen to end either.
    raw(pid).is_none_or(|pid| !matches!(waitid(WaitId::Pid(pid), options), Ok(None)))
}

fn raw(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}
