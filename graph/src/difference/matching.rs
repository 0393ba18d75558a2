//! Which things of two graphs are the same.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;
use qbb_dimensions::{DataIdTable, KeyType};
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::model::{DatasetIx, QuantumGraph, QuantumIx};

/// Stands for what A does not have.
pub(super) const NONE: u32 = u32::MAX;
/// Stands for each graph's own output run.
const OUTPUT_RUN: u32 = u32::MAX - 1;

/// For the things of B, what they are in A.
pub(super) struct Matching {
    /// Tasks.
    pub tasks: Vec<u32>,
    /// Quanta.
    pub quanta: Vec<u32>,
    /// Datasets.
    pub datasets: Vec<u32>,
}

fn numbered<'a>(names: impl Iterator<Item = &'a str>) -> FxHashMap<&'a str, u32> {
    names.zip(0..).collect()
}

fn hash(cells: impl Iterator<Item = i64>) -> u64 {
    let mut hasher = FxBuildHasher.build_hasher();
    cells.for_each(|cell| hasher.write_i64(cell));
    hasher.finish()
}

impl Matching {
    pub(super) fn new(a: &QuantumGraph, b: &QuantumGraph) -> Self {
        // Symbols that A lacks are numbered behind all of A's.
        let symbols: Vec<i64> = (b.symbols.iter().zip(a.symbols.len() as i64..))
            .map(|(text, beyond)| a.symbols.find(text).map_or(beyond, |symbol| symbol.cell()))
            .collect();
        let groups: Vec<Option<usize>> = (b.data_ids.iter())
            .map(|table| {
                let names: Vec<&str> = table.group().iter_key_names().collect();
                a.data_ids.iter().position(|other| other.group().iter_key_names().eq(names.clone()))
            })
            .collect();
        let rows: Vec<Vec<u32>> = (b.data_ids.iter().zip(&groups))
            .map(|(table, &group)| match group {
                Some(group) => match_rows(&a.data_ids[group], table, &symbols),
                None => vec![NONE; table.len()],
            })
            .collect();
        let tasks = numbered(a.pipeline.tasks.iter().map(|task| task.label.as_str()));
        let tasks: Vec<u32> = (b.pipeline.tasks.iter())
            .map(|task| tasks.get(task.label.as_str()).copied().unwrap_or(NONE))
            .collect();
        Self {
            quanta: match_quanta(a, b, &tasks, &groups, &rows),
            datasets: match_datasets(a, b, &groups, &rows),
            tasks,
        }
    }

    /// What a dataset of B is in A.
    pub(super) fn dataset(&self, dataset: DatasetIx) -> Option<DatasetIx> {
        Some(self.datasets[dataset.index()]).filter(|&d| d != NONE).map(DatasetIx)
    }
}

/// For each data ID of one table, its row in another of the same dimensions.
fn match_rows(a: &DataIdTable, b: &DataIdTable, symbols: &[i64]) -> Vec<u32> {
    let required = a.group().required().len();
    let of_a: Vec<&[i64]> = a.columns()[..required].iter().map(|column| &**column).collect();
    let universe = b.group().universe();
    let of_b: Vec<Vec<i64>> = (b.columns()[..required].iter().zip(b.group().keys()))
        .map(|(column, &ix)| match universe.element(ix).key_type() {
            Some(KeyType::Text) => column.iter().map(|&cell| symbols[cell as usize]).collect(),
            _ => column.to_vec(),
        })
        .collect();
    let hash_of_a = |row: u32| hash(of_a.iter().map(|column| column[row as usize]));
    let mut index = HashTable::with_capacity(a.len());
    for row in 0..a.len() as u32 {
        index.insert_unique(hash_of_a(row), row, |&other| hash_of_a(other));
    }
    (0..b.len())
        .map(|row| {
            let same =
                |&other: &u32| of_a.iter().zip(&of_b).all(|(a, b)| a[other as usize] == b[row]);
            let hash = hash(of_b.iter().map(|column| column[row]));
            index.find(hash, same).copied().unwrap_or(NONE)
        })
        .collect()
}

fn match_quanta(
    a: &QuantumGraph,
    b: &QuantumGraph,
    tasks: &[u32],
    groups: &[Option<usize>],
    rows: &[Vec<u32>],
) -> Vec<u32> {
    let known: FxHashMap<(u32, u32), u32> = (a.quanta.iter())
        .map(|quantum| {
            let at = quantum.index();
            ((a.quanta.task[at], a.quanta.data_id[at]), quantum.0)
        })
        .collect();
    let find = |quantum: QuantumIx| {
        let at = quantum.index();
        let task = tasks[b.quanta.task[at] as usize];
        let group = b.task_groups[b.quanta.task[at] as usize].index();
        let of_a = a.task_groups.get(task as usize)?.index();
        if groups[group] != Some(of_a) {
            return None;
        }
        known.get(&(task, rows[group][b.quanta.data_id[at] as usize])).copied()
    };
    b.quanta.iter().map(|quantum| find(quantum).unwrap_or(NONE)).collect()
}

fn match_datasets(
    a: &QuantumGraph,
    b: &QuantumGraph,
    groups: &[Option<usize>],
    rows: &[Vec<u32>],
) -> Vec<u32> {
    let run_of_a = |run: u32| match a.runs[run as usize] == a.header.output_run {
        true => OUTPUT_RUN,
        false => run,
    };
    let known: FxHashMap<(u32, u32, u32), u32> = (a.datasets.iter())
        .map(|dataset| {
            let at = dataset.index();
            let run = run_of_a(a.datasets.run[at]);
            ((a.datasets.dataset_type[at], a.datasets.data_id[at], run), dataset.0)
        })
        .collect();
    let types = a.pipeline.dataset_types.iter().map(|node| node.dataset_type.name.as_str());
    let types = numbered(types);
    let types: Vec<u32> = (b.pipeline.dataset_types.iter())
        .map(|node| types.get(node.dataset_type.name.as_str()).copied().unwrap_or(NONE))
        .collect();
    let runs = numbered(a.runs.iter().map(String::as_str));
    let runs: Vec<u32> = (b.runs.iter())
        .map(|run| match *run == b.header.output_run {
            true => OUTPUT_RUN,
            // A run that is A's output run, but not B's, is not the same as anything.
            false if *run == a.header.output_run => NONE,
            false => runs.get(run.as_str()).copied().unwrap_or(NONE),
        })
        .collect();
    let find = |dataset: DatasetIx| {
        let at = dataset.index();
        let dataset_type = b.datasets.dataset_type[at] as usize;
        let of_a = a.dataset_type_groups.get(types[dataset_type] as usize)?.index();
        let group = b.dataset_type_groups[dataset_type].index();
        if groups[group] != Some(of_a) {
            return None;
        }
        let row = rows[group][b.datasets.data_id[at] as usize];
        known.get(&(types[dataset_type], row, runs[b.datasets.run[at] as usize])).copied()
    };
    b.datasets.iter().map(|dataset| find(dataset).unwrap_or(NONE)).collect()
}
