//! What a build is asked for, and what it gives.

use std::collections::BTreeMap;

use qbb_dimensions::expression::Bindings;
use qbb_graph::QuantumGraph;
use qbb_pipeline::PipelineDefinition;
use qbb_query::engine::DataIdTable;

use crate::explanation::{Explain, Explanation};

/// Which overall inputs must exist for a data ID to be part of the initial query.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DatasetConstraint {
    /// Every overall input that is not a prerequisite, has dimensions and does not defer.
    #[default]
    All,
    /// None.
    Off,
    /// These dataset types, as far as they are inputs of the pipeline.
    Names(Vec<String>),
}

impl DatasetConstraint {
    /// Reads `all`, `off` or names separated by commas. Anything else is names too, as for
    /// `pipetask`: no name is no constraint.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "all" => Self::All,
            "off" => Self::Off,
            names => Self::Names(
                names
                    .split(',')
                    .map(|name| name.replace(' ', ""))
                    .filter(|name| !name.is_empty())
                    .collect(),
            ),
        }
    }
}

/// Everything that a build depends on besides the repository.
#[derive(Debug, Clone, Default)]
pub struct BuildRequest {
    /// The pipeline, not yet resolved.
    pub pipeline: PipelineDefinition,
    /// Input collections in search order: names, shell globs, or several separated by commas.
    pub inputs: Vec<String>,
    /// CHAINED collection that outputs and inputs will be found in.
    pub output: Option<String>,
    /// RUN collection of the outputs; by default the output followed by the time in UTC.
    pub output_run: Option<String>,
    /// Put outputs into an existing run: the one named, or the first child of the output
    /// collection. Quanta that are done there are skipped.
    pub extend_run: bool,
    /// Search inputs as if the first child of the output collection were not there.
    pub replace_run: bool,
    /// What is replaced will be deleted; says nothing about the graph, but requires `replace_run`.
    pub prune_replaced: bool,
    /// Accept an output collection that was made with other inputs.
    pub rebase: bool,
    /// Collections in which finished quanta are looked for; these are skipped.
    pub skip_existing_in: Vec<String>,
    /// Skip what is done in the output run, after `skip_existing_in`.
    pub skip_existing: bool,
    /// Outputs that exist in the output run will be removed before execution.
    pub clobber: bool,
    /// Dataset types, as names or globs, that are kept where finished quanta are looked for; other
    /// inputs of quanta that are not done have their producers run again. Everything, if `None`.
    pub retained: Option<Vec<String>>,
    /// Labels of two tasks: quanta of the first from which none of the second can be reached are
    /// removed with everything downstream.
    pub prune_unanchored: Option<(String, String)>,
    /// The `where` expression; blank for no restriction.
    pub data_query: String,
    /// Values of bind names in the expression.
    pub bindings: Bindings,
    /// Which overall inputs constrain the initial query.
    pub constraint: DatasetConstraint,
    /// Tables of data IDs that quanta must be consistent with.
    pub data_id_tables: Vec<DataIdTable>,
    /// What is to be explained besides an empty graph.
    pub explain: Explain,
    /// The most rows that any one join may have; [`DEFAULT_MAX_ROWS`](crate::DEFAULT_MAX_ROWS) if not given.
    pub max_rows: Option<usize>,
    /// Absolute URIs of the roots of datastores by name, each ending in `/`.
    pub datastore_roots: BTreeMap<String, String>,
    /// Who builds.
    pub user: String,
    /// The command that asked for it.
    pub command: String,
    /// Further facts for the graph's header.
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

/// A finished build.
#[derive(Debug)]
pub struct Build {
    /// The graph.
    pub graph: QuantumGraph,
    /// What became of each task's quanta, in the order of tasks.
    pub tasks: Vec<TaskOutcome>,
    /// Statements or requests that were sent to the repository; independent of the number of
    /// quanta.
    pub statements: u64,
    /// What people should know about how the request was understood.
    pub warnings: Vec<String>,
    /// Why the graph is as it is, if that was asked for.
    pub explanation: Option<Explanation>,
}

/// What became of a task's quanta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskOutcome {
    /// Label.
    pub label: String,
    /// Quanta that the initial query gave.
    pub initial: usize,
    /// Quanta in the graph.
    pub kept: usize,
    /// Quanta that are done already.
    pub skipped: usize,
    /// Connections for which quanta had fewer datasets than the minimum, with the number of quanta
    /// dropped for that reason.
    pub no_work: Vec<(String, usize)>,
    /// Reasons that the task's own methods gave for dropping quanta, with the number of quanta.
    pub dropped_by_hooks: Vec<(String, usize)>,
}

/// How far a build has come.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Something was read from the repository.
    Read {
        /// A dimension element or dataset type.
        what: &'a str,
        /// Number of rows.
        rows: usize,
    },
    /// The data IDs of a part of the pipeline are known.
    DataIds {
        /// Number of tasks of the part.
        tasks: usize,
        /// Number of its quanta before pruning.
        quanta: usize,
    },
    /// Quanta of a task are final.
    Task(&'a TaskOutcome),
    /// The graph is being put together.
    Assembling,
}
