//! Ending what this process leaves behind when it is killed.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};

use rustc_hash::FxHashMap;

/// Set for all children, so that they can be told from other processes.
const VARIABLE: &str = "QBB_RUN";

/// Waits until nobody is left who could say `.`, and then kills the process groups that are on the
/// roster, its standard output. Children that were started in that very moment are known by their
/// environment.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
read -r word && exit
while read -r group; do
  test -z "$group" || kill -s KILL -- "-$group"
done <&1
for pause in 0 1; do
  sleep $pause
  for file in /proc/[0-9]*/environ; do
    if grep -aq "QBB_RUN=$1" "$file"; then
      process=${file#/proc/}
      kill -s KILL "${process%/environ}"
    fi
  done
done
"#;

/// Bytes of a line of the roster. No line straddles pages of memory, so it is written whole or not at
/// all, whenever this process is killed.
const LINE: usize = 16;

/// Lines of a file that both sides have open, each a process group or nothing.
///
/// Nobody is woken when a line changes, and what was written is there after the end of the writer.
#[derive(Debug)]
struct Roster {
    file: File,
    /// Numbers of the lines of groups.
    lines: FxHashMap<u32, u64>,
    /// Lines that are empty again.
    free: Vec<u64>,
}

impl Roster {
    fn new() -> std::io::Result<Self> {
        Ok(Self { file: in_memory()?, lines: FxHashMap::default(), free: Vec::new() })
    }

    fn add(&mut self, group: u32) {
        let line = self.free.pop().unwrap_or(self.lines.len() as u64);
        self.lines.insert(group, line);
        self.write(line, &group.to_string());
    }

    fn remove(&mut self, group: u32) {
        if let Some(line) = self.lines.remove(&group) {
            self.free.push(line);
            self.write(line, "");
        }
    }

    fn write(&self, line: u64, text: &str) {
        let text = format!("{text:<0$}\n", LINE - 1);
        // There is nothing to be done about memory that has run out.
        let _ = self.file.write_all_at(text.as_bytes(), line * LINE as u64);
    }
}

/// A file without a name, on no disk if the system has such files.
fn in_memory() -> std::io::Result<File> {
    #[cfg(target_os = "linux")]
    if let Ok(file) = rustix::fs::memfd_create("qbb-roster", rustix::fs::MemfdFlags::CLOEXEC) {
        return Ok(file.into());
    }
    tempfile::tempfile()
}

/// A process that waits for the end of this one, by whatever means, and kills the process groups of
/// children that are still there then. A program that goes on after its run was killed would write
/// beside the one that the next run starts.
#[derive(Debug)]
pub(crate) struct Guardian {
    child: Child,
    /// Ends with this process.
    life: Option<ChildStdin>,
    roster: Roster,
    run: String,
}

impl Guardian {
    /// `None` if there is no shell; children of a killed run then end when they want to.
    pub fn start() -> Option<Self> {
        let roster = Roster::new().ok()?;
        let run = uuid::Uuid::new_v4().simple().to_string();
        let mut child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "qbb-guardian", &run])
            // A run within a run is not its own guardian's business.
            .env_remove(VARIABLE)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::from(roster.file.try_clone().ok()?))
            .stderr(Stdio::null())
            // Signals from the terminal are not for it.
            .process_group(0)
            .spawn()
            .ok()?;
        let life = child.stdin.take();
        Some(Self { child, life, roster, run })
    }

    /// Marks a child that is about to be started.
    pub fn mark(&self, command: &mut Command) {
        command.env(VARIABLE, &self.run);
    }

    /// The variable that marks children.
    pub fn variable(&self) -> (&'static str, String) {
        (VARIABLE, self.run.clone())
    }

    /// A group is to be killed from now on.
    pub fn add(&mut self, leader: u32) {
        self.roster.add(leader);
    }

    /// A group is not to be killed any more. Its leader must not have been waited for yet, so that
    /// the number is still its own.
    pub fn remove(&mut self, leader: u32) {
        self.roster.remove(leader);
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        if let Some(mut life) = self.life.take() {
            let _ = life.write_all(b".\n");
        }
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _};

    use super::*;

    fn text(roster: &mut Roster) -> String {
        let mut text = String::new();
        roster.file.rewind().unwrap();
        roster.file.read_to_string(&mut text).unwrap();
        assert_eq!(text.len() % LINE, 0);
        text
    }

    #[test]
    fn groups_are_listed_while_they_are_there() {
        let mut roster = Roster::new().unwrap();
        roster.add(17);
        roster.add(u32::MAX);
        roster.remove(17);
        roster.remove(17);
        assert_eq!(text(&mut roster).split_whitespace().collect::<Vec<_>>(), ["4294967295"]);
        roster.add(4);
        roster.add(5);
        assert_eq!(
            text(&mut roster).split_whitespace().collect::<Vec<_>>(),
            ["4", "4294967295", "5"]
        );
        assert_eq!(text(&mut roster).lines().count(), 3, "lines are used again");
    }

    #[test]
    fn what_is_listed_is_killed_when_nobody_says_otherwise() {
        use std::os::unix::process::ExitStatusExt as _;

        let sleeper = || Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let (mut listed, mut removed) = (sleeper(), sleeper());
        let mut guardian = Guardian::start().unwrap();
        guardian.add(listed.id());
        guardian.add(removed.id());
        guardian.remove(removed.id());
        // As if this process had ended.
        guardian.life = None;
        assert_eq!(listed.wait().unwrap().signal(), Some(9));
        guardian.child.wait().unwrap();
        assert!(removed.try_wait().unwrap().is_none());
        removed.kill().unwrap();
        removed.wait().unwrap();
    }
}
