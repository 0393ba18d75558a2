//! What is in a picture.

use std::collections::{BTreeMap, BTreeSet};

use qbb_dimensions::{DataIdTable, DataValue};

use crate::error::{GraphError, Result};
use crate::model::{DatasetIx, QuantumGraph, QuantumIx};

/// Most nodes of a picture that anybody can look at.
pub const DEFAULT_NODE_LIMIT: usize = 2_000;

/// What a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// Something that runs: a task or a quantum.
    Work,
    /// Something that is read or written: a dataset type, or datasets.
    Data,
}

/// A node of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureNode {
    /// What it stands for.
    pub kind: NodeKind,
    /// Its text: a name, then what there is to say about it.
    pub lines: Vec<String>,
    /// Whether the picture is about it.
    pub is_centre: bool,
}

/// Nodes and arrows, not yet drawn. Equal graphs give equal pictures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture {
    /// The nodes.
    pub nodes: Vec<PictureNode>,
    /// Positions of the nodes that each arrow leads from and to, ascending.
    pub edges: Vec<(usize, usize)>,
}

/// A number of things in words.
fn counted(count: usize, what: &str, plural: &str) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position != 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text} {}", if count == 1 { what } else { plural })
}

/// The required values of a data ID, one for each line.
fn data_id_lines(table: &DataIdTable, row: u32, graph: &QuantumGraph) -> Vec<String> {
    let required = table.group().required().len();
    (table.group().iter_key_names().zip(table.values(row, &graph.symbols)).take(required))
        .map(|(name, value)| match value {
            DataValue::Int(value) => format!("{name}: {value}"),
            DataValue::Text(value) => format!("{name}: {value}"),
        })
        .collect()
}

/// Datasets that are drawn as one node: those of one type with the same writer and readers.
type Bundle = (u32, Option<QuantumIx>, Vec<QuantumIx>);

impl Picture {
    /// Tasks with their numbers of quanta, and the dataset types between them with their numbers of
    /// datasets. Dataset types that matter to the construction of tasks only, and those without
    /// readers that every task writes (metadata, logs), are left out.
    pub fn of_pipeline(graph: &QuantumGraph) -> Self {
        let pipeline = &graph.pipeline;
        let mut counts = vec![0; pipeline.dataset_types.len()];
        for &dataset_type in graph.datasets.dataset_type.iter() {
            if let Some(count) = counts.get_mut(dataset_type as usize) {
                *count += 1;
            }
        }
        let mut picture = Self::default();
        let mut shown = vec![false; pipeline.dataset_types.len()];
        for task in &pipeline.tasks {
            for connection in task.quantum_inputs().chain(&task.outputs) {
                shown[connection.dataset_type.index()] = true;
            }
        }
        let nodes: Vec<Option<usize>> = (pipeline.dataset_types.iter().zip(&counts).zip(&shown))
            .map(|((node, &count), &shown)| {
                let text = counted(count, "dataset", "datasets");
                let lines = vec![node.dataset_type.name.clone(), text];
                (shown && !node.is_init).then(|| picture.add(NodeKind::Data, lines, false))
            })
            .collect();
        for (task, count) in pipeline.tasks.iter().zip(graph.task_counts()) {
            let lines = vec![task.label.clone(), counted(count, "quantum", "quanta")];
            let work = picture.add(NodeKind::Work, lines, false);
            for connection in task.quantum_inputs() {
                let data = nodes[connection.dataset_type.index()];
                picture.edges.extend(data.map(|data| (data, work)));
            }
            for connection in &task.outputs {
                let data = nodes[connection.dataset_type.index()];
                picture.edges.extend(data.map(|data| (work, data)));
            }
        }
        picture.finish()
    }

    /// All quanta and which comes before which.
    ///
    /// # Errors
    /// If there are more than `limit`, or a number in the graph points nowhere.
    pub fn of_quanta(graph: &QuantumGraph, limit: usize) -> Result<Self> {
        check_size(graph.quanta.len(), limit)?;
        let mut picture = Self::default();
        for quantum in graph.quanta.iter() {
            graph.check_quantum(quantum)?;
            picture.add_quantum(graph, quantum, false);
        }
        picture.edges = graph.flow().edges().map(|(a, b)| (a.index(), b.index())).collect();
        Ok(picture.finish())
    }

