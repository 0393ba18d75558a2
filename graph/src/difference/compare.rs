//! Comparing quanta and their datasets.

use qbb_pipeline::{Connection, Task};
use rayon::prelude::*;

use super::matching::{Matching, NONE};
use super::{Difference, Edge, InitDifference, QuantumDifference, TaskDifference, values};
use crate::error::Result;
use crate::model::{Adjacency, DatasetIx, InitQuantum, QuantumGraph, QuantumIx};

/// How two graphs differ.
///
/// # Errors
/// If a number in one of them points nowhere, in a file that was not checked in full.
pub fn difference(a: &QuantumGraph, b: &QuantumGraph) -> Result<Difference> {
    a.check_indices()?;
    b.check_indices()?;
    let matching = Matching::new(a, b);
    Ok(Difference {
        header: values::headers(&a.header, &b.header),
        pipeline: values::pipelines(a, b),
        tasks: tasks(a, b, &matching),
        init: init(a, b, &matching),
        records: values::records(a, b, &matching),
    })
}

/// Tasks of A in their order, then those that only B has.
fn tasks(a: &QuantumGraph, b: &QuantumGraph, matching: &Matching) -> Vec<TaskDifference> {
    let mut in_b = vec![false; a.quanta.len()];
    for &quantum in &matching.quanta {
        if let Some(found) = in_b.get_mut(quantum as usize) {
            *found = true;
        }
    }
    let data_id = |graph: &QuantumGraph, quantum: QuantumIx| {
        let row = graph.quanta.data_id[quantum.index()];
        graph.task_data_ids(graph.quanta.task(quantum)).describe(row, &graph.symbols)
    };
    let new = |label: &str| TaskDifference {
        task: label.to_owned(),
        quanta_in_a: 0,
        quanta_in_b: 0,
        only_in_a: Vec::new(),
        only_in_b: Vec::new(),
        different: Vec::new(),
    };
    let mut found: Vec<TaskDifference> =
        a.pipeline.tasks.iter().map(|task| new(&task.label)).collect();
    // Where each task of B is in this list.
    let places: Vec<usize> = (b.pipeline.tasks.iter().zip(&matching.tasks))
        .map(|(task, &of_a)| match of_a {
            NONE => {
                found.push(new(&task.label));
                found.len() - 1
            }
            of_a => of_a as usize,
        })
        .collect();
    for quantum in a.quanta.iter() {
        let task = &mut found[a.quanta.task(quantum).index()];
        task.quanta_in_a += 1;
        if !in_b[quantum.index()] {
            task.only_in_a.push(data_id(a, quantum));
        }
    }
    let mut pairs = Vec::new();
    for quantum in b.quanta.iter() {
        let task = &mut found[places[b.quanta.task(quantum).index()]];
        task.quanta_in_b += 1;
        match matching.quanta[quantum.index()] {
            NONE => task.only_in_b.push(data_id(b, quantum)),
            of_a => pairs.push((QuantumIx(of_a), quantum)),
        }
    }
    let sides: Vec<[Vec<u16>; 2]> = (b.pipeline.tasks.iter().zip(&matching.tasks))
        .map(|(task, &of_a)| match a.pipeline.tasks.get(of_a as usize) {
            Some(other) => [
                connections(other.quantum_inputs(), task.quantum_inputs()),
                connections(other.quantum_outputs(), task.quantum_outputs()),
            ],
            None => [Vec::new(), Vec::new()],
        })
        .collect();
    let different: Vec<(usize, QuantumDifference)> = (pairs.par_iter())
        .with_min_len(256)
        .filter_map(|&(of_a, of_b)| {
            let (task_a, task_b) = (a.quanta.task(of_a), b.quanta.task(of_b));
            let names = (a.pipeline.task(task_a), b.pipeline.task(task_b));
            let [inputs, outputs] = &sides[task_b.index()];
            let compare = |side: fn(&QuantumGraph) -> &Adjacency, numbers: &[u16], is_input| {
                let edges_b = side(b).edges(of_b).map(|(connection, dataset)| {
                    (numbers.get(usize::from(connection)).copied(), connection, dataset)
                });
                let (only_a, only_b) = compare_edges(side(a).edges(of_a), edges_b, matching);
                (edges(a, names.0, is_input, only_a), edges(b, names.1, is_input, only_b))
            };
            let (inputs_only_in_a, inputs_only_in_b) = compare(|graph| &graph.inputs, inputs, true);
            let (outputs_only_in_a, outputs_only_in_b) =
                compare(|graph| &graph.outputs, outputs, false);
            let difference = QuantumDifference {
                data_id: String::new(),
                inputs_only_in_a,
                inputs_only_in_b,
                outputs_only_in_a,
                outputs_only_in_b,
            };
            (!difference.is_empty()).then(|| {
                let data_id = data_id(a, of_a);
                (task_a.index(), QuantumDifference { data_id, ..difference })
            })
        })
        .collect();
    for (task, difference) in different {
        found[task].different.push(difference);
    }
    found.retain(|task| {
        !(task.only_in_a.is_empty() && task.only_in_b.is_empty() && task.different.is_empty())
    });
    found
}

