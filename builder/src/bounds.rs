//! Spatial and temporal bounds of quanta, for prerequisites that need them one by one.

use qbb_dimensions::expression::RowSource;
use qbb_dimensions::sphere::{RangeSet, Region};
use qbb_dimensions::{DimensionGroup, ElementIx, Timespan};
use qbb_pipeline::{Connection, PipelineGraph, Task, TaskIx};
use qbb_query::QueryError;
use qbb_query::engine::{Relation, pixelization};

use crate::contents::Contents;
use crate::error::BuildError;
use crate::skeleton::{DatasetNodes, Edges, Skeleton};

/// Bounds of the quanta of a task: their own, and those of the datasets of the connections that
/// the task names.
pub(crate) struct QuantumBounds<'a> {
    contents: &'a Contents,
    task: &'a Task,
    rows: &'a Relation,
    spatial: Vec<(&'a Edges, &'a DatasetNodes)>,
    temporal: Vec<(&'a Edges, &'a DatasetNodes)>,
}

/// Datasets of a quantum that are there or will be written; others have no part in its bounds.
fn existing(edges: &Edges, nodes: &DatasetNodes, quantum: usize) -> impl Iterator<Item = usize> {
    let numbers = edges.of(quantum).iter().map(|&node| node as usize);
    numbers.filter(|&node| nodes.alive[node])
}

impl<'a> QuantumBounds<'a> {
    pub(crate) fn new(
        pipeline: &'a PipelineGraph,
        contents: &'a Contents,
        skeleton: &'a Skeleton,
        task: TaskIx,
    ) -> Self {
        let quanta = &skeleton.quanta[task.index()];
        let task = pipeline.task(task);
        let datasets = |names: &[String]| {
            let named = |(connection, edges): (&'a Connection, &'a Edges)| {
                let nodes = &skeleton.datasets[connection.dataset_type.index()];
                names.contains(&connection.name).then_some((edges, nodes))
            };
            let inputs = task.quantum_inputs().zip(&quanta.inputs);
            inputs.chain(task.quantum_outputs().zip(&quanta.outputs)).filter_map(named).collect()
        };
        Self {
            contents,
            task,
            rows: &quanta.rows,
            spatial: datasets(&task.hooks.spatial_bounds),
            temporal: datasets(&task.hooks.temporal_bounds),
        }
    }

    /// The timespan that holds those of the quantum and of the named datasets; the whole of time if
    /// there is nothing to take it from.
    ///
    /// # Errors
    /// If a connection enlarges timespans, and one of those to be put together is not known.
    pub(crate) fn timespan(&self, quantum: usize) -> Result<Timespan, BuildError> {
        let is_temporal = !self.task.dimensions.temporal().is_empty();
        let own = self.timespan_of(&self.task.dimensions, self.rows, quantum);
        if self.temporal.is_empty() {
            return Ok(match is_temporal {
                true => own.unwrap_or(Timespan::EMPTY),
                false => Timespan::UNBOUNDED,
            });
        }
        let missing = |rows: &Relation, row| {
            let data_id = rows.describe(&self.contents.read.dictionary, row);
            BuildError::NoTimespan { task: self.task.label.clone(), data_id }
        };
        let mut all = match own {
            Some(own) => own,
            None if is_temporal => return Err(missing(self.rows, quantum)),
            None => Timespan::EMPTY,
        };
        for (edges, nodes) in &self.temporal {
            let rows = &nodes.rows;
            for node in existing(edges, nodes, quantum) {
                let next =
                    self.timespan_of(&rows.group, rows, node).ok_or_else(|| missing(rows, node))?;
                all = Timespan { begin: all.begin.min(next.begin), end: all.end.max(next.end) };
            }
        }
        Ok(all)
    }

    fn timespan_of(&self, group: &DimensionGroup, rows: &Relation, row: usize) -> Option<Timespan> {
        let element = group.temporal().first().copied()?;
        let dictionary = &self.contents.read.dictionary;
        let record = rows.rows(dictionary).record_row(element, row as u32)?;
        dictionary.records(element)?.timespan(record)
    }

    /// Pixels of a skypix dimension that the quantum or the named datasets may touch; `None` if
    /// nothing bounds them.
    pub(crate) fn pixels(
        &self,
        quantum: usize,
        skypix: ElementIx,
    ) -> Result<Option<RangeSet>, BuildError> {
        let has_region = !self.task.dimensions.spatial().is_empty();
        if !has_region && self.spatial.is_empty() {
            return Ok(None);
        }
        let element = self.contents.read.dictionary.universe().element(skypix);
        let Some(pixelization) = pixelization(element)? else { return Ok(None) };
        let mut pixels = RangeSet::new();
        let mut add = |region: Region| {
            if let Some(source) = pixelization.refusal(&region) {
                let dimension = element.name.clone();
                return Err(QueryError::SkyPix { dimension, source });
            }
            pixels = pixels.union(&pixelization.envelope(&region, None));
            Ok(())
        };
        if has_region {
            add(self.region(&self.task.dimensions, self.rows, quantum)?)?;
        }
        for (edges, nodes) in &self.spatial {
            for node in existing(edges, nodes, quantum) {
                add(self.region(&nodes.rows.group, &nodes.rows, node)?)?;
            }
        }
        Ok(Some(pixels))
    }

    /// What the regions of all spatial families of a data ID have in common.
    fn region(
        &self,
        group: &DimensionGroup,
        rows: &Relation,
        row: usize,
    ) -> Result<Region, BuildError> {
        let dictionary = &self.contents.read.dictionary;
        let universe = dictionary.universe();
        let data_id = || rows.describe(dictionary, row);
        let mut regions = Vec::new();
        for ix in group.spatial() {
            let element = universe.element(ix);
            let region = match (pixelization(element)?, rows.rows(dictionary)) {
                (Some(pixels), view) => {
                    let pixel = view.key(ix, row as u32).unwrap_or_default() as u64;
                    let outline = pixels.pixel(pixel).map_err(|source| QueryError::SkyPix {
                        dimension: element.name.clone(),
                        source,
                    })?;
                    Some(Region::ConvexPolygon(outline))
                }
                (None, view) => match view.record_row(ix, row as u32) {
                    Some(record) => {
                        self.contents.read.regions.get(dictionary, ix, record, data_id)?.cloned()
                    }
                    None => None,
                },
            };
            let missing =
                || QueryError::NoRegion { element: element.name.clone(), data_id: data_id() };
            regions.push(region.ok_or_else(missing)?);
        }
        match regions.len() {
            0 => {
                Err(QueryError::NoRegion { element: group.to_string(), data_id: data_id() }.into())
            }
            1 => Ok(regions.swap_remove(0)),
            _ => Ok(Region::intersection(regions)),
        }
    }
}
