//! The bipartite graph of quanta and datasets before it is resolved.

use qbb_dimensions::DimensionGroup;
use qbb_pipeline::{DatasetTypeIx, PipelineGraph, TaskIx};
use qbb_query::engine::{Dictionary, GroupRows, KeyIndex, Layout, NONE, Relation};
use rustc_hash::FxHashMap;

use crate::components::Component;
use crate::error::BuildError;

/// For each quantum of a task, numbers of datasets of one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edges {
    pub(crate) ends: Vec<u32>,
    pub(crate) node: Vec<u32>,
}

impl Edges {
    /// Sorts pairs of quantum and dataset by quantum; datasets keep their order.
    pub(crate) fn new(n_quanta: usize, pairs: &[(u32, u32)]) -> Self {
        let mut ends = vec![0u32; n_quanta + 1];
        for &(quantum, _) in pairs {
            ends[quantum as usize + 1] += 1;
        }
        for quantum in 0..n_quanta {
            ends[quantum + 1] += ends[quantum];
        }
        let mut next = ends.clone();
        let mut node = vec![0; pairs.len()];
        for &(quantum, dataset) in pairs {
            let at = &mut next[quantum as usize];
            node[*at as usize] = dataset;
            *at += 1;
        }
        Self { ends, node }
    }

    pub(crate) fn of(&self, quantum: usize) -> &[u32] {
        &self.node[self.ends[quantum] as usize..self.ends[quantum + 1] as usize]
    }
}

/// Quanta of a task.
#[derive(Debug)]
pub(crate) struct TaskQuanta {
    /// Their data IDs.
    pub(crate) rows: Relation,
    /// Whether each is still part of the graph.
    pub(crate) alive: Vec<bool>,
    /// Datasets of each input connection, in the order of `Task::quantum_inputs`.
    pub(crate) inputs: Vec<Edges>,
    /// Datasets of each output connection, in the order of `Task::quantum_outputs`.
    pub(crate) outputs: Vec<Edges>,
    /// Number of quanta that left the graph because they are done already.
    pub(crate) skipped: usize,
}

/// Datasets of a type that occur in the graph.
#[derive(Debug)]
pub(crate) struct DatasetNodes {
    /// Their data IDs.
    pub(crate) rows: Relation,
    /// For those that exist, the row of the dataset search that found them.
    pub(crate) found: Vec<u32>,
    /// Whether one that exists will be removed and written again.
    pub(crate) rewritten: Vec<bool>,
    /// Whether each is there or will be written.
    pub(crate) alive: Vec<bool>,
    index: FxHashMap<u64, u32>,
}

impl DatasetNodes {
    fn new(dictionary: &Dictionary, group: &DimensionGroup) -> Self {
        let columns = vec![Vec::new(); dictionary.generators(group).len()];
        Self {
            rows: Relation::new(dictionary, group.clone(), columns, 0),
            found: Vec::new(),
            rewritten: Vec::new(),
            alive: Vec::new(),
            index: FxHashMap::default(),
        }
    }

    fn push_row(&mut self, relation: &Relation, row: usize) -> u32 {
        for (column, from) in self.rows.columns.iter_mut().zip(&relation.columns) {
            column.push(from[row]);
        }
        let node = self.rows.len as u32;
        self.rows.len += 1;
        self.found.push(NONE);
        self.rewritten.push(false);
        self.alive.push(true);
        node
    }

    /// The number of the dataset with a data ID, given now if it is new.
    fn node(&mut self, key: u64, relation: &Relation, row: usize) -> u32 {
        if let Some(&node) = self.index.get(&key) {
            return node;
        }
        let node = self.push_row(relation, row);
        self.index.insert(key, node);
        node
    }

    /// The number of the dataset of a search row, whatever its data ID, given now if it is new.
    pub(crate) fn node_of_found(&mut self, relation: &Relation, found: u32) -> u32 {
        if let Some(&node) = self.index.get(&u64::from(found)) {
            return node;
        }
        let node = self.push_row(relation, found as usize);
        self.found[node as usize] = found;
        self.index.insert(u64::from(found), node);
        node
    }
}

/// The graph under construction.
#[derive(Debug)]
pub(crate) struct Skeleton {
    /// Quanta by task.
    pub(crate) quanta: Vec<TaskQuanta>,
    /// Datasets by dataset type.
    pub(crate) datasets: Vec<DatasetNodes>,
}

impl Skeleton {
    /// A graph without quanta.
    pub(crate) fn new(dictionary: &Dictionary, pipeline: &PipelineGraph) -> Self {
        let quanta = (pipeline.tasks.iter())
            .map(|task| {
                let columns = vec![Vec::new(); dictionary.generators(&task.dimensions).len()];
                TaskQuanta {
                    rows: Relation::new(dictionary, task.dimensions.clone(), columns, 0),
                    alive: Vec::new(),
                    inputs: vec![Edges::new(0, &[]); task.quantum_inputs().count()],
                    outputs: vec![Edges::new(0, &[]); task.quantum_outputs().count()],
                    skipped: 0,
                }
            })
            .collect();
        let datasets = (pipeline.dataset_types.iter())
            .map(|node| DatasetNodes::new(dictionary, &node.dataset_type.dimensions))
            .collect();
        Self { quanta, datasets }
    }

