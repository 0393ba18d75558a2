//! Prerequisites that look-up functions find.

use qbb_dimensions::{DataValue, KeyType};
use qbb_pipeline::{DatasetTypeIx, PipelineGraph};
use qbb_query::engine::{NeededRecords, Relation, SearchedCollections};
use qbb_registry::CollectionIx;
use rustc_hash::FxHashMap;

use super::batch::DataIdBatch;
use super::interface::{FoundDataset, RecordRows};
use super::need::{HookCalls, describer, failure};
use super::records::{SentRecords, extend};
use crate::contents::{Contents, search_ix};
use crate::error::BuildError;
use crate::skeleton::{Edges, Skeleton};

/// Quanta for each call.
const BATCH: usize = 4096;

/// Calls the look-up functions of all tasks and adds what they find, dimension records included.
pub(crate) fn look_up(
    calls: &mut HookCalls<'_>,
    pipeline: &PipelineGraph,
    contents: &mut Contents,
    collections: &SearchedCollections,
    needed: &NeededRecords,
    skeleton: &mut Skeleton,
) -> Result<SentRecords, BuildError> {
    let mut sent = SentRecords::default();
    for (at, task) in pipeline.tasks.iter().enumerate() {
        for (position, connection) in task.prerequisite_inputs.iter().enumerate() {
            let Some(hooks) = calls.get().filter(|_| connection.lookup_function) else { continue };
            let hook = format!("the look-up function of `{}`", connection.name);
            sent.send(hooks, pipeline, contents, needed)
                .map_err(|error| failure(error, &task.label, &hook, None))?;
            let quanta = &skeleton.quanta[at];
            let chosen: Vec<u32> =
                (0..quanta.rows.len as u32).filter(|&q| quanta.alive[q as usize]).collect();
            let mut found = Gathered::default();
            for chosen in chosen.chunks(BATCH) {
                let batch = DataIdBatch::new(&contents.read.dictionary, &quanta.rows, chosen);
                let answer =
                    hooks.look_up(&task.label, &connection.name, &batch).map_err(|error| {
                        let describe = describer(&contents.read.dictionary, &quanta.rows, chosen);
                        failure(error, &task.label, &hook, Some(&describe))
                    })?;
                found.add(chosen, answer)?;
            }
            let rows = found.rows(pipeline, contents, collections, connection.dataset_type)?;
            let Some(search) = contents.input(connection.dataset_type) else { continue };
            let nodes = &mut skeleton.datasets[connection.dataset_type.index()];
            let mut pairs: Vec<(u32, u32)> = (found.pairs.iter())
                .map(|&(quantum, dataset)| {
                    (quantum, nodes.node_of_found(&search.relation, rows[dataset as usize]))
                })
                .collect();
            pairs.sort_unstable();
            pairs.dedup();
            let quanta = &mut skeleton.quanta[at];
            quanta.inputs[task.inputs.len() + position] = Edges::new(quanta.rows.len, &pairs);
        }
    }
    Ok(sent)
}

/// Answers of all batches of a connection.
#[derive(Default)]
struct Gathered {
    datasets: Vec<FoundDataset>,
    position: FxHashMap<[u8; 16], u32>,
    /// Quantum and dataset.
    pairs: Vec<(u32, u32)>,
    records: RecordRows,
}

impl Gathered {
    fn add(
        &mut self,
        chosen: &[u32],
        answer: super::interface::FoundPrerequisites,
    ) -> Result<(), BuildError> {
        let mut numbers = Vec::with_capacity(answer.datasets.len());
        for dataset in answer.datasets {
            let next = self.datasets.len() as u32;
            let number = *self.position.entry(*dataset.id.as_bytes()).or_insert(next);
            if number == next {
                self.datasets.push(dataset);
            }
            numbers.push(number);
        }
        for (&quantum, datasets) in chosen.iter().zip(&answer.of_quantum) {
            for &dataset in datasets {
                let number = numbers.get(dataset as usize).ok_or_else(|| {
                    BuildError::Inconsistent("an answer of Python counts wrongly".to_owned())
                })?;
                self.pairs.push((quantum, *number));
            }
        }
        for (element, mut rows) in answer.records {
            self.records.entry(element).or_default().append(&mut rows);
        }
        Ok(())
    }

    /// The search row of each dataset; rows are added for those that the search does not know
    /// because they are not in the input collections, or were not read.
    fn rows(
        &mut self,
        pipeline: &PipelineGraph,
        contents: &mut Contents,
        collections: &SearchedCollections,
        ix: DatasetTypeIx,
    ) -> Result<Vec<u32>, BuildError> {
        let Some(search) = contents.input(ix) else { return Ok(Vec::new()) };
        let mut rows = vec![u32::MAX; self.datasets.len()];
        for (row, id) in search.id.iter().enumerate() {
            // The first place in search order counts.
            if let Some(&dataset) = self.position.get(id)
                && rows[dataset as usize] == u32::MAX
            {
                rows[dataset as usize] = row as u32;
            }
        }
        let unknown: Vec<usize> = (0..rows.len()).filter(|&at| rows[at] == u32::MAX).collect();
        if unknown.is_empty() {
            return Ok(rows);
        }
        let group = &pipeline.dataset_type(ix).dataset_type.dimensions;
        let dictionary = &mut contents.read.dictionary;
        extend(dictionary, &self.records)?;
        let mut keys: Vec<Vec<i64>> = vec![Vec::new(); group.required().len()];
        let mut runs: Vec<CollectionIx> = Vec::new();
        for &at in &unknown {
            let dataset = &self.datasets[at];
            for ((column, &dimension), value) in
                keys.iter_mut().zip(group.required()).zip(&dataset.data_id)
            {
                let text = pipeline.universe.element(dimension).key_type() == Some(KeyType::Text);
                column.push(match value {
                    DataValue::Text(value) if text => dictionary.symbols.intern(value).cell(),
                    DataValue::Int(value) if !text => *value,
                    _ => return Err(unusable(dataset, "its data ID has values of wrong types")),
                });
            }
            let run = collections.catalog.find(&dataset.run);
            runs.push(run.ok_or_else(|| unusable(dataset, "its RUN collection is unknown"))?);
        }
        for (column, &dimension) in keys.iter().zip(group.required()) {
            if pipeline.universe.element(dimension).skypix().is_some() {
                dictionary.add_values(dimension, column.iter().copied());
            }
        }
        dictionary.renew_keys();
        let (relation, origin) = Relation::of_cells(dictionary, group, &keys, unknown.len());
        if let Some(lost) = (0..unknown.len() as u32).find(|row| !origin.contains(row)) {
            let dataset = &self.datasets[unknown[lost as usize]];
            return Err(unusable(dataset, "dimension records of its data ID are missing"));
        }
        let Some(search) = contents.read.datasets.get_mut(&search_ix(ix)) else {
            return Ok(Vec::new());
        };
        let first = search.len() as u32;
        let ids = unknown.iter().map(|&at| *self.datasets[at].id.as_bytes());
        search.append(&relation, ids, runs);
        for (row, &at) in (first..).zip(&unknown) {
            rows[at] = row;
        }
        Ok(rows)
    }
}

fn unusable(dataset: &FoundDataset, reason: &str) -> BuildError {
    let FoundDataset { id, run, .. } = dataset;
    BuildError::Inconsistent(format!("dataset {id} of `{run}`, found by Python: {reason}"))
}
