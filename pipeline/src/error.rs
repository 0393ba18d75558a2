//! What can be wrong with pipelines.

use camino::Utf8PathBuf;
use qbb_dimensions::UniverseError;

use crate::native_error::NativePipelineError;

/// Why a pipeline, or a pipeline graph, cannot be read from JSON.
#[derive(Debug, thiserror::Error)]
pub enum PipelineReadError {
    /// The file cannot be read.
    #[error("cannot read the pipeline {path}: {source}")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A native pipeline file has a mistake.
    #[error(transparent)]
    Native(#[from] NativePipelineError),
    /// The text is not JSON.
    #[error("the pipeline is not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The file is something else.
    #[error(
        "the file is not a pipeline export: its member `format` is {found}, not \
         `qbb-pipeline-export`; make one with `python -m qbb_worker.export`"
    )]
    Format {
        /// What stands there.
        found: String,
    },
    /// The export has a format of another version.
    #[error(
        "the pipeline export has version {found}, but only version {expected} can be read: export \
         the pipeline again with the exporter of this release"
    )]
    ExportVersion {
        /// The version found.
        found: String,
        /// The version understood.
        expected: u32,
    },
    /// The graph inside has a format of another version.
    #[error(
        "the pipeline graph has version {found}, but only version 0.0.1 can be read: use a release \
         of the middleware that writes that version"
    )]
    GraphVersion {
        /// The version found.
        found: String,
    },
    /// A member is missing or of the wrong kind.
    #[error("member `{field}` of the pipeline is wrong: {reason}")]
    Field {
        /// The member's place, with dots.
        field: String,
        /// What is wrong.
        reason: String,
    },
    /// The graph was not resolved.
    #[error(
        "the pipeline graph is not resolved (member `{field}` is null), but only resolved ones can \
         be used here: resolve the pipeline against a repository first"
    )]
    NotResolved {
        /// The member.
        field: String,
    },
    /// The two halves of an export contradict each other.
    #[error(
        "the export says nothing about connection `{connection}` of task `{task}` in its member \
         `tasks`: export the pipeline again"
    )]
    NoSupplement {
        /// The task's label.
        task: String,
        /// The connection.
        connection: String,
    },
    /// Dimensions are wrong.
    #[error("member `{field}` of the pipeline: {source}")]
    Dimensions {
        /// The member's place, with dots.
        field: String,
        /// What is wrong.
        source: UniverseError,
    },
    /// Tasks need each other's outputs.
    #[error(transparent)]
    Cycle(#[from] CycleError),
}

/// Tasks that need each other's outputs in a circle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "tasks {} need each other's outputs in a circle, through dataset types {}",
    list(.tasks),
    list(.dataset_types)
)]
pub struct CycleError {
    /// Labels of the tasks, sorted.
    pub tasks: Vec<String>,
    /// Dataset types between them, sorted.
    pub dataset_types: Vec<String>,
}

