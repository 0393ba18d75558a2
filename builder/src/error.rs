//! Why a graph could not be built.

use qbb_dimensions::UniverseError;
use qbb_dimensions::expression::ExpressionError;
use qbb_query::QueryError;
use qbb_registry::RegistryError;

use crate::explanation::Explanation;
use crate::outputs::OutputError;

/// Why a graph could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The data IDs of a query could not be found.
    #[error(transparent)]
    Query(QueryError),
    /// The repository could not be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The `where` expression is wrong.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// A dimension is unknown.
    #[error(transparent)]
    Universe(#[from] UniverseError),
    /// The pipeline does not fit the repository.
    #[error(transparent)]
    Pipeline(#[from] qbb_pipeline::ResolveError),
    /// The output collections do not fit what is asked for or what exists.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A value of the pipeline's data ID does not fit its dimension.
    #[error("data ID of the pipeline: `{value}` is no value of {dimension}")]
    PipelineDataId {
        /// The dimension.
        dimension: String,
        /// The value.
        value: String,
    },
    /// A value of the data ID to be explained does not fit its dimension.
    #[error("the data ID to be explained has a value of `{dimension}` that is no whole number")]
    AskedDataId {
        /// The dimension.
        dimension: String,
    },
    /// A task needs Python while the graph is built.
    #[error(
        "task `{task}` needs {hook}, which only Python can evaluate, and no Python with the \
         middleware is at hand"
    )]
    NeedsPython {
        /// Label of the task.
        task: String,
        /// The overridden method, or the look-up function of a connection.
        hook: String,
    },
    /// A method of a task raised an exception.
    #[error("task `{task}`: {hook} raised {type_name}{}: {message}", of_quantum(quantum.as_deref()))]
    HookRaised {
        /// Label of the task.
        task: String,
        /// The method, or the look-up function of a connection.
        hook: String,
        /// Data ID of the quantum that it was called for, if for one.
        quantum: Option<String>,
        /// Type of the exception.
        type_name: String,
        /// Its message.
        message: String,
    },
    /// A method of a task could not be called.
    #[error("task `{task}`: {hook} could not be called: {source}")]
    HookNotCalled {
        /// Label of the task.
        task: String,
        /// The method, or the look-up function of a connection.
        hook: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A constraint refers to a dataset type that is not registered.
    #[error(
        "no datasets of overall input `{dataset_type}`: the dataset type is not registered in the \
         repository; check the pipeline, or leave it out of the dataset query constraint"
    )]
    ConstraintNotRegistered {
        /// The dataset type.
        dataset_type: String,
    },
    /// Time is needed of a record that has no timespan.
    #[error("task `{task}` looks prerequisites up by time, but {data_id} has no timespan")]
    NoTimespan {
        /// Label of the task.
        task: String,
        /// The data ID.
        data_id: String,
    },
    /// A prerequisite that no rule of the middleware's covers.
    #[error(
        "prerequisite `{connection}` of task `{task}`, of dimensions {dimensions}, cannot be looked \
         up: {why}; give the connection a look-up function"
    )]
    PrerequisiteBounds {
        /// Label of the task.
        task: String,
        /// The connection.
        connection: String,
        /// Dimensions of its dataset type.
        dimensions: String,
        /// The rule.
        why: String,
    },
    /// More datasets than a connection takes.
    #[error(
        "task `{task}`: {count} datasets `{dataset_type}` for connection `{connection}`, which \
         takes one, in quantum {data_id}: {datasets}"
    )]
    Scalar {
        /// Label of the task.
        task: String,
        /// The connection.
        connection: String,
        /// The dataset type.
        dataset_type: String,
        /// The quantum's data ID.
        data_id: String,
        /// Number of datasets.
        count: usize,
        /// Data IDs of the datasets.
        datasets: String,
    },
    /// Fewer prerequisites than a task needs.
    #[error(
        "task `{task}`: prerequisite `{connection}` needs {minimum} dataset(s) `{dataset_type}`, but \
         {quanta} of its quanta have fewer, the first of them {data_id}; searched: {collections}"
    )]
    PrerequisiteMissing {
        /// Label of the task.
        task: String,
        /// The connection.
        connection: String,
        /// The dataset type.
        dataset_type: String,
        /// Fewest datasets.
        minimum: u32,
        /// Number of quanta with fewer.
        quanta: usize,
        /// Data ID of the first of them.
        data_id: String,
        /// Input collections that may hold the dataset type.
        collections: String,
    },
    /// An init-input is not there.
    #[error(
        "init-input `{dataset_type}` of task `{task}` was not found in the input collections \
         ({collections})"
    )]
    InitInputMissing {
        /// Label of the task.
        task: String,
        /// The dataset type.
        dataset_type: String,
        /// Input collections.
        collections: String,
    },
    /// Outputs are there already.
    #[error(
        "{count} output(s) `{dataset_type}` of quanta of task `{task}` that are not finished exist \
         already in `{run}`, for example {data_id}: give --clobber-outputs to have them removed and \
         written again, or choose another output run"
    )]
    OutputExists {
        /// Label of the task.
        task: String,
        /// The dataset type.
        dataset_type: String,
        /// The output run.
        run: String,
        /// Number of datasets.
        count: usize,
        /// One of their data IDs.
        data_id: String,
    },
    /// Nothing writes an init-output of a task whose quanta were all skipped, and it is not there.
    #[error(
        "all quanta of task `{task}` are done, but its init-output `{dataset_type}` was not found \
         where finished quanta are looked for ({collections}): add the collection that holds it to \
         --skip-existing-in, or do not skip"
    )]
    SkippedInitOutputMissing {
        /// Label of the task.
        task: String,
        /// The dataset type.
        dataset_type: String,
        /// Collections that are searched for finished quanta.
        collections: String,
    },
    /// Retained dataset types are about skipping.
    #[error(
        "retained dataset types say which inputs of quanta that are not done must be made again; \
         give --skip-existing-in, --skip-existing or --extend-run with them"
    )]
    RetainedWithoutSkipping,
    /// Everything is done.
    #[error("nothing to do: all {quanta} quanta are done already in {collections}")]
    AllDone {
        /// Number of quanta that were skipped.
        quanta: usize,
        /// Collections that are searched for finished quanta.
        collections: String,
    },
    /// Something that real builders can do and this one cannot.
    #[error("{0} is not supported yet")]
    NotSupported(String),
    /// A table of the repository refers to what it does not hold.
    #[error("repository: {0}")]
    Inconsistent(String),
    /// No quanta.
    #[error("the graph would be empty\n{0}")]
    Empty(Box<Explanation>),
}

fn of_quantum(data_id: Option<&str>) -> String {
    data_id.map_or_else(String::new, |data_id| format!(" for quantum {data_id}"))
}

/// What is wrong with the expression or the repository is no matter of queries alone.
impl From<QueryError> for BuildError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Expression(error) => Self::Expression(error),
            QueryError::Registry(error) => Self::Registry(error),
            QueryError::Universe(error) => Self::Universe(error),
            error => Self::Query(error),
        }
    }
}
