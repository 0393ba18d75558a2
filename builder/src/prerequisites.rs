//! Prerequisite inputs: datasets that exist and do not constrain the graph.
//!
//! Most are looked up for all quanta of a task at once, by joining the quanta with the data IDs of
//! the datasets: calibrations through validity ranges that overlap the quantum's timespan,
//! reference catalogs through the pixels that its region touches. A task may name connections
//! whose datasets enlarge the quantum's bounds; then each quantum has bounds of its own.

use qbb_dimensions::{DimensionGroup, ElementIx, Timespan};
use qbb_pipeline::{Connection, PipelineGraph, Task, TaskIx};
use rayon::prelude::*;

use crate::bounds::QuantumBounds;
use crate::contents::Contents;
use crate::datasets::{DatasetSearch, Found};
use crate::dictionary::Dictionary;
use crate::error::BuildError;
use crate::join::JoinTree;
use crate::key_index::{KeyGroups, KeyIndex};
use crate::layout::Layout;
use crate::plan::automatic_spatial_join;
use crate::query::spatial_relation;
use crate::relation::Relation;
use crate::skeleton::{Edges, Skeleton};

/// Looks up the prerequisites of all tasks and adds them to the graph.
pub(crate) fn look_up(
    pipeline: &PipelineGraph,
    contents: &Contents,
    skeleton: &mut Skeleton,
    collection_name: &dyn Fn(u32) -> String,
) -> Result<(), BuildError> {
    for (at, task) in pipeline.tasks.iter().enumerate() {
        if skeleton.quanta[at].rows.len == 0 {
            continue;
        }
        for (position, connection) in task.prerequisite_inputs.iter().enumerate() {
            let Some(search) = contents.inputs.get(&connection.dataset_type) else { continue };
            let dataset = &pipeline.dataset_type(connection.dataset_type).dataset_type;
            let lookup = Lookup { pipeline, contents, skeleton, at, task, connection, search };
            let matches = lookup.find(&dataset.dimensions)?;
            let mut pairs = Vec::with_capacity(matches.len());
            let rows = &skeleton.quanta[at].rows;
            for (quantum, found) in matches {
                match found {
                    Found::Nothing => {}
                    Found::Row(row) => pairs.push((quantum, row)),
                    Found::Ambiguous(candidates) => {
                        let first = candidates.first().copied().unwrap_or_default() as usize;
                        let ids: Vec<String> = (candidates.iter().take(4))
                            .map(|&row| uuid::Uuid::from_bytes(search.id[row as usize]).to_string())
                            .collect();
                        return Err(BuildError::AmbiguousCalibration {
                            task: task.label.clone(),
                            dataset_type: dataset.name.clone(),
                            collection: collection_name(search.rank[first]),
                            data_id: rows.describe(&contents.dictionary, quantum as usize),
                            count: candidates.len(),
                            datasets: ids.join(", "),
                        });
                    }
                }
            }
            let nodes = &mut skeleton.datasets[connection.dataset_type.index()];
            for (_, row) in &mut pairs {
                *row = nodes.node_of_found(&search.relation, *row);
            }
            pairs.sort_unstable();
            pairs.dedup();
            let n_quanta = skeleton.quanta[at].rows.len;
            skeleton.quanta[at].inputs[task.inputs.len() + position] = Edges::new(n_quanta, &pairs);
        }
    }
    Ok(())
}

/// The look-up of one connection.
struct Lookup<'a> {
    pipeline: &'a PipelineGraph,
    contents: &'a Contents,
    skeleton: &'a Skeleton,
    at: usize,
    task: &'a Task,
    connection: &'a Connection,
    search: &'a DatasetSearch,
}

