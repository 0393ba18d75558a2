//! What was read from the repository: everything that a build looks at, in columns.

use qbb_pipeline::{DatasetTypeIx, PipelineGraph};
use qbb_query::engine::{self, DatasetSearch, SearchIx};
use qbb_registry::Snapshot;
use rustc_hash::FxHashMap;

use crate::error::BuildError;
use crate::existing::{self, ExistingOutputs, OutputSources};
use crate::plan::Plan;
use crate::request::Progress;

/// Tables of the repository, as far as a plan asks for them.
#[derive(Debug)]
pub(crate) struct Contents {
    /// What the data ID queries need; datasets are those in the input collections, of each dataset
    /// type that is an overall input.
    pub(crate) read: engine::Contents,
    /// Existing datasets of types that the pipeline writes, as far as there may be any.
    pub(crate) outputs: FxHashMap<DatasetTypeIx, ExistingOutputs>,
}

/// Where datasets are looked for.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    /// Where inputs are looked for.
    pub(crate) inputs: engine::Sources<'a>,
    /// Where outputs are looked for that exist already.
    pub(crate) outputs: &'a OutputSources,
}

/// A dataset type's number in queries.
pub(crate) fn search_ix(ix: DatasetTypeIx) -> SearchIx {
    SearchIx(ix.0)
}

impl Contents {
    /// Reads what the plan asks for: one statement for each element, each spatial element's
    /// pixels (two more if conditions restrict a spatial join), and each dataset type.
    pub(crate) fn read(
        snapshot: &mut dyn Snapshot,
        pipeline: &PipelineGraph,
        plan: &Plan,
        sources: &Sources<'_>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Self, BuildError> {
        let mut report = |what: &str, rows: usize| progress(Progress::Read { what, rows });
        let (universe, plan) = (&pipeline.universe, plan.reading(pipeline));
        let inputs = &sources.inputs;
        let read = engine::Contents::read(snapshot, universe, &plan, inputs, &mut report)?;
        Ok(Self { read, outputs: FxHashMap::default() })
    }

    /// Reads what exists of the datasets that the pipeline writes, after the last value was added
    /// to the dimensions.
    pub(crate) fn read_outputs(
        &mut self,
        snapshot: &mut dyn Snapshot,
        pipeline: &PipelineGraph,
        sources: &Sources<'_>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), BuildError> {
        let engine::Contents { dictionary, restrictions, .. } = &mut self.read;
        self.outputs =
            existing::read(snapshot, pipeline, restrictions, sources, dictionary, progress)?;
        Ok(())
    }

    /// What was found of an overall input.
    pub(crate) fn input(&self, ix: DatasetTypeIx) -> Option<&DatasetSearch> {
        self.read.datasets.get(&search_ix(ix))
    }

    /// What was found of all overall inputs.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = (DatasetTypeIx, &DatasetSearch)> {
        self.read.datasets.iter().map(|(&SearchIx(ix), search)| (DatasetTypeIx(ix), search))
    }

    /// What was found of a dataset type, whether the pipeline writes it or not.
    pub(crate) fn search(&self, ix: DatasetTypeIx) -> Option<&DatasetSearch> {
        self.input(ix).or_else(|| self.outputs.get(&ix).map(|existing| &existing.search))
    }
}
