//! Resource measurements at the stages of a quantum.

use qbb::journal::Timestamp;

/// The keys with a prefix.
macro_rules! keys {
    ($prefix:literal) => {
        [
            concat!($prefix, "Utc"),
            concat!($prefix, "CpuTime"),
            concat!($prefix, "UserTime"),
            concat!($prefix, "SystemTime"),
            concat!($prefix, "MaxResidentSetSize"),
            concat!($prefix, "MinorPageFaults"),
            concat!($prefix, "MajorPageFaults"),
            concat!($prefix, "BlockInputs"),
            concat!($prefix, "BlockOutputs"),
            concat!($prefix, "VoluntaryContextSwitches"),
            concat!($prefix, "InvoluntaryContextSwitches"),
        ]
    };
}

/// A stage of a quantum, in order of occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    /// Before inputs and outputs are looked at.
    Prep,
    /// Before the task is constructed.
    Init,
    /// Before the quantum runs.
    Start,
    /// After all, successful or not.
    End,
}

impl Marker {
    /// The marker's keys in task metadata, in the order of [`MetadataDataset`]'s arrays.
    ///
    /// [`MetadataDataset`]: super::MetadataDataset
    pub fn keys(self) -> &'static MarkerKeys {
        const PREP: MarkerKeys = keys!("prep");
        const INIT: MarkerKeys = keys!("init");
        const START: MarkerKeys = keys!("start");
        const END: MarkerKeys = keys!("end");
        match self {
            Self::Prep => &PREP,
            Self::Init => &INIT,
            Self::Start => &START,
            Self::End => &END,
        }
    }
}

/// Names of what is measured at a marker: the time, three CPU times, memory, and six counts.
pub(crate) type MarkerKeys = [&'static str; 11];

/// What was used up to a moment. Times in seconds, memory in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Measured {
    pub time: Timestamp,
    pub user: f64,
    pub system: f64,
    pub max_resident: u64,
    pub minor_faults: i64,
    pub major_faults: i64,
    pub block_inputs: i64,
    pub block_outputs: i64,
    pub voluntary_switches: i64,
    pub involuntary_switches: i64,
}

impl Measured {
    /// CPU time of both kinds.
    pub fn cpu(&self) -> f64 {
        self.user + self.system
    }

    /// What the calling thread has used so far; memory is that of the whole process.
    ///
    /// Quanta of Rust functions share a process, so what the process used would say nothing about
    /// any of them.
    pub fn this_thread() -> Self {
        #[cfg(target_os = "linux")]
        let who = libc::RUSAGE_THREAD;
        #[cfg(not(target_os = "linux"))]
        let who = libc::RUSAGE_SELF;
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: `usage` is valid for writes of a `rusage`, and all-zero bytes are a valid one,
        // so it is initialised whether or not the call succeeds.
        let usage = unsafe {
            libc::getrusage(who, usage.as_mut_ptr());
            usage.assume_init()
        };
        Self::of(&usage)
    }

    fn of(usage: &libc::rusage) -> Self {
        // Kilobytes on Linux, bytes on macOS.
        let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
        Self {
            time: Timestamp::now(),
            user: seconds(usage.ru_utime),
            system: seconds(usage.ru_stime),
            max_resident: u64::try_from(usage.ru_maxrss).unwrap_or(0) * unit,
            minor_faults: usage.ru_minflt,
            major_faults: usage.ru_majflt,
            block_inputs: usage.ru_inblock,
            block_outputs: usage.ru_oublock,
            voluntary_switches: usage.ru_nvcsw,
            involuntary_switches: usage.ru_nivcsw,
        }
    }
}

/// CPU seconds that a process has used, without its children, if the system tells. Also of one that has
/// ended and was not waited for.
#[cfg(target_os = "linux")]
pub(crate) fn cpu_time(pid: u32) -> Option<f64> {
    let pid = libc::pid_t::try_from(pid).ok()?;
    let mut clock = 0;
    // SAFETY: the pointer is valid for writes of its type during the call.
    if unsafe { libc::clock_getcpuclockid(pid, &mut clock) } != 0 {
        return None;
    }
    let mut time = std::mem::MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: as above; a number that is not that of a clock (any more) is an error.
    if unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: it was zeroed, which is a time, and then filled.
    let time = unsafe { time.assume_init() };
    Some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
}

/// Not known on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn cpu_time(_: u32) -> Option<f64> {
    None
}

/// Waits for a child process and returns its exit status with what it and its own children used.
///
/// The caller must own the process and not wait for it elsewhere.
pub(crate) fn children_usage(pid: u32) -> std::io::Result<(std::process::ExitStatus, Measured)> {
    use std::os::unix::process::ExitStatusExt;

    let pid = libc::pid_t::try_from(pid).map_err(|_| std::io::ErrorKind::InvalidInput)?;
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers are valid for writes of their types during the call.
        let result = unsafe { libc::wait4(pid, &mut status, 0, usage.as_mut_ptr()) };
        if result == pid {
            break;
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: all-zero bytes are a valid `rusage`, and the call has succeeded.
    let usage = unsafe { usage.assume_init() };
    Ok((std::process::ExitStatus::from_raw(status), Measured::of(&usage)))
}

fn seconds(time: libc::timeval) -> f64 {
    time.tv_sec as f64 + time.tv_usec as f64 * 1e-6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_uses_time() {
        let before = Measured::this_thread();
        let mut sum = 0u64;
        while Measured::this_thread().cpu() < before.cpu() + 0.01 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(before.max_resident > 100_000, "{} bytes", before.max_resident);
    }

    #[test]
    #[cfg(target_os = "linux")]
    #[expect(clippy::zombie_processes, reason = "it is waited for by its number")]
    fn the_cpu_time_of_a_child_is_known_until_it_is_waited_for() {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

        let script = "i=0; while test $i -lt 20000; do i=$((i+1)); done";
        let child = std::process::Command::new("sh").args(["-c", script]).spawn().unwrap();
        let raw = Pid::from_raw(child.id() as i32).unwrap();
        waitid(WaitId::Pid(raw), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        let dead = cpu_time(child.id()).unwrap();
        let (_, used) = children_usage(child.id()).unwrap();
        assert!(dead > 1e-4 && (dead - used.cpu()).abs() < 0.1, "{dead} and {}", used.cpu());
        assert_eq!(cpu_time(child.id()), None, "it is gone");
    }

    #[test]
    #[expect(clippy::zombie_processes, reason = "it is waited for by its number")]
    fn a_child_is_reaped_with_its_usage() {
        let child = std::process::Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
        let (status, used) = children_usage(child.id()).unwrap();
        assert_eq!(status.code(), Some(3));
        assert!(used.max_resident > 100_000, "{} bytes", used.max_resident);
        assert!(children_usage(child.id()).is_err(), "it is gone");
    }
}
