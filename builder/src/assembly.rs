//! From the resolved skeleton to the dense graph.

use qbb_dimensions::{Column, DimensionGroup};
use qbb_graph::{Adjacency, DatasetTable, GraphHeader, InitQuantum, QuantumGraph, QuantumTable};
use qbb_pipeline::{Connection, DatasetTypeIx, PACKAGES, PipelineGraph, TaskIx};
use qbb_query::engine::{Layout, NONE, SearchedCollections};
use rustc_hash::FxHashMap;

use crate::contents::Contents;
use crate::data_ids::FinishedDataIds;
use crate::error::BuildError;
use crate::identifiers::NewIds;
use crate::resolve::found_without_dimensions;
use crate::skeleton::{Edges, Skeleton};
use crate::skipping::finished_init_output;

/// A graph without records, and where its existing datasets were found.
#[derive(Debug)]
pub(crate) struct Assembled {
    pub(crate) graph: QuantumGraph,
    /// Dataset, dataset type and search row of everything that was found; a dataset may have been
    /// found in several places.
    pub(crate) found: Vec<(u32, DatasetTypeIx, u32)>,
}

/// Datasets of one type under way to their final numbers.
struct UsedDatasets {
    /// Final number of each node; `NONE` if it is not part of the graph.
    number: Vec<u32>,
}

/// Numbers everything and lays it out in columns.
pub(crate) fn assemble(
    pipeline: &PipelineGraph,
    contents: &Contents,
    collections: &SearchedCollections,
    skeleton: &Skeleton,
    header: GraphHeader,
) -> Result<Assembled, BuildError> {
    let dictionary = &contents.read.dictionary;
    let used = used_nodes(pipeline, skeleton);
    let data_ids =
        FinishedDataIds::new(dictionary, used_keys(pipeline, contents, skeleton, &used)?)?;
    let mut new = NewIds::now();
    let (runs, run_of) = runs(contents, collections, skeleton, &used, &header.output_run);

    let mut table = Datasets::default();
    let mut found = Vec::new();
    let mut numbers = Vec::with_capacity(pipeline.dataset_types.len());
    let mut rows_of_types = Vec::with_capacity(pipeline.dataset_types.len());
    for (at, nodes) in skeleton.datasets.iter().enumerate() {
        let ix = DatasetTypeIx(at as u32);
        let rows = data_ids.rows(&nodes.rows);
        let search = contents.search(ix);
        let mut order: Vec<u32> =
            (0..nodes.rows.len as u32).filter(|&node| used[at][node as usize]).collect();
        let run = |node: u32| match (nodes.found[node as usize], search) {
            (NONE, _) | (_, None) => run_of.output,
            (row, Some(search)) => run_of.found[search.run[row as usize].index()],
        };
        order.sort_unstable_by_key(|&node| (run(node), rows[node as usize], node));
        let mut number = vec![NONE; nodes.rows.len];
        // Several search rows may lead to one dataset.
        let mut by_id: FxHashMap<[u8; 16], u32> = FxHashMap::default();
        for node in order {
            let row = nodes.found[node as usize];
            let data_id = rows[node as usize];
            let at = match search.filter(|_| row != NONE) {
                Some(search) => *by_id
                    .entry(search.id[row as usize])
                    .or_insert_with(|| table.push(search.id[row as usize], ix, data_id, run(node))),
                None => table.push(*new.next().as_bytes(), ix, data_id, run(node)),
            };
            number[node as usize] = at;
            if row != NONE && !nodes.rewritten[node as usize] {
                found.push((at, ix, row));
            }
        }
        if let Some((row, written)) = init_dataset(pipeline, contents, skeleton, ix) {
            let (id, run) = match search.filter(|_| row != NONE) {
                Some(search) => {
                    let run = search.run[row as usize];
                    (search.id[row as usize], run_of.found[run.index()])
                }
                None => (*new.next().as_bytes(), run_of.output),
            };
            let at = table.push(id, ix, 0, run);
            table.init.insert(ix, at);
            if row != NONE && !written {
                found.push((at, ix, row));
            }
        }
        numbers.push(UsedDatasets { number });
        rows_of_types.push(rows);
    }

    let (quanta, inputs, outputs) =
        quanta(pipeline, skeleton, &data_ids, &numbers, &table, &mut new);
    let init_quanta = init_quanta(pipeline, skeleton, &table, &mut new);
    let group = |dimensions: &DimensionGroup| {
        data_ids.group(dimensions).ok_or_else(|| {
            BuildError::Inconsistent(format!("no data IDs of dimensions {dimensions}"))
        })
    };
    let task_groups =
        pipeline.tasks.iter().map(|task| group(&task.dimensions)).collect::<Result<_, _>>()?;
    let dataset_type_groups = (pipeline.dataset_types.iter())
        .map(|node| group(&node.dataset_type.dimensions))
        .collect::<Result<_, _>>()?;
    let graph = QuantumGraph {
        header,
        pipeline: pipeline.clone(),
        symbols: qbb_dimensions::Symbols::new(),
        data_ids: data_ids.into_tables(),
        task_groups,
        dataset_type_groups,
        runs,
        datasets: DatasetTable {
            id: table.id.into(),
            dataset_type: table.dataset_type.into(),
            data_id: table.data_id.into(),
            run: table.run.into(),
        },
        quanta,
        inputs,
        outputs,
        init_quanta,
        datastores: Vec::new(),
        records: Default::default(),
        dimension_records: Vec::new(),
        collections: Default::default(),
        lookups: Default::default(),
    };
    Ok(Assembled { graph, found })
}

