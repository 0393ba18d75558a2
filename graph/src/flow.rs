//! The order of quanta: who must come before whom.

use petgraph::Direction;
use petgraph::visit::{
    Data, GraphBase, GraphProp, IntoEdgeReferences, IntoNeighbors, IntoNeighborsDirected,
    IntoNodeIdentifiers, IntoNodeReferences, NodeCompactIndexable, NodeCount, NodeIndexable,
    VisitMap, Visitable,
};
use rayon::prelude::*;

use crate::model::{QuantumGraph, QuantumIx};

/// Rows of numbers of varying length in one block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    /// One more than rows.
    offsets: Vec<usize>,
    values: Vec<u32>,
}

impl Rows {
    /// Sorts pairs of row and value into rows by counting; within a row the order is that of the
    /// pairs. Pairs whose row does not exist are left out.
    pub(crate) fn collect<I: Iterator<Item = (u32, u32)>>(
        rows: usize,
        pairs: impl Fn() -> I,
    ) -> Self {
        let mut offsets = vec![0; rows + 1];
        for (row, _) in pairs() {
            if let Some(count) = offsets[1..].get_mut(row as usize) {
                *count += 1;
            }
        }
        for row in 0..rows {
            offsets[row + 1] += offsets[row];
        }
        let mut next = offsets.clone();
        let mut values = vec![0; offsets[rows]];
        for (row, value) in pairs() {
            if (row as usize) < rows {
                values[next[row as usize]] = value;
                next[row as usize] += 1;
            }
        }
        Self { offsets, values }
    }

    /// One row; empty if it does not exist.
    pub(crate) fn row(&self, row: usize) -> &[u32] {
        match self.offsets.get(row..row.saturating_add(2)) {
            Some(&[begin, end]) => &self.values[begin..end],
            _ => &[],
        }
    }

    fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    fn pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        (0..self.len()).flat_map(|row| self.row(row).iter().map(move |&value| (row as u32, value)))
    }
}

/// Quanta and the dependencies between them: an edge leads from a quantum to each that reads one of
/// its outputs. Dependencies through init-outputs are not edges; those exist before any quantum.
///
/// Implements petgraph's traits, so its algorithms run on it in place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flow {
    predecessors: Rows,
    successors: Rows,
}

impl Flow {
    pub(crate) fn new(graph: &QuantumGraph) -> Self {
        let quanta: Vec<QuantumIx> = graph.quanta.iter().collect();
        // Chunks keep the rows of many quanta in one allocation.
        let chunks: Vec<(Vec<usize>, Vec<u32>)> = (quanta.par_chunks(4096))
            .map(|chunk| {
                let (mut ends, mut values, mut row) = (Vec::new(), Vec::new(), Vec::new());
                for &quantum in chunk {
                    row.clear();
                    row.extend(
                        (graph.inputs.edges(quantum))
                            .filter_map(|(_, dataset)| graph.producer(dataset))
                            .map(|producer| producer.0),
                    );
                    row.sort_unstable();
                    row.dedup();
                    values.extend_from_slice(&row);
                    ends.push(values.len());
                }
                (ends, values)
            })
            .collect();
        let mut predecessors = Rows { offsets: vec![0], values: Vec::new() };
        for (ends, values) in chunks {
            let begin = predecessors.values.len();
            predecessors.offsets.extend(ends.into_iter().map(|end| begin + end));
            predecessors.values.extend(values);
        }
        let successors = Rows::collect(predecessors.len(), || {
            predecessors.pairs().map(|(quantum, before)| (before, quantum))
        });
        Self { predecessors, successors }
    }

    /// Number of quanta.
    pub fn len(&self) -> usize {
        self.predecessors.len()
    }

    /// Whether there are no quanta.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of dependencies.
    pub fn edge_count(&self) -> usize {
        self.predecessors.values.len()
    }

    /// How many quanta must come before this one.
    pub fn in_degree(&self, quantum: QuantumIx) -> u32 {
        self.predecessors.row(quantum.index()).len() as u32
    }