impl QuantumDifference {
    fn is_empty(&self) -> bool {
        self.inputs_only_in_a.is_empty()
            && self.inputs_only_in_b.is_empty()
            && self.outputs_only_in_a.is_empty()
            && self.outputs_only_in_b.is_empty()
    }
}

/// For each connection of B's task, the number of that of A's task with the same name.
fn connections<'a>(
    a: impl Iterator<Item = &'a Connection>,
    b: impl Iterator<Item = &'a Connection>,
) -> Vec<u16> {
    let a: Vec<&str> = a.map(|connection| connection.name.as_str()).collect();
    b.map(|connection| {
        let position = a.iter().position(|name| *name == connection.name);
        position.map_or(u16::MAX, |position| position as u16)
    })
    .collect()
}

type Edges = Vec<(u16, DatasetIx)>;

/// Edges that only one of two quanta has, each by its own graph's numbers.
fn compare_edges(
    a: impl Iterator<Item = (u16, DatasetIx)>,
    b: impl Iterator<Item = (Option<u16>, u16, DatasetIx)>,
    matching: &Matching,
) -> (Edges, Edges) {
    let mut only_b = Edges::new();
    // By A's numbers, with B's own.
    let mut common: Vec<(u16, DatasetIx, (u16, DatasetIx))> = Vec::new();
    for (connection, own, dataset) in b {
        match (connection, matching.dataset(dataset)) {
            (Some(connection), Some(of_a)) => {
                common.push((connection, of_a, (own, dataset)));
            }
            _ => only_b.push((own, dataset)),
        }
    }
    common.sort_unstable_by_key(|&(connection, dataset, _)| (connection, dataset));
    let mut a: Edges = a.collect();
    a.sort_unstable();
    let (mut only_a, mut rest) = (Edges::new(), common.into_iter().peekable());
    for edge in a {
        while let Some((.., own)) = rest.next_if(|(c, d, _)| (*c, *d) < edge) {
            only_b.push(own);
        }
        if rest.next_if(|(c, d, _)| (*c, *d) == edge).is_none() {
            only_a.push(edge);
        }
    }
    only_b.extend(rest.map(|(.., own)| own));
    (only_a, only_b)
}

fn edges(graph: &QuantumGraph, task: &Task, is_input: bool, edges: Edges) -> Vec<Edge> {
    let name = |number: u16| {
        let at = usize::from(number);
        let connection = match is_input {
            true => task.quantum_inputs().nth(at),
            false => task.quantum_outputs().nth(at),
        };
        connection.map(|connection| connection.name.clone()).unwrap_or_default()
    };
    (edges.into_iter())
        .map(|(connection, dataset)| Edge {
            connection: name(connection),
            dataset: graph.describe_dataset(dataset),
        })
        .collect()
}

fn init(a: &QuantumGraph, b: &QuantumGraph, matching: &Matching) -> Vec<InitDifference> {
    let label = |graph: &QuantumGraph, init: &InitQuantum| {
        init.task().map(|task| graph.pipeline.task(task).label.clone()).unwrap_or_default()
    };
    let datasets = |init: &InitQuantum| -> Vec<(String, u32)> {
        init.inputs.iter().chain(&init.outputs).cloned().collect()
    };
    // By label, so that the order in which the graphs have them does not matter.
    let mut labels: Vec<String> = (a.init_quanta.iter().map(|init| label(a, init)))
        .chain(b.init_quanta.iter().map(|init| label(b, init)))
        .collect();
    labels.sort_unstable();
    labels.dedup();
    let mut found = Vec::new();
    for task in labels {
        let find = |graph: &QuantumGraph| -> Vec<(String, u32)> {
            let of_task = graph.init_quanta.iter().filter(|init| label(graph, init) == task);
            of_task.flat_map(datasets).collect()
        };
        let (mut in_a, mut only_in_b) = (find(a), Vec::new());
        for (connection, dataset) in find(b) {
            let of_a = matching.dataset(DatasetIx(dataset)).map(|dataset| dataset.0);
            let same = in_a.iter().position(|(c, d)| *c == connection && Some(*d) == of_a);
            match same {
                Some(position) => drop(in_a.swap_remove(position)),
                None => only_in_b
                    .push(Edge { connection, dataset: b.describe_dataset(DatasetIx(dataset)) }),
            }
        }
        let mut only_in_a: Vec<Edge> = (in_a.into_iter())
            .map(|(connection, dataset)| Edge {
                connection,
                dataset: a.describe_dataset(DatasetIx(dataset)),
            })
            .collect();
        only_in_a.sort_unstable();
        only_in_b.sort_unstable();
        if !(only_in_a.is_empty() && only_in_b.is_empty()) {
            found.push(InitDifference { task, only_in_a, only_in_b });
        }
    }
    found
}
