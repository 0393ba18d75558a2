//! Requests to a worker and its replies.

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use qbb::journal::{FileRecord, ResourceUsage};

/// Options of a worker, with the meaning they have for `pipetask run-qbb`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WorkerOptions {
    pub raise_on_partial_outputs: bool,
    pub skip_existing: bool,
    pub clobber: bool,
    pub assume_no_existing_outputs: bool,
    pub cores_per_quantum: u32,
    /// Bytes.
    pub memory_per_quantum: Option<u64>,
    pub implicit_threading: bool,
    pub debug: bool,
    /// File for a profile; each worker but the first one appends its name.
    pub profile: Option<Utf8PathBuf>,
    pub pdb: bool,
    /// Labels of tasks that must be able to run beside others.
    pub side_by_side: Vec<String>,
    /// Dataset types whose content comes with the reply, so that it can be packed.
    pub packed: Vec<String>,
    /// Names of loggers, none for those of the middleware, and their levels.
    pub log_levels: Vec<(Option<String>, String)>,
}

#[derive(Debug, Serialize)]
pub(super) struct DatastoreJson<'a> {
    pub root: &'a str,
    pub config: &'a Value,
    pub search_paths: &'a [Utf8PathBuf],
}

/// What is asked of a worker. Graph blocks are JSON already and are passed on as they are.
#[derive(Debug, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(super) enum Request<'a> {
    Start {
        pipeline_graph: &'a RawValue,
        header: &'a RawValue,
        datastore: DatastoreJson<'a>,
        options: &'a WorkerOptions,
        worker: &'a str,
    },
    Init {
        init_quanta: &'a RawValue,
        dimension_data: &'a RawValue,
    },
    Quantum {
        quantum: &'a RawValue,
        init_quantum: &'a RawValue,
        dimension_data: &'a RawValue,
        attempt: u32,
        /// Bytes that the task may use, if that is not what the options say.
        memory: Option<u64>,
    },
}

/// A reply that says that a request was wrong or cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct WorkerFault {
    /// What is to blame: `import`, `datastore`, `conflict` or `request`.
    pub kind: String,
    /// What happened.
    pub message: String,
    /// Label of the task concerned.
    pub task: Option<String>,
    /// What the user can do about it.
    pub hint: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct FaultReply {
    pub ok: bool,
    pub error: Option<WorkerFault>,
}

/// A file as a worker reports it.
#[derive(Debug, Deserialize)]
pub(crate) struct RowJson {
    path: String,
    formatter: String,
    storage_class: String,
    component: Option<String>,
    checksum: Option<String>,
    file_size: i64,
}

/// What stands for "no component" where null is not allowed.
const WHOLE: &str = "__NULL_STRING__";

impl From<RowJson> for FileRecord {
    fn from(row: RowJson) -> Self {
        Self {
            path: row.path,
            formatter: row.formatter.into(),
            storage_class: row.storage_class.into(),
            component: row.component.filter(|component| component != WHOLE).map(Into::into),
            checksum: row.checksum,
            file_size: row.file_size,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct DatasetJson {
    pub dataset_id: Uuid,
    pub rows: Vec<RowJson>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StartReply {
    /// Seconds that importing all tasks took.
    pub imports_seconds: f64,
    /// Threads besides the main one that a process which is to fork has; with these it cannot.
    #[serde(default)]
    pub threads: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct InitReply {
    pub written: Vec<DatasetJson>,
    pub kept: Vec<DatasetJson>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StatusJson {
    Succeeded,
    Failed,
    SkippedExisting,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ExceptionJson {
    pub type_name: String,
    pub message: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct UsageJson {
    memory: u64,
    prep_time: f64,
    init_time: f64,
    run_time: f64,
    run_time_cpu: f64,
}

impl From<UsageJson> for ResourceUsage {
    fn from(usage: UsageJson) -> Self {
        let UsageJson { memory, prep_time, init_time, run_time, run_time_cpu } = usage;
        Self { memory, prep_time, init_time, run_time, run_time_cpu }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct QuantumReply {
    pub status: StatusJson,
    pub caveats: Option<u32>,
    pub exception: Option<ExceptionJson>,
    pub exit_code: Option<i32>,
    pub actual_outputs: Vec<DatasetJson>,
    pub available_inputs: Vec<Uuid>,
    pub actual_inputs: Vec<Uuid>,
    pub resource_usage: Option<UsageJson>,
    /// Memory that the worker holds now, in bytes.
    #[serde(default)]
    pub resident: Option<u64>,
    /// Child processes that the task has left running.
    #[serde(default)]
    pub left_behind: Vec<u32>,
    /// Names of threads that the task has left running.
    #[serde(default)]
    pub threads_left: Vec<String>,
    /// Datasets that were not written as files.
    #[serde(default)]
    pub packed: Vec<PackedJson>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PackedJson {
    pub dataset_id: Uuid,
    /// What the file would have held.
    pub text: String,
}