    /// Quanta that must come before this one, ascending.
    pub fn predecessors(
        &self,
        quantum: QuantumIx,
    ) -> impl ExactSizeIterator<Item = QuantumIx> + DoubleEndedIterator + use<'_> {
        self.predecessors.row(quantum.index()).iter().copied().map(QuantumIx)
    }

    /// Quanta that wait for this one, ascending.
    pub fn successors(
        &self,
        quantum: QuantumIx,
    ) -> impl ExactSizeIterator<Item = QuantumIx> + DoubleEndedIterator + use<'_> {
        self.successors.row(quantum.index()).iter().copied().map(QuantumIx)
    }

    /// All dependencies: the earlier and the later quantum.
    pub fn edges(&self) -> impl Iterator<Item = (QuantumIx, QuantumIx)> + use<'_> {
        self.successors.pairs().map(|(from, to)| (QuantumIx(from), QuantumIx(to)))
    }
}

/// Quanta that an algorithm has seen.
#[derive(Debug, Clone, Default)]
pub struct Visited(Vec<bool>);

impl VisitMap<QuantumIx> for Visited {
    fn visit(&mut self, quantum: QuantumIx) -> bool {
        !std::mem::replace(&mut self.0[quantum.index()], true)
    }

    fn is_visited(&self, quantum: &QuantumIx) -> bool {
        self.0[quantum.index()]
    }

    fn unvisit(&mut self, quantum: QuantumIx) -> bool {
        std::mem::replace(&mut self.0[quantum.index()], false)
    }
}

impl GraphBase for Flow {
    type NodeId = QuantumIx;
    type EdgeId = (QuantumIx, QuantumIx);
}

impl Data for Flow {
    type NodeWeight = ();
    type EdgeWeight = ();
}

impl GraphProp for Flow {
    type EdgeType = petgraph::Directed;
}

impl Visitable for Flow {
    type Map = Visited;

    fn visit_map(&self) -> Visited {
        Visited(vec![false; self.len()])
    }

    fn reset_map(&self, map: &mut Visited) {
        map.0.clear();
        map.0.resize(self.len(), false);
    }
}

impl NodeCount for Flow {
    fn node_count(&self) -> usize {
        self.len()
    }
}

impl NodeIndexable for Flow {
    fn node_bound(&self) -> usize {
        self.len()
    }

    fn to_index(&self, quantum: QuantumIx) -> usize {
        quantum.index()
    }

    fn from_index(&self, index: usize) -> QuantumIx {
        QuantumIx(index as u32)
    }
}

impl NodeCompactIndexable for Flow {}

/// Neighbours of a quantum in a [`Flow`].
#[derive(Debug, Clone)]
pub struct Neighbors<'a>(std::slice::Iter<'a, u32>);

impl Iterator for Neighbors<'_> {
    type Item = QuantumIx;

    fn next(&mut self) -> Option<QuantumIx> {
        self.0.next().copied().map(QuantumIx)
    }
}

impl<'a> IntoNeighbors for &'a Flow {
    type Neighbors = Neighbors<'a>;

    fn neighbors(self, quantum: QuantumIx) -> Neighbors<'a> {
        Neighbors(self.successors.row(quantum.index()).iter())
    }
}

impl<'a> IntoNeighborsDirected for &'a Flow {
    type NeighborsDirected = Neighbors<'a>;

    fn neighbors_directed(self, quantum: QuantumIx, direction: Direction) -> Neighbors<'a> {
        let rows = match direction {
            Direction::Outgoing => &self.successors,
            Direction::Incoming => &self.predecessors,
        };
        Neighbors(rows.row(quantum.index()).iter())
    }
}

impl IntoNodeIdentifiers for &Flow {
    type NodeIdentifiers = std::iter::Map<std::ops::Range<u32>, fn(u32) -> QuantumIx>;

    fn node_identifiers(self) -> Self::NodeIdentifiers {
        (0..self.len() as u32).map(QuantumIx)
    }
}

impl<'a> IntoNodeReferences for &'a Flow {
    type NodeRef = (QuantumIx, &'a ());
    type NodeReferences = std::iter::Map<std::ops::Range<u32>, fn(u32) -> (QuantumIx, &'a ())>;

    fn node_references(self) -> Self::NodeReferences {
        (0..self.len() as u32).map(|index| (QuantumIx(index), &()))
    }
}

impl<'a> IntoEdgeReferences for &'a Flow {
    type EdgeRef = (QuantumIx, QuantumIx, &'a ());
    type EdgeReferences = Box<dyn Iterator<Item = Self::EdgeRef> + 'a>;

    fn edge_references(self) -> Self::EdgeReferences {
        Box::new(self.edges().map(|(from, to)| (from, to, &())))
    }
}