    /// Adds a quantum for each data ID of each task, a dataset for each data ID of each dataset
    /// type, and an edge for each data ID of the two together. Returns the number of quanta.
    pub(crate) fn add_component(
        &mut self,
        pipeline: &PipelineGraph,
        dictionary: &Dictionary,
        component: &Component,
        rows: &GroupRows,
    ) -> Result<usize, BuildError> {
        let mut nodes: FxHashMap<DatasetTypeIx, Vec<u32>> = FxHashMap::default();
        for &ix in &component.dataset_types {
            let group = &pipeline.dataset_type(ix).dataset_type.dimensions;
            let Some(relation) = rows.get(group) else { continue };
            let layout = Layout::new(dictionary, group);
            let table = &mut self.datasets[ix.index()];
            let numbers = (relation.keys(dictionary, &layout).into_iter().enumerate())
                .map(|(row, key)| table.node(key, relation, row))
                .collect();
            nodes.insert(ix, numbers);
        }
        let mut indexes = Indexes { dictionary, rows, known: FxHashMap::default() };
        let mut total = 0;
        for &task in &component.tasks {
            let dimensions = &pipeline.task(task).dimensions;
            let Some(relation) = rows.get(dimensions) else { continue };
            total += relation.len;
            let edges = |indexes: &mut Indexes<'_>, ix: DatasetTypeIx| match nodes.get(&ix) {
                Some(numbers) => {
                    let group = &pipeline.dataset_type(ix).dataset_type.dimensions;
                    indexes.edges(dimensions, group, numbers)
                }
                None => Ok(Edges::new(relation.len, &[])),
            };
            let definition = pipeline.task(task);
            let mut inputs = Vec::new();
            for connection in &definition.inputs {
                inputs.push(edges(&mut indexes, connection.dataset_type)?);
            }
            // Prerequisites are looked up later.
            let prerequisites = definition.prerequisite_inputs.iter();
            inputs.extend(prerequisites.map(|_| Edges::new(relation.len, &[])));
            let mut outputs = Vec::new();
            for connection in definition.quantum_outputs() {
                outputs.push(edges(&mut indexes, connection.dataset_type)?);
            }
            self.quanta[task.index()] = TaskQuanta {
                alive: vec![true; relation.len],
                rows: relation.clone(),
                inputs,
                outputs,
                skipped: 0,
            };
        }
        Ok(total)
    }

    /// Number of quanta that are still part of the graph.
    pub(crate) fn n_alive(&self, task: TaskIx) -> usize {
        self.quanta[task.index()].alive.iter().filter(|&&alive| alive).count()
    }
}

/// Row numbers of data IDs, for each group of a component.
struct Indexes<'a> {
    dictionary: &'a Dictionary,
    rows: &'a GroupRows,
    known: FxHashMap<DimensionGroup, (Layout, KeyIndex)>,
}

impl Indexes<'_> {
    /// For each row of `from`, the row with its data ID in the smaller group.
    fn map(&mut self, from: &Relation, group: &DimensionGroup) -> Result<Vec<u32>, BuildError> {
        if from.group == *group {
            return Ok((0..from.len as u32).collect());
        }
        if !self.known.contains_key(group) {
            let layout = Layout::new(self.dictionary, group);
            let keys = match self.rows.get(group) {
                Some(relation) => relation.keys(self.dictionary, &layout),
                None => Vec::new(),
            };
            let index = KeyIndex::new(&keys, layout.total_bits());
            self.known.insert(group.clone(), (layout, index));
        }
        let (layout, index) = &self.known[group];
        let keys = from.keys(self.dictionary, layout);
        Ok(keys.into_iter().map(|key| index.find(key).unwrap_or(NONE)).collect())
    }

    /// Edges between quanta and datasets; `numbers` has the dataset of each row of its group.
    fn edges(
        &mut self,
        task: &DimensionGroup,
        dataset: &DimensionGroup,
        numbers: &[u32],
    ) -> Result<Edges, BuildError> {
        let rows = self.rows;
        let Some(both) = rows.get(&task.union(dataset)) else { return Ok(Edges::default()) };
        let quanta = self.map(both, task)?;
        let datasets = self.map(both, dataset)?;
        let pairs: Vec<(u32, u32)> = (quanta.into_iter().zip(datasets))
            .filter(|&(quantum, row)| quantum != NONE && row != NONE)
            .map(|(quantum, row)| (quantum, numbers[row as usize]))
            .collect();
        Ok(Edges::new(rows.get(task).map_or(0, |relation| relation.len), &pairs))
    }
}
