//! What the kernel says about memory: how much there is for us, and whether it had to kill.

use camino::{Utf8Path, Utf8PathBuf};

/// Root of control groups.
const CGROUPS: &str = "/sys/fs/cgroup";

/// A file with the number of processes of our control group that the kernel killed for lack of
/// memory.
///
/// The number only tells that one was killed, not which; but only processes that were killed ask.
#[derive(Debug)]
pub(super) struct KillCounter {
    file: Option<Utf8PathBuf>,
    /// Kills that were noticed.
    seen: u64,
}

impl KillCounter {
    /// The counter of the control group that this process is in, from now on. Without one, nothing
    /// is ever noticed.
    pub fn start() -> Self {
        let groups = fs_err::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut candidates = candidate_files(&groups, Utf8Path::new(CGROUPS)).into_iter();
        Self::of(candidates.find(|file| count(file).is_some()))
    }

    /// A counter that counts nothing.
    #[cfg(test)]
    pub fn none() -> Self {
        Self::of(None)
    }

    fn of(file: Option<Utf8PathBuf>) -> Self {
        let seen = file.as_deref().and_then(count).unwrap_or(0);
        Self { file, seen }
    }

    /// Whether a process was killed that was not noticed before; notices one.
    pub fn notice(&mut self) -> bool {
        let now = self.file.as_deref().and_then(count).unwrap_or(0);
        let is_new = now > self.seen;
        self.seen += u64::from(is_new);
        is_new
    }
}

/// Where the counter may be: in the unified hierarchy (version 2), mounted alone or beside the
/// others, and in that of the memory controller (version 1).
fn candidate_files(groups: &str, root: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut files = Vec::new();
    for (hierarchy, group) in memory_groups(groups) {
        let (folders, name): (&[&str], _) = match hierarchy {
            Hierarchy::Unified => (&["", "unified"], "memory.events"),
            Hierarchy::Memory => (&["memory"], "memory.oom_control"),
        };
        for folder in folders {
            files.push(root.join(folder).join(group).join(name));
        }
    }
    files
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hierarchy {
    Unified,
    Memory,
}

/// Our groups in the hierarchies that count memory, relative to their roots; from the lines
/// `NUMBER:CONTROLLERS:/GROUP` of `/proc/self/cgroup`. In a container the root is our group,
/// whatever it is called outside.
fn memory_groups(groups: &str) -> Vec<(Hierarchy, &str)> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let hierarchy = match controllers {
            "" => Hierarchy::Unified,
            names if names.split(',').any(|name| name == "memory") => Hierarchy::Memory,
            _ => continue,
        };
        found.push((hierarchy, group.trim_start_matches('/')));
        found.push((hierarchy, ""));
    }
    found
}

/// The number behind `oom_kill`.
fn count(file: &Utf8Path) -> Option<u64> {
    let text = fs_err::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

/// Memory that this process and its children may use, in bytes: what the machine has, or what its
/// control groups allow if that is less.
pub(super) fn memory_limit() -> Option<u64> {
    let information = fs_err::read_to_string("/proc/meminfo").unwrap_or_default();
    let physical = (information.lines())
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map(|kilobytes| kilobytes * 1024);
    let groups = fs_err::read_to_string("/proc/self/cgroup").unwrap_or_default();
    physical.into_iter().chain(group_limit(&groups, Utf8Path::new(CGROUPS))).min()
}

/// The least that any of our control groups allows, from the one we are in up to the root.
fn group_limit(groups: &str, root: &Utf8Path) -> Option<u64> {
    let mut limits = Vec::new();
    for (hierarchy, group) in memory_groups(groups) {
        let (folders, name): (&[&str], _) = match hierarchy {
            Hierarchy::Unified => (&["", "unified"], "memory.max"),
            Hierarchy::Memory => (&["memory"], "memory.limit_in_bytes"),
        };
        for folder in folders {
            let top = root.join(folder);
            let mut place = top.join(group);
            while place.starts_with(&top) {
                if let Ok(text) = fs_err::read_to_string(place.join(name)) {
                    // Version 2 says `max` for none; version 1 a number beyond any machine's.
                    limits.extend(text.trim().parse::<u64>().ok());
                }
                if !place.pop() {
                    break;
                }
            }
        }
    }
    limits.into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        for (path, content) in files {
            let path = root.join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, content).unwrap();
        }
        (folder, root)
    }

    #[test]
    fn each_kill_is_noticed_once() {
        let events = "low 0\nhigh 0\nmax 9\noom 1\noom_kill 3\noom_group_kill 0\n";
        let (_folder, root) = tree(&[("user/job/memory.events", events)]);
        let mut files = candidate_files("0::/user/job\n", &root).into_iter();
        let file = files.find(|file| count(file).is_some()).unwrap();
        let mut counter = KillCounter::of(Some(file.clone()));
        assert!(!counter.notice(), "those were before us");
        fs_err::write(&file, events.replace("kill 3", "kill 5")).unwrap();
        assert_eq!([counter.notice(), counter.notice(), counter.notice()], [true, true, false]);
    }

    #[test]
    fn both_versions_of_control_groups_are_found() {
        let old = "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n";
        let (_folder, root) = tree(&[("memory/job/memory.oom_control", old)]);
        let files = candidate_files("4:cpu:/x\n3:memory,hugetlb:/job\n0::/\n", &root);
        assert_eq!(files.iter().find_map(|file| count(file)), Some(2));

        let (_folder, root) = tree(&[("memory.events", "oom_kill 7\n")]);
        let files = candidate_files("0::/a/name/outside/the/container\n", &root);
        assert_eq!(files.iter().find_map(|file| count(file)), Some(7));
        let mut without = KillCounter::of(None);
        assert!(!without.notice());
    }

    #[test]
    fn the_tightest_group_limits_memory() {
        let files = [
            ("user/memory.max", "5000\n"),
            ("user/job/memory.max", "max\n"),
            ("user/job/step/memory.max", "7000\n"),
        ];
        let (_folder, root) = tree(&files);
        assert_eq!(group_limit("0::/user/job/step\n", &root), Some(5000));
        assert_eq!(group_limit("0::/elsewhere\n", &root), None);
        let (_folder, root) = tree(&[("memory/job/memory.limit_in_bytes", "4096\n")]);
        assert_eq!(group_limit("5:memory:/job\n", &root), Some(4096));
        assert!(memory_limit().is_some_and(|bytes| bytes > 1 << 20));
    }
}
