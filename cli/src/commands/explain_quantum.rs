//! `qbb explain quantum`: what a quantum waits for, or what became of it.

use camino::Utf8Path;
use qbb_graph::QuantumName;
use qbb_submit_dirs::{
    AttemptExplanation, ExplainedState, NamedQuantum, QuantumExplanation, RunSituation, bytes,
    duration,
};

use crate::commands::opened::OpenedRun;
use crate::output::{ExitCode, Failure, Terminal};

/// How many quanta or inputs are listed one by one.
const LISTED: usize = 10;

/// Explains a quantum of a submit directory. The code says whether it has succeeded.
pub fn execute(
    submit_dir: &Utf8Path,
    quantum: &QuantumName,
    terminal: Terminal,
) -> Result<ExitCode, Failure> {
    let opened = OpenedRun::open(submit_dir)?;
    let quantum = opened.graph.find_named(quantum)?;
    let resources = opened.directory.resources();
    let explanation = QuantumExplanation::of(&opened.graph, &opened.journal, quantum, &resources);
    let personal = &opened.directory.submission().personal;
    terminal.result(&explanation, |explanation| describe(explanation, personal))?;
    Ok(if is_success(explanation.state) { ExitCode::Success } else { ExitCode::Incomplete })
}

fn is_success(state: ExplainedState) -> bool {
    matches!(
        state,
        ExplainedState::Succeeded
            | ExplainedState::NoWork
            | ExplainedState::PartialOutputs
            | ExplainedState::SkippedExisting
    )
}

fn state_text(state: ExplainedState) -> &'static str {
    match state {
        ExplainedState::Succeeded => "succeeded",
        ExplainedState::NoWork => "found nothing to do, which is success",
        ExplainedState::PartialOutputs => "succeeded with some of its outputs",
        ExplainedState::SkippedExisting => "was found done",
        ExplainedState::Failed => "failed",
        ExplainedState::ToBeRepeated => "failed and will be repeated",
        ExplainedState::Running => "runs",
        ExplainedState::CutOff => "was cut off by the end of its run",
        ExplainedState::Blocked => "is blocked by a failure",
        ExplainedState::Waiting => "waits for others",
        ExplainedState::Ready => "is ready to run",
    }
}

fn name_text(name: &NamedQuantum) -> String {
    format!("{} {}", name.task, name.data_id)
}

fn describe(explanation: &QuantumExplanation, personal: &Utf8Path) -> String {
    let mut text = format!(
        "{}\nquantum {}\n{}",
        name_text(&explanation.name),
        explanation.name.quantum,
        state_text(explanation.state)
    );
    if explanation.attempts > 1 {
        text.push_str(&format!(", after {} attempts", explanation.attempts));
    }
    text.push('\n');
    if let Some(attempt) = &explanation.last_attempt {
        text.push_str(&attempt_text(attempt, personal, ""));
    }
    if let Some(left) = &explanation.left_running {
        text.push_str(&format!("attempt {} left running: {}\n", left.attempt, left.text()));
    }
    if let Some(repetition) = &explanation.repetition {
        let not_before = &repetition.not_before;
        text.push_str(&format!("{}: again from {not_before}", repetition.reason));
        if let Some(memory) = repetition.memory {
            text.push_str(&format!(" with {} of memory", bytes(memory)));
        }
        text.push('\n');
    }
    if let Some(place) = &explanation.place {
        text.push_str(&format!("place {} since {}", place.worker, place.since));
        if let Some(memory) = place.memory {
            text.push_str(&format!(", with {} of memory set aside", bytes(memory)));
        }
        text.push('\n');
    }
    if explanation.blocks != 0 {
        text.push_str(&format!("it blocks {} quanta\n", explanation.blocks));
    }
    if let Some(cause) = &explanation.failed_ancestor {
        text.push_str(&format!("blocked by {}\n", name_text(&cause.name)));
        text.push_str(&format!("  quantum {}\n", cause.name.quantum));
        if let Some(attempt) = &cause.last_attempt {
            text.push_str(&attempt_text(attempt, personal, "  "));
        }
    }
    text.push_str(&waiting_text(explanation));
    if explanation.state == ExplainedState::Ready {
        text.push_str(&match &explanation.run {
            Some(run) => situation_text(run),
            None => "no run is going on\n".to_owned(),
        });
    }
    text
}

fn attempt_text(attempt: &AttemptExplanation, personal: &Utf8Path, indent: &str) -> String {
    let mut text = format!("{indent}attempt {} took {:.1} s", attempt.attempt, attempt.seconds);
    if let Some(memory) = attempt.memory {
        text.push_str(&format!(", peak memory {}", bytes(memory)));
    }
    if let Some(seconds) = attempt.cpu_seconds {
        text.push_str(&format!(", CPU time {}", duration(seconds)));
    }
    text.push('\n');
    if let Some(exception) = &attempt.exception {
        let message = attempt.message.as_deref().unwrap_or_default();
        for (number, line) in message.lines().enumerate() {
            let head = if number == 0 { format!("{exception}: ") } else { "  ".to_owned() };
            text.push_str(&format!("{indent}{head}{line}\n"));
        }
        if let Some(code) = attempt.exit_code {
            text.push_str(&format!("{indent}exit code {code}\n"));
        }
    }
    if let Some(log) = &attempt.log {
        text.push_str(&format!("{indent}log: {}\n", personal.join(log)));
    }
    text
}

fn waiting_text(explanation: &QuantumExplanation) -> String {
    let mut text = String::new();
    if !explanation.waiting_for.is_empty() && explanation.state != ExplainedState::Blocked {
        text.push_str(&format!("it reads what {} quanta write:\n", explanation.waiting_for.len()));
        for other in explanation.waiting_for.iter().take(LISTED) {
            text.push_str(&format!("  {}: {}\n", name_text(&other.name), state_text(other.state)));
        }
        if explanation.waiting_for.len() > LISTED {
            text.push_str("  …\n");
        }
        text.push_str("all that is not done before it:\n");
        for before in &explanation.unfinished_before {
            let state = state_text(before.state);
            text.push_str(&format!("  {} {}: {state}\n", before.quanta, before.task));
        }
    }
    for missing in explanation.missing_inputs.iter().take(LISTED) {
        let why = if missing.removed { "was deleted" } else { "was not written" };
        text.push_str(&format!("its input {} {} {why}\n", missing.dataset_type, missing.data_id));
    }
    if explanation.missing_inputs.iter().any(|missing| missing.removed)
        && !is_success(explanation.state)
    {
        text.push_str("what was deleted is made again when the quantum is executed\n");
    }
    text
}

fn situation_text(run: &RunSituation) -> String {
    let mut text = format!("{} quanta run", run.running);
    if let Some(jobs) = run.jobs {
        text.push_str(&format!(" of {jobs} that may"));
    }
    if let Some(memory) = run.memory {
        let (taken, memory) = (bytes(run.memory_taken), bytes(memory));
        text.push_str(&format!("; {taken} of {memory} of memory are set aside for them"));
    }
    if let Some(peak) = run.task_peak_memory {
        text.push_str(&format!("; quanta of this task have needed up to {}", bytes(peak)));
    }
    text.push('\n');
    text
}
