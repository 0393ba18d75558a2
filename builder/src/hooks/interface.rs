//! What the builder asks of whoever can call tasks' own methods.

use std::collections::BTreeMap;
use std::error::Error;

use qbb_dimensions::{DataValue, RecordTable, Symbols};
use qbb_pipeline::PipelineGraph;
use serde_json::Value;
use uuid::Uuid;

use super::batch::{DataIdBatch, QuantumBatch};

/// Calls tasks' own methods while a graph is built.
///
/// [`start`](Self::start) comes first and once, and only if a task has such methods. Methods get
/// batches, since a call usually crosses a process boundary.
pub trait TaskHooks {
    /// Begins.
    ///
    /// # Errors
    /// If the methods cannot be called at all.
    fn start(&mut self, session: &HookSession<'_>) -> Result<(), HookError>;

    /// Takes dimension records that data IDs of later calls may need.
    ///
    /// # Errors
    /// If the other side cannot be reached.
    fn add_records(&mut self, tables: &[RecordTable], symbols: &Symbols) -> Result<(), HookError>;

    /// Calls the look-up function of a prerequisite connection for each quantum.
    ///
    /// # Errors
    /// If the function raises, or the other side cannot be reached.
    fn look_up(
        &mut self,
        task: &str,
        connection: &str,
        quanta: &DataIdBatch<'_>,
    ) -> Result<FoundPrerequisites, HookError>;

    /// Calls `adjust_all_quanta` for all quanta of a task.
    ///
    /// # Errors
    /// If the method raises, or the other side cannot be reached.
    fn adjust_all_quanta(
        &mut self,
        quanta: &QuantumBatch<'_>,
    ) -> Result<TogetherAdjusted, HookError>;

    /// Calls `adjustQuantum` for each of some quanta of a task.
    ///
    /// # Errors
    /// If the method raises, or the other side cannot be reached.
    fn adjust_quanta(&mut self, quanta: &QuantumBatch<'_>) -> Result<Adjustments, HookError>;
}

/// What concerns all calls of a build.
#[derive(Debug)]
pub struct HookSession<'a> {
    /// The resolved pipeline.
    pub pipeline: &'a PipelineGraph,
    /// Labels of the tasks whose methods will be called.
    pub tasks: &'a [&'a str],
    /// Input collections in search order, without chains.
    pub inputs: &'a [String],
    /// RUN collection of the outputs.
    pub output_run: &'a str,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The method raised an exception.
    #[error("{hook} raised {type_name}: {message}")]
    Raised {
        /// The method, or the look-up function of a connection.
        hook: String,
        /// Type of the exception.
        type_name: String,
        /// Its message.
        message: String,
        /// Position in the batch of the quantum that it was called for, if for one.
        quantum: Option<u32>,
    },
    /// The method could not be called.
    #[error(transparent)]
    NotCalled(#[from] Box<dyn Error + Send + Sync>),
}

/// Dimension records as arrays in the form of quantum graph files, by element.
pub type RecordRows = BTreeMap<String, Vec<Vec<Value>>>;

/// What look-up functions found.
#[derive(Debug, Default)]
pub struct FoundPrerequisites {
    /// Every dataset once.
    pub datasets: Vec<FoundDataset>,
    /// For each quantum of the batch, positions in `datasets`.
    pub of_quantum: Vec<Vec<u32>>,
    /// Records of the data IDs; those of earlier answers may be left out.
    pub records: RecordRows,
}

/// A dataset that the builder may not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundDataset {
    /// UUID.
    pub id: Uuid,
    /// RUN collection, which need not be among the inputs.
    pub run: String,
    /// Required values of the data ID.
    pub data_id: Vec<DataValue>,
}

/// Numbers of the datasets of one quantum, by dataset type.
pub type AdjustedLists = BTreeMap<String, Vec<u32>>;

/// What `adjust_all_quanta` did.
#[derive(Debug, Default)]
pub struct TogetherAdjusted {
    /// Positions of quanta that it removed.
    pub removed: Vec<u32>,
    /// Position, inputs and outputs of each quantum that it changed.
    pub changed: Vec<(u32, AdjustedLists, AdjustedLists)>,
    /// Datasets that it removed together with quanta.
    pub gone: AdjustedLists,
}

/// What `adjustQuantum` did.
#[derive(Debug, Default)]
pub struct Adjustments {
    /// Quanta that have nothing to do.
    pub dropped: Vec<DroppedQuantum>,
    /// Position, remaining inputs and outputs of each quantum that lost some.
    pub changed: Vec<(u32, Option<AdjustedLists>, Option<AdjustedLists>)>,
}

/// A quantum that has nothing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedQuantum {
    /// Position in the batch.
    pub quantum: u32,
    /// The connection that has too few datasets, if that is why.
    pub connection: Option<String>,
    /// Why.
    pub reason: String,
}
