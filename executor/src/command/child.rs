//! Starting a program.
//!
//! The standard library makes the environment of a child anew for each one if anything in it
//! differs from ours, and so costs more than all the rest that we do. Here it is made once.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::ptr;

use libc::c_char;

use super::spawning::{Program, Spawned, Spawner};

/// A program that runs, the leader of a process group of its own.
#[derive(Debug)]
pub(super) struct Child {
    pub pid: u32,
    /// What becomes readable when it ends, if the system gave it with the process.
    pub life: Option<OwnedFd>,
    pub stdout: Output,
    pub stderr: Output,
}

/// What a program prints, and the other end of it.
#[derive(Debug)]
pub(super) struct Output {
    /// Never blocks.
    pub reader: PipeReader,
    /// Kept while the program runs: the end of a pipe would only wake who waits for the end of the
    /// program, a moment before it.
    _writer: PipeWriter,
}

impl Output {
    fn new() -> io::Result<Self> {
        let (reader, _writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&reader, true)?;
        Ok(Self { reader, _writer })
    }
}

/// Starts programs with the environment of this process.
#[derive(Debug)]
pub(crate) struct Launcher {
    /// `NAME=value` of all variables.
    environment: Vec<CString>,
    nothing: File,
    spawner: Spawner,
}

impl Launcher {
    /// Takes the present environment, with one more variable.
    pub fn new(more: Option<(&str, String)>) -> io::Result<Self> {
        let mut environment = Vec::new();
        for (name, value) in std::env::vars_os() {
            if more.as_ref().is_none_or(|(other, _)| name != *other) {
                environment.extend(variable(&name, &value));
            }
        }
        environment.extend(more.and_then(|(name, value)| variable(name, value)));
        let (nothing, spawner) = (File::open("/dev/null")?, Spawner::new());
        Ok(Self { environment, nothing, spawner })
    }

    /// Starts a program without standard input and with these variables besides those of this process. If
    /// its name has no slash it is looked for on its path.
    ///
    /// # Errors
    /// If it cannot be started, or an argument cannot be one.
    pub fn start(
        &mut self,
        arguments: &[String],
        more: impl Iterator<Item = (String, String)>,
    ) -> io::Result<Child> {
        let texts: Result<Vec<CString>, _> =
            arguments.iter().map(|text| CString::new(text.as_str())).collect();
        let texts = texts?;
        let mut own: Vec<CString> = Vec::new();
        for (name, value) in more {
            own.extend(variable(&name, &value));
        }
        let is_path = |text: &&CString| name_of(text) == b"PATH";
        let path = own.iter().rfind(is_path).or_else(|| self.environment.iter().find(is_path));
        let path = path.map_or(USUAL_PATH, |path| &path.to_bytes()[b"PATH=".len()..]);
        let program = match texts.first() {
            None => return Err(io::ErrorKind::InvalidInput.into()),
            Some(program) => &found(program, path)?,
        };
        let is_own = |text: &CString| own.iter().any(|other| name_of(other) == name_of(text));
        let inherited = self.environment.iter().filter(|text| own.is_empty() || !is_own(text));
        let (stdout, stderr) = (Output::new()?, Output::new()?);
        let descriptors =
            [self.nothing.as_raw_fd(), stdout._writer.as_raw_fd(), stderr._writer.as_raw_fd()];
        let (arguments, environment) = (pointers(texts.iter()), pointers(inherited.chain(&own)));
        let Spawned { pid, life } = self.spawner.spawn(&Program {
            file: program,
            arguments: &arguments,
            environment: &environment,
            descriptors,
        })?;
        Ok(Child { pid, life, stdout, stderr })
    }
}

/// Where programs are looked for if nobody says.
const USUAL_PATH: &[u8] = b"/bin:/usr/bin";