impl Lookup<'_> {
    fn dictionary(&self) -> &Dictionary {
        &self.contents.dictionary
    }

    fn quanta(&self) -> &Relation {
        &self.skeleton.quanta[self.at].rows
    }

    /// Spatial elements of the datasets whose families the task does not have.
    fn foreign_spatial(&self, dataset: &DimensionGroup) -> Vec<ElementIx> {
        let universe = self.dictionary().universe();
        let family = |ix: &ElementIx| universe.element(*ix).spatial;
        let own: Vec<_> = self.task.dimensions.spatial().iter().map(family).collect();
        dataset.spatial().into_iter().filter(|ix| !own.contains(&family(ix))).collect()
    }

    /// Pairs of quantum and what was found for it; a quantum may occur several times.
    fn find(&self, dataset: &DimensionGroup) -> Result<Vec<(u32, Found)>, BuildError> {
        let universe = self.dictionary().universe();
        let hooks = &self.task.hooks;
        let foreign = self.foreign_spatial(dataset);
        let has_timespan = !self.task.dimensions.temporal().is_empty()
            && dataset.temporal().is_empty()
            && self.pipeline.dataset_type(self.connection.dataset_type).dataset_type.is_calibration;
        let spatial_bounds = !hooks.spatial_bounds.is_empty();
        let is_skypix = |ix: &ElementIx| universe.element(*ix).skypix().is_some();
        let uncommon = foreign.iter().any(|ix| is_skypix(ix) && *ix != universe.common_skypix().ix);
        let unbounded = !foreign.is_empty() && self.task.dimensions.spatial().is_empty();
        let deferred = uncommon
            || unbounded && foreign.iter().all(is_skypix)
            || spatial_bounds && (!foreign.is_empty() || has_timespan);
        if !deferred {
            return if dataset.is_subset(&self.task.dimensions) {
                self.find_directly(dataset)
            } else {
                self.find_by_join(dataset)
            };
        }
        let constraint = self.constraint_dimensions(dataset);
        if dataset.is_subset(&constraint) {
            return self.find_one_each(dataset, has_timespan);
        }
        if has_timespan || !foreign.iter().all(is_skypix) || foreign.len() != 1 {
            return Err(BuildError::NotSupported(format!(
                "prerequisite `{}` of task `{}`, whose dimensions {dataset} need bounds from other \
                 connections,",
                self.connection.name, self.task.label
            )));
        }
        self.find_by_bounds(dataset, foreign[0], &constraint)
    }

    /// Dimensions of the task that still apply when its region and timespan are replaced by bounds.
    fn constraint_dimensions(&self, dataset: &DimensionGroup) -> DimensionGroup {
        let universe = self.dictionary().universe();
        let kept = (self.task.dimensions.names().iter().copied()).filter(|&ix| {
            let element = universe.element(ix);
            dataset.contains(ix) || !(element.is_spatial() || element.is_temporal())
        });
        DimensionGroup::of_elements(universe, kept)
    }

    /// Timespan of each row of a relation; outer `None` if look-ups do not depend on time.
    fn timespans(&self, rows: &Relation) -> Option<Vec<Option<Timespan>>> {
        let element = rows.group.temporal().first().copied()?;
        if !self.search.is_calibration {
            return None;
        }
        let table = self.dictionary().records(element)?;
        let view = rows.rows(self.dictionary());
        let timespan = |row: u32| table.timespan(view.record_row(element, row)?);
        Some((0..rows.len as u32).map(timespan).collect())
    }

    /// The quanta determine the datasets' data IDs.
    fn find_directly(&self, dataset: &DimensionGroup) -> Result<Vec<(u32, Found)>, BuildError> {
        debug_assert!(dataset == &self.search.relation.group);
        let quanta = self.quanta();
        let keys = quanta.keys(self.dictionary(), self.search.layout());
        Ok(self.find_keys(&keys, self.timespans(quanta).as_deref(), |row| row))
    }

    /// The first dataset for each key; without a timespan, a calibration matches nothing.
    fn find_keys(
        &self,
        keys: &[u64],
        timespans: Option<&[Option<Timespan>]>,
        quantum: impl Fn(u32) -> u32 + Sync,
    ) -> Vec<(u32, Found)> {
        keys.par_iter()
            .enumerate()
            .with_min_len(1024)
            .filter_map(|(row, &key)| {
                let found = match timespans {
                    None => self.search.find(key, None),
                    Some(timespans) => self.search.find(key, Some(timespans[row]?)),
                };
                (found != Found::Nothing).then(|| (quantum(row as u32), found))
            })
            .collect()
    }

    /// Datasets have dimensions beyond the task's: quanta are joined with all data IDs.
    fn find_by_join(&self, dataset: &DimensionGroup) -> Result<Vec<(u32, Found)>, BuildError> {
        let dictionary = self.dictionary();
        let quanta = self.quanta();
        let all = quanta.group.union(dataset);
        let mut relations = vec![quanta.clone(), self.search.data_ids(dictionary)];
        relations.extend(all.elements().iter().filter_map(|&ix| dictionary.relationship(ix)));
        let operands = [&self.task.dimensions, dataset];
        if let Some((a, b)) = automatic_spatial_join(&all, &operands)? {
            relations.push(spatial_relation(self.contents, a, b, &relations)?);
        }
        let rows = JoinTree::new(dictionary, relations)?.project(dictionary, &all)?;
        let layout = Layout::new(dictionary, &quanta.group);
        let index = KeyIndex::new(&quanta.keys(dictionary, &layout), layout.total_bits());
        let quantum: Vec<u32> = (rows.keys(dictionary, &layout).into_iter())
            .map(|key| index.find(key).unwrap_or_default())
            .collect();
        let keys = rows.keys(dictionary, self.search.layout());
        Ok(self.find_keys(&keys, self.timespans(&rows).as_deref(), |row| quantum[row as usize]))
    }

    fn bounds(&self) -> QuantumBounds<'_> {
        QuantumBounds::new(self.pipeline, self.dictionary(), self.skeleton, TaskIx(self.at as u32))
    }

    /// One dataset for each quantum, in validity ranges that overlap its temporal bounds.
    fn find_one_each(
        &self,
        dataset: &DimensionGroup,
        has_timespan: bool,
    ) -> Result<Vec<(u32, Found)>, BuildError> {
        debug_assert!(dataset == &self.search.relation.group);
        let quanta = self.quanta();
        let keys = quanta.keys(self.dictionary(), self.search.layout());
        let bounds = self.bounds();
        let timespans: Vec<Option<Timespan>> = (0..quanta.len)
            .map(|quantum| {
                Some(if has_timespan { bounds.timespan(quantum) } else { Timespan::EMPTY })
            })
            .collect();
        Ok(self.find_keys(&keys, Some(&timespans), |row| row))
    }

    /// All datasets whose pixel is within the spatial bounds of the quantum.
    fn find_by_bounds(
        &self,
        dataset: &DimensionGroup,
        skypix: ElementIx,
        constraint: &DimensionGroup,
    ) -> Result<Vec<(u32, Found)>, BuildError> {
        let dictionary = self.dictionary();
        let data_ids = self.search.data_ids(dictionary);
        let pixels = data_ids.cells(dictionary, skypix);
        let mut order: Vec<u32> = (0..data_ids.len as u32).collect();
        order.sort_by_key(|&row| pixels[row as usize]);
        let shared = constraint.intersection(dataset);
        let layout = Layout::new(dictionary, &shared);
        let shared_keys = data_ids.keys(dictionary, &layout);
        let ordered: Vec<u64> = order.iter().map(|&row| shared_keys[row as usize]).collect();
        let by_shared = KeyGroups::new(&ordered, layout.total_bits());
        let keys = data_ids.keys(dictionary, self.search.layout());
        let bounds = self.bounds();
        let quanta = self.quanta();
        let quantum_keys = quanta.keys(dictionary, &layout);
        let found: Result<Vec<Vec<(u32, Found)>>, BuildError> = (0..quanta.len)
            .into_par_iter()
            .map(|quantum| {
                let candidates = by_shared.rows(quantum_keys[quantum]);
                let pixel = |at: &u32| pixels[order[*at as usize] as usize];
                let mut found = Vec::new();
                let mut add = |places: &[u32]| {
                    for &place in places {
                        let key = keys[order[place as usize] as usize];
                        let first = self.search.find(key, None);
                        found.push((quantum as u32, first));
                    }
                };
                match bounds.pixels(quantum, skypix)? {
                    None => add(candidates),
                    Some(ranges) => {
                        for range in ranges.as_slice() {
                            let (begin, end) = (range.begin as i64, range.end as i64);
                            let from = candidates.partition_point(|at| pixel(at) < begin);
                            let to = candidates.partition_point(|at| pixel(at) < end);
                            add(&candidates[from..to.max(from)]);
                        }
                    }
                }
                Ok(found)
            })
            .collect();
        Ok(found?.into_iter().flatten().collect())
    }
}
