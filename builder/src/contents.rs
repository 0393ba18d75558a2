//! What was read from the repository: everything that a build looks at, in columns.

use qbb_dimensions::ElementIx;
use qbb_dimensions::expression::DatasetField;
use qbb_pipeline::{DatasetTypeIx, PipelineGraph};
use qbb_registry::{CollectionIx, CollectionKind, OverlapRows, RegisteredDatasetType, Snapshot};
use rustc_hash::FxHashMap;

use crate::collections::InputCollections;
use crate::dataset_conditions::{DatasetFacts, uses_field};
use crate::datasets::DatasetSearch;
use crate::dictionary::Dictionary;
use crate::error::BuildError;
use crate::existing::{self, ExistingOutputs, OutputSources};
use crate::narrowing::{NarrowingReader, Restrictions};
use crate::plan::Plan;
use crate::regions::Regions;
use crate::relation::Relation;
use crate::request::Progress;
use crate::spatial::Footprints;

/// Tables of the repository, as far as a plan asks for them.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) dictionary: Dictionary,
    pub(crate) footprints: Vec<Footprints>,
    pub(crate) regions: Regions,
    /// Datasets in the input collections, for each dataset type that is an overall input.
    pub(crate) inputs: FxHashMap<DatasetTypeIx, DatasetSearch>,
    /// Existing datasets of types that the pipeline writes, as far as there may be any.
    pub(crate) outputs: FxHashMap<DatasetTypeIx, ExistingOutputs>,
    /// Tables of data IDs with their names.
    pub(crate) tables: Vec<(String, Relation)>,
    /// What was not read because it cannot matter.
    pub(crate) restrictions: Restrictions,
    /// What fields of datasets stand for, if conditions look at any.
    pub(crate) dataset_facts: DatasetFacts,
}

/// Where datasets are looked for.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    pub(crate) collections: &'a InputCollections,
    pub(crate) registered: &'a [RegisteredDatasetType],
    /// Names of the dataset types that each searched collection may hold.
    pub(crate) summaries: &'a [Vec<String>],
    /// Where outputs are looked for that exist already.
    pub(crate) outputs: &'a OutputSources,
}

impl Sources<'_> {
    /// The registered definition of a dataset type.
    pub(crate) fn registered(&self, name: &str) -> Option<&RegisteredDatasetType> {
        let order = |t: &RegisteredDatasetType| t.dataset_type.name.as_str().cmp(name);
        self.registered.binary_search_by(order).ok().map(|at| &self.registered[at])
    }

    /// Searched collections that may hold a dataset type, with their search positions: those with
    /// tags, then CALIBRATION ones.
    pub(crate) fn holding(&self, name: &str) -> [(Vec<CollectionIx>, Vec<u32>); 2] {
        let mut found: [(Vec<CollectionIx>, Vec<u32>); 2] = Default::default();
        for (rank, &ix) in self.collections.flat.iter().enumerate() {
            let holds =
                self.summaries.get(rank).is_none_or(|names| names.iter().any(|n| n == name));
            if holds {
                let kind = self.collections.catalog.get(ix).kind;
                let list = &mut found[usize::from(kind == CollectionKind::Calibration)];
                list.0.push(ix);
                list.1.push(rank as u32);
            }
        }
        found
    }
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
        let universe = &pipeline.universe;
        let mut dictionary = Dictionary::new(universe);
        dictionary.row_limit = plan.row_limit;
        let mut reader = NarrowingReader::new(universe, plan);
        reader.read(snapshot, &mut dictionary.symbols)?;
        let (mut tables, restrictions) = (reader.tables, reader.restrictions);
        for element in &plan.elements {
            if let Some(table) = tables.remove(element) {
                let what = &universe.element(*element).name;
                progress(Progress::Read { what, rows: table.len() });
                dictionary.add_records(table);
            }
        }
        let mut overlaps: Vec<(ElementIx, OverlapRows)> = Vec::new();
        for &element in &plan.overlaps {
            let definition = universe.element(element);
            let filter = restrictions.filter(&definition.required);
            let rows = snapshot.overlaps(element, &filter, &mut dictionary.symbols)?;
            progress(Progress::Read { what: &definition.name, rows: rows.pixel.len() });
            overlaps.push((element, rows));
        }
        add_needed_pixels(&mut dictionary, plan, &overlaps);
        for table in &plan.tables {
            for &dimension in table.group.required() {
                if universe.element(dimension).skypix().is_some() {
                    let pixels = table.ints(dimension).unwrap_or_default();
                    dictionary.add_values(dimension, pixels.iter().copied());
                }
            }
        }
        let inputs = plan.overall_inputs.iter().copied();
        let inputs = searches(
            snapshot,
            pipeline,
            &restrictions,
            sources,
            &mut dictionary,
            inputs,
            progress,
        )?;
        let footprints = (overlaps.iter())
            .map(|(element, rows)| Footprints::new(&dictionary, *element, rows))
            .collect::<Result<_, _>>()?;
        let tables = (plan.tables.iter())
            .map(|table| (table.table.name.clone(), table.relation(&dictionary)))
            .collect();
        let regions = Regions::new(&dictionary);
        let outputs = FxHashMap::default();
        let dataset_facts = dataset_facts(snapshot, pipeline, plan, sources)?;
        Ok(Self {
            dictionary,
            footprints,
            regions,
            inputs,
            outputs,
            tables,
            restrictions,
            dataset_facts,
        })
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
        let Self { dictionary, restrictions, .. } = self;
        self.outputs =
            existing::read(snapshot, pipeline, restrictions, sources, dictionary, progress)?;
        Ok(())
    }

    /// Makes the searches for inputs ready for all values that dimensions have now.
    pub(crate) fn index_again(&mut self) {
        for search in self.inputs.values_mut() {
            search.index(&self.dictionary);
        }
    }

    /// What was found of a dataset type, whether the pipeline writes it or not.
    pub(crate) fn search(&self, ix: DatasetTypeIx) -> Option<&DatasetSearch> {
        self.inputs.get(&ix).or_else(|| self.outputs.get(&ix).map(|existing| &existing.search))
    }

    /// Where the records of an element are.
    pub(crate) fn footprints(&self, element: ElementIx) -> Option<&Footprints> {
        self.footprints.iter().find(|footprints| footprints.element == element)
    }
}

