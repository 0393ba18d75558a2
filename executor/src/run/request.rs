//! What is asked of a run.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8PathBuf;
use qbb::journal::{Durability, JournalWriter, ProcessIdentity};
use qbb_datastore::RepositoryConfig;
use qbb_graph::{QuantumGraph, QuantumIx};

use super::budget::ResourceOptions;
use super::intermediates::DeletedIntermediates;
use crate::cancel::Cancel;
use crate::functions::FunctionRegistry;
use crate::progress::Progress;
use crate::scheduler::RetryPolicy;
use crate::selection::Selection;

/// How a run gets along with others on the same journal directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exclusivity {
    /// Refuse to run while another run does.
    #[default]
    Exclusive,
    /// Others may run at the same time; whoever started them gave them different quanta.
    Shared,
    /// Run although another run seems to go on, for when it is known to be dead.
    Forced,
}

/// What a run does about configs, package versions and init-outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InitOutputs {
    /// Writes them before any quantum runs, unless the journal knows that they were written.
    #[default]
    IfMissing,
    /// Compares or writes them, whatever the journal says, and runs no quantum, as
    /// `pipetask pre-exec-init-qbb` does.
    Only,
    /// Leaves them to another run, as `pipetask run-qbb` does.
    Never,
}

/// Options of a run; the defaults are those of `pipetask run-qbb` where it has them.
#[derive(Debug, Clone, PartialEq)]
pub struct RunOptions {
    /// Failures after which no more quanta are started; 0 is no limit, 1 is "fail fast".
    pub max_failures: u32,
    /// Whether partial outputs are a failure.
    pub raise_on_partial_outputs: bool,
    /// Whether a quantum whose metadata exists has succeeded already, though the journal says
    /// nothing of it.
    pub skip_existing: bool,
    /// Whether outputs of an unsuccessful attempt that the journal does not know are replaced.
    pub clobber: bool,
    /// Whether first attempts need not look for existing outputs at all.
    pub assume_no_existing_outputs: bool,
    /// Time after which a command or `PipelineTask` quantum is killed and has failed. Rust
    /// functions cannot be killed.
    pub timeout: Option<Duration>,
    /// Cores that a task may use.
    pub cores_per_quantum: u32,
    /// Memory that a task may use, in bytes. It is told, and that much is set aside for each of its
    /// quanta unless [`Self::resources`] says something else.
    pub max_memory: Option<u64>,
    /// The Python interpreter, if not that of the environment.
    pub python: Option<Utf8PathBuf>,
    /// How to get along with other runs.
    pub exclusivity: Exclusivity,
    /// Whether Ctrl-C and termination requests to this process stop the run; false leaves signals
    /// to the caller.
    pub handle_signals: bool,

    /// What is done about init-outputs.
    pub init_outputs: InitOutputs,
    /// Folders in which Python looks for butler configuration before it does elsewhere.
    pub config_search_path: Vec<Utf8PathBuf>,
    /// Whether libraries that Python tasks use may start threads as they like. With several quanta
    /// at a time they never may.
    pub implicit_threading: bool,
    /// Whether Python tasks are debugged with `lsstDebug`, for which the module `debug` is imported.
    pub debug: bool,
    /// File for a profile of the Python code that runs quanta.
    pub profile: Option<Utf8PathBuf>,
    /// Whether a debugger is started when a quantum of a Python task fails.
    pub pdb: bool,
    /// Loggers of Python tasks and their levels, with the meaning they have for `pipetask`: a name, an
    /// empty one for the root logger, none for those of the middleware.
    pub python_log_levels: Vec<(Option<String>, String)>,

    /// Which failures are repeated, and when.
    pub retries: RetryPolicy,
    /// What the run may take of its node, and what tasks need.
    pub resources: ResourceOptions,
    /// Which quanta the run is about.
    pub selection: Selection,
    /// Which intermediate datasets are deleted when nothing needs them any more.
    pub delete_intermediates: DeletedIntermediates,

    /// Whether metadata and logs of quanta go into one pack for this process instead of files; see
    /// `docs/formats/pack.md`.
    pub pack: bool,
    /// When results are made durable.
    pub durability: Durability,
    /// Which process this is; `None` is the present one. Tests make it another host's.
    pub identity: Option<ProcessIdentity>,
    /// Time without a sign of life after which the run makes sure that no other has taken its
    /// place, before it does anything more.
    pub lease: Duration,

