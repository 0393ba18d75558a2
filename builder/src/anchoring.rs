//! Removing quanta from which nothing that is wanted can be reached.

use qbb_pipeline::PipelineGraph;

use crate::skeleton::Skeleton;

/// Removes the living quanta of the task `source` from which no living quantum of the task `anchor`
/// can be reached, with everything downstream of them. Returns the number of quanta removed from
/// each task.
///
/// Tasks stand in topological order, so one pass backwards finds what reaches an anchor and one
/// pass forwards what is downstream.
pub(crate) fn remove_unanchored(
    pipeline: &PipelineGraph,
    skeleton: &mut Skeleton,
    source: &str,
    anchor: &str,
) -> Vec<usize> {
    let mut removed = vec![0; pipeline.tasks.len()];
    let Some(source) = pipeline.tasks.iter().position(|task| task.label == source) else {
        return removed;
    };
    let anchor = pipeline.tasks.iter().position(|task| task.label == anchor);
    let mut nodes: Vec<Vec<bool>> =
        skeleton.datasets.iter().map(|nodes| vec![false; nodes.rows.len]).collect();
    let mut anchored = vec![false; skeleton.quanta[source].rows.len];
    for (at, task) in pipeline.tasks.iter().enumerate().rev() {
        let quanta = &skeleton.quanta[at];
        for quantum in (0..quanta.rows.len).filter(|&quantum| quanta.alive[quantum]) {
            let reaches = (task.quantum_outputs().zip(&quanta.outputs)).any(|(c, edges)| {
                let marks = &nodes[c.dataset_type.index()];
                edges.of(quantum).iter().any(|&node| marks[node as usize])
            });
            if at == source {
                anchored[quantum] = reaches;
            }
            if reaches || anchor == Some(at) {
                for (connection, edges) in task.inputs.iter().zip(&quanta.inputs) {
                    let ix = connection.dataset_type.index();
                    for &node in edges.of(quantum) {
                        nodes[ix][node as usize] |= skeleton.datasets[ix].alive[node as usize];
                    }
                }
            }
        }
    }
    for marks in &mut nodes {
        marks.fill(false);
    }
    for (at, task) in pipeline.tasks.iter().enumerate() {
        let quanta = &mut skeleton.quanta[at];
        for quantum in 0..quanta.rows.len {
            let unanchored = at == source && !anchored.get(quantum).is_some_and(|is| *is);
            let downstream = || {
                (task.inputs.iter().zip(&quanta.inputs)).any(|(c, edges)| {
                    let marks = &nodes[c.dataset_type.index()];
                    edges.of(quantum).iter().any(|&node| marks[node as usize])
                })
            };
            if !quanta.alive[quantum] || !(unanchored || downstream()) {
                continue;
            }
            quanta.alive[quantum] = false;
            removed[at] += 1;
            for (connection, edges) in task.quantum_outputs().zip(&quanta.outputs) {
                let ix = connection.dataset_type.index();
                for &node in edges.of(quantum) {
                    nodes[ix][node as usize] = true;
                    skeleton.datasets[ix].alive[node as usize] = false;
                }
            }
        }
    }
    removed
}
