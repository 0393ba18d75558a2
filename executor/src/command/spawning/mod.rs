//! Making a process of a program.
//!
//! The C library's `posix_spawn` asks for, and sets, what each of 64 signals does, and makes a stack that
//! is taken away again while other threads run. On Linux both are done once for all programs of a
//! thread, which makes starting one a tenth cheaper.

#[cfg(target_os = "linux")]
mod linux;
mod portable;

use std::ffi::CStr;
use std::io;
use std::os::fd::{OwnedFd, RawFd};

use libc::c_char;

/// A program to be started, in a process group of its own, with no signal blocked, and no signal
/// ignored because we ignore it.
pub(super) struct Program<'p> {
    /// A path; nothing is searched.
    pub file: &'p CStr,
    /// Ends with null, and what it points to lives as long as the slice.
    pub arguments: &'p [*mut c_char],
    /// As above, each `NAME=value`.
    pub environment: &'p [*mut c_char],
    /// Standard input, output and error, none of which is one of the first three numbers; there
    /// are no others.
    pub descriptors: [RawFd; 3],
}

/// A process that was started.
pub(super) struct Spawned {
    pub pid: u32,
    /// What becomes readable when it ends, if the system gave it with the process.
    pub life: Option<OwnedFd>,
}

/// Starts programs, one at a time.
#[derive(Debug)]
pub(super) struct Spawner {
    /// `None` if the C library's way is taken.
    #[cfg(target_os = "linux")]
    linux: Option<linux::LinuxSpawner>,
}

impl Spawner {
    /// Looks how signals are dealt with by now.
    pub fn new() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            linux: Some(linux::LinuxSpawner::new()),
        }
    }

    /// Starts a program. When this returns the process has become the program.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(&mut self, program: &Program<'_>) -> io::Result<Spawned> {
        #[cfg(target_os = "linux")]
        if let Some(linux) = &mut self.linux {
            match linux.spawn(program) {
                Err(linux::Failure::NotStarted(error)) => return Err(error),
                // Where system calls are filtered or imitated there may be a way that is known.
                Err(linux::Failure::NoProcess) => self.linux = None,
                Ok(spawned) => return Ok(spawned),
            }
        }
        portable::spawn(program).map(|pid| Spawned { pid, life: None })
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs::File;
    use std::io::{Read as _, Seek as _};
    use std::os::fd::AsRawFd as _;
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;
    use crate::products::children_usage;

    fn both() -> Vec<Spawner> {
        vec![
            Spawner::new(),
            Spawner {
                #[cfg(target_os = "linux")]
                linux: None,
            },
        ]
    }

    /// Starts a shell, and gives how it ended and what it printed.
    fn run(spawner: &mut Spawner, file: &str, script: &str) -> io::Result<(Option<i32>, String)> {
        let texts: Vec<CString> =
            ["sh", "-c", script].iter().map(|text| CString::new(*text).unwrap()).collect();
        let null = std::ptr::null_mut;
        let pointers: Vec<*mut c_char> =
            texts.iter().map(|text| text.as_ptr().cast_mut()).chain([null()]).collect();
        let variable = c"A=b";
        let (nothing, mut out) = (File::open("/dev/null")?, tempfile::tempfile()?);
        let spawned = spawner.spawn(&Program {
            file: &CString::new(file).unwrap(),
            arguments: &pointers,
            environment: &[variable.as_ptr().cast_mut(), null()],
            descriptors: [nothing.as_raw_fd(), out.as_raw_fd(), out.as_raw_fd()],
        })?;
        let (status, _) = children_usage(spawned.pid)?;
        let mut text = String::new();
        out.rewind()?;
        out.read_to_string(&mut text)?;
        Ok((status.code().or(status.signal().map(|signal| -signal)), text))
    }

    #[test]
    fn programs_have_what_they_are_given_and_nothing_else() {
        // Signals that this process ignores or handles, and a descriptor that is not for others.
        let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        signal_hook::flag::register(libc::SIGUSR1, flag).unwrap();
        let other = File::open("/dev/null").unwrap();
        // While a shell waits for a program it blocks signals, so it reads for itself.
        let script = format!(
            "echo $A; test -e /proc/$$/fd/{} && echo open || echo closed
             read -r pid name state parent group rest </proc/$$/stat; echo $group; echo $$
             while read -r name mask; do
               case $name in SigBlk:|SigIgn:|SigCgt:) echo $mask;; esac
             done </proc/$$/status",
            other.as_raw_fd()
        );
        for mut spawner in both() {
            let (code, text) = run(&mut spawner, "/bin/sh", &script).unwrap();
            assert_eq!(code, Some(0), "{text}");
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines[0], "b");
            assert_eq!(lines[1], "closed");
            assert_eq!(lines[2], lines[3], "it leads a group");
            let mask = |line: &str| u64::from_str_radix(line, 16).unwrap() & ((1 << 31) - 1);
            assert_eq!(mask(lines[4]), 0, "nothing is blocked: {text}");
            assert_eq!(mask(lines[5]) & (1 << (libc::SIGPIPE - 1)), 0, "{text}");
            assert_eq!(mask(lines[6]) & (1 << (libc::SIGUSR1 - 1)), 0, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_started_leaves_no_process() {
        for mut spawner in both() {
            for (file, kind) in [
                ("/nonexistent/program", io::ErrorKind::NotFound),
                ("/etc/passwd", io::ErrorKind::PermissionDenied),
            ] {
                assert_eq!(run(&mut spawner, file, "").unwrap_err().kind(), kind);
            }
            let (code, _) = run(&mut spawner, "/bin/sh", "kill -PIPE $$").unwrap();
            assert_eq!(code, Some(-libc::SIGPIPE), "it goes on working");
        }
    }

    #[test]
    fn threads_start_programs_at_the_same_time() {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    let mut spawner = Spawner::new();
                    for round in 0..25 {
                        let script = format!("echo {thread} {round}; exit {round}");
                        let (code, text) = run(&mut spawner, "/bin/sh", &script).unwrap();
                        assert_eq!((code, text), (Some(round), format!("{thread} {round}\n")));
                    }
                });
            }
        });
    }
}
