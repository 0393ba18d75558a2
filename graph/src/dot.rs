//! Pictures of a graph in the DOT language.

use petgraph::dot::{Config, Dot};

use crate::error::{GraphError, Result};
use crate::model::QuantumGraph;

/// What the nodes of a picture are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Tasks and dataset types.
    Tasks,
    /// Quanta.
    Quanta,
}

/// Most nodes of a picture that Graphviz lays out in reasonable time.
pub const DEFAULT_NODE_LIMIT: usize = 2_000;

/// A picture for Graphviz.
///
/// # Errors
/// If it would have more than `limit` nodes.
pub fn dot(graph: &QuantumGraph, level: Level, limit: usize) -> Result<String> {
    match level {
        Level::Tasks => tasks(graph, limit),
        Level::Quanta => quanta(graph, limit),
    }
}

fn check_size(nodes: usize, limit: usize) -> Result<()> {
    if nodes <= limit { Ok(()) } else { Err(GraphError::TooManyNodes { nodes, limit }) }
}

/// A quoted DOT string.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[derive(Debug)]
enum Node {
    Task(String),
    DatasetType(String),
}

fn tasks(graph: &QuantumGraph, limit: usize) -> Result<String> {
    let pipeline = &graph.pipeline;
    let counts = graph.task_counts();
    let mut dataset_counts = vec![0; pipeline.dataset_types.len()];
    for &dataset_type in graph.datasets.dataset_type.iter() {
        if let Some(count) = dataset_counts.get_mut(dataset_type as usize) {
            *count += 1;
        }
    }
    let text = |name: &str, count: usize| format!("{name}\n{count}");
    let mut picture = petgraph::Graph::<Node, ()>::new();
    let types: Vec<_> = (pipeline.dataset_types.iter().zip(&dataset_counts))
        .map(|(node, &count)| {
            // Dataset types that matter at construction only would double the picture.
            (!node.is_init && count != 0)
                .then(|| picture.add_node(Node::DatasetType(text(&node.dataset_type.name, count))))
        })
        .collect();
    for (task, &count) in pipeline.tasks.iter().zip(&counts) {
        let node = picture.add_node(Node::Task(text(&task.label, count)));
        for connection in task.quantum_inputs() {
            if let Some(from) = types[connection.dataset_type.index()] {
                picture.update_edge(from, node, ());
            }
        }
        for connection in &task.outputs {
            if let Some(to) = types[connection.dataset_type.index()] {
                picture.update_edge(node, to, ());
            }
        }
    }
    // Metadata and logs have no readers, as a rule, and say nothing about the flow.
    picture.retain_nodes(|picture, node| {
        matches!(picture[node], Node::Task(..))
            || picture.neighbors_undirected(node).next().is_some()
    });
    check_size(picture.node_count(), limit)?;
    let edge = |_: &_, _: petgraph::graph::EdgeReference<'_, ()>| String::new();
    let node = |_: &_, (_, node): (_, &Node)| match node {
        Node::Task(text) => format!("shape=box, label={}", quoted(text)),
        Node::DatasetType(text) => format!("shape=ellipse, label={}", quoted(text)),
    };
    let config = [Config::NodeNoLabel, Config::EdgeNoLabel];
    Ok(format!("{:?}", Dot::with_attr_getters(&picture, &config, &edge, &node)))
}

fn quanta(graph: &QuantumGraph, limit: usize) -> Result<String> {
    let flow = graph.flow();
    check_size(flow.len(), limit)?;
    for quantum in graph.quanta.iter() {
        graph.check_quantum(quantum)?;
    }
    let edge = |_: &_, _: (_, _, &())| String::new();
    let node = |_: &_, (quantum, ()): (_, &())| {
        let label = graph.describe_quantum(quantum);
        format!("shape=box, label={}", quoted(&label.replacen(' ', "\n", 1)))
    };
    let config = [Config::NodeNoLabel, Config::EdgeNoLabel];
    Ok(format!("{:?}", Dot::with_attr_getters(flow, &config, &edge, &node)))
}
