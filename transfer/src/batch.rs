//! Runs of datasets of one type in one RUN collection.

use std::ops::Range;

use qbb_graph::QuantumGraph;
use qbb_pipeline::DatasetTypeIx;

use crate::contents::BATCH;

/// Datasets of one type in one RUN, which stand together because datasets are sorted; as many as
/// make a batch.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub dataset_type: DatasetTypeIx,
    pub run: u32,
    pub datasets: Range<u32>,
}

/// All segments of a graph in order.
pub(crate) fn segments(graph: &QuantumGraph) -> Vec<Segment> {
    let (types, runs) = (&graph.datasets.dataset_type, &graph.datasets.run);
    let mut segments: Vec<Segment> = Vec::new();
    for (i, (&dataset_type, &run)) in types.iter().zip(runs.iter()).enumerate() {
        let i = i as u32;
        match segments.last_mut() {
            Some(last)
                if last.dataset_type.0 == dataset_type
                    && last.run == run
                    && last.datasets.len() < BATCH =>
            {
                last.datasets.end = i + 1;
            }
            _ => segments.push(Segment {
                dataset_type: DatasetTypeIx(dataset_type),
                run,
                datasets: i..i + 1,
            }),
        }
    }
    segments
}
