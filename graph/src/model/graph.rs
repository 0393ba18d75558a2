//! The whole quantum graph.

use qbb_dimensions::{DataIdTable, RecordTable, Symbols, Universe};
use qbb_pipeline::{PipelineGraph, TaskIx};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

use super::adjacency::Adjacency;
use super::collections::CollectionStructure;
use super::records::{Datastore, InputRecords};
use super::tables::{DataIdGroupIx, DatasetIx, DatasetTable, QuantumTable};
use crate::lookup::Lookups;

/// Where a graph came from and where its outputs go.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GraphHeader {
    /// Input collections, chains flattened.
    pub inputs: Vec<String>,
    /// CHAINED output collection.
    pub output: Option<String>,
    /// RUN collection of the outputs.
    pub output_run: String,
    /// Who built it.
    pub user: String,
    /// When, local time as ISO text without zone.
    pub timestamp: String,
    /// The command that built it.
    pub command: String,
    /// Further facts, such as the data query; JSON text of an object.
    pub metadata: String,
}

/// What is written, and read, when a task is constructed; also the one global entry without a
/// task, which writes the packages dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitQuantum {
    /// UUID.
    pub id: Uuid,
    /// The task; `None` for the global entry.
    pub task: Option<u32>,
    /// Connection name and dataset of each init-input.
    pub inputs: Vec<(String, u32)>,
    /// Connection name and dataset of each init-output, `_config` and `packages` among them.
    pub outputs: Vec<(String, u32)>,
}

impl InitQuantum {
    /// The task, if it is not the global entry.
    pub fn task(&self) -> Option<TaskIx> {
        self.task.map(TaskIx)
    }

    /// Datasets that it writes.
    pub fn output_datasets(&self) -> impl Iterator<Item = DatasetIx> {
        self.outputs.iter().map(|&(_, dataset)| DatasetIx(dataset))
    }
}

/// A quantum graph, whether built in this process, read from `.qg` or mapped from a native file.
#[derive(Debug, Clone)]
pub struct QuantumGraph {
    /// Origin and destination.
    pub header: GraphHeader,
    /// Tasks and dataset types; its universe is the graph's.
    pub pipeline: PipelineGraph,
    /// Text of all cells, and of the records' names.
    pub symbols: Symbols,
    /// One table of data IDs for each distinct dimension group of a task or dataset type.
    pub data_ids: Vec<DataIdTable>,
    /// For each task, its group in `data_ids`.
    pub task_groups: Vec<DataIdGroupIx>,
    /// For each dataset type, its group in `data_ids`.
    pub dataset_type_groups: Vec<DataIdGroupIx>,
    /// Names of all RUN collections of datasets.
    pub runs: Vec<String>,
    /// Datasets.
    pub datasets: DatasetTable,
    /// Quanta.
    pub quanta: QuantumTable,
    /// Inputs of each quantum: regular and prerequisite.
    pub inputs: Adjacency,
    /// Outputs of each quantum, metadata and log among them.
    pub outputs: Adjacency,
    /// The global init quantum if there is one, then one for each task that has quanta.
    pub init_quanta: Vec<InitQuantum>,
    /// Datastores that the records refer to.
    pub datastores: Vec<Datastore>,
    /// Datastore records of all overall inputs, init-inputs included.
    pub records: InputRecords,
    /// Dimension records needed to expand every data ID, one table for each element with any.
    pub dimension_records: Vec<RecordTable>,
    /// Where the inputs were found; empty if the graph came from a `.qg`.
    pub collections: CollectionStructure,
    /// Tables derived from the others at first use; `Default::default()` in a new graph, and to be
    /// reset so if another table is changed.
    pub lookups: Lookups,
}

impl QuantumGraph {
    /// The universe of all dimensions.
    pub fn universe(&self) -> &Arc<Universe> {
        &self.pipeline.universe
    }

    /// Data IDs of a task's quanta.
    pub fn task_data_ids(&self, task: TaskIx) -> &DataIdTable {
        &self.data_ids[self.task_groups[task.index()].index()]
    }

    /// Data IDs of a dataset type's datasets.
    pub fn dataset_type_data_ids(&self, dataset_type: qbb_pipeline::DatasetTypeIx) -> &DataIdTable {
        &self.data_ids[self.dataset_type_groups[dataset_type.index()].index()]
    }
}
