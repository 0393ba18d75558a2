//! Ending what this process leaves behind when it is killed.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Set for all children, so that they can be told from other processes.
const VARIABLE: &str = "QBB_RUN";

/// Knows the process groups that are to be killed by the lines it reads, and kills them when there
/// is nobody left to write any. Children that were started in that very moment are known by their
/// environment.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
groups=' '
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) case $groups in
         *" $group "*) groups="${groups%% $group *} ${groups#* $group }" ;;
       esac ;;
    .) exit ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
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

/// A process that waits for the end of this one, by whatever means, and kills the process groups of
/// children that are still there then. A program that goes on after its run was killed would write
/// beside the one that the next run starts.
#[derive(Debug)]
pub(crate) struct Guardian {
    child: Child,
    lines: Option<ChildStdin>,
    run: String,
}

impl Guardian {
    /// `None` if there is no shell; children of a killed run then end when they want to.
    pub fn start() -> Option<Self> {
        let run = uuid::Uuid::new_v4().simple().to_string();
        let mut child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "qbb-guardian", &run])
            // A run within a run is not its own guardian's business.
            .env_remove(VARIABLE)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Signals from the terminal are not for it.
            .process_group(0)
            .spawn()
            .ok()?;
        let lines = child.stdin.take();
        Some(Self { child, lines, run })
    }

    /// Marks a child that is about to be started.
    pub fn mark(&self, command: &mut Command) {
        command.env(VARIABLE, &self.run);
    }

    /// A group is to be killed from now on.
    pub fn add(&mut self, leader: u32) {
        self.tell('+', leader);
    }

    /// A group is not to be killed any more. Its leader must not have been waited for yet, so that
    /// the number is still its own.
    pub fn remove(&mut self, leader: u32) {
        self.tell('-', leader);
    }

    fn tell(&mut self, sign: char, leader: u32) {
        // In one piece, as a line that is cut by the end of this process says something else.
        let line = format!("{sign} {leader}\n");
        if let Some(lines) = &mut self.lines
            && lines.write_all(line.as_bytes()).is_err()
        {
            // Somebody has killed it, and there is nothing to be done about that.
            self.lines = None;
        }
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        if let Some(mut lines) = self.lines.take() {
            let _ = lines.write_all(b".\n");
        }
        let _ = self.child.wait();
    }
}
