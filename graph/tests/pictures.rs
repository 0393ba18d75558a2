//! What people see of a graph.

mod support;

use petgraph::algo::{is_cyclic_directed, kosaraju_scc, toposort};
use qbb_graph::{
    Adjacency, DEFAULT_NODE_LIMIT, GraphError, Picture, QuantumIx, middleware_summary, read_qg,
    summary, verify,
};
use support::data;
use support::synthetic::survey;

#[test]
fn a_summary_counts() {
    let graph = read_qg(&data("release.qg")).unwrap();
    insta::assert_json_snapshot!(summary(&graph));
}

#[test]
fn the_middlewares_summary_counts_by_dataset_type() {
    let graph = read_qg(&data("release.qg")).unwrap();
    insta::assert_json_snapshot!(middleware_summary(&graph, vec!["qbb".to_owned()]));
}

#[test]
fn tasks_are_drawn_with_their_dataset_types() {
    let picture = Picture::of_pipeline(&survey(2, 2));
    insta::assert_snapshot!("tasks_dot", picture.to_dot());
    insta::assert_snapshot!("tasks_mermaid", picture.to_mermaid());
    insta::assert_snapshot!("tasks_svg", picture.to_svg());
}

#[test]
fn quanta_are_drawn_with_their_data_ids() {
    let picture = Picture::of_quanta(&survey(1, 2), DEFAULT_NODE_LIMIT).unwrap();
    insta::assert_snapshot!(picture.to_dot());
}

#[test]
fn a_quantum_is_drawn_with_what_is_around_it() {
    let graph = survey(2, 3);
    let gather = "gather,visit=1000001".parse().unwrap();
    let centre = graph.find_named(&gather).unwrap();
    let around = |depth| Picture::around(&graph, centre, depth, DEFAULT_NODE_LIMIT).unwrap();
    insta::assert_snapshot!("around_0_mermaid", around(0).to_mermaid());
    insta::assert_snapshot!("around_1_mermaid", around(1).to_mermaid());
    // Nothing is further away than one step.
    assert_eq!(around(2), around(1));
    assert_eq!(around(1).nodes.iter().filter(|node| node.is_centre).count(), 1);
}

#[test]
fn nothing_in_a_drawing_overlaps() {
    let graph = survey(3, 40);
    let centre = graph.find_named(&"gather,visit=1000001".parse().unwrap()).unwrap();
    let picture = Picture::around(&graph, centre, 3, DEFAULT_NODE_LIMIT).unwrap();
    let svg = picture.to_svg();
    let number = |line: &str, name: &str| -> f64 {
        let begin = line.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
        line[begin..].split('"').next().unwrap().parse().unwrap()
    };
    let boxes: Vec<[f64; 4]> = (svg.lines())
        .filter(|line| line.starts_with("<rect x="))
        .map(|line| ["x", "y", "width", "height"].map(|name| number(line, name)))
        .collect();
    assert_eq!(boxes.len(), picture.nodes.len());
    let size = ["width", "height"].map(|name| number(svg.lines().next().unwrap(), name));
    for (i, a) in boxes.iter().enumerate() {
        assert!(a[0] >= 0.0 && a[0] + a[2] <= size[0] && a[1] + a[3] <= size[1], "{a:?} {size:?}");
        for b in &boxes[..i] {
            let apart = |k: usize| a[k] + a[k + 2] <= b[k] || b[k] + b[k + 2] <= a[k];
            assert!(apart(0) || apart(1), "{a:?} {b:?}");
        }
    }
}

#[test]
fn a_picture_has_a_limit() {
    let graph = survey(5, 5);
    let error = Picture::of_quanta(&graph, 50).unwrap_err();
    assert!(matches!(error, GraphError::TooManyNodes { nodes: 55, limit: 50 }), "{error}");
    assert!(Picture::around(&graph, QuantumIx(0), 9, 5).is_err());
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
