//! Processes that must be killed on demand.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::guardian::Guardian;

/// Why a process was killed by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KillReason {
    /// The user does not want to wait.
    Interrupted,
    /// It took too long.
    TimedOut,
}

/// Process groups of running children, by their leaders.
///
/// A process must be [removed](Self::remove) before it is waited for: until then its number
/// cannot belong to anybody else, and kills happen under the lock.
#[derive(Debug, Default)]
pub(crate) struct ProcessTable(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    killed: FxHashMap<u32, Option<KillReason>>,
    /// Set once everything was killed, so that late comers are, too.
    closed: bool,
    /// Kills the groups if this process is killed. Started with the first of them.
    guardian: Option<Option<Guardian>>,
}

impl ProcessTable {
    /// Makes ready for a child that is about to be started, so that it ends with this process if
    /// that is killed.
    pub fn expect(&self, command: &mut Command) {
        if let Some(guardian) = self.lock().guardian.get_or_insert_with(Guardian::start) {
            guardian.mark(command);
        }
    }

    /// As [`expect`](Self::expect), for a program that is started otherwise: name and value of a
    /// variable that all such children have.
    pub fn mark(&self) -> Option<(&'static str, String)> {
        let mut table = self.lock();
        let guardian = table.guardian.get_or_insert_with(Guardian::start).as_ref()?;
        Some(guardian.variable())
    }

    /// Adds the leader of a process group.
    pub fn add(&self, pid: u32) {
        let mut table = self.lock();
        let reason = table.closed.then_some(KillReason::Interrupted);
        table.killed.insert(pid, reason);
        if let Some(guardian) = table.guardian.get_or_insert_with(Guardian::start) {
            guardian.add(pid);
        }
        if reason.is_some() {
            kill_group(pid);
        }
    }

    /// Removes a process and tells whether it was killed by us.
    pub fn remove(&self, pid: u32) -> Option<KillReason> {
        let mut table = self.lock();
        if let Some(Some(guardian)) = &mut table.guardian {
            guardian.remove(pid);
        }
        table.killed.remove(&pid).flatten()
    }

    /// Whether a process was killed by us.
    pub fn kill_reason(&self, pid: u32) -> Option<KillReason> {
        self.lock().killed.get(&pid).copied().flatten()
    }

    /// Kills the group of a process.
    pub fn kill(&self, pid: u32, reason: KillReason) {
        let mut table = self.lock();
        if let Some(entry) = table.killed.get_mut(&pid) {
            entry.get_or_insert(reason);
            kill_group(pid);
        }
    }

    /// Kills all groups, those yet to come included.
    pub fn kill_all(&self) {
        let mut table = self.lock();
        table.closed = true;
        for (pid, reason) in &mut table.killed {
            reason.get_or_insert(KillReason::Interrupted);
            kill_group(*pid);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // The table is whole between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kill_group(leader: u32) {
    if let Some(pid) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        // It may have ended by itself, which is what is wanted.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::Child;

    use super::*;

    fn sleeper(table: &ProcessTable) -> Child {
        let child = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        table.add(child.id());
        child
    }

    #[test]
    fn a_killed_process_knows_why() {
        let table = ProcessTable::default();
        let (mut late, mut other) = (sleeper(&table), sleeper(&table));
        table.kill(late.id(), KillReason::TimedOut);
        assert_eq!(table.remove(late.id()), Some(KillReason::TimedOut));
        assert_eq!(late.wait().unwrap().signal(), Some(9));
        assert_eq!(table.kill_reason(other.id()), None);
        table.kill_all();
        assert_eq!(table.remove(other.id()), Some(KillReason::Interrupted));
        assert_eq!(other.wait().unwrap().signal(), Some(9));
        let mut newcomer = sleeper(&table);
        assert_eq!(newcomer.wait().unwrap().signal(), Some(9));
    }
}
