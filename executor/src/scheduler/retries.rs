//! Which failures are worth another attempt, and when.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use qbb::journal::RepeatReason;

/// What made an attempt fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureCause {
    /// What kind of failure it was.
    pub kind: RepeatReason,
    /// Exit code of the process or of the exception; negative is a signal.
    pub exit_code: Option<i32>,
    /// Peak memory of the attempt in bytes, if measured.
    pub peak_memory: Option<u64>,
}

/// Failures that are worth another attempt.
///
/// As text: a list of `any`, `oom`, `timeout`, `signal`, `worker`, exit codes such as `75`, and
/// signals such as `SIGBUS` or `-7`, separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryOn {
    any: bool,
    kinds: BTreeSet<u8>,
    /// Exit codes, and signals as negative numbers.
    codes: BTreeSet<i32>,
}

const KINDS: [(&str, RepeatReason); 4] = [
    ("oom", RepeatReason::OutOfMemory),
    ("timeout", RepeatReason::TimedOut),
    ("signal", RepeatReason::Signal),
    ("worker", RepeatReason::WorkerDied),
];

impl Default for RetryOn {
    /// What the task did not decide itself: signals, the death of its process, lack of memory. An
    /// exception would most likely be raised again.
    fn default() -> Self {
        let kinds = [RepeatReason::OutOfMemory, RepeatReason::Signal, RepeatReason::WorkerDied];
        let kinds = kinds.map(|kind| kind as u8).into();
        Self { any: false, kinds, codes: BTreeSet::new() }
    }
}

impl RetryOn {
    /// Whether a failure is one of them.
    pub fn includes(&self, cause: &FailureCause) -> bool {
        // A process that ran into its time limit was killed by us; that is not its exit code.
        let by_code = cause.kind != RepeatReason::TimedOut;
        self.any
            || self.kinds.contains(&(cause.kind as u8))
            || (by_code && cause.exit_code.is_some_and(|code| self.codes.contains(&code)))
    }
}

impl FromStr for RetryOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut chosen = Self { any: false, kinds: BTreeSet::new(), codes: BTreeSet::new() };
        for part in text.split(',').map(str::trim) {
            if part == "any" {
                chosen.any = true;
            } else if let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == part) {
                chosen.kinds.insert(*kind as u8);
            } else if let Ok(code) = part.parse::<i32>() {
                if code == 0 {
                    return Err("exit code 0 is success".to_owned());
                }
                chosen.codes.insert(code);
            } else if let Some(signal) = signal_number(part) {
                chosen.codes.insert(-signal);
            } else {
                return Err(format!(
                    "`{part}` is no failure that can be repeated; there are any, oom, timeout, \
                     signal, worker, exit codes (75) and signals (SIGBUS or -7)"
                ));
            }
        }
        Ok(chosen)
    }
}

/// Number of a signal by its name, with or without `SIG`.
fn signal_number(name: &str) -> Option<i32> {
    let upper = name.to_ascii_uppercase();
    Some(match upper.strip_prefix("SIG").unwrap_or(&upper) {
        "HUP" => libc::SIGHUP,
        "INT" => libc::SIGINT,
        "QUIT" => libc::SIGQUIT,
        "ILL" => libc::SIGILL,
        "TRAP" => libc::SIGTRAP,
        "ABRT" => libc::SIGABRT,
        "BUS" => libc::SIGBUS,
        "FPE" => libc::SIGFPE,
        "KILL" => libc::SIGKILL,
        "USR1" => libc::SIGUSR1,
        "SEGV" => libc::SIGSEGV,
        "USR2" => libc::SIGUSR2,
        "PIPE" => libc::SIGPIPE,
        "ALRM" => libc::SIGALRM,
        "TERM" => libc::SIGTERM,
        "XCPU" => libc::SIGXCPU,
        "XFSZ" => libc::SIGXFSZ,
        "SYS" => libc::SIGSYS,
        _ => return None,
    })
}

/// How often and when failures are repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a quantum is repeated in one run.
    pub retries: u32,
    /// How long the first repetition waits; each further one twice as long as the one before.
    pub delay: Duration,
    /// The longest wait.
    pub max_delay: Duration,
    /// Which failures are repeated.
    pub on: RetryOn,
}

impl Default for RetryPolicy {
    /// No repetitions.
    fn default() -> Self {
        Self {
            retries: 0,
            delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(300),
            on: RetryOn::default(),
        }
    }
}

impl RetryPolicy {
    /// How long to wait before a failure is repeated; `None` if it is not. `repeated` is how often
    /// the quantum was repeated in this run.
    pub fn wait(&self, cause: &FailureCause, repeated: u32) -> Option<Duration> {
        if repeated >= self.retries || !self.on.includes(cause) {
            return None;
        }
        let factor = 1u32.checked_shl(repeated).unwrap_or(u32::MAX);
        Some(self.delay.saturating_mul(factor).min(self.max_delay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(kind: RepeatReason, exit_code: i32) -> FailureCause {
        FailureCause { kind, exit_code: Some(exit_code), peak_memory: None }
    }

    #[test]
    fn failures_are_chosen_by_kind_code_and_signal() {
        let chosen: RetryOn = "oom, 75,SIGBUS,-15,term".parse().unwrap();
        assert!(chosen.includes(&cause(RepeatReason::OutOfMemory, -9)));
        assert!(chosen.includes(&cause(RepeatReason::ExitCode, 75)));
        assert!(chosen.includes(&cause(RepeatReason::Signal, -libc::SIGBUS)));
        assert!(chosen.includes(&cause(RepeatReason::Signal, -15)));
        assert!(!chosen.includes(&cause(RepeatReason::Signal, -9)));
        assert!(!chosen.includes(&cause(RepeatReason::ExitCode, 1)));
        let killed: RetryOn = "KILL".parse().unwrap();
        assert!(!killed.includes(&cause(RepeatReason::TimedOut, -9)), "that was us");
        for wrong in ["", "0", "sometimes", "oom,,any", "SIGWHAT"] {
            assert!(wrong.parse::<RetryOn>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn by_default_what_the_task_raised_is_not_repeated() {
        let chosen = RetryOn::default();
        for (kind, expected) in [
            (RepeatReason::OutOfMemory, true),
            (RepeatReason::Signal, true),
            (RepeatReason::WorkerDied, true),
            (RepeatReason::TimedOut, false),
            (RepeatReason::ExitCode, false),
            (RepeatReason::Failure, false),
        ] {
            assert_eq!(chosen.includes(&cause(kind, 1)), expected, "{kind:?}");
        }
    }

    #[test]
    fn waits_double_up_to_a_bound() {
        let delay = Duration::from_secs(2);
        let max_delay = Duration::from_secs(10);
        let policy = RetryPolicy { retries: 50, delay, max_delay, on: "any".parse().unwrap() };
        let failure = cause(RepeatReason::Failure, 1);
        let waits: Vec<_> =
            [0, 1, 2, 3, 40].iter().map(|&n| policy.wait(&failure, n).unwrap().as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 10, 10]);
        assert_eq!(policy.wait(&failure, 50), None);
    }
}