    /// A quantum with its inputs and outputs, the quanta that come up to `depth` steps before or
    /// after it, and the datasets through which they are connected. Datasets of one type with the
    /// same writer and readers are drawn as one.
    ///
    /// # Errors
    /// If there are more than `limit` nodes, or a number in the graph points nowhere.
    pub fn around(
        graph: &QuantumGraph,
        centre: QuantumIx,
        depth: usize,
        limit: usize,
    ) -> Result<Self> {
        graph.check_quantum(centre)?;
        let flow = graph.flow();
        let mut quanta = BTreeSet::from([centre]);
        for forward in [false, true] {
            let mut border = vec![centre];
            for _ in 0..depth {
                let mut next = Vec::new();
                for &quantum in &border {
                    match forward {
                        true => next.extend(flow.successors(quantum)),
                        false => next.extend(flow.predecessors(quantum)),
                    }
                }
                next.retain(|&quantum| quanta.insert(quantum));
                check_size(quanta.len(), limit)?;
                border = next;
            }
        }
        // For each dataset its writer and readers among these quanta.
        let mut datasets: BTreeMap<DatasetIx, (Option<QuantumIx>, Vec<QuantumIx>)> =
            BTreeMap::new();
        for &quantum in &quanta {
            graph.check_quantum(quantum)?;
            for (_, dataset) in graph.inputs.edges(quantum) {
                datasets.entry(dataset).or_default().1.push(quantum);
            }
            for (_, dataset) in graph.outputs.edges(quantum) {
                datasets.entry(dataset).or_default().0 = Some(quantum);
            }
        }
        let mut bundles: BTreeMap<Bundle, Vec<DatasetIx>> = BTreeMap::new();
        for (dataset, (writer, mut readers)) in datasets {
            readers.dedup();
            let connects = writer.is_some() && !readers.is_empty();
            if connects || writer == Some(centre) || readers.contains(&centre) {
                let dataset_type = graph.datasets.dataset_type(dataset).0;
                bundles.entry((dataset_type, writer, readers)).or_default().push(dataset);
            }
        }
        check_size(quanta.len() + bundles.len(), limit)?;
        let mut picture = Self::default();
        let nodes: BTreeMap<QuantumIx, usize> = (quanta.iter())
            .map(|&quantum| (quantum, picture.add_quantum(graph, quantum, quantum == centre)))
            .collect();
        for ((_, writer, readers), datasets) in bundles {
            let data = picture.add_datasets(graph, &datasets);
            picture.edges.extend(writer.map(|writer| (nodes[&writer], data)));
            picture.edges.extend(readers.iter().map(|reader| (data, nodes[reader])));
        }
        Ok(picture.finish())
    }

    fn add(&mut self, kind: NodeKind, lines: Vec<String>, is_centre: bool) -> usize {
        self.nodes.push(PictureNode { kind, lines, is_centre });
        self.nodes.len() - 1
    }

    fn add_quantum(&mut self, graph: &QuantumGraph, quantum: QuantumIx, is_centre: bool) -> usize {
        let task = graph.quanta.task(quantum);
        let mut lines = vec![graph.pipeline.task(task).label.clone()];
        let row = graph.quanta.data_id[quantum.index()];
        lines.extend(data_id_lines(graph.task_data_ids(task), row, graph));
        self.add(NodeKind::Work, lines, is_centre)
    }

    fn add_datasets(&mut self, graph: &QuantumGraph, datasets: &[DatasetIx]) -> usize {
        let dataset_type = graph.datasets.dataset_type(datasets[0]);
        let mut lines = vec![graph.pipeline.dataset_type(dataset_type).dataset_type.name.clone()];
        match datasets {
            [dataset] => {
                let row = graph.datasets.data_id[dataset.index()];
                let table = graph.dataset_type_data_ids(dataset_type);
                lines.extend(data_id_lines(table, row, graph));
            }
            several => lines.push(counted(several.len(), "dataset", "datasets")),
        }
        self.add(NodeKind::Data, lines, false)
    }

    fn finish(mut self) -> Self {
        self.edges.sort_unstable();
        self.edges.dedup();
        self
    }
}

fn check_size(nodes: usize, limit: usize) -> Result<()> {
    if nodes <= limit { Ok(()) } else { Err(GraphError::TooManyNodes { nodes, limit }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_agree_with_their_nouns() {
        assert_eq!(counted(0, "quantum", "quanta"), "0 quanta");
        assert_eq!(counted(1, "quantum", "quanta"), "1 quantum");
        assert_eq!(counted(1234567, "quantum", "quanta"), "1,234,567 quanta");
        assert_eq!(counted(100, "quantum", "quanta"), "100 quanta");
    }
}
