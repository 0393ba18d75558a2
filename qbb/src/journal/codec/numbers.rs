//! Numbers of enumerations.

use crate::journal::event::{QuantumEnd, RepeatReason, RunOutcome};

const QUANTUM_ENDS: [QuantumEnd; 5] = [
    QuantumEnd::Succeeded,
    QuantumEnd::NoWork,
    QuantumEnd::PartialOutputs,
    QuantumEnd::SkippedExisting,
    QuantumEnd::Failed,
];

pub fn quantum_end_number(end: QuantumEnd) -> u8 {
    match end {
        QuantumEnd::Succeeded => 0,
        QuantumEnd::NoWork => 1,
        QuantumEnd::PartialOutputs => 2,
        QuantumEnd::SkippedExisting => 3,
        QuantumEnd::Failed => 4,
    }
}

pub fn quantum_end(number: u8) -> Result<QuantumEnd, String> {
    QUANTUM_ENDS
        .get(usize::from(number))
        .copied()
        .ok_or_else(|| format!("there is no quantum status {number}"))
}

const RUN_OUTCOMES: [RunOutcome; 4] = [
    RunOutcome::Complete,
    RunOutcome::WithFailures,
    RunOutcome::StoppedEarly,
    RunOutcome::Interrupted,
];

pub fn run_outcome_number(outcome: RunOutcome) -> u8 {
    match outcome {
        RunOutcome::Complete => 0,
        RunOutcome::WithFailures => 1,
        RunOutcome::StoppedEarly => 2,
        RunOutcome::Interrupted => 3,
    }
}

pub fn run_outcome(number: u8) -> Result<RunOutcome, String> {
    RUN_OUTCOMES
        .get(usize::from(number))
        .copied()
        .ok_or_else(|| format!("there is no run outcome {number}"))
}

const REPEAT_REASONS: [RepeatReason; 6] = [
    RepeatReason::OutOfMemory,
    RepeatReason::TimedOut,
    RepeatReason::Signal,
    RepeatReason::WorkerDied,
    RepeatReason::ExitCode,
    RepeatReason::Failure,
];

pub fn repeat_reason_number(reason: RepeatReason) -> u8 {
    match reason {
        RepeatReason::OutOfMemory => 0,
        RepeatReason::TimedOut => 1,
        RepeatReason::Signal => 2,
        RepeatReason::WorkerDied => 3,
        RepeatReason::ExitCode => 4,
        RepeatReason::Failure => 5,
    }
}

pub fn repeat_reason(number: u8) -> Result<RepeatReason, String> {
    REPEAT_REASONS
        .get(usize::from(number))
        .copied()
        .ok_or_else(|| format!("there is no reason {number} to repeat an attempt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_enumerations_are_those_of_the_document() {
        for (number, end) in QUANTUM_ENDS.into_iter().enumerate() {
            assert_eq!(usize::from(quantum_end_number(end)), number);
        }
        for (number, outcome) in RUN_OUTCOMES.into_iter().enumerate() {
            assert_eq!(usize::from(run_outcome_number(outcome)), number);
        }
        for (number, reason) in REPEAT_REASONS.into_iter().enumerate() {
            assert_eq!(usize::from(repeat_reason_number(reason)), number);
        }
    }
}
