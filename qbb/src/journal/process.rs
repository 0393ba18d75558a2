//! Which process writes, and whether it still lives.

use std::fmt;

/// A process, told apart from later ones with the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessIdentity {
    /// Host name.
    pub host: String,
    /// Identifier of the host's current boot; empty where the system has none.
    pub boot: String,
    /// Process number.
    pub pid: u32,
    /// When it started, in clock ticks since the boot; 0 where unknown.
    pub start_ticks: u64,
}

impl ProcessIdentity {
    /// This process.
    pub fn current() -> Self {
        let pid = std::process::id();
        Self {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            boot: boot_identifier(),
            pid,
            start_ticks: start_ticks(pid).unwrap_or(0),
        }
    }

    /// Whether `other` runs where this process runs, so that its number means something here.
    pub fn shares_host(&self, other: &Self) -> bool {
        self.host == other.host && self.boot == other.boot
    }

    /// Whether the process exists; only meaningful on its own host.
    pub fn exists_here(&self) -> bool {
        start_ticks(self.pid)
            .is_some_and(|ticks| self.start_ticks == 0 || ticks == self.start_ticks)
    }
}

impl fmt::Display for ProcessIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)
    }
}

fn boot_identifier() -> String {
    fs_err::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// Start time from `/proc/<pid>/stat`; `None` if there is no such process, or a dead one whose
/// parent has not noticed yet.
fn start_ticks(pid: u32) -> Option<u64> {
    let text = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name is in parentheses and may hold anything, parentheses and spaces included.
    let mut fields = text[text.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_its_predecessor_with_the_same_number_does_not() {
        let this = ProcessIdentity::current();
        assert!(this.exists_here());
        assert!(this.start_ticks > 0);
        let earlier = ProcessIdentity { start_ticks: this.start_ticks - 1, ..this.clone() };
        assert!(!earlier.exists_here());
        assert!(this.shares_host(&earlier));
        assert!(!this.shares_host(&ProcessIdentity { boot: "another".into(), ..this.clone() }));
    }

    #[test]
    fn a_process_that_ended_does_not_exist() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let gone = ProcessIdentity { pid, ..ProcessIdentity::current() };
        assert!(!gone.exists_here());
    }
}