/// Columns of the datasets, and those of task construction by type.
#[derive(Default)]
struct Datasets {
    id: Vec<[u8; 16]>,
    dataset_type: Vec<u32>,
    data_id: Vec<u32>,
    run: Vec<u32>,
    init: FxHashMap<DatasetTypeIx, u32>,
}

impl Datasets {
    fn push(&mut self, id: [u8; 16], dataset_type: DatasetTypeIx, data_id: u32, run: u32) -> u32 {
        self.id.push(id);
        self.dataset_type.push(dataset_type.0);
        self.data_id.push(data_id);
        self.run.push(run);
        (self.id.len() - 1) as u32
    }
}

/// Datasets that some remaining quantum reads or writes, by type; all others are orphans.
fn used_nodes(pipeline: &PipelineGraph, skeleton: &Skeleton) -> Vec<Vec<bool>> {
    let mut used: Vec<Vec<bool>> =
        skeleton.datasets.iter().map(|nodes| vec![false; nodes.rows.len]).collect();
    for (task, quanta) in pipeline.tasks.iter().zip(&skeleton.quanta) {
        let inputs = task.quantum_inputs().zip(&quanta.inputs);
        let outputs = task.quantum_outputs().zip(&quanta.outputs);
        for (connection, edges) in inputs.chain(outputs) {
            let ix = connection.dataset_type.index();
            let alive = &skeleton.datasets[ix].alive;
            for quantum in (0..quanta.rows.len).filter(|&quantum| quanta.alive[quantum]) {
                for &node in edges.of(quantum) {
                    used[ix][node as usize] |= alive[node as usize];
                }
            }
        }
    }
    used
}

