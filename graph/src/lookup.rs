//! Tables derived from a graph's columns, each built once when first asked for.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::OnceLock;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use uuid::Uuid;

use crate::expansion::RecordIndex;
use crate::flow::{Flow, Rows};
use crate::model::{DatasetIx, QuantumGraph, QuantumIx};

/// What [`QuantumGraph`] derives from its columns when first asked.
///
/// A clone of a graph starts without.
#[derive(Default)]
pub struct Lookups {
    quanta: OnceLock<IdIndex>,
    datasets: OnceLock<IdIndex>,
    producers: OnceLock<Producers>,
    consumers: OnceLock<Rows>,
    flow: OnceLock<Flow>,
    pub(crate) records: OnceLock<RecordIndex>,
}

impl Clone for Lookups {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookups")
    }
}

/// Positions by UUID.
struct IdIndex(HashTable<u32>);

impl IdIndex {
    fn new(ids: &[[u8; 16]]) -> Self {
        let mut table = HashTable::with_capacity(ids.len());
        for (position, id) in ids.iter().enumerate() {
            let hash = FxBuildHasher.hash_one(id);
            table.insert_unique(hash, position as u32, |&other| {
                FxBuildHasher.hash_one(ids[other as usize])
            });
        }
        Self(table)
    }

    fn find(&self, ids: &[[u8; 16]], id: Uuid) -> Option<u32> {
        let hash = FxBuildHasher.hash_one(id.as_bytes());
        self.0.find(hash, |&position| ids[position as usize] == *id.as_bytes()).copied()
    }
}

/// For each dataset, the quantum that writes it.
struct Producers(Vec<u32>);

/// Stands for no producer.
const NONE: u32 = u32::MAX;

impl Producers {
    fn new(graph: &QuantumGraph) -> Self {
        let mut producers = vec![NONE; graph.datasets.len()];
        for quantum in graph.quanta.iter() {
            for (_, dataset) in graph.outputs.edges(quantum) {
                // Numbers beyond the table are what a full check reports.
                if let Some(producer) = producers.get_mut(dataset.index()) {
                    *producer = quantum.0;
                }
            }
        }
        Self(producers)
    }
}

/// What a dataset is to the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DatasetRole {
    /// Exists before anything runs: nothing in the graph writes it.
    OverallInput,
    /// Written by a quantum and read by another.
    Intermediate,
    /// Written by a quantum and read by none.
    Output,
    /// Written when a task is constructed, or by the global init quantum.
    InitOutput,
}

impl QuantumGraph {
    /// The quantum with a UUID.
    pub fn find_quantum(&self, id: Uuid) -> Option<QuantumIx> {
        let index = self.lookups.quanta.get_or_init(|| IdIndex::new(&self.quanta.id));
        index.find(&self.quanta.id, id).map(QuantumIx)
    }

    /// The dataset with a UUID.
    pub fn find_dataset(&self, id: Uuid) -> Option<DatasetIx> {
        let index = self.lookups.datasets.get_or_init(|| IdIndex::new(&self.datasets.id));
        index.find(&self.datasets.id, id).map(DatasetIx)
    }

    fn producers(&self) -> &[u32] {
        &self.lookups.producers.get_or_init(|| Producers::new(self)).0
    }

    /// The quantum that writes a dataset; `None` for overall inputs and init-outputs.
    pub fn producer(&self, dataset: DatasetIx) -> Option<QuantumIx> {
        self.producers()
            .get(dataset.index())
            .copied()
            .filter(|&quantum| quantum != NONE)
            .map(QuantumIx)
    }

    /// The quanta that read a dataset, ascending.
    pub fn consumers(
        &self,
        dataset: DatasetIx,
    ) -> impl ExactSizeIterator<Item = QuantumIx> + use<'_> {
        let rows = self.lookups.consumers.get_or_init(|| {
            Rows::collect(self.datasets.len(), || {
                self.quanta.iter().flat_map(|quantum| {
                    self.inputs.edges(quantum).map(move |(_, dataset)| (dataset.0, quantum.0))
                })
            })
        });
        rows.row(dataset.index()).iter().copied().map(QuantumIx)
    }

    /// Which quantum must come before which.
    pub fn flow(&self) -> &Flow {
        self.lookups.flow.get_or_init(|| Flow::new(self))
    }

    /// What each dataset is to the graph, in order.
    pub fn dataset_roles(&self) -> Vec<DatasetRole> {
        let mut roles: Vec<DatasetRole> = (self.producers().iter())
            .map(|&producer| match producer {
                NONE => DatasetRole::OverallInput,
                _ => DatasetRole::Output,
            })
            .collect();
        for &dataset in self.inputs.dataset.iter() {
            if let Some(role @ DatasetRole::Output) = roles.get_mut(dataset as usize) {
                *role = DatasetRole::Intermediate;
            }
        }
        for dataset in self.init_quanta.iter().flat_map(|init| init.output_datasets()) {
            if let Some(role) = roles.get_mut(dataset.index()) {
                *role = DatasetRole::InitOutput;
            }
        }
        roles
    }

    /// Datasets that exist before anything runs, ascending; init-inputs among them.
    pub fn overall_inputs(&self) -> Vec<DatasetIx> {
        (self.dataset_roles().into_iter().zip(self.datasets.iter()))
            .filter(|(role, _)| *role == DatasetRole::OverallInput)
            .map(|(_, dataset)| dataset)
            .collect()
    }
}
