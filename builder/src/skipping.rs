//! Quanta that are done already, and outputs that are in the way of those that are not.
//!
//! A quantum is done if its metadata exists in the collections that are searched for finished
//! quanta. Its outputs that exist there are inputs for others then, and those that do not exist are
//! not made again.

use qbb_pipeline::{Connection, PipelineGraph, Task, TaskIx};
use qbb_query::engine::NONE;

use crate::contents::Contents;
use crate::error::BuildError;
use crate::retained::Retained;
use crate::skeleton::Skeleton;

/// Name of the connection of a quantum's metadata.
const METADATA: &str = "_metadata";

/// Takes quanta that are done out of the graph, and finds the datasets that they left.
pub(crate) fn skip_finished(
    pipeline: &PipelineGraph,
    contents: &Contents,
    retained: Option<&Retained>,
    skeleton: &mut Skeleton,
) {
    let mut done: Vec<Vec<bool>> = (pipeline.tasks.iter().enumerate())
        .map(|(at, task)| finished(contents, skeleton, task, at))
        .collect();
    if let Some(retained) = retained {
        retained.run_producers_again(pipeline, skeleton, &mut done);
    }
    for ((at, task), done) in pipeline.tasks.iter().enumerate().zip(done) {
        for (position, connection) in task.quantum_outputs().enumerate() {
            keep_existing(contents, skeleton, (at, position), connection, &done);
        }
        let quanta = &mut skeleton.quanta[at];
        quanta.skipped = done.iter().filter(|&&done| done).count();
        for (alive, done) in quanta.alive.iter_mut().zip(done) {
            *alive &= !done;
        }
    }
}

/// Whether the metadata of each quantum of a task exists.
fn finished(contents: &Contents, skeleton: &Skeleton, task: &Task, at: usize) -> Vec<bool> {
    let quanta = &skeleton.quanta[at];
    let mut done = vec![false; quanta.rows.len];
    let metadata = task.quantum_outputs().zip(&quanta.outputs).find(|(c, _)| c.name == METADATA);
    let Some((connection, edges)) = metadata else { return done };
    let Some(existing) = contents.outputs.get(&connection.dataset_type) else { return done };
    let nodes = &skeleton.datasets[connection.dataset_type.index()];
    let keys = nodes.rows.keys(&contents.read.dictionary, existing.search.layout());
    for (quantum, done) in done.iter_mut().enumerate() {
        let key = edges.of(quantum).first().map(|&node| keys[node as usize]);
        *done = key.is_some_and(|key| existing.of_finished(key).is_some());
    }
    done
}

/// Outputs of quanta that are done are those that exist, and no others.
fn keep_existing(
    contents: &Contents,
    skeleton: &mut Skeleton,
    (at, position): (usize, usize),
    connection: &Connection,
    done: &[bool],
) {
    if !done.contains(&true) {
        return;
    }
    let nodes = &mut skeleton.datasets[connection.dataset_type.index()];
    let edges = &skeleton.quanta[at].outputs[position];
    let existing = contents.outputs.get(&connection.dataset_type);
    let keys = existing
        .map(|existing| nodes.rows.keys(&contents.read.dictionary, existing.search.layout()))
        .unwrap_or_default();
    for (quantum, _) in done.iter().enumerate().filter(|(_, done)| **done) {
        for &node in edges.of(quantum) {
            let node = node as usize;
            match existing.and_then(|existing| existing.of_finished(keys[node])) {
                Some(row) => nodes.found[node] = row,
                None => nodes.alive[node] = false,
            }
        }
    }
}

/// Finds outputs of quanta that will run which exist in the output run: with `clobber` they keep
/// their identity, without they are refused.
pub(crate) fn claim_outputs(
    pipeline: &PipelineGraph,
    contents: &Contents,
    skeleton: &mut Skeleton,
    output_run: &str,
    clobber: bool,
) -> Result<(), BuildError> {
    let Skeleton { quanta, datasets } = skeleton;
    for (task, quanta) in pipeline.tasks.iter().zip(quanta) {
        for (connection, edges) in task.quantum_outputs().zip(&quanta.outputs) {
            let Some(existing) = contents.outputs.get(&connection.dataset_type) else { continue };
            let nodes = &mut datasets[connection.dataset_type.index()];
            let keys = nodes.rows.keys(&contents.read.dictionary, existing.search.layout());
            let mut there: Vec<(u32, u32)> = Vec::new();
            for quantum in (0..quanta.rows.len).filter(|&quantum| quanta.alive[quantum]) {
                for &node in edges.of(quantum) {
                    if let Some(row) = existing.in_the_way(keys[node as usize]) {
                        there.push((node, row));
                    }
                }
            }
            if let (false, Some(&(first, _))) = (clobber, there.first()) {
                return Err(BuildError::OutputExists {
                    task: task.label.clone(),
                    dataset_type: pipeline
                        .dataset_type(connection.dataset_type)
                        .dataset_type
                        .name
                        .clone(),
                    run: output_run.to_owned(),
                    count: there.len(),
                    data_id: nodes.rows.describe(&contents.read.dictionary, first as usize),
                });
            }
            for (node, row) in there {
                nodes.found[node as usize] = row;
                nodes.rewritten[node as usize] = true;
            }
        }
    }
    Ok(())
}

/// The init-outputs of a task all of whose quanta were skipped must exist, since nothing will
/// write them.
pub(crate) fn check_skipped_init_outputs(
    pipeline: &PipelineGraph,
    contents: &Contents,
    skeleton: &Skeleton,
    ix: TaskIx,
    searched: &[String],
) -> Result<(), BuildError> {
    if skeleton.quanta[ix.index()].skipped == 0 || skeleton.n_alive(ix) > 0 {
        return Ok(());
    }
    let task = pipeline.task(ix);
    for connection in task.all_init_outputs() {
        if finished_init_output(contents, connection) == NONE {
            return Err(BuildError::SkippedInitOutputMissing {
                task: task.label.clone(),
                dataset_type: pipeline
                    .dataset_type(connection.dataset_type)
                    .dataset_type
                    .name
                    .clone(),
                collections: searched.join(", "),
            });
        }
    }
    Ok(())
}

/// The search row of an init-output of quanta that are done.
pub(crate) fn finished_init_output(contents: &Contents, connection: &Connection) -> u32 {
    let existing = contents.outputs.get(&connection.dataset_type);
    existing.and_then(|existing| existing.of_finished(0)).unwrap_or(NONE)
}
