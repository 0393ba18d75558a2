//! The order of a pipeline's nodes, the same as the middleware's.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::error::CycleError;

/// A node of a pipeline. The derived order breaks ties between nodes that are ready at the same
/// time: dataset types, constructions of tasks, tasks, each by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Node<'a> {
    /// A dataset type, by name without component.
    DatasetType(&'a str),
    /// The construction of a task, by label.
    Init(&'a str),
    /// A task, by label.
    Task(&'a str),
}

/// Dataset types, constructions and tasks, with edges from what is read to what is written.
#[derive(Debug, Default)]
pub(crate) struct NodeGraph<'a> {
    graph: DiGraph<Node<'a>, ()>,
    indices: BTreeMap<Node<'a>, NodeIndex>,
}

impl<'a> NodeGraph<'a> {
    fn node(&mut self, node: Node<'a>) -> NodeIndex {
        *self.indices.entry(node).or_insert_with(|| self.graph.add_node(node))
    }

    /// Adds a task and its construction.
    pub fn add_task(&mut self, label: &'a str) {
        let init = self.node(Node::Init(label));
        let task = self.node(Node::Task(label));
        self.graph.add_edge(init, task, ());
    }

    /// Adds an edge to a task or construction from a dataset type that it reads.
    pub fn add_input(&mut self, dataset_type: &'a str, reader: Node<'a>) {
        let (from, to) = (self.node(Node::DatasetType(dataset_type)), self.node(reader));
        self.graph.add_edge(from, to, ());
    }

    /// Adds an edge from a task or construction to a dataset type that it writes.
    pub fn add_output(&mut self, writer: Node<'a>, dataset_type: &'a str) {
        let (from, to) = (self.node(writer), self.node(Node::DatasetType(dataset_type)));
        self.graph.add_edge(from, to, ());
    }

    /// All nodes in topological order, the smallest first wherever there is a choice.
    pub fn sorted(&self) -> Result<Vec<Node<'a>>, CycleError> {
        let all: BTreeSet<Node<'a>> = self.indices.keys().copied().collect();
        self.sorted_subset(&all)
    }

    /// The nodes of a subset in topological order; edges to other nodes do not count.
    pub fn sorted_subset(&self, nodes: &BTreeSet<Node<'a>>) -> Result<Vec<Node<'a>>, CycleError> {
        let mut waiting_for: BTreeMap<Node<'a>, usize> =
            nodes.iter().map(|&node| (node, 0)).collect();
        for edge in self.graph.edge_references() {
            if nodes.contains(&self.graph[edge.source()])
                && let Some(count) = waiting_for.get_mut(&self.graph[edge.target()])
            {
                *count += 1;
            }
        }
        let mut ready: BinaryHeap<Reverse<Node<'a>>> = (waiting_for.iter())
            .filter(|&(_, &count)| count == 0)
            .map(|(&node, _)| Reverse(node))
            .collect();
        let mut sorted = Vec::with_capacity(nodes.len());
        while let Some(Reverse(node)) = ready.pop() {
            sorted.push(node);
            for successor in self.graph.edges(self.indices[&node]) {
                let successor = self.graph[successor.target()];
                if let Some(count) = waiting_for.get_mut(&successor) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(Reverse(successor));
                    }
                }
            }
        }
        if sorted.len() == nodes.len() { Ok(sorted) } else { Err(self.cycle()) }
    }

    /// All nodes in the order of steps: the steps' tasks with all that they read and write, each
    /// step sorted by itself.
    pub fn sorted_by_steps(&self, steps: &[&'a [String]]) -> Result<Vec<Node<'a>>, CycleError> {
        let mut placed = BTreeSet::new();
        let mut sorted = Vec::with_capacity(self.indices.len());
        for labels in steps {
            let mut members = BTreeSet::new();
            for label in *labels {
                for node in [Node::Init(label), Node::Task(label)] {
                    let Some(&index) = self.indices.get(&node) else { continue };
                    members.insert(node);
                    members.extend(
                        self.graph.neighbors_undirected(index).map(|index| self.graph[index]),
                    );
                }
            }
            let new: BTreeSet<_> = members.difference(&placed).copied().collect();
            sorted.extend(self.sorted_subset(&new)?);
            placed.extend(new);
        }
        Ok(sorted)
    }

    /// The first circle, by the smallest label in it.
    fn cycle(&self) -> CycleError {
        let name = |nodes: &[NodeIndex], pick: fn(Node<'a>) -> Option<&'a str>| {
            let names: BTreeSet<&str> =
                nodes.iter().filter_map(|&index| pick(self.graph[index])).collect();
            names.into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        tarjan_scc(&self.graph)
            .iter()
            .filter(|component| component.len() > 1)
            .map(|component| CycleError {
                tasks: name(component, |node| match node {
                    Node::Init(label) | Node::Task(label) => Some(label),
                    Node::DatasetType(_) => None,
                }),
                dataset_types: name(component, |node| match node {
                    Node::DatasetType(name) => Some(name),
                    Node::Init(_) | Node::Task(_) => None,
                }),
            })
            .min_by(|a, b| a.tasks.cmp(&b.tasks))
            .unwrap_or(CycleError { tasks: Vec::new(), dataset_types: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_broken_by_kind_and_name() {
        let mut graph = NodeGraph::default();
        for label in ["b", "a"] {
            graph.add_task(label);
        }
        graph.add_input("z", Node::Task("a"));
        graph.add_output(Node::Task("a"), "y");
        graph.add_input("y", Node::Task("b"));
        graph.add_output(Node::Init("b"), "b_config");
        use Node::{DatasetType as D, Init as I, Task as T};
        assert_eq!(
            graph.sorted().unwrap(),
            [D("z"), I("a"), I("b"), D("b_config"), T("a"), D("y"), T("b")]
        );
        let steps: [&[String]; 2] = [&["a".to_owned()], &["b".to_owned()]];
        assert_eq!(
            graph.sorted_by_steps(&steps).unwrap(),
            [D("z"), I("a"), T("a"), D("y"), I("b"), D("b_config"), T("b")]
        );
    }

    #[test]
    fn circles_are_named() {
        let mut graph = NodeGraph::default();
        for (label, reads, writes) in [("a", "x", "y"), ("b", "y", "x"), ("c", "y", "w")] {
            graph.add_task(label);
            graph.add_input(reads, Node::Task(label));
            graph.add_output(Node::Task(label), writes);
        }
        let error = graph.sorted().unwrap_err();
        assert_eq!(
            (error.tasks.join(" "), error.dataset_types.join(" ")),
            ("a b".into(), "x y".into())
        );
    }
}