/// Keys of the data IDs that are used, for each group of a task or dataset type.
fn used_keys(
    pipeline: &PipelineGraph,
    contents: &Contents,
    skeleton: &Skeleton,
    used: &[Vec<bool>],
) -> Result<Vec<(DimensionGroup, Vec<u64>)>, BuildError> {
    let dictionary = &contents.read.dictionary;
    let tasks = pipeline.tasks.iter().map(|task| &task.dimensions);
    let types = pipeline.dataset_types.iter().map(|node| &node.dataset_type.dimensions);
    let rows = (skeleton.quanta.iter().map(|quanta| (&quanta.rows, &quanta.alive)))
        .chain(skeleton.datasets.iter().zip(used).map(|(nodes, used)| (&nodes.rows, used)));
    let mut keys: Vec<(DimensionGroup, Vec<u64>)> = Vec::new();
    for (group, (rows, used)) in tasks.chain(types).zip(rows) {
        let at = match keys.iter().position(|(other, _)| other == group) {
            Some(at) => at,
            None => {
                // Datasets of task construction have the one data ID without dimensions.
                let first = if group.is_empty() { vec![0] } else { Vec::new() };
                keys.push((group.clone(), first));
                keys.len() - 1
            }
        };
        let layout = Layout::new(dictionary, group);
        let all = rows.keys(dictionary, &layout);
        keys[at].1.extend(all.into_iter().zip(used).filter(|(_, used)| **used).map(|(key, _)| key));
    }
    Ok(keys)
}

/// Numbers of RUN collections.
struct RunNumbers {
    output: u32,
    /// By position in the catalog.
    found: Vec<u32>,
}

/// Names of all RUN collections that datasets are in, sorted, and their numbers.
fn runs(
    contents: &Contents,
    collections: &SearchedCollections,
    skeleton: &Skeleton,
    used: &[Vec<bool>],
    output_run: &str,
) -> (Vec<String>, RunNumbers) {
    let catalog = &collections.catalog;
    let mut present = vec![false; catalog.collections.len()];
    let outputs = contents.outputs.iter().map(|(&ix, existing)| (ix, &existing.search));
    for (ix, search) in contents.inputs().chain(outputs) {
        let nodes = &skeleton.datasets[ix.index()];
        for (node, &row) in nodes.found.iter().enumerate() {
            if row != NONE && used[ix.index()][node] {
                present[search.run[row as usize].index()] = true;
            }
        }
        // Init-inputs are no nodes of the skeleton.
        if search.relation.group.is_empty() {
            search.run.iter().for_each(|run| present[run.index()] = true);
        }
    }
    let mut names: Vec<&str> = (catalog.collections.iter().zip(&present))
        .filter(|(_, present)| **present)
        .map(|(collection, _)| collection.name.as_str())
        .chain([output_run])
        .collect();
    names.sort_unstable();
    names.dedup();
    let number = |name: &str| names.binary_search(&name).map_or(NONE, |at| at as u32);
    let found = catalog.collections.iter().map(|collection| number(&collection.name)).collect();
    let numbers = RunNumbers { output: number(output_run), found };
    (names.into_iter().map(str::to_owned).collect(), numbers)
}

/// Whether a dataset type has a dataset of task construction in the graph; if so, its search row,
/// or `NONE` for a new one, and whether it will be written.
fn init_dataset(
    pipeline: &PipelineGraph,
    contents: &Contents,
    skeleton: &Skeleton,
    ix: DatasetTypeIx,
) -> Option<(u32, bool)> {
    let has = |connection: &&Connection| connection.dataset_type == ix;
    let alive = |at: usize| skeleton.n_alive(TaskIx(at as u32)) > 0;
    // One that is in the output run already keeps its identity; whoever writes it compares.
    let written = || {
        let existing = contents.outputs.get(&ix).and_then(|existing| existing.in_the_way(0));
        (existing.unwrap_or(NONE), true)
    };
    if pipeline.dataset_type(ix).dataset_type.name == PACKAGES {
        return Some(written());
    }
    let mut tasks = pipeline.tasks.iter().enumerate().filter(|&(at, _)| alive(at));
    tasks.find_map(|(_, task)| {
        if task.all_init_outputs().any(|connection| has(&connection)) {
            return Some(written());
        }
        let connection = task.init_inputs.iter().find(has)?;
        match pipeline.dataset_type(ix).producer {
            None => Some((found_without_dimensions(contents, ix), false)),
            Some(producer) if alive(producer.index()) => None,
            Some(_) => Some((finished_init_output(contents, connection), false)),
        }
    })
}

