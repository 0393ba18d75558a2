//! Prerequisite inputs: datasets that exist and do not constrain the graph.
//!
//! Most are looked up for all quanta of a task at once, by joining the quanta with the data IDs of
//! the datasets: calibrations through validity ranges that overlap the quantum's timespan,
//! reference catalogs through the pixels that its region touches. A task may name connections
//! whose datasets enlarge the quantum's bounds; then each quantum has bounds of its own.

use qbb_dimensions::{DimensionElement, DimensionGroup, ElementIx, Timespan};
use qbb_pipeline::{Connection, PipelineGraph, Task, TaskIx};
use qbb_query::engine::{
    DatasetSearch, Dictionary, Found, JoinTree, KeyGroups, KeyIndex, Layout, Relation,
    missing_spatial_join, spatial_relations, timespans,
};
use rayon::prelude::*;

use crate::bounds::QuantumBounds;
use crate::contents::Contents;
use crate::error::BuildError;
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
            // Those with look-up functions are found by these.
            if connection.lookup_function {
                continue;
            }
            let Some(search) = contents.input(connection.dataset_type) else { continue };
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
                        let data_id = rows.describe(&contents.read.dictionary, quantum as usize);
                        let quantum = format!("{data_id} of task `{}`", task.label);
                        let of = (dataset.name.as_str(), quantum);
                        return Err(search.ambiguous(of, &candidates, collection_name).into());
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
        &self.contents.read.dictionary
    }

    fn quanta(&self) -> &Relation {
        &self.skeleton.quanta[self.at].rows
    }

    /// Elements of those families of the datasets' dimensions that the task does not have.
    fn foreign(
        &self,
        elements: impl Fn(&DimensionGroup) -> Vec<ElementIx>,
        family: impl Fn(&DimensionElement) -> Option<u16>,
        [of, but_not]: [&DimensionGroup; 2],
    ) -> Vec<ElementIx> {
        let universe = self.dictionary().universe();
        let family = |ix: &ElementIx| family(universe.element(*ix));
        let own: Vec<_> = elements(but_not).iter().map(family).collect();
        elements(of).into_iter().filter(|ix| !own.contains(&family(ix))).collect()
    }

    /// Whether look-ups one by one depend on the quantum's timespan.
    fn has_timespan(&self, dataset: &DimensionGroup) -> bool {
        let task = &self.task.dimensions;
        let foreign = |groups| {
            !self.foreign(DimensionGroup::temporal, |element| element.temporal, groups).is_empty()
        };
        let node = self.pipeline.dataset_type(self.connection.dataset_type);
        foreign([task, dataset]) && (node.dataset_type.is_calibration || foreign([dataset, task]))
    }

    /// Pairs of quantum and what was found for it; a quantum may occur several times.
    ///
    /// Datasets are looked up for all quanta together unless that takes bounds which the task
    /// declares to come from other connections (those of space defer look-ups in time too, as in
    /// the middleware), or datasets are on the sky and the task is not.
    fn find(&self, dataset: &DimensionGroup) -> Result<Vec<(u32, Found)>, BuildError> {
        let universe = self.dictionary().universe();
        let (task, hooks) = (&self.task.dimensions, &self.task.hooks);
        let foreign =
            self.foreign(DimensionGroup::spatial, |element| element.spatial, [dataset, task]);
        let has_timespan = self.has_timespan(dataset);
        let bounded = !hooks.spatial_bounds.is_empty();
        let deferred = bounded && (!foreign.is_empty() || has_timespan)
            || !foreign.is_empty() && task.spatial().is_empty();
        if !deferred {
            return if dataset.is_subset(task) {
                self.find_directly(dataset)
            } else {
                self.find_by_join(dataset)
            };
        }
        let constraint = self.constraint_dimensions(dataset);
        let is_skypix = |ix: &&ElementIx| universe.element(**ix).skypix().is_some();
        let n_skypix = foreign.iter().filter(is_skypix).count();
        let refused = |why: &str| {
            Err(BuildError::PrerequisiteBounds {
                task: self.task.label.clone(),
                connection: self.connection.name.clone(),
                dimensions: dataset.to_string(),
                why: why.to_owned(),
            })
        };
        if dataset.is_subset(&constraint) {
            self.find_one_each(dataset, has_timespan)
        } else if has_timespan {
            refused(
                "validity ranges are looked up one by one only for data IDs that the task fixes",
            )
        } else if n_skypix == 1 && foreign.len() == 1 {
            self.find_by_bounds(dataset, foreign[0], &constraint)
        } else if n_skypix > 0 {
            refused("pixels cannot be combined with other bounds")
        } else if bounded || !hooks.temporal_bounds.is_empty() {
            refused("bounds from other connections are known only for pixels and validity ranges")
        } else {
            self.find_by_join(dataset)
        }
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
        Some(timespans(&self.contents.read, element, rows))
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
        let operands = [self.task.dimensions.clone(), dataset.clone()];
        if let Some(join) = missing_spatial_join(&all, &operands, &[])? {
            relations.extend(spatial_relations(&self.contents.read, join, &all, &relations)?);
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
        QuantumBounds::new(self.pipeline, self.contents, self.skeleton, TaskIx(self.at as u32))
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
        let timespans: Result<Vec<Option<Timespan>>, BuildError> = (0..quanta.len)
            .map(|quantum| match has_timespan {
                true => bounds.timespan(quantum).map(Some),
                false => Ok(Some(Timespan::EMPTY)),
            })
            .collect();
        Ok(self.find_keys(&keys, Some(&timespans?), |row| row))
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