/// Names of collections and ingest dates, as far as conditions look at them.
fn dataset_facts(
    snapshot: &mut dyn Snapshot,
    pipeline: &PipelineGraph,
    plan: &Plan,
    sources: &Sources<'_>,
) -> Result<DatasetFacts, BuildError> {
    let mut facts = DatasetFacts::default();
    let mut conditions = plan.components.iter().flat_map(|component| &component.conditions);
    if conditions.all(|conjunct| conjunct.datasets().is_empty()) {
        return Ok(facts);
    }
    let catalog = &sources.collections.catalog;
    facts.collections = catalog.iter().map(|(_, collection)| collection.name.clone()).collect();
    facts.searched = sources.collections.names();
    for component in &plan.components {
        for &ix in &component.constraints {
            let name = &pipeline.dataset_type(ix).dataset_type.name;
            if uses_field(component, ix, DatasetField::IngestDate)
                && let Some(registered) = sources.registered(name)
            {
                facts.ingested.extend(snapshot.ingest_dates(registered)?);
            }
        }
    }
    Ok(facts)
}

/// If the common pixels are a dimension of a query, all pixels that records touch are values.
fn add_needed_pixels(
    dictionary: &mut Dictionary,
    plan: &Plan,
    overlaps: &[(ElementIx, OverlapRows)],
) {
    let skypix = dictionary.universe().common_skypix().ix;
    if plan.components.iter().any(|component| component.dimensions.contains(skypix)) {
        for (_, rows) in overlaps {
            dictionary.add_values(skypix, rows.pixel.iter().copied());
        }
    }
}

fn searches(
    snapshot: &mut dyn Snapshot,
    pipeline: &PipelineGraph,
    restrictions: &Restrictions,
    sources: &Sources<'_>,
    dictionary: &mut Dictionary,
    dataset_types: impl Iterator<Item = DatasetTypeIx>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<FxHashMap<DatasetTypeIx, DatasetSearch>, BuildError> {
    let catalog = &sources.collections.catalog;
    let mut read = Vec::new();
    for ix in dataset_types {
        let dataset_type = &pipeline.dataset_type(ix).dataset_type;
        let name = &dataset_type.name;
        let Some(registered) = sources.registered(name) else {
            read.push((ix, None));
            continue;
        };
        let filter = restrictions.filter(dataset_type.dimensions.required());
        let [(tagged, tag_ranks), (calibs, calib_ranks)] = sources.holding(name);
        let symbols = &mut dictionary.symbols;
        let tags = if tagged.is_empty() {
            qbb_registry::DatasetRows {
                keys: vec![Vec::new(); dataset_type.dimensions.required().len()],
                ..Default::default()
            }
        } else {
            snapshot.datasets(registered, catalog, &tagged, &filter, symbols)?
        };
        let calibrations = if calibs.is_empty() {
            None
        } else {
            Some(snapshot.calibrations(registered, catalog, &calibs, &filter, symbols)?)
        };
        let rows = tags.id.len() + calibrations.as_ref().map_or(0, |c| c.datasets.id.len());
        progress(Progress::Read { what: name, rows });
        // Pixels have no records; those of datasets are the values there are.
        for (at, &dimension) in dataset_type.dimensions.required().iter().enumerate() {
            if pipeline.universe.element(dimension).skypix().is_some() {
                dictionary.add_values(dimension, tags.keys[at].iter().copied());
                if let Some(calibrations) = &calibrations {
                    let keys = &calibrations.datasets.keys;
                    dictionary.add_values(dimension, keys[at].iter().copied());
                }
            }
        }
        read.push((ix, Some((tags, tag_ranks, calibrations, calib_ranks))));
    }
    // Keys depend on the number of values, so searches are made after the last value was added.
    let mut searches = FxHashMap::default();
    for (ix, rows) in read {
        let group = &pipeline.dataset_type(ix).dataset_type.dimensions;
        let search = match rows {
            None => DatasetSearch::nothing(dictionary, group),
            Some((tags, tag_ranks, calibrations, calib_ranks)) => DatasetSearch::new(
                dictionary,
                group,
                (tags, &tag_ranks),
                calibrations.map(|rows| (rows, calib_ranks.as_slice())),
            ),
        };
        searches.insert(ix, search);
    }
    Ok(searches)
}
