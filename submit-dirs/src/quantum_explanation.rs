//! Why one quantum is where it is.

use serde::Serialize;
use uuid::Uuid;

use crate::left_running::LeftRunningExplanation;

/// What became of a quantum, or what it waits for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuantumExplanation {
    /// Which.
    #[serde(flatten)]
    pub name: NamedQuantum,
    /// Where it stands.
    pub state: ExplainedState,
    /// Attempts that were begun.
    pub attempts: u32,
    /// The last attempt that ended, if it counts.
    pub last_attempt: Option<AttemptExplanation>,
    /// What the last attempt that left threads or processes running has left.
    pub left_running: Option<LeftRunningExplanation>,
    /// How a failed attempt is repeated, if that is about to happen.
    pub repetition: Option<RepetitionExplanation>,
    /// Where it runs.
    pub place: Option<PlaceExplanation>,
    /// The failure that it, directly or not, depends on.
    pub failed_ancestor: Option<Box<QuantumExplanation>>,
    /// Quanta that write what it reads and have not succeeded.
    pub waiting_for: Vec<WaitedFor>,
    /// All quanta before it that have not succeeded, by task and state.
    pub unfinished_before: Vec<UnfinishedTask>,
    /// Inputs that do not exist although the quanta that write them have succeeded.
    pub missing_inputs: Vec<MissingInput>,
    /// Quanta that cannot run because it failed.
    pub blocks: u64,
    /// What there is and what is taken, if a run is going on.
    pub run: Option<RunSituation>,
}

/// A quantum by its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedQuantum {
    /// UUID.
    pub quantum: Uuid,
    /// Label of its task.
    pub task: String,
    /// Data ID for people.
    pub data_id: String,
}

/// Where a quantum stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplainedState {
    /// It succeeded.
    Succeeded,
    /// It succeeded by finding nothing to do.
    NoWork,
    /// It succeeded with some of its outputs.
    PartialOutputs,
    /// It was found done.
    SkippedExisting,
    /// It failed.
    Failed,
    /// It failed, and there will be another attempt.
    ToBeRepeated,
    /// It runs.
    Running,
    /// It was begun by a run that has ended.
    CutOff,
    /// It depends on a failure.
    Blocked,
    /// Quanta before it have not succeeded.
    Waiting,
    /// It could run.
    Ready,
}

/// An attempt that ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttemptExplanation {
    /// How many came before.
    pub attempt: u32,
    /// When it began, RFC 3339.
    pub started: String,
    /// Seconds that it took.
    pub seconds: f64,
    /// Peak memory in bytes.
    pub memory: Option<u64>,
    /// CPU seconds, if known.
    pub cpu_seconds: Option<f64>,
    /// Type of the exception.
    pub exception: Option<String>,
    /// What it says.
    pub message: Option<String>,
    /// Exit code; negative is a signal.
    pub exit_code: Option<i32>,
    /// Its log, relative to the repository.
    pub log: Option<String>,
}

/// What is to follow a failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepetitionExplanation {
    /// Why it is repeated.
    pub reason: &'static str,
    /// When that may begin, RFC 3339.
    pub not_before: String,
    /// Bytes of memory that it is given, if more than before.
    pub memory: Option<u64>,
}

/// Where a quantum runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlaceExplanation {
    /// How many attempts came before.
    pub attempt: u32,
    /// Number of its place among those that run at the same time.
    pub worker: u32,
    /// Since when, RFC 3339.
    pub since: String,
    /// Bytes of memory set aside for it.
    pub memory: Option<u64>,
}

/// A quantum that another one waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaitedFor {
    /// Which.
    #[serde(flatten)]
    pub name: NamedQuantum,
    /// Where it stands.
    pub state: ExplainedState,
}

/// Quanta of a task in one state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnfinishedTask {
    /// Label.
    pub task: String,
    /// Their state.
    pub state: ExplainedState,
    /// How many.
    pub quanta: u64,
}

/// An input that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingInput {
    /// Dataset type.
    pub dataset_type: String,
    /// Data ID for people.
    pub data_id: String,
    /// Whether it was deleted on purpose; otherwise it was not written.
    pub removed: bool,
    /// The quantum that writes it.
    pub written_by: Uuid,
}

/// What a run that goes on may take, and has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunSituation {
    /// Quanta that run.
    pub running: u64,
    /// Most that may run at the same time.
    pub jobs: Option<u64>,
    /// Memory for all of them in bytes.
    pub memory: Option<u64>,
    /// Memory set aside for those that run.
    pub memory_taken: u64,
    /// Highest peak of memory that was seen in this task, in bytes.
    pub task_peak_memory: Option<u64>,
}
