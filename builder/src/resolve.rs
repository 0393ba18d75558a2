//! Which quanta and datasets stay: existing inputs, missing ones, and each connection's limits.

use qbb_pipeline::{ConnectionKind, PipelineGraph, Task, TaskIx};
use qbb_query::engine::{Found, NONE, SearchedCollections};

use crate::contents::{Contents, Sources};
use crate::error::BuildError;
use crate::request::TaskOutcome;
use crate::skeleton::{Skeleton, TaskQuanta};
use crate::skipping::finished_init_output;

/// How many data IDs messages list.
const EXAMPLES: usize = 3;

/// Finds the regular overall inputs. Datasets that are neither there nor produced leave the graph.
pub(crate) fn find_inputs(
    pipeline: &PipelineGraph,
    contents: &Contents,
    skeleton: &mut Skeleton,
    collection_name: &dyn Fn(u32) -> String,
) -> Result<(), BuildError> {
    let dictionary = &contents.read.dictionary;
    for (ix, search) in contents.inputs() {
        let node = pipeline.dataset_type(ix);
        let nodes = &mut skeleton.datasets[ix.index()];
        if node.is_prerequisite || nodes.rows.len == 0 {
            continue;
        }
        let element = nodes.rows.group.temporal().first().copied();
        let element = element.filter(|_| search.is_calibration);
        let keys = nodes.rows.keys(dictionary, search.layout());
        for (at, key) in keys.into_iter().enumerate() {
            let time = element.and_then(|element| {
                let record = nodes.rows.rows(dictionary).record_row(element, at as u32)?;
                dictionary.records(element)?.timespan(record)
            });
            let found = match (element, time) {
                (Some(_), None) => Found::Nothing,
                _ => search.find(key, time),
            };
            match found {
                Found::Row(row) => nodes.found[at] = row,
                Found::Nothing => nodes.alive[at] = false,
                Found::Ambiguous(rows) => {
                    let of = (node.dataset_type.name.as_str(), nodes.rows.describe(dictionary, at));
                    return Err(search.ambiguous(of, &rows, collection_name).into());
                }
            }
        }
    }
    Ok(())
}

/// Applies the limits of connections to the quanta of a task, after those of all tasks upstream:
/// quanta with too few regular inputs leave the graph with their outputs.
pub(crate) fn adjust(
    pipeline: &PipelineGraph,
    contents: &Contents,
    sources: &Sources<'_>,
    skeleton: &mut Skeleton,
    ix: TaskIx,
) -> Result<TaskOutcome, BuildError> {
    let task = pipeline.task(ix);
    let inputs: Vec<_> = task.quantum_inputs().collect();
    let mut no_work = vec![0usize; inputs.len()];
    let mut missing: Vec<(usize, usize)> = vec![(0, 0); inputs.len()];
    let Skeleton { quanta, datasets } = skeleton;
    let quanta = &mut quanta[ix.index()];
    let n = quanta.rows.len;
    let was_alive = quanta.alive.clone();
    for quantum in (0..n).filter(|&quantum| was_alive[quantum]) {
        let mut dropped = false;
        for (position, connection) in inputs.iter().enumerate() {
            let nodes = &datasets[connection.dataset_type.index()];
            let edges = quanta.inputs[position].of(quantum);
            let count = edges.iter().filter(|&&node| nodes.alive[node as usize]).count();
            if count > 1 && !connection.multiple {
                let alive = edges.iter().copied().filter(|&node| nodes.alive[node as usize]);
                return Err(scalar(
                    pipeline, contents, task, connection, quanta, quantum, alive, datasets,
                ));
            }
            if count < connection.minimum as usize {
                if connection.kind == ConnectionKind::PrerequisiteInput {
                    let (quanta, first) = &mut missing[position];
                    if *quanta == 0 {
                        *first = quantum;
                    }
                    *quanta += 1;
                    continue;
                }
                no_work[position] += 1;
                dropped = true;
                break;
            }
        }
        if !dropped {
            for (connection, edges) in task.quantum_outputs().zip(&quanta.outputs) {
                let edges = edges.of(quantum);
                if edges.len() > 1 && !connection.multiple {
                    let all = edges.iter().copied();
                    return Err(scalar(
                        pipeline, contents, task, connection, quanta, quantum, all, datasets,
                    ));
                }
            }
            continue;
        }
        quanta.alive[quantum] = false;
        for (connection, edges) in task.quantum_outputs().zip(&quanta.outputs) {
            let nodes = &mut datasets[connection.dataset_type.index()];
            for &node in edges.of(quantum) {
                nodes.alive[node as usize] = false;
            }
        }
    }
    for (connection, (count, first)) in inputs.iter().zip(missing) {
        if count > 0 {
            let name = &pipeline.dataset_type(connection.dataset_type).dataset_type.name;
            let [(tagged, _), (calibrations, _)] = sources.inputs.holding(name);
            let holding: Vec<&str> = (tagged.iter().chain(&calibrations))
                .map(|&ix| sources.inputs.collections.catalog.get(ix).name.as_str())
                .collect();
            return Err(BuildError::PrerequisiteMissing {
                task: task.label.clone(),
                connection: connection.name.clone(),
                dataset_type: name.clone(),
                minimum: connection.minimum,
                quanta: count,
                data_id: quanta.rows.describe(&contents.read.dictionary, first),
                collections: if holding.is_empty() {
                    format!("{} (none of them holds any)", sources.inputs.collections.describe())
                } else {
                    holding.join(", ")
                },
            });
        }
    }
    let kept = quanta.alive.iter().filter(|&&alive| alive).count();
    Ok(TaskOutcome {
        label: task.label.clone(),
        initial: n,
        kept,
        skipped: quanta.skipped,
        no_work: (inputs.iter().zip(no_work))
            .filter(|&(_, count)| count > 0)
            .map(|(connection, count)| (connection.name.clone(), count))
            .collect(),
        dropped_by_hooks: Vec::new(),
    })
}