/// Names for a message: `` `a`, `b` ``.
pub(crate) fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// `` (did you mean `…`?)`` or nothing.
pub(crate) fn suggestion(similar: Option<&str>) -> String {
    similar.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

/// Why a pipeline does not fit a repository, or itself.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// A name that no dataset type may have.
    #[error("connection `{connection}` of task `{task}`: {source}")]
    DatasetTypeName {
        /// The task's label.
        task: String,
        /// The connection.
        connection: String,
        /// What is wrong.
        source: qbb_dimensions::DatasetTypeError,
    },
    /// Dimensions of a task are wrong.
    #[error("dimensions of task `{task}`: {source}")]
    TaskDimensions {
        /// The task's label.
        task: String,
        /// What is wrong.
        source: UniverseError,
    },
    /// Dimensions of a connection are wrong.
    #[error("dimensions of connection `{connection}` of task `{task}`: {source}")]
    ConnectionDimensions {
        /// The task's label.
        task: String,
        /// The connection.
        connection: String,
        /// What is wrong.
        source: UniverseError,
    },
    /// A task without the dataset that tells of its success.
    #[error("task `{task}` has no output `_metadata`, without which its success cannot be told")]
    NoMetadata {
        /// The task's label.
        task: String,
    },
    /// A placeholder of a command line that means nothing.
    #[error("argument `{argument}` of task `{task}`: {reason}")]
    Placeholder {
        /// The task's label.
        task: String,
        /// The argument.
        argument: String,
        /// What is wrong.
        reason: String,
    },
    /// An output that is a component.
    #[error(
        "task `{task}` has `{dataset_type}` as output, but components of datasets cannot be \
         written: write the whole dataset"
    )]
    ComponentOutput {
        /// The task's label.
        task: String,
        /// Name with component.
        dataset_type: String,
    },
    /// Several tasks write the same dataset type.
    #[error(
        "dataset type `{dataset_type}` is written by both `{first}` and `{second}`: only one task \
         may write it, so rename the output of one of them"
    )]
    DuplicateOutput {
        /// The dataset type.
        dataset_type: String,
        /// A task that writes it.
        first: String,
        /// Another one.
        second: String,
    },
    /// Two inputs of one task ask for different storage classes of one dataset type.
    #[error(
        "inputs `{first}` and `{second}` of task `{task}` read dataset type `{dataset_type}` with \
         different storage classes, which the middleware does not support: use one storage class"
    )]
    TwoStorageClasses {
        /// The task.
        task: String,
        /// Name of one input.
        first: String,
        /// Name of the other.
        second: String,
        /// The dataset type, with component.
        dataset_type: String,
    },
    /// One task's prerequisite is another kind of connection elsewhere.
    #[error(
        "dataset type `{dataset_type}` is a prerequisite input of task `{task}`, but {other}: \
         prerequisites must exist before the graph is built"
    )]
    PrerequisiteConflict {
        /// The dataset type.
        dataset_type: String,
        /// The task with the prerequisite.
        task: String,
        /// What it is elsewhere.
        other: String,
    },
    /// Only a registration could tell the definition.
    #[error("dataset type `{dataset_type}` is not registered in the repository, but {reason}")]
    NotRegistered {
        /// The dataset type.
        dataset_type: String,
        /// Why the pipeline does not tell.
        reason: String,
    },
    /// A definition contradicts the one that counts.
    #[error(
        "task `{task}` has dataset type `{dataset_type}` with {declared}, but {origin} has it with \
         {expected}"
    )]
    Incompatible {
        /// The dataset type.
        dataset_type: String,
        /// The task's label.
        task: String,
        /// What the task says.
        declared: String,
        /// Whose definition counts.
        origin: String,
        /// What it says.
        expected: String,
    },
    /// Objects of one storage class do not convert to another.
    #[error(
        "task `{task}` has dataset type `{dataset_type}` with storage class `{declared}`, which \
         cannot be converted {direction} `{expected}` of {origin}"
    )]
    NotConvertible {
        /// The dataset type, with component.
        dataset_type: String,
        /// The task's label.
        task: String,
        /// The task's storage class.
        declared: String,
        /// Whether the conversion would be on reading (`from`) or writing (`to`).
        direction: &'static str,
        /// Storage class of the definition that counts.
        expected: String,
        /// Whose definition counts.
        origin: String,
    },
    /// The storage class has no such component.
    #[error(
        "task `{task}` reads component `{component}` of dataset type `{dataset_type}`, but its \
         storage class `{storage_class}` (from {origin}) has no such component{}",
        suggestion(.similar.as_deref())
    )]
    NoComponent {
        /// The task's label.
        task: String,
        /// The component.
        component: String,
        /// The dataset type.
        dataset_type: String,
        /// Its storage class.
        storage_class: String,
        /// Whose definition counts.
        origin: String,
        /// The nearest component.
        similar: Option<String>,
    },
    /// Steps are wrong.
    #[error("step `{step}` {reason}")]
    Step {
        /// The step's label.
        step: String,
        /// What is wrong.
        reason: String,
    },
    /// Tasks are in no step.
    #[error("the pipeline has steps, but no step contains {}", list(.tasks))]
    OutsideSteps {
        /// Their labels.
        tasks: Vec<String>,
    },
    /// Tasks need each other's outputs.
    #[error(transparent)]
    Cycle(#[from] CycleError),
}

/// A label or subset that a pipeline does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the pipeline has no task and no subset `{name}`{}; there are {}",
    suggestion(.similar.as_deref()),
    list(.known)
)]
pub struct UnknownLabelError {
    /// The name asked for.
    pub name: String,
    /// The nearest name there is.
    pub similar: Option<String>,
    /// All names there are.
    pub known: Vec<String>,
}
