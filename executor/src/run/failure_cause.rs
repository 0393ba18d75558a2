//! Telling why an attempt failed, from how it ended.

use qbb::journal::{ExceptionInfo, QuantumOutcome, RepeatReason};

use super::memory_events::KillCounter;
use crate::scheduler::FailureCause;

/// A process killed when its peak had come this near to what was set aside for it, in percent, was
/// killed for that.
const NEAR: u64 = 90;

/// Exit code of a shell whose child was killed by the signal that is used for lack of memory.
const SHELL_OF_KILLED: i32 = 128 + libc::SIGKILL;

/// What programs say when they get no memory: Python, C++, the C library.
const SAYINGS: [&str; 4] =
    ["MemoryError", "std::bad_alloc", "Cannot allocate memory", "memory allocation of "];

/// What made an attempt fail. `memory` is what was set aside for it, in bytes.
pub(super) fn cause_of(
    outcome: &QuantumOutcome,
    memory: Option<u64>,
    kills: &mut KillCounter,
) -> FailureCause {
    let peak = outcome.usage.map(|usage| usage.memory).filter(|&peak| peak != 0);
    let kind = kind_of(outcome, memory, peak, kills);
    FailureCause { kind, exit_code: outcome.exit_code, peak_memory: peak }
}

fn kind_of(
    outcome: &QuantumOutcome,
    memory: Option<u64>,
    peak: Option<u64>,
    kills: &mut KillCounter,
) -> RepeatReason {
    let (type_name, message) = match &outcome.exception {
        Some(exception) => (exception.type_name.as_str(), exception.message.as_str()),
        None => ("", ""),
    };
    // Names of our own kinds of failure have a prefix where Python could have the same.
    let class = type_name.rsplit('.').next().unwrap_or_default();
    if class == "TimedOut" {
        return RepeatReason::TimedOut;
    }
    if class.ends_with("MemoryError") || class == OUT_OF_MEMORY {
        return RepeatReason::OutOfMemory;
    }
    let code = outcome.exit_code.unwrap_or(0);
    let is_near = || match (peak, memory) {
        (Some(peak), Some(memory)) => peak >= memory / 100 * NEAR,
        _ => false,
    };
    if (code == -libc::SIGKILL || code == SHELL_OF_KILLED) && (kills.notice() || is_near()) {
        return RepeatReason::OutOfMemory;
    }
    let is_process = class == "CommandFailed" || class == "WorkerDied";
    if is_process && SAYINGS.iter().any(|saying| message.contains(saying)) {
        return RepeatReason::OutOfMemory;
    }
    match class {
        _ if code < 0 => RepeatReason::Signal,
        "WorkerDied" => RepeatReason::WorkerDied,
        "CommandFailed" => RepeatReason::ExitCode,
        _ => RepeatReason::Failure,
    }
}

/// Type of the exception of a failure that was recognised as lack of memory and has no such type of
/// its own.
const OUT_OF_MEMORY: &str = "OutOfMemory";

/// Lets a failure say that it was for lack of memory, if that was found out.
pub(super) fn name_cause(outcome: &mut QuantumOutcome, cause: &FailureCause, memory: Option<u64>) {
    if cause.kind != RepeatReason::OutOfMemory {
        return;
    }
    let exception = outcome.exception.get_or_insert_with(|| ExceptionInfo {
        type_name: String::new(),
        message: "it was killed".to_owned(),
    });
    if exception.type_name.ends_with("MemoryError") {
        return;
    }
    let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
    let mut text = "it ran out of memory".to_owned();
    if let Some(peak) = cause.peak_memory {
        text.push_str(&format!(" with a peak of {} MiB", megabytes(peak)));
    }
    if let Some(memory) = memory {
        text.push_str(&format!("; {} MiB were set aside for it", megabytes(memory)));
    }
    exception.message = format!("{text}\n{}", exception.message);
    exception.type_name = OUT_OF_MEMORY.to_owned();
}

#[cfg(test)]
mod tests {
    use qbb::journal::ResourceUsage;

    use super::*;

    fn failed(type_name: &str, message: &str, exit_code: i32, peak: u64) -> QuantumOutcome {
        let usage = Some(ResourceUsage { memory: peak, ..ResourceUsage::default() });
        let exit_code = Some(exit_code);
        QuantumOutcome { usage, exit_code, ..QuantumOutcome::failure(type_name, message) }
    }

    fn kind(outcome: &QuantumOutcome, memory: Option<u64>) -> RepeatReason {
        // A counter that counts nothing.
        let mut kills = KillCounter::none();
        cause_of(outcome, memory, &mut kills).kind
    }

    #[test]
    fn causes_are_told_apart() {
        use RepeatReason::{ExitCode, Failure, OutOfMemory, Signal, TimedOut, WorkerDied};
        for (outcome, expected) in [
            (failed("builtins.MemoryError", "", 1, 0), OutOfMemory),
            (failed("numpy._core._exceptions._ArrayMemoryError", "", 1, 0), OutOfMemory),
            (failed("CommandFailed", "it said last: MemoryError", 1, 0), OutOfMemory),
            (failed("builtins.ValueError", "no MemoryError", 1, 0), Failure),
            (failed("CommandFailed", "ended with 137", 137, 95), OutOfMemory),
            (failed("CommandFailed", "ended with 137", 137, 10), ExitCode),
            (failed("CommandFailed", "killed", -9, 90), OutOfMemory),
            (failed("CommandFailed", "killed", -9, 80), Signal),
            (failed("CommandFailed", "killed", -11, 99), Signal),
            (failed("qbb.WorkerDied", "exited with status 3", 3, 0), WorkerDied),
            (failed("qbb.TimedOut", "too long", -9, 99), TimedOut),
            (failed("CommandFailed", "no", 2, 0), ExitCode),
        ] {
            assert_eq!(kind(&outcome, Some(100)), expected, "{outcome:?}");
        }
        assert_eq!(kind(&failed("CommandFailed", "", -9, 90), None), Signal);
    }

    #[test]
    fn lack_of_memory_is_called_by_its_name() {
        let mut outcome = failed("CommandFailed", "`x` ended with signal 9", -9, 3 << 20);
        let memory = Some(3 << 20);
        let cause = cause_of(&outcome, memory, &mut KillCounter::none());
        name_cause(&mut outcome, &cause, memory);
        let exception = outcome.exception.unwrap();
        assert_eq!(exception.type_name, "OutOfMemory");
        assert_eq!(
            exception.message,
            "it ran out of memory with a peak of 3 MiB; 3 MiB were set aside for it\n\
             `x` ended with signal 9"
        );
    }
}
