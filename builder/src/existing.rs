//! Outputs that exist already: those of finished quanta, and those in the way of new ones.

use qbb_pipeline::{DatasetTypeIx, PACKAGES, PipelineGraph};
use qbb_query::QueryError;
use qbb_query::engine::{DatasetSearch, Dictionary, Restrictions, SearchedCollections};
use qbb_registry::{
    CollectionCatalog, CollectionIx, CollectionKind, RegistryError, Snapshot, is_glob,
};
use rustc_hash::FxHashMap;

use crate::contents::Sources;
use crate::error::BuildError;
use crate::outputs::OutputCollections;
use crate::request::Progress;

/// Collections in which outputs are looked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct OutputSources {
    /// Collections of finished quanta in search order, then the output run unless it is one of
    /// them.
    flat: Vec<CollectionIx>,
    /// How many of them are searched for finished quanta.
    finished: u32,
    /// Position of the output run, if it exists.
    run: Option<u32>,
    /// Names of the dataset types that each may hold.
    summaries: Vec<Vec<String>>,
    /// What to tell about collections that are not there.
    pub(crate) warning: Option<String>,
}

impl OutputSources {
    /// Resolves the collections. If one of those of finished quanta does not exist, none of them
    /// is searched, as in the middleware.
    pub(crate) fn new(
        snapshot: &mut dyn Snapshot,
        catalog: &CollectionCatalog,
        outputs: &OutputCollections,
    ) -> Result<Self, BuildError> {
        let mut warning = None;
        let mut flat = Vec::new();
        // The middleware looks up datasets in these collections by name.
        for expression in &outputs.skip_existing_in {
            if is_glob(expression) {
                catalog.require(expression)?;
            }
        }
        match SearchedCollections::new(catalog.clone(), &outputs.skip_existing_in) {
            Ok(found) => flat = found.flat,
            Err(QueryError::Registry(RegistryError::UnknownCollection { name, .. })) => {
                warning = Some(match outputs.skip_existing_in.as_slice() {
                    [_] => format!("nothing is skipped, since there is no collection `{name}`"),
                    all => format!(
                        "nothing is skipped, since of the collections to skip finished quanta in \
                         ({}) there is no `{name}`; leave it out to use the others",
                        all.join(", ")
                    ),
                });
            }
            Err(error) => return Err(error.into()),
        }
        // What is certified is no output of a run.
        flat.retain(|&ix| catalog.get(ix).kind != CollectionKind::Calibration);
        let finished = flat.len() as u32;
        let run = outputs.existing_run.map(|run| match flat.iter().position(|&ix| ix == run) {
            Some(at) => at as u32,
            None => {
                flat.push(run);
                finished
            }
        });
        let summaries = match flat.is_empty() {
            true => Vec::new(),
            false => snapshot.summaries(catalog, &flat)?,
        };
        Ok(Self { flat, finished, run, summaries, warning })
    }

    /// Collections that may hold a dataset type, and their positions.
    fn holding(&self, name: &str) -> (Vec<CollectionIx>, Vec<u32>) {
        (self.flat.iter().copied().zip(0..))
            .filter(|&(_, rank)| {
                let names = self.summaries.get(rank as usize);
                names.is_none_or(|names| names.iter().any(|n| n == name))
            })
            .unzip()
    }
}

/// Existing datasets of one type that the pipeline writes.
#[derive(Debug)]
pub(crate) struct ExistingOutputs {
    pub(crate) search: DatasetSearch,
    finished: u32,
    run: Option<u32>,
}

impl ExistingOutputs {
    /// The dataset that a quantum which is skipped leaves for others.
    pub(crate) fn of_finished(&self, key: u64) -> Option<u32> {
        self.search.first_of_rank(key, |rank| rank < self.finished)
    }

    /// The dataset in the output run.
    pub(crate) fn in_the_way(&self, key: u64) -> Option<u32> {
        let run = self.run?;
        self.search.first_of_rank(key, |rank| rank == run)
    }
}

/// Reads the existing datasets of all types that the pipeline writes, one statement for each type
/// that the collections may hold; types without any are left out.
pub(crate) fn read(
    snapshot: &mut dyn Snapshot,
    pipeline: &PipelineGraph,
    restrictions: &Restrictions,
    sources: &Sources<'_>,
    dictionary: &mut Dictionary,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<FxHashMap<DatasetTypeIx, ExistingOutputs>, BuildError> {
    let catalog = &sources.inputs.collections.catalog;
    let mut found = FxHashMap::default();
    for (at, node) in pipeline.dataset_types.iter().enumerate() {
        let (name, group) = (&node.dataset_type.name, &node.dataset_type.dimensions);
        if node.producer.is_none() && name != PACKAGES {
            continue;
        }
        let Some(registered) = sources.inputs.registered(name) else { continue };
        let (collections, ranks) = sources.outputs.holding(name);
        if collections.is_empty() {
            continue;
        }
        let filter = restrictions.filter(group.required());
        let symbols = &mut dictionary.symbols;
        let rows = snapshot.datasets(registered, catalog, &collections, &filter, symbols)?;
        progress(Progress::Read { what: name, rows: rows.id.len() });
        let search = DatasetSearch::new(dictionary, group, (rows, &ranks), None);
        let OutputSources { finished, run, .. } = *sources.outputs;
        found.insert(DatasetTypeIx(at as u32), ExistingOutputs { search, finished, run });
    }
    Ok(found)
}
