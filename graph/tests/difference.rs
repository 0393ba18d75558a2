//! Graphs are compared by what things are.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use qbb_graph::{
    Adjacency, Difference, QgOptions, QuantumGraph, QuantumTable, difference, read_qg, write_qg,
};
use support::synthetic::survey;
use support::{Scratch, data};
use uuid::Uuid;

/// The same graph with other UUIDs, another output run and other symbols.
fn disguised(mut graph: QuantumGraph) -> QuantumGraph {
    let scratch = Scratch::new();
    let path = scratch.file("graph.qg");
    let run = std::mem::replace(&mut graph.header.output_run, "u/other/run".to_owned());
    for name in graph.runs.iter_mut().filter(|name| **name == run) {
        "u/other/run".clone_into(name);
    }
    for ids in [&mut graph.quanta.id, &mut graph.datasets.id] {
        *ids = ids.iter().map(|id| *Uuid::new_v5(&Uuid::NAMESPACE_OID, id).as_bytes()).collect();
    }
    graph.header.user = "another".to_owned();
    graph.header.timestamp = "2026-01-01T00:00:00.000000".to_owned();
    write_qg(&graph, &path, &QgOptions::default()).unwrap();
    read_qg(&path).unwrap()
}

/// Without some quanta, by position.
fn without(graph: &QuantumGraph, left_out: &[usize]) -> QuantumGraph {
    let kept = |at: &usize| !left_out.contains(at);
    let rows: Vec<usize> = (0..graph.quanta.len()).filter(kept).collect();
    let side = |side: &Adjacency| {
        let (mut offsets, mut dataset, mut connection) = (vec![0], Vec::new(), Vec::new());
        for &row in &rows {
            for (c, d) in side.edges(qbb_graph::QuantumIx(row as u32)) {
                connection.push(c);
                dataset.push(d.0);
            }
            offsets.push(dataset.len() as u64);
        }
        Adjacency {
            offsets: offsets.into(),
            dataset: dataset.into(),
            connection: connection.into(),
        }
    };
    QuantumGraph {
        quanta: QuantumTable {
            id: rows.iter().map(|&row| graph.quanta.id[row]).collect(),
            task: rows.iter().map(|&row| graph.quanta.task[row]).collect(),
            data_id: rows.iter().map(|&row| graph.quanta.data_id[row]).collect(),
        },
        inputs: side(&graph.inputs),
        outputs: side(&graph.outputs),
        ..graph.clone()
    }
}

#[test]
fn equal_graphs_do_not_differ() {
    for graph in [survey(4, 3), read_qg(&data("release.qg")).unwrap()] {
        assert_eq!(difference(&graph, &graph).unwrap(), Difference::default());
        let mut other = difference(&graph, &disguised(graph.clone())).unwrap();
        assert_eq!(other.header.remove(0).name, "output_run");
        assert_eq!(other, Difference::default());
    }
}

#[test]
fn what_differs_is_named() {
    let a = survey(3, 2);
    let mut b = without(&a, &[1, 8]);
    // One quantum reads another image.
    let mut inputs = b.inputs.dataset.to_vec();
    let raw = inputs[0];
    inputs[0] = raw + 1;
    b.inputs = Adjacency { dataset: inputs.into(), ..b.inputs };
    b.header.inputs.pop();
    b.header.metadata = r#"{"data_query":"visit > 1"}"#.to_owned();
    b.records.file_size = b.records.file_size.iter().map(|size| size * 2).collect();
    let init = &mut b.init_quanta[1];
    init.outputs.clear();
    let b = disguised(b);
    insta::assert_json_snapshot!(difference(&a, &b).unwrap());
    // The other way round the sides change places.
    let (ab, ba) = (difference(&a, &b).unwrap(), difference(&b, &a).unwrap());
    assert_eq!(ab.tasks[0].only_in_a, ba.tasks[0].only_in_b);
    assert_eq!(
        ab.tasks[0].different[0].inputs_only_in_a,
        ba.tasks[0].different[0].inputs_only_in_b
    );
}

#[test]
fn graphs_of_other_pipelines_have_nothing_in_common() {
    let (a, b) = (survey(2, 2), read_qg(&data("release.qg")).unwrap());
    let difference = difference(&a, &b).unwrap();
    let quanta: usize = difference.tasks.iter().map(|task| task.only_in_b.len()).sum();
    assert_eq!(quanta, b.quanta.len());
    assert!(difference.pipeline.iter().any(|value| value.name.starts_with("tasks.")));
}
