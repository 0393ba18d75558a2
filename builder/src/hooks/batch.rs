//! Quanta of a task with their datasets, as tasks' methods are told of them.

use qbb_dimensions::{DataValue, DimensionGroup, Symbols};
use qbb_pipeline::{Connection, DatasetTypeIx, PipelineGraph, Task, TaskIx};
use qbb_query::engine::{Dictionary, NONE, Relation, SearchedCollections};
use rustc_hash::FxHashMap;
use uuid::Uuid;

use crate::contents::Contents;
use crate::skeleton::{Edges, Skeleton};

/// Data IDs of one group.
#[derive(Debug)]
pub struct DataIdBatch<'a> {
    group: DimensionGroup,
    symbols: &'a Symbols,
    /// Cells of the required dimensions.
    columns: Vec<Vec<i64>>,
    len: usize,
}

impl<'a> DataIdBatch<'a> {
    pub(super) fn new(dictionary: &'a Dictionary, rows: &Relation, chosen: &[u32]) -> Self {
        let columns = (rows.group.required().iter())
            .map(|&dimension| {
                let cells = rows.cells(dictionary, dimension);
                chosen.iter().map(|&row| cells[row as usize]).collect()
            })
            .collect();
        let group = rows.group.clone();
        Self { group, symbols: &dictionary.symbols, columns, len: chosen.len() }
    }

    /// Number of data IDs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Required values of a data ID, in the order of its group.
    pub fn values(&self, row: usize) -> impl Iterator<Item = DataValue> {
        let universe = self.group.universe();
        (self.group.required().iter().zip(&self.columns))
            .map(move |(&dimension, cells)| universe.value(dimension, cells[row], self.symbols))
    }
}

/// Datasets of one type that lists call by number.
#[derive(Debug)]
pub struct DatasetBatch<'a> {
    /// Name of the dataset type.
    pub dataset_type: &'a str,
    /// Numbers, valid for all batches of a task.
    pub number: Vec<u32>,
    /// Data IDs.
    pub data_ids: DataIdBatch<'a>,
    /// UUID and RUN collection of those that exist.
    pub existing: Vec<Option<(Uuid, &'a str)>>,
}

/// For each quantum of a batch, numbers of its datasets of one type.
#[derive(Debug, Default)]
pub struct NumberLists<'a> {
    /// Name of the dataset type.
    pub dataset_type: &'a str,
    /// End of each quantum's part of `numbers`.
    pub ends: Vec<u32>,
    /// Numbers of datasets.
    pub numbers: Vec<u32>,
}

/// Some quanta of a task.
#[derive(Debug)]
pub struct QuantumBatch<'a> {
    /// Label of the task.
    pub task: &'a str,
    /// Data IDs of the quanta.
    pub quanta: DataIdBatch<'a>,
    /// Datasets that no earlier batch of the task had.
    pub datasets: Vec<DatasetBatch<'a>>,
    /// Regular and prerequisite inputs by dataset type.
    pub inputs: Vec<NumberLists<'a>>,
    /// Outputs by dataset type, metadata and log included.
    pub outputs: Vec<NumberLists<'a>>,
}

/// Makes the batches of a task.
#[derive(Debug)]
pub(super) struct Batches<'a> {
    pub(super) pipeline: &'a PipelineGraph,
    pub(super) contents: &'a Contents,
    pub(super) collections: &'a SearchedCollections,
    pub(super) task: &'a Task,
    pub(super) ix: TaskIx,
    /// Datasets that were part of a batch, by type.
    sent: FxHashMap<DatasetTypeIx, Vec<bool>>,
}

impl<'a> Batches<'a> {
    pub(super) fn new(
        pipeline: &'a PipelineGraph,
        contents: &'a Contents,
        collections: &'a SearchedCollections,
        ix: TaskIx,
    ) -> Self {
        let (task, sent) = (pipeline.task(ix), FxHashMap::default());
        Self { pipeline, contents, collections, task, ix, sent }
    }

