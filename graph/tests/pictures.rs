//! What people see of a graph.

mod support;

use petgraph::algo::{is_cyclic_directed, kosaraju_scc, toposort};
use qbb_graph::{Adjacency, DEFAULT_NODE_LIMIT, GraphError, Level, dot, read_qg, summary, verify};
use support::data;
use support::synthetic::survey;

#[test]
fn a_summary_counts() {
    let graph = read_qg(&data("release.qg")).unwrap();
    insta::assert_json_snapshot!(summary(&graph));
}

#[test]
fn tasks_are_drawn_with_their_dataset_types() {
    insta::assert_snapshot!(dot(&survey(2, 2), Level::Tasks, DEFAULT_NODE_LIMIT).unwrap());
}

#[test]
fn quanta_are_drawn_with_their_data_ids() {
    insta::assert_snapshot!(dot(&survey(1, 2), Level::Quanta, DEFAULT_NODE_LIMIT).unwrap());
}

#[test]
fn a_picture_has_a_limit() {
    let error = dot(&survey(5, 5), Level::Quanta, 50).unwrap_err();
    assert!(matches!(error, GraphError::TooManyNodes { nodes: 55, limit: 50 }), "{error}");
}

#[test]
fn algorithms_of_petgraph_run_on_the_flow() {
    let graph = survey(4, 3);
    let flow = graph.flow();
    assert_eq!(flow.edge_count(), 4 * (3 + 3 + 3));
    let order = toposort(flow, None).unwrap();
    assert_eq!(order.len(), graph.quanta.len());
    let place = |quantum| order.iter().position(|&other| other == quantum).unwrap();
    for (from, to) in flow.edges() {
        assert!(place(from) < place(to));
        assert!(flow.predecessors(to).any(|before| before == from));
    }
    assert_eq!(kosaraju_scc(flow).len(), graph.quanta.len());
    assert!(!is_cyclic_directed(flow));
    let degrees: u32 = graph.quanta.iter().map(|quantum| flow.in_degree(quantum)).sum();
    assert_eq!(degrees as usize, flow.edge_count());
}

#[test]
fn verification_tells_which_rule_is_broken() {
    let sound = survey(2, 2);
    assert!(verify(&sound).is_sound());
    assert_eq!(verify(&sound).inputs_without_records, 0);

    let mut graph = survey(2, 2);
    let twin = graph.quanta.id[0];
    let mut ids = graph.quanta.id.to_vec();
    ids[1] = twin;
    graph.quanta.id = ids.into();
    let dataset = graph.outputs.dataset[0];
    let mut outputs = graph.outputs.dataset.to_vec();
    let next = graph.outputs.offsets[1] as usize;
    outputs[next] = dataset;
    graph.outputs = Adjacency { dataset: outputs.into(), ..graph.outputs };
    graph
        .dimension_records
        .retain(|table| graph.pipeline.universe.element(table.element).name != "visit");
    graph.records = Default::default();
    let report = verify(&graph);
    insta::assert_json_snapshot!(report);
    assert!(graph.check().is_err());

    let mut graph = survey(1, 1);
    graph.quanta.task = vec![0, 1, 99].into();
    let report = verify(&graph);
    assert_eq!(report.rules.len(), 1, "later rules rely on the first");
    assert!(!report.is_sound());
}

#[test]
fn a_flow_that_goes_backwards_is_a_flaw() {
    let mut graph = survey(1, 1);
    // The first task reads what the last one writes: types agree, order does not.
    let last = graph.pipeline.tasks[2].outputs[0].dataset_type;
    graph.pipeline.tasks[0].inputs[0].dataset_type = last;
    let sources = graph.datasets.iter().find(|&d| graph.datasets.dataset_type(d) == last).unwrap();
    let mut inputs = graph.inputs.dataset.to_vec();
    inputs[0] = sources.0;
    graph.inputs = Adjacency { dataset: inputs.into(), ..graph.inputs };
    let text = graph.check().unwrap_err().to_string();
    assert!(text.contains("it needs quantum 2, which is not of an earlier task"), "{text}");
}