/// Remaining quanta by task and data ID, with their inputs and outputs.
fn quanta(
    pipeline: &PipelineGraph,
    skeleton: &Skeleton,
    data_ids: &FinishedDataIds<'_>,
    numbers: &[UsedDatasets],
    table: &Datasets,
    new: &mut NewIds,
) -> (QuantumTable, Adjacency, Adjacency) {
    let (mut id, mut task_of, mut data_id) = (Vec::new(), Vec::new(), Vec::new());
    let (mut inputs, mut outputs) = (EdgeColumns::default(), EdgeColumns::default());
    for (at, (task, quanta)) in pipeline.tasks.iter().zip(&skeleton.quanta).enumerate() {
        let rows = data_ids.rows(&quanta.rows);
        let mut order: Vec<u32> =
            (0..quanta.rows.len as u32).filter(|&quantum| quanta.alive[quantum as usize]).collect();
        order.sort_unstable_by_key(|&quantum| rows[quantum as usize]);
        let input_sides: Vec<(&Edges, &UsedDatasets)> = (task.quantum_inputs().zip(&quanta.inputs))
            .map(|(connection, edges)| (edges, &numbers[connection.dataset_type.index()]))
            .collect();
        let output_sides: Vec<(&Edges, &UsedDatasets)> =
            (task.quantum_outputs().zip(&quanta.outputs))
                .map(|(connection, edges)| (edges, &numbers[connection.dataset_type.index()]))
                .collect();
        for quantum in order {
            id.push(*new.next().as_bytes());
            task_of.push(at as u32);
            data_id.push(rows[quantum as usize]);
            inputs.push(quantum as usize, &input_sides, table);
            outputs.push(quantum as usize, &output_sides, table);
        }
    }
    let quanta = QuantumTable { id: id.into(), task: task_of.into(), data_id: data_id.into() };
    (quanta, inputs.finish(), outputs.finish())
}

#[derive(Default)]
struct EdgeColumns {
    ends: Vec<u64>,
    dataset: Vec<u32>,
    connection: Vec<u16>,
}

impl EdgeColumns {
    fn push(&mut self, quantum: usize, sides: &[(&Edges, &UsedDatasets)], table: &Datasets) {
        for (connection, (edges, datasets)) in sides.iter().enumerate() {
            let begin = self.dataset.len();
            let numbers = edges.of(quantum).iter().map(|&node| datasets.number[node as usize]);
            self.dataset.extend(numbers.filter(|&number| number != NONE));
            self.dataset[begin..]
                .sort_unstable_by_key(|&dataset| (table.data_id[dataset as usize], dataset));
            self.connection.resize(self.dataset.len(), connection as u16);
        }
        self.ends.push(self.dataset.len() as u64);
    }

    fn finish(self) -> Adjacency {
        let offsets: Column<u64> = std::iter::once(0).chain(self.ends).collect();
        Adjacency { offsets, dataset: self.dataset.into(), connection: self.connection.into() }
    }
}

/// The global init quantum, and one for each task that has quanta.
fn init_quanta(
    pipeline: &PipelineGraph,
    skeleton: &Skeleton,
    table: &Datasets,
    new: &mut NewIds,
) -> Vec<InitQuantum> {
    let dataset = |ix: DatasetTypeIx| table.init.get(&ix).copied();
    let mut all = Vec::new();
    if let Some(packages) = pipeline.find_dataset_type(PACKAGES).and_then(dataset) {
        let outputs = vec![(PACKAGES.to_owned(), packages)];
        all.push(InitQuantum { id: new.next(), task: None, inputs: Vec::new(), outputs });
    }
    for (at, task) in pipeline.tasks.iter().enumerate() {
        if skeleton.n_alive(TaskIx(at as u32)) == 0 {
            continue;
        }
        let named = |connection: &Connection| {
            Some((connection.name.clone(), dataset(connection.dataset_type)?))
        };
        all.push(InitQuantum {
            id: new.next(),
            task: Some(at as u32),
            inputs: task.init_inputs.iter().filter_map(named).collect(),
            outputs: task.all_init_outputs().filter_map(named).collect(),
        });
    }
    all
}
