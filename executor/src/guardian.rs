//! Ending what this process leaves behind when it is killed.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Knows the process groups that are to be killed by the lines it reads, and kills them when there
/// is nobody left to write any.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
groups=' '
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) case $groups in
         *" $group "*) groups="${groups%% $group *} ${groups#* $group }" ;;
       esac ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
"#;

/// A process that waits for the end of this one, by whatever means, and kills the process groups of
/// children that are still there then. A program that goes on after its run was killed would write
/// beside the one that the next run starts.
#[derive(Debug)]
pub(crate) struct Guardian {
    child: Child,
    lines: Option<ChildStdin>,
}

impl Guardian {
    /// `None` if there is no shell; children of a killed run then end when they want to.
    pub fn start() -> Option<Self> {
        let mut child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "qbb-guardian"])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Signals from the terminal are not for it.
            .process_group(0)
            .spawn()
            .ok()?;
        let lines = child.stdin.take();
        Some(Self { child, lines })
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
        self.lines = None;
        let _ = self.child.wait();
    }
}
