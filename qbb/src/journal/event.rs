//! Events of execution.

use std::sync::Arc;

use qbb_graph::{DatasetIx, QuantumIx};
use uuid::Uuid;

use super::left_running::LeftRunning;
use super::packed::PackedBlock;
use super::process::ProcessIdentity;
use super::time::Timestamp;
use super::usage::ResourceUsage;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A process began to execute quanta.
    RunStarted {
        /// When.
        time: Timestamp,
        /// Which process.
        process: ProcessIdentity,
        /// Options of the run, a JSON object, for people.
        options: String,
    },
    /// The process stopped executing quanta of its own accord.
    RunFinished {
        /// When.
        time: Timestamp,
        /// How it went.
        outcome: RunOutcome,
        /// How many quanta are in which state.
        counts: RunCounts,
    },
    /// Init-outputs are there: written now, or found and kept.
    InitOutputsWritten {
        /// When.
        time: Timestamp,
        /// Their records.
        outputs: Vec<DatasetOutput>,
    },
    /// A quantum is about to run.
    QuantumStarted {
        /// When.
        time: Timestamp,
        /// Which.
        quantum: QuantumIx,
        /// How many attempts came before.
        attempt: u32,
    },
    /// A quantum ended, one way or the other.
    QuantumFinished {
        /// Which.
        quantum: QuantumIx,
        /// How many attempts came before.
        attempt: u32,
        /// When it started.
        started: Timestamp,
        /// When it ended.
        ended: Timestamp,
        /// How it ended.
        outcome: QuantumOutcome,
    },
    /// A failure means that other quanta cannot run.
    QuantaBlocked {
        /// When.
        time: Timestamp,
        /// The quantum that failed.
        cause: QuantumIx,
        /// All quanta that depend on it, directly or not, and were not blocked before.
        quanta: Vec<QuantumIx>,
    },
    /// The run has made sure that no other executes the graph, and goes on.
    RunGoesOn {
        /// When.
        time: Timestamp,
        /// Files of runs that it takes for dead, each with the offset at which they end for all
        /// readers, whatever is appended to them later.
        superseded: Vec<(Uuid, u64)>,
    },
    /// Outputs claimed up to some offset of this file are on disk. Also a sign of life.
    OutputsDurable {
        /// When.
        time: Timestamp,
        /// Frames that begin before this offset are covered.
        end: u64,
    },
    /// An attempt was given its place among those that run at the same time.
    QuantumPlaced {
        /// When.
        time: Timestamp,
        /// Which quantum.
        quantum: QuantumIx,
        /// How many attempts came before.
        attempt: u32,
        /// Number of the place, from 0; no two attempts of a run have the same at a time.
        worker: u32,
        /// Memory set aside for it, in bytes, if its need is known.
        memory: Option<u64>,
    },
    /// Attempts ran in a place, one after the other. Their ends follow in the same file.
    QuantaPlaced {
        /// When this was recorded.
        time: Timestamp,
        /// Number of the place, from 0.
        worker: u32,
        /// Quanta with how many attempts came before.
        quanta: Vec<(QuantumIx, u32)>,
    },
    /// An attempt has left something running in the process that executed it, or beside it. Its end
    /// follows in the same file.
    LeftRunning {
        /// When this was recorded.
        time: Timestamp,
        /// Which quantum.
        quantum: QuantumIx,
        /// How many attempts came before.
        attempt: u32,
        /// What was left.
        left: LeftRunning,
    },
    /// An attempt failed, and there will be another one.
    AttemptRepeated {
        /// When that was decided.
        time: Timestamp,
        /// Which quantum.
        quantum: QuantumIx,
        /// The attempt that failed.
        attempt: u32,
        /// Why it is repeated.
        reason: RepeatReason,
        /// Before this the next attempt does not begin.
        not_before: Timestamp,
        /// Memory that the next attempt is given, in bytes, if that is more than before.
        memory: Option<u64>,
    },
    /// Datasets are about to be deleted because nothing needs them any more.
    DatasetsRemoved {
        /// When.
        time: Timestamp,
        /// Which, each with the attempt that wrote it.
        datasets: Vec<(DatasetIx, u32)>,
    },
    /// Quanta are to be executed again, whatever became of them before.
    QuantaReset {
        /// When.
        time: Timestamp,
        /// Which, each with the number of its next attempt; earlier ones no longer count.
        quanta: Vec<(QuantumIx, u32)>,
    },
    /// Datasets were written into a pack. The ends of their quanta follow in the same file.
    OutputsPacked {
        /// When.
        time: Timestamp,
        /// Writer of the pack.
        pack: Uuid,
        /// Where the datasets are.
        blocks: Vec<PackedBlock>,
    },
}

