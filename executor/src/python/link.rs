//! Both directions of the talk with a process, and a watch on its life.
//!
//! The end of a pipe says nothing about the process at the other side: its own children may hold
//! the pipe open long after it has died. So each wait is also for the process.

use std::fs::File;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Longest reply; one that is longer is not from our package.
const MAX_REPLY: usize = 1 << 30;

/// How often whoever waits for a reply looks after other things.
const PULSE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// Most descriptors that are handed over with a request.
const DESCRIPTORS: usize = 3;

/// Becomes ready when a process ends. `None` where the system has nothing like it: then only the
/// pipes tell.
#[derive(Debug)]
pub(super) struct Life(Option<OwnedFd>);

impl Life {
    /// Watches a process that has not been waited for.
    pub fn of(pid: u32) -> Self {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        Self(pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()))
    }

    /// Waits for the end, at most so long; `None` if that cannot be told.
    pub fn wait(&self, most: Duration) -> Option<bool> {
        let life = self.0.as_ref()?;
        let most = Timespec::try_from(most).ok();
        let mut watched = [PollFd::new(life, PollFlags::IN)];
        match poll(&mut watched, most.as_ref()) {
            Ok(ready) => Some(ready > 0),
            Err(_) => None,
        }
    }
}

/// Lines out, lines in.
#[derive(Debug)]
pub(super) struct Link {
    requests: File,
    replies: File,
    /// What was read beyond the last line.
    unread: Vec<u8>,
}

/// Which way something has to become possible.
#[derive(Clone, Copy)]
enum Direction {
    Out,
    In,
}

impl Link {
    /// Takes our ends of what a process reads from and writes to; they may be the same socket.
    pub fn new(requests: OwnedFd, replies: OwnedFd) -> std::io::Result<Self> {
        for end in [&requests, &replies] {
            let flags = rustix::fs::fcntl_getfl(end)?;
            rustix::fs::fcntl_setfl(end, flags | OFlags::NONBLOCK)?;
        }
        Ok(Self { requests: requests.into(), replies: replies.into(), unread: Vec::new() })
    }

    /// Sends a line.
    pub fn send(&mut self, line: &[u8], life: &Life) -> std::io::Result<()> {
        let mut rest = line;
        while !rest.is_empty() {
            match self.requests.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => rest = &rest[sent..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.wait(Direction::Out, life)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends a line over a socket, and copies of descriptors with it.
    pub fn send_with(
        &mut self,
        line: &[u8],
        descriptors: &[BorrowedFd<'_>; DESCRIPTORS],
        life: &Life,
    ) -> std::io::Result<()> {
        loop {
            let mut space =
                [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
                return Err(ErrorKind::InvalidInput.into());
            }
            let parts = [IoSlice::new(line)];
            match sendmsg(self.requests.as_fd(), &parts, &mut control, SendFlags::NOSIGNAL) {
                Ok(sent) => return self.send(&line[sent..], life),
                Err(Errno::AGAIN) => self.wait(Direction::Out, life)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Receives a line, without its end. Calls `pulse` once in a while if that takes long.
    pub fn receive(&mut self, life: &Life, mut pulse: impl FnMut()) -> std::io::Result<Vec<u8>> {
        let mut searched = 0;
        let mut ended = false;
        loop {
            if let Some(end) = self.unread[searched..].iter().position(|&byte| byte == b'\n') {
                let rest = self.unread.split_off(searched + end + 1);
                let mut line = std::mem::replace(&mut self.unread, rest);
                line.pop();
                return Ok(line);
            }
            searched = self.unread.len();
            if searched > MAX_REPLY {
                return Err(ErrorKind::InvalidData.into());
            }
            self.unread.resize(searched + CHUNK, 0);
            let read = self.replies.read(&mut self.unread[searched..]);
            self.unread.truncate(searched + read.as_ref().map_or(0, |&read| read));
            match read {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                // What a process said before it ended was read by now.
                Err(error) if error.kind() == ErrorKind::WouldBlock && ended => {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ended = self.wait_for_reply(life, &mut pulse).is_err();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn wait_for_reply(&self, life: &Life, pulse: &mut impl FnMut()) -> std::io::Result<()> {
        while !self.wait_until(Direction::In, life, Some(&PULSE))? {
            pulse();
        }
        Ok(())
    }

    fn wait(&self, direction: Direction, life: &Life) -> std::io::Result<()> {
        self.wait_until(direction, life, None).map(drop)
    }

    /// Waits until something can be sent or received, and tells whether time was left; an error if the process ends instead.
    fn wait_until(
        &self,
        direction: Direction,
        life: &Life,
        most: Option<&Timespec>,
    ) -> std::io::Result<bool> {
        let (end, flags) = match direction {
            Direction::Out => (&self.requests, PollFlags::OUT),
            Direction::In => (&self.replies, PollFlags::IN),
        };
        let mut watched = vec![PollFd::new(end, flags)];
        if let Some(life) = &life.0 {
            watched.push(PollFd::new(life, PollFlags::IN));
        }
        match poll(&mut watched, most) {
            Ok(0) => return Ok(false),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let possible = !watched[0].revents().is_empty();
        let ended = watched.get(1).is_some_and(|life| !life.revents().is_empty());
        if ended && !possible { Err(ErrorKind::BrokenPipe.into()) } else { Ok(true) }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn shell(script: &str) -> (std::process::Child, Link, Life) {
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let ends = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let link = Link::new(ends.0.into(), ends.1.into()).unwrap();
        let life = Life::of(child.id());
        (child, link, life)
    }

    #[test]
    fn lines_of_any_length_go_both_ways() {
        let (mut child, mut link, life) = shell("exec cat");
        let long = vec![b'x'; 30_000];
        for line in [&b"short"[..], &long, b""] {
            link.send(&[line, b"\n"].concat(), &life).unwrap();
            assert_eq!(link.receive(&life, || ()).unwrap(), line);
        }
        drop(link);
        assert_eq!(life.wait(Duration::from_secs(60)), Some(true));
        child.wait().unwrap();
    }

    #[test]
    fn the_last_words_of_a_process_are_heard() {
        let (mut child, mut link, life) = shell("echo one; printf two");
        life.wait(Duration::from_secs(60));
        assert_eq!(link.receive(&life, || ()).unwrap(), b"one");
        assert_eq!(link.receive(&life, || ()).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        child.wait().unwrap();
    }

    #[test]
    fn a_process_whose_child_holds_the_pipes_open_is_dead_all_the_same() {
        let (mut child, mut link, life) = shell("sleep 600 & echo $!; exit 3");
        let sleeper = String::from_utf8(link.receive(&life, || ()).unwrap()).unwrap();
        assert!(link.receive(&life, || ()).is_err());
        // More than a pipe holds.
        assert!(link.send(&vec![b'x'; 1 << 20], &life).is_err());
        assert_eq!(child.wait().unwrap().code(), Some(3));
        let sleeper = Pid::from_raw(sleeper.parse().unwrap()).unwrap();
        rustix::process::kill_process(sleeper, rustix::process::Signal::KILL).unwrap();
    }
}
