//! What became of the quanta that the initial query gave.

use std::collections::BTreeMap;

use qbb_pipeline::{Connection, PipelineGraph, TaskIx};
use qbb_query::engine::NONE;

use super::report::{DroppedQuanta, TaskExplanation};
use crate::contents::Contents;
use crate::request::TaskOutcome;
use crate::skeleton::Skeleton;

/// Name of the connection of a quantum's metadata.
const METADATA: &str = "_metadata";

/// Why a quantum is or is not in the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// It is in the graph.
    Kept,
    /// It is done already.
    Skipped,
    /// An input has fewer datasets than the task needs; the position of its connection.
    TooFew(usize),
    /// The task's own code dropped it, or what it would lead to was not wanted.
    Removed,
}

/// The fate of each quantum of a task.
pub(super) fn fates(pipeline: &PipelineGraph, skeleton: &Skeleton, ix: TaskIx) -> Vec<Fate> {
    let quanta = &skeleton.quanta[ix.index()];
    let task = pipeline.task(ix);
    let metadata = task.quantum_outputs().zip(&quanta.outputs).find(|(c, _)| c.name == METADATA);
    let inputs: Vec<&Connection> = task.quantum_inputs().collect();
    (0..quanta.rows.len)
        .map(|quantum| {
            if quanta.alive[quantum] {
                return Fate::Kept;
            }
            if let Some((connection, edges)) = &metadata {
                let nodes = &skeleton.datasets[connection.dataset_type.index()];
                let done = |&node: &u32| {
                    nodes.found[node as usize] != NONE && !nodes.rewritten[node as usize]
                };
                if edges.of(quantum).iter().any(done) {
                    return Fate::Skipped;
                }
            }
            let too_few = inputs.iter().zip(&quanta.inputs).position(|(connection, edges)| {
                let nodes = &skeleton.datasets[connection.dataset_type.index()];
                let there = edges.of(quantum).iter().filter(|&&node| nodes.alive[node as usize]);
                there.count() < connection.minimum as usize
            });
            too_few.map_or(Fate::Removed, Fate::TooFew)
        })
        .collect()
}

/// What became of the quanta of every task.
pub(super) fn explain_tasks(
    pipeline: &PipelineGraph,
    contents: &Contents,
    skeleton: &Skeleton,
    outcomes: &[TaskOutcome],
) -> Vec<TaskExplanation> {
    let explain = |at: usize| {
        let ix = TaskIx(at as u32);
        let rows = &skeleton.quanta[at].rows;
        let mut dropped: BTreeMap<Fate, (usize, usize)> = BTreeMap::new();
        let fates = fates(pipeline, skeleton, ix);
        for (quantum, &fate) in fates.iter().enumerate().filter(|(_, fate)| **fate != Fate::Kept) {
            dropped.entry(fate).or_insert((0, quantum)).0 += 1;
        }
        TaskExplanation {
            task: pipeline.task(ix).label.clone(),
            before: rows.len,
            after: skeleton.n_alive(ix),
            dropped: (dropped.into_iter())
                .map(|(fate, (quanta, example))| DroppedQuanta {
                    reason: match outcomes.get(at) {
                        Some(outcome) if fate == Fate::Removed => removal(outcome),
                        _ => reason(pipeline, ix, fate),
                    },
                    quanta,
                    example: rows.describe(&contents.read.dictionary, example),
                })
                .collect(),
        }
    };
    (0..pipeline.tasks.len()).map(explain).collect()
}

/// What the task's own code, or pruning, said.
fn removal(outcome: &TaskOutcome) -> String {
    match outcome.dropped_by_hooks.as_slice() {
        [] => "lead to nothing that is wanted".to_owned(),
        hooks => {
            let reasons: Vec<&str> = hooks.iter().map(|(reason, _)| reason.as_str()).collect();
            format!("were dropped by the task: {}", reasons.join("; "))
        }
    }
}

/// Why quanta with a fate are not in the graph.
pub(super) fn reason(pipeline: &PipelineGraph, ix: TaskIx, fate: Fate) -> String {
    let task = pipeline.task(ix);
    match fate {
        Fate::Kept => "are in the graph".to_owned(),
        Fate::Skipped => "are done already".to_owned(),
        Fate::Removed => {
            "were removed by the task's own code, or lead to nothing wanted".to_owned()
        }
        Fate::TooFew(position) => match task.quantum_inputs().nth(position) {
            Some(connection) => {
                let node = pipeline.dataset_type(connection.dataset_type);
                let origin = match node.producer {
                    Some(producer) => format!("from task `{}`", pipeline.task(producer).label),
                    None => "in the input collections".to_owned(),
                };
                format!(
                    "have fewer than {} `{}` {origin} for connection `{}`",
                    connection.minimum, node.dataset_type.name, connection.name
                )
            }
            None => "lack an input".to_owned(),
        },
    }
}