impl Event {
    /// Whether it says that files were written.
    pub(super) fn claims_outputs(&self) -> bool {
        matches!(self, Self::QuantumFinished { .. } | Self::InitOutputsWritten { .. })
    }

    /// When it happened.
    pub fn time(&self) -> Timestamp {
        match self {
            Self::RunStarted { time, .. }
            | Self::RunFinished { time, .. }
            | Self::InitOutputsWritten { time, .. }
            | Self::QuantumStarted { time, .. }
            | Self::QuantaBlocked { time, .. }
            | Self::OutputsDurable { time, .. }
            | Self::RunGoesOn { time, .. }
            | Self::QuantumPlaced { time, .. }
            | Self::QuantaPlaced { time, .. }
            | Self::LeftRunning { time, .. }
            | Self::AttemptRepeated { time, .. }
            | Self::DatasetsRemoved { time, .. }
            | Self::QuantaReset { time, .. }
            | Self::OutputsPacked { time, .. } => *time,
            Self::QuantumFinished { ended, .. } => *ended,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOutcome {
    /// Every quantum it was to execute has succeeded.
    Complete,
    /// Some quanta failed or were blocked; all others have succeeded.
    WithFailures,
    /// It stopped at a limit of failures.
    StoppedEarly,
    /// The user interrupted it.
    Interrupted,
}

/// Quanta by state at the end of a run, those of earlier runs included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// Succeeded, whatever their caveats.
    pub succeeded: u32,
    /// Failed.
    pub failed: u32,
    /// Blocked by failures.
    pub blocked: u32,
    /// Neither.
    pub not_attempted: u32,
}

/// How a quantum ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuantumEnd {
    /// The task ran.
    Succeeded,
    /// The task found nothing to do, which counts as success.
    NoWork,
    /// The task wrote some of its outputs, which was allowed to count as success.
    PartialOutputs,
    /// Its metadata dataset existed already, which is the definition of success.
    SkippedExisting,
    /// Anything else.
    Failed,
}

impl QuantumEnd {
    /// Whether successors may run.
    pub fn is_success(self) -> bool {
        self != Self::Failed
    }
}

/// Why an attempt is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RepeatReason {
    /// It needed more memory than there was.
    OutOfMemory,
    /// It took longer than it may.
    TimedOut,
    /// A signal ended its process.
    Signal,
    /// The process that executed it ended of its own accord.
    WorkerDied,
    /// Its exit code.
    ExitCode,
    /// Any other failure.
    Failure,
}

/// What is known of an attempt after it.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantumOutcome {
    /// How it ended.
    pub end: QuantumEnd,
    /// Caveat bits of the middleware (`QuantumSuccessCaveats`), if known.
    pub caveats: Option<u32>,
    /// The exception of a failure.
    pub exception: Option<ExceptionInfo>,
    /// Exit code of the process or of the exception; negative is a signal.
    pub exit_code: Option<i32>,
    /// What it cost.
    pub usage: Option<ResourceUsage>,
    /// Datasets that exist now because of it, metadata and log among them.
    pub outputs: Vec<DatasetOutput>,
    /// Inputs whose existence was seen.
    pub available_inputs: Vec<DatasetIx>,
    /// Inputs that were read.
    pub actual_inputs: Vec<DatasetIx>,
}

impl QuantumOutcome {
    /// An attempt that ended in a given way and left nothing.
    pub fn bare(end: QuantumEnd) -> Self {
        Self {
            end,
            caveats: None,
            exception: None,
            exit_code: None,
            usage: None,
            outputs: Vec::new(),
            available_inputs: Vec::new(),
            actual_inputs: Vec::new(),
        }
    }

    /// A failure that left nothing.
    pub fn failure(type_name: impl Into<String>, message: impl Into<String>) -> Self {
        let exception = ExceptionInfo { type_name: type_name.into(), message: message.into() };
        Self { exception: Some(exception), exit_code: Some(1), ..Self::bare(QuantumEnd::Failed) }
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExceptionInfo {
    /// Name of the exception's type.
    pub type_name: String,
    /// What it says.
    pub message: String,
}

/// A dataset that was written, with its datastore records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetOutput {
    /// Which.
    pub dataset: DatasetIx,
    /// One record for each file.
    pub records: Vec<FileRecord>,
}

/// A datastore record of a written file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecord {
    /// Path relative to the root of the output datastore.
    pub path: String,
    /// Formatter class path.
    pub formatter: Arc<str>,
    /// Storage class as written.
    pub storage_class: Arc<str>,
    /// Component; `None` is the whole dataset.
    pub component: Option<Arc<str>>,
    /// Checksum, if the datastore computes them.
    pub checksum: Option<String>,
    /// Size in bytes.
    pub file_size: i64,
}