/// The program as a search on a path finds it; itself if its name has a slash.
fn found(program: &CStr, path: &[u8]) -> io::Result<CString> {
    let name = OsStr::from_bytes(program.to_bytes());
    if name.as_bytes().contains(&b'/') {
        return Ok(program.to_owned());
    }
    std::env::split_paths(OsStr::from_bytes(path))
        .map(|folder| folder.join(name))
        .find(|file| {
            file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
        })
        .and_then(|file| CString::new(file.into_os_string().into_encoded_bytes()).ok())
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// `None` for what cannot be a variable.
fn variable(name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Option<CString> {
    let (name, value) = (name.as_ref().as_bytes(), value.as_ref().as_bytes());
    CString::new([name, b"=", value].concat()).ok()
}

fn name_of(variable: &CStr) -> &[u8] {
    // A name may begin with the sign, and never ends with it.
    let text = variable.to_bytes();
    let end = text.iter().skip(1).position(|&byte| byte == b'=');
    &text[..end.map_or(text.len(), |end| end + 1)]
}

/// A list as the C library wants it.
fn pointers<'t>(texts: impl Iterator<Item = &'t CString>) -> Vec<*mut c_char> {
    texts.map(|text| text.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::products::children_usage;

    fn said(launcher: &mut Launcher, script: &str, more: &[(&str, &str)]) -> (Option<i32>, String) {
        let arguments = ["sh", "-c", script].map(str::to_owned);
        let more = more.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let mut child = launcher.start(&arguments, more).unwrap();
        let (status, _) = children_usage(child.pid).unwrap();
        let mut bytes = [0; 4096];
        let length = child.stdout.reader.read(&mut bytes).unwrap_or(0);
        (status.code(), String::from_utf8_lossy(&bytes[..length]).into_owned())
    }

    #[test]
    fn variables_are_ours_and_more_each_once() {
        let mut launcher = Launcher::new(Some(("QBB_RUN", "17".to_owned()))).unwrap();
        let expected = format!("17 {}\n", std::env::var("PATH").unwrap());
        assert_eq!(said(&mut launcher, "echo $QBB_RUN $PATH", &[]).1, expected);
        let more = [("QBB_RUN", "18"), ("SOMETHING", "a=b c"), ("no\0ne", "x")];
        let (_, text) = said(&mut launcher, "env", &more);
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("QBB_RUN")).collect();
        assert_eq!(lines, ["QBB_RUN=18"]);
        assert!(text.lines().any(|line| line == "SOMETHING=a=b c"), "{text}");
    }

    #[test]
    fn programs_have_a_group_and_no_input_and_react_to_signals() {
        let mut launcher = Launcher::new(None).unwrap();
        let script = "read -r line && exit 1; \
                      test $(cut -d' ' -f5 /proc/$$/stat) = $$ && kill -PIPE $$; exit 2";
        let arguments = ["/bin/sh", "-c", script].map(str::to_owned);
        let child = launcher.start(&arguments, std::iter::empty()).unwrap();
        let (status, _) = children_usage(child.pid).unwrap();
        use std::os::unix::process::ExitStatusExt as _;
        assert_eq!(status.signal(), Some(libc::SIGPIPE), "{status}");
    }

    #[test]
    fn a_path_of_its_own_is_searched() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("sh");
        fs_err::write(&program, "#!/bin/sh\necho another\n").unwrap();
        fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("/nonexistent:{}", folder.path().display());
        let mut launcher = Launcher::new(None).unwrap();
        assert_eq!(said(&mut launcher, "echo ours", &[("PATH", &path)]).1.trim(), "another");
        assert_eq!(said(&mut launcher, "echo ours", &[]).1.trim(), "ours");
    }

    #[test]
    fn what_cannot_be_started_says_why() {
        let mut launcher = Launcher::new(None).unwrap();
        let mut start = |program: &str| {
            launcher.start(&[program.to_owned()], std::iter::empty()).map_err(|error| error.kind())
        };
        assert_eq!(start("/nonexistent/program").unwrap_err(), io::ErrorKind::NotFound);
        assert_eq!(start("no-such-program-anywhere").unwrap_err(), io::ErrorKind::NotFound);
        assert_eq!(start("/etc/passwd").unwrap_err(), io::ErrorKind::PermissionDenied);
        assert_eq!(start("a\0b").unwrap_err(), io::ErrorKind::InvalidInput);
    }
}