    /// Whether Python workers are forked by a process that has imported all tasks; otherwise, and
    /// where it cannot be forked, each one imports them.
    pub fork: bool,
    /// Quanta after which a Python worker is replaced.
    pub worker_max_quanta: Option<u32>,
    /// Bytes of memory; a Python worker that holds more than that after a quantum is replaced.
    pub worker_max_memory: Option<u64>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            max_failures: 0,
            raise_on_partial_outputs: true,
            skip_existing: true,
            clobber: true,
            assume_no_existing_outputs: false,
            timeout: None,
            cores_per_quantum: 1,
            max_memory: None,
            python: None,
            exclusivity: Exclusivity::Exclusive,
            handle_signals: true,
            init_outputs: InitOutputs::IfMissing,
            config_search_path: Vec::new(),
            implicit_threading: false,
            debug: false,
            profile: None,
            pdb: false,
            python_log_levels: Vec::new(),
            retries: RetryPolicy::default(),
            resources: ResourceOptions::default(),
            selection: Selection::default(),
            pack: false,
            durability: Durability::DEFAULT,
            identity: None,
            lease: JournalWriter::LEASE,
            delete_intermediates: DeletedIntermediates::None,
            fork: true,
            worker_max_quanta: None,
            worker_max_memory: None,
        }
    }
}

impl RunOptions {
    /// Memory in bytes that somebody has said quanta of a task may use.
    pub(super) fn memory_said(&self, label: &str) -> Option<u64> {
        let said = self.resources.tasks.get(label).and_then(|said| said.memory);
        said.or(self.max_memory)
    }

    /// The options as the journal keeps them, for people.
    pub(crate) fn to_json(&self, jobs: NonZeroUsize) -> String {
        serde_json::json!({
            "jobs": jobs.get(),
            "max_failures": self.max_failures,
            "raise_on_partial_outputs": self.raise_on_partial_outputs,
            "skip_existing": self.skip_existing,
            "clobber": self.clobber,
            "assume_no_existing_outputs": self.assume_no_existing_outputs,
            "timeout_seconds": self.timeout.map(|timeout| timeout.as_secs_f64()),
            "cores_per_quantum": self.cores_per_quantum,
            "max_memory": self.max_memory,
            "init_outputs": match self.init_outputs {
                InitOutputs::IfMissing => "if missing",
                InitOutputs::Only => "only",
                InitOutputs::Never => "never",
            },
            "config_search_path": self.config_search_path,
            "implicit_threading": self.implicit_threading,
            "debug": self.debug,
            "profile": self.profile,
            "pdb": self.pdb,
            "python_log_levels": self.python_log_levels,
            "retries": self.retries.retries,
            "retry_delay_seconds": self.retries.delay.as_secs_f64(),
            "memory": self.resources.memory_budget(),
            "scratch": self.resources.scratch,
            "resources": self.resources.named,
            "pack": self.pack,
            "delete_intermediates": match &self.delete_intermediates {
                DeletedIntermediates::None => serde_json::Value::Null,
                DeletedIntermediates::All => "all".into(),
                DeletedIntermediates::Types(names) => names.as_slice().into(),
            },
            "fork": self.fork,
            "worker_max_quanta": self.worker_max_quanta,
            "worker_max_memory": self.worker_max_memory,
        })
        .to_string()
    }
}

/// All that a run needs.
#[derive(Clone)]
pub struct RunRequest<'a> {
    /// The graph. Datastores of its input records must have roots, see
    /// [`QuantumGraph::set_missing_roots`].
    pub graph: Arc<QuantumGraph>,
    /// The repository whose datastore takes the outputs; its registry is not touched.
    pub repository: &'a RepositoryConfig,
    /// Folder of the journal; made if missing.
    pub journal: Utf8PathBuf,
    /// Folder for the standard error of Python workers; made if missing.
    pub logs: Utf8PathBuf,
    /// How many quanta run at the same time.
    pub jobs: NonZeroUsize,
    /// Quanta to run; `None` is all.
    pub quanta: Option<&'a [QuantumIx]>,
    /// Options.
    pub options: RunOptions,
    /// Rust functions that tasks name.
    pub functions: Arc<FunctionRegistry>,
    /// Stops the run.
    pub cancel: Cancel,
    /// Is told what happens.
    pub progress: &'a dyn Progress,
}

impl std::fmt::Debug for RunRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunRequest")
            .field("journal", &self.journal)
            .field("jobs", &self.jobs)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