#[expect(clippy::too_many_arguments, reason = "everything that the message tells")]
fn scalar(
    pipeline: &PipelineGraph,
    contents: &Contents,
    task: &Task,
    connection: &qbb_pipeline::Connection,
    quanta: &TaskQuanta,
    quantum: usize,
    nodes: impl Iterator<Item = u32>,
    datasets: &[crate::skeleton::DatasetNodes],
) -> BuildError {
    let rows = &datasets[connection.dataset_type.index()].rows;
    let nodes: Vec<u32> = nodes.collect();
    let mut texts: Vec<String> = (nodes.iter().take(EXAMPLES))
        .map(|&node| rows.describe(&contents.read.dictionary, node as usize))
        .collect();
    if nodes.len() > EXAMPLES {
        texts.push("…".to_owned());
    }
    BuildError::Scalar {
        task: task.label.clone(),
        connection: connection.name.clone(),
        dataset_type: pipeline.dataset_type(connection.dataset_type).dataset_type.name.clone(),
        data_id: quanta.rows.describe(&contents.read.dictionary, quantum),
        count: nodes.len(),
        datasets: texts.join(", "),
    }
}

/// The init-inputs of a task with quanta: written by a task upstream that has quanta, or found.
pub(crate) fn check_init_inputs(
    pipeline: &PipelineGraph,
    contents: &Contents,
    collections: &SearchedCollections,
    skeleton: &mut Skeleton,
    ix: TaskIx,
) -> Result<(), BuildError> {
    let task = pipeline.task(ix);
    for connection in &task.init_inputs {
        let node = pipeline.dataset_type(connection.dataset_type);
        let there = match node.producer {
            Some(producer) if skeleton.n_alive(producer) > 0 => true,
            Some(producer) => {
                skeleton.quanta[producer.index()].skipped > 0
                    && finished_init_output(contents, connection) != NONE
            }
            None => {
                let found = contents.input(connection.dataset_type).map(|s| s.find(0, None));
                matches!(found, Some(Found::Row(_)))
            }
        };
        if !there {
            return Err(BuildError::InitInputMissing {
                task: task.label.clone(),
                dataset_type: node.dataset_type.name.clone(),
                collections: collections.describe(),
            });
        }
    }
    Ok(())
}

/// The search row of a dataset without dimensions.
pub(crate) fn found_without_dimensions(
    contents: &Contents,
    dataset_type: qbb_pipeline::DatasetTypeIx,
) -> u32 {
    match contents.input(dataset_type).map(|search| search.find(0, None)) {
        Some(Found::Row(row)) => row,
        _ => NONE,
    }
}
