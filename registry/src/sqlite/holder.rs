//! Who keeps a file locked, as far as the kernel of this host knows.

use std::fmt::Write as _;

use camino::Utf8Path;

/// The kernel's list of locks.
const LOCKS: &str = "/proc/locks";

/// The processes that have locks on a file, for people; ourselves left out. `None` if there are none
/// on this host, or it does not tell.
pub(super) fn lock_holders(path: &Utf8Path) -> Option<String> {
    let mut found = processes_with_locks(path)?;
    found.retain(|&process| process != std::process::id());
    let mut text = String::new();
    for process in found {
        let name = fs_err::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}process {process}");
        if !name.trim().is_empty() {
            let _ = write!(text, " ({})", name.trim());
        }
    }
    (!text.is_empty()).then_some(text)
}

/// The processes that have locks on a file, ourselves among them. `None` if the kernel does not tell.
pub(super) fn processes_with_locks(path: &Utf8Path) -> Option<Vec<u32>> {
    let inode = inode(path)?;
    Some(holders(&fs_err::read_to_string(LOCKS).ok()?, inode))
}

#[cfg(unix)]
fn inode(path: &Utf8Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    Some(fs_err::metadata(path).ok()?.ino())
}

#[cfg(not(unix))]
fn inode(_: &Utf8Path) -> Option<u64> {
    None
}

/// Processes that have a lock on an inode. Its device is not looked at, because some file systems
/// show another one here than to programs.
fn holders(locks: &str, inode: u64) -> Vec<u32> {
    let mut found: Vec<u32> = Vec::new();
    for line in locks.lines() {
        // Number, class, strictness, kind, process, device and inode, range. Those who wait have an
        // arrow after the number, hence no process in its place.
        let mut words = line.split_whitespace().skip(4);
        let process: Option<u32> = words.next().and_then(|word| word.parse().ok());
        let file: Option<u64> = words.next().and_then(|word| word.rsplit(':').next()?.parse().ok());
        if let (Some(process), Some(file)) = (process, file)
            && inode == file
            && !found.contains(&process)
        {
            found.push(process);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_have_a_lock_are_found_and_those_who_wait_are_not() {
        let locks = "\
1: POSIX  ADVISORY  READ  812 08:01:77 1073741826 1073742335
2: POSIX  ADVISORY  WRITE 4711 08:01:77 1073741825 1073741825
2: -> POSIX  ADVISORY  WRITE 99 08:01:77 1073741825 1073741825
3: FLOCK  ADVISORY  WRITE 5 08:01:78 0 EOF
4: POSIX  ADVISORY  READ  812 08:01:77 128 128
";
        assert_eq!(holders(locks, 77), [812, 4711]);
        assert_eq!(holders(locks, 78), [5]);
        assert_eq!(holders("nonsense\n", 77), [0; 0]);
    }
}
