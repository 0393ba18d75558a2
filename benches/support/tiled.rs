//! Graphs as large as one likes, made in memory of a small one.

use qbb_graph::{Adjacency, DatasetIx, DatasetTable, QuantumGraph, QuantumTable};

/// A graph with every quantum and dataset of another one `times` times, in as many parts that have
/// nothing to do with each other.
///
/// Overall inputs are left out, as are init-outputs. Data IDs are those of the small graph, so
/// datasets of different parts have the same path: nothing must be written but packs.
pub fn tiled(graph: &QuantumGraph, times: u32) -> QuantumGraph {
    let repeat = |column: &[u32]| -> Vec<u32> {
        column.iter().flat_map(|&value| (0..times).map(move |_| value)).collect()
    };
    let ids = |column: &[[u8; 16]]| -> Vec<[u8; 16]> {
        column.iter().flat_map(|id| (0..times).map(|part| other_id(*id, part))).collect()
    };
    let produced = |dataset: DatasetIx| graph.producer(dataset).is_some();
    let mut large = graph.clone();
    large.quanta = QuantumTable {
        id: ids(&graph.quanta.id).into(),
        task: repeat(&graph.quanta.task).into(),
        data_id: repeat(&graph.quanta.data_id).into(),
    };
    large.datasets = DatasetTable {
        id: ids(&graph.datasets.id).into(),
        dataset_type: repeat(&graph.datasets.dataset_type).into(),
        data_id: repeat(&graph.datasets.data_id).into(),
        run: repeat(&graph.datasets.run).into(),
    };
    large.inputs = tiled_edges(graph, &graph.inputs, times, produced);
    large.outputs = tiled_edges(graph, &graph.outputs, times, |_| true);
    large.init_quanta.clear();
    large.records = Default::default();
    large.collections = Default::default();
    large.lookups = Default::default();
    large
}

fn tiled_edges(
    graph: &QuantumGraph,
    edges: &Adjacency,
    times: u32,
    keep: impl Fn(DatasetIx) -> bool,
) -> Adjacency {
    let (mut offsets, mut dataset, mut connection) = (vec![0u64], Vec::new(), Vec::new());
    for quantum in graph.quanta.iter() {
        for part in 0..times {
            for (number, other) in edges.edges(quantum).filter(|&(_, dataset)| keep(dataset)) {
                dataset.push(other.0 * times + part);
                connection.push(number);
            }
            offsets.push(dataset.len() as u64);
        }
    }
    Adjacency { offsets: offsets.into(), dataset: dataset.into(), connection: connection.into() }
}

fn other_id(mut id: [u8; 16], part: u32) -> [u8; 16] {
    for (byte, other) in id[12..].iter_mut().zip(part.to_be_bytes()) {
        *byte ^= other;
    }
    id
}
