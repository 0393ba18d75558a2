//! Outputs that were not kept: what must run again because something downstream must run.

use std::collections::VecDeque;

use qbb_pipeline::PipelineGraph;
use qbb_registry::NamePattern;

use crate::skeleton::{Edges, Skeleton};

/// Dataset types that are kept where finished quanta are looked for.
#[derive(Debug, Clone)]
pub(crate) struct Retained {
    /// By dataset type.
    kept: Vec<bool>,
    /// Names and patterns that fit none of the pipeline's dataset types.
    pub(crate) unmatched: Vec<String>,
}

impl Retained {
    /// Looks patterns up among the dataset types of a pipeline; `None` if everything is kept.
    pub(crate) fn new(pipeline: &PipelineGraph, patterns: &[String]) -> Option<Self> {
        if patterns.is_empty() || patterns.iter().any(|pattern| pattern == "*") {
            return None;
        }
        let mut kept = vec![false; pipeline.dataset_types.len()];
        let mut unmatched = Vec::new();
        for text in patterns {
            let pattern = NamePattern::new(text);
            let mut any = false;
            for (kept, node) in kept.iter_mut().zip(&pipeline.dataset_types) {
                if pattern.matches(&node.dataset_type.name) {
                    (*kept, any) = (true, true);
                }
            }
            if !any {
                unmatched.push(text.clone());
            }
        }
        Some(Self { kept, unmatched })
    }

    /// From every quantum that must run backwards: whatever makes an input that is not kept must
    /// run too.
    pub(crate) fn run_producers_again(
        &self,
        pipeline: &PipelineGraph,
        skeleton: &Skeleton,
        done: &mut [Vec<bool>],
    ) {
        let producers = Producers::new(pipeline, skeleton, self);
        let mut queue: VecDeque<(u32, u32)> = VecDeque::new();
        for (task, done) in done.iter().enumerate() {
            let running = done.iter().enumerate().filter(|(_, done)| !**done);
            queue.extend(running.map(|(quantum, _)| (task as u32, quantum as u32)));
        }
        while let Some((task, quantum)) = queue.pop_front() {
            let definition = &pipeline.tasks[task as usize];
            let inputs = definition.inputs.iter().zip(&skeleton.quanta[task as usize].inputs);
            for (connection, edges) in inputs {
                let Some((task, of)) = producers.of(connection.dataset_type.index()) else {
                    continue;
                };
                for &node in edges.of(quantum as usize) {
                    for &quantum in of.of(node as usize) {
                        let done = &mut done[task as usize][quantum as usize];
                        if std::mem::replace(done, false) {
                            queue.push_back((task, quantum));
                        }
                    }
                }
            }
        }
    }
}

/// For each dataset type that is not kept, its producing task and the quanta of each dataset.
struct Producers(Vec<Option<(u32, Edges)>>);

impl Producers {
    fn new(pipeline: &PipelineGraph, skeleton: &Skeleton, retained: &Retained) -> Self {
        let mut of: Vec<Option<(u32, Edges)>> = Vec::new();
        of.resize_with(pipeline.dataset_types.len(), || None);
        for (task, (definition, quanta)) in pipeline.tasks.iter().zip(&skeleton.quanta).enumerate()
        {
            for (connection, edges) in definition.quantum_outputs().zip(&quanta.outputs) {
                let ix = connection.dataset_type.index();
                if retained.kept[ix] {
                    continue;
                }
                let pairs: Vec<(u32, u32)> = (0..quanta.rows.len)
                    .flat_map(|quantum| {
                        edges.of(quantum).iter().map(move |&node| (node, quantum as u32))
                    })
                    .collect();
                let n = skeleton.datasets[ix].rows.len;
                of[ix] = Some((task as u32, Edges::new(n, &pairs)));
            }
        }
        Self(of)
    }

    fn of(&self, dataset_type: usize) -> Option<(u32, &Edges)> {
        self.0[dataset_type].as_ref().map(|(task, edges)| (*task, edges))
    }
}
