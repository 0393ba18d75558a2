//! Quanta and datasets that tasks' own methods take away, move or add.

use qbb_pipeline::{Connection, PipelineGraph, TaskIx};
use qbb_query::engine::SearchedCollections;
use rustc_hash::FxHashMap;

use super::batch::Batches;
use super::interface::{AdjustedLists, Adjustments, DroppedQuantum, TaskHooks};
use super::need::{describer, failure};
use crate::contents::Contents;
use crate::error::BuildError;
use crate::request::TaskOutcome;
use crate::skeleton::{DatasetNodes, Edges, Skeleton, TaskQuanta};

/// Quanta for each call of `adjustQuantum`.
const BATCH: usize = 2048;

/// What was changed in the datasets of quanta, by quantum.
type Changes = FxHashMap<u32, AdjustedLists>;

/// Lets a task change all of its quanta together; returns how many it removed.
pub(crate) fn adjust_all(
    hooks: &mut dyn TaskHooks,
    pipeline: &PipelineGraph,
    contents: &Contents,
    collections: &SearchedCollections,
    skeleton: &mut Skeleton,
    ix: TaskIx,
) -> Result<usize, BuildError> {
    let chosen = alive(&skeleton.quanta[ix.index()]);
    if chosen.is_empty() {
        return Ok(0);
    }
    let task = pipeline.task(ix);
    let mut batches = Batches::new(pipeline, contents, collections, ix);
    let batch = batches.quanta_with_candidates(skeleton, &chosen);
    let answer = hooks.adjust_all_quanta(&batch).map_err(|error| {
        let rows = &skeleton.quanta[ix.index()].rows;
        let describe = describer(&contents.read.dictionary, rows, &chosen);
        failure(error, &task.label, "adjust_all_quanta", Some(&describe))
    })?;
    let (mut inputs, mut outputs) = (Changes::default(), Changes::default());
    for (at, new_inputs, new_outputs) in answer.changed {
        let quantum = quantum(&chosen, at)?;
        inputs.insert(quantum, new_inputs);
        outputs.insert(quantum, new_outputs);
    }
    let Skeleton { quanta, datasets } = skeleton;
    let quanta = &mut quanta[ix.index()];
    for &at in &answer.removed {
        quanta.alive[quantum(&chosen, at)? as usize] = false;
    }
    for connection in task.quantum_outputs() {
        let name = &pipeline.dataset_type(connection.dataset_type).dataset_type.name;
        let nodes = &mut datasets[connection.dataset_type.index()];
        for &number in answer.gone.get(name).into_iter().flatten() {
            *nodes.alive.get_mut(number as usize).ok_or_else(miscount)? = false;
        }
    }
    replace(pipeline, task.quantum_inputs(), &mut quanta.inputs, datasets, &inputs)?;
    replace(pipeline, task.quantum_outputs(), &mut quanta.outputs, datasets, &outputs)?;
    Ok(answer.removed.len())
}