    fn type_name(&self, ix: DatasetTypeIx) -> &'a str {
        &self.pipeline.dataset_type(ix).dataset_type.name
    }

    /// Some quanta, and what they read and write.
    pub(super) fn quanta(&mut self, skeleton: &Skeleton, chosen: &[u32]) -> QuantumBatch<'a> {
        let quanta = &skeleton.quanta[self.ix.index()];
        let task = self.task;
        let inputs = self.lists(skeleton, task.quantum_inputs().zip(&quanta.inputs), chosen);
        let outputs = self.lists(skeleton, task.quantum_outputs().zip(&quanta.outputs), chosen);
        let mut datasets = Vec::new();
        for (ix, lists) in inputs.iter().chain(&outputs) {
            let numbers = lists.numbers.iter().copied();
            datasets.extend(self.unsent(skeleton, *ix, numbers));
        }
        QuantumBatch {
            task: &task.label,
            quanta: DataIdBatch::new(&self.contents.read.dictionary, &quanta.rows, chosen),
            datasets,
            inputs: inputs.into_iter().map(|(_, lists)| lists).collect(),
            outputs: outputs.into_iter().map(|(_, lists)| lists).collect(),
        }
    }

    /// Some quanta, with all datasets of the graph that have the types of their inputs.
    pub(super) fn quanta_with_candidates(
        &mut self,
        skeleton: &Skeleton,
        chosen: &[u32],
    ) -> QuantumBatch<'a> {
        let mut batch = self.quanta(skeleton, chosen);
        for connection in self.task.quantum_inputs() {
            let ix = connection.dataset_type;
            let alive = &skeleton.datasets[ix.index()].alive;
            let numbers = (0..alive.len() as u32).filter(|&number| alive[number as usize]);
            batch.datasets.extend(self.unsent(skeleton, ix, numbers));
        }
        batch
    }

    /// Datasets that are still there, by type; connections of one type have the same.
    fn lists<'s>(
        &self,
        skeleton: &Skeleton,
        connections: impl Iterator<Item = (&'s Connection, &'s Edges)>,
        chosen: &[u32],
    ) -> Vec<(DatasetTypeIx, NumberLists<'a>)> {
        let mut all: Vec<(DatasetTypeIx, NumberLists<'a>)> = Vec::new();
        for (connection, edges) in connections {
            let ix = connection.dataset_type;
            if all.iter().any(|(other, _)| *other == ix) {
                continue;
            }
            let alive = &skeleton.datasets[ix.index()].alive;
            let mut lists =
                NumberLists { dataset_type: self.type_name(ix), ..NumberLists::default() };
            for &quantum in chosen {
                let there = edges.of(quantum as usize).iter().filter(|&&n| alive[n as usize]);
                lists.numbers.extend(there);
                lists.ends.push(lists.numbers.len() as u32);
            }
            all.push((ix, lists));
        }
        all
    }

    fn unsent(
        &mut self,
        skeleton: &Skeleton,
        ix: DatasetTypeIx,
        numbers: impl Iterator<Item = u32>,
    ) -> Option<DatasetBatch<'a>> {
        let nodes = &skeleton.datasets[ix.index()];
        let sent = self.sent.entry(ix).or_default();
        sent.resize(nodes.rows.len, false);
        let number: Vec<u32> = numbers
            .filter(|&number| !std::mem::replace(&mut sent[number as usize], true))
            .collect();
        if number.is_empty() {
            return None;
        }
        let search = self.contents.search(ix);
        let existing = number.iter().map(|&number| {
            let row = nodes.found[number as usize];
            let search = search.filter(|_| row != NONE)?;
            let run = self.collections.catalog.get(search.run[row as usize]);
            Some((Uuid::from_bytes(search.id[row as usize]), run.name.as_str()))
        });
        Some(DatasetBatch {
            dataset_type: self.type_name(ix),
            existing: existing.collect(),
            data_ids: DataIdBatch::new(&self.contents.read.dictionary, &nodes.rows, &number),
            number,
        })
    }
}