/// Lets a task change its quanta one by one; its method has the limits of connections in its hand.
pub(crate) fn adjust(
    hooks: &mut dyn TaskHooks,
    pipeline: &PipelineGraph,
    contents: &Contents,
    collections: &SearchedCollections,
    skeleton: &mut Skeleton,
    ix: TaskIx,
) -> Result<TaskOutcome, BuildError> {
    let task = pipeline.task(ix);
    let chosen = alive(&skeleton.quanta[ix.index()]);
    let initial = skeleton.quanta[ix.index()].rows.len;
    let mut batches = Batches::new(pipeline, contents, collections, ix);
    let (mut inputs, mut outputs) = (Changes::default(), Changes::default());
    let mut dropped: Vec<(u32, DroppedQuantum)> = Vec::new();
    for chosen in chosen.chunks(BATCH) {
        let batch = batches.quanta(skeleton, chosen);
        let answer = hooks.adjust_quanta(&batch).map_err(|error| {
            let rows = &skeleton.quanta[ix.index()].rows;
            let describe = describer(&contents.read.dictionary, rows, chosen);
            failure(error, &task.label, "adjustQuantum", Some(&describe))
        })?;
        let Adjustments { dropped: these, changed } = answer;
        for drop in these {
            dropped.push((quantum(chosen, drop.quantum)?, drop));
        }
        for (at, new_inputs, new_outputs) in changed {
            let quantum = quantum(chosen, at)?;
            inputs.extend(new_inputs.map(|lists| (quantum, lists)));
            outputs.extend(new_outputs.map(|lists| (quantum, lists)));
        }
    }
    let Skeleton { quanta, datasets } = skeleton;
    let quanta = &mut quanta[ix.index()];
    for (quantum, _) in &dropped {
        let quantum = *quantum as usize;
        quanta.alive[quantum] = false;
        for (connection, edges) in task.quantum_outputs().zip(&quanta.outputs) {
            let nodes = &mut datasets[connection.dataset_type.index()];
            edges.of(quantum).iter().for_each(|&node| nodes.alive[node as usize] = false);
        }
    }
    // Outputs that are adjusted away are gone for everybody, inputs for this quantum only.
    for (connection, edges) in task.quantum_outputs().zip(&quanta.outputs) {
        let name = &pipeline.dataset_type(connection.dataset_type).dataset_type.name;
        let nodes = &mut datasets[connection.dataset_type.index()];
        for (&quantum, lists) in &outputs {
            let kept = lists.get(name).map_or(&[][..], Vec::as_slice);
            for &node in edges.of(quantum as usize).iter().filter(|node| !kept.contains(node)) {
                nodes.alive[node as usize] = false;
            }
        }
    }
    replace(pipeline, task.quantum_inputs(), &mut quanta.inputs, datasets, &inputs)?;
    replace(pipeline, task.quantum_outputs(), &mut quanta.outputs, datasets, &outputs)?;
    let mut outcome = TaskOutcome {
        label: task.label.clone(),
        initial,
        kept: quanta.alive.iter().filter(|&&alive| alive).count(),
        skipped: quanta.skipped,
        no_work: Vec::new(),
        dropped_by_hooks: Vec::new(),
    };
    for (_, DroppedQuantum { connection, reason, .. }) in dropped {
        match connection {
            Some(connection) => count(&mut outcome.no_work, connection),
            None => count(&mut outcome.dropped_by_hooks, reason),
        }
    }
    Ok(outcome)
}

fn alive(quanta: &TaskQuanta) -> Vec<u32> {
    (0..quanta.rows.len as u32).filter(|&quantum| quanta.alive[quantum as usize]).collect()
}

fn count(counts: &mut Vec<(String, usize)>, what: String) {
    match counts.iter_mut().find(|(name, _)| *name == what) {
        Some((_, count)) => *count += 1,
        None => counts.push((what, 1)),
    }
}

fn miscount() -> BuildError {
    BuildError::Inconsistent("an answer of Python counts wrongly".to_owned())
}

fn quantum(chosen: &[u32], at: u32) -> Result<u32, BuildError> {
    chosen.get(at as usize).copied().ok_or_else(miscount)
}

/// Gives quanta new datasets on all connections of each dataset type.
fn replace<'a>(
    pipeline: &PipelineGraph,
    connections: impl Iterator<Item = &'a Connection>,
    edges: &mut [Edges],
    datasets: &[DatasetNodes],
    changes: &Changes,
) -> Result<(), BuildError> {
    if changes.is_empty() {
        return Ok(());
    }
    for (connection, edges) in connections.zip(edges) {
        let name = &pipeline.dataset_type(connection.dataset_type).dataset_type.name;
        let n_nodes = datasets[connection.dataset_type.index()].rows.len as u32;
        let n_quanta = edges.ends.len() - 1;
        let mut pairs: Vec<(u32, u32)> = Vec::with_capacity(edges.node.len());
        for quantum in 0..n_quanta as u32 {
            let nodes = match changes.get(&quantum) {
                None => edges.of(quantum as usize),
                Some(lists) => lists.get(name).map_or(&[][..], Vec::as_slice),
            };
            if nodes.iter().any(|&node| node >= n_nodes) {
                return Err(miscount());
            }
            let begin = pairs.len();
            pairs.extend(nodes.iter().map(|&node| (quantum, node)));
            pairs[begin..].sort_unstable();
        }
        // However an answer counts, a quantum has a dataset once.
        pairs.dedup();
        *edges = Edges::new(n_quanta, &pairs);
    }
    Ok(())
}
