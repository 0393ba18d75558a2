//! What was read from the repository: everything that a query looks at, in columns.

use std::sync::Arc;

use qbb_dimensions::expression::DatasetField;
use qbb_dimensions::{ElementIx, Universe};
use qbb_registry::{CollectionIx, CollectionKind, OverlapRows, RegisteredDatasetType, Snapshot};
use rustc_hash::FxHashMap;

use crate::engine::collections::SearchedCollections;
use crate::engine::dataset_conditions::{DatasetFacts, uses_field};
use crate::engine::datasets::DatasetSearch;
use crate::engine::dictionary::Dictionary;
use crate::engine::narrowing::{NarrowingReader, Restrictions};
use crate::engine::plan::{ReadingPlan, SearchIx};
use crate::engine::regions::Regions;
use crate::engine::relation::Relation;
use crate::engine::spatial::Footprints;
use crate::error::QueryError;

/// Tables of the repository, as far as a plan asks for them.
#[derive(Debug)]
pub struct Contents {
    /// Values of all dimensions, and their records.
    pub dictionary: Dictionary,
    /// Where records are on the sky.
    pub footprints: Vec<Footprints>,
    /// Their regions.
    pub regions: Regions,
    /// Datasets in the searched collections, for each dataset type that is looked for.
    pub datasets: FxHashMap<SearchIx, DatasetSearch>,
    /// Tables of data IDs with their names.
    pub tables: Vec<(String, Relation)>,
    /// What was not read because it cannot matter.
    pub restrictions: Restrictions,
    /// What fields of datasets stand for, if conditions look at any.
    pub dataset_facts: DatasetFacts,
}

/// Where datasets are looked for.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The collections, in search order.
    pub collections: &'a SearchedCollections,
    /// All dataset types, sorted by name.
    pub registered: &'a [RegisteredDatasetType],
    /// Names of the dataset types that each searched collection may hold.
    pub summaries: &'a [Vec<String>],
}

impl Sources<'_> {
    /// The registered definition of a dataset type.
    pub fn registered(&self, name: &str) -> Option<&RegisteredDatasetType> {
        let order = |t: &RegisteredDatasetType| t.dataset_type.name.as_str().cmp(name);
        self.registered.binary_search_by(order).ok().map(|at| &self.registered[at])
    }

    /// Searched collections that may hold a dataset type, with their search positions: those with
    /// tags, then CALIBRATION ones.
    pub fn holding(&self, name: &str) -> [(Vec<CollectionIx>, Vec<u32>); 2] {
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
    /// pixels (two more if conditions restrict a spatial join), and each dataset type. `progress`
    /// is told of each element and dataset type, with the number of rows.
    ///
    /// # Errors
    /// If the repository cannot be read, or its tables contradict each other.
    pub fn read(
        snapshot: &mut dyn Snapshot,
        universe: &Arc<Universe>,
        plan: &ReadingPlan<'_>,
        sources: &Sources<'_>,
        progress: &mut dyn FnMut(&str, usize),
    ) -> Result<Self, QueryError> {
        let mut dictionary = Dictionary::new(universe);
        dictionary.row_limit = plan.row_limit;
        let mut reader = NarrowingReader::new(universe, plan);
        reader.read(snapshot, &mut dictionary.symbols)?;
        let (mut tables, restrictions) = (reader.tables, reader.restrictions);
        for element in plan.elements {
            if let Some(table) = tables.remove(element) {
                let what = &universe.element(*element).name;
                progress(what, table.len());
                dictionary.add_records(table);
            }
        }
        let mut overlaps: Vec<(ElementIx, OverlapRows)> = Vec::new();
        for &element in plan.overlaps {
            let definition = universe.element(element);
            let filter = restrictions.filter(&definition.required);
            let rows = snapshot.overlaps(element, &filter, &mut dictionary.symbols)?;
            progress(&definition.name, rows.pixel.len());
            overlaps.push((element, rows));
        }
        add_needed_pixels(&mut dictionary, plan, &overlaps);
        for table in plan.tables {
            for &dimension in table.group.required() {
                if universe.element(dimension).skypix().is_some() {
                    let pixels = table.ints(dimension).unwrap_or_default();
                    dictionary.add_values(dimension, pixels.iter().copied());
                }
            }
        }
        let datasets = searches(snapshot, plan, &restrictions, sources, &mut dictionary, progress)?;
        let footprints = (overlaps.iter())
            .map(|(element, rows)| Footprints::new(&dictionary, *element, rows))
            .collect::<Result<_, _>>()?;
        let tables = (plan.tables.iter())
            .map(|table| (table.table.name.clone(), table.relation(&dictionary)))
            .collect();
        let regions = Regions::new(&dictionary);
        let dataset_facts = dataset_facts(snapshot, plan, sources)?;
        Ok(Self { dictionary, footprints, regions, datasets, tables, restrictions, dataset_facts })
    }

    /// Makes the searches for datasets ready for all values that dimensions have now.
    pub fn index_again(&mut self) {
        for search in self.datasets.values_mut() {
            search.index(&self.dictionary);
        }
    }

    /// Where the records of an element are.
    pub fn footprints(&self, element: ElementIx) -> Option<&Footprints> {
        self.footprints.iter().find(|footprints| footprints.element == element)
    }
}

/// Names of collections and ingest dates, as far as conditions look at them.
fn dataset_facts(
    snapshot: &mut dyn Snapshot,
    plan: &ReadingPlan<'_>,
    sources: &Sources<'_>,
) -> Result<DatasetFacts, QueryError> {
    let mut facts = DatasetFacts::default();
    let mut conditions = plan.queries.iter().flat_map(|query| &query.conditions);
    if plan.fields.is_empty() && conditions.all(|conjunct| conjunct.datasets().is_empty()) {
        return Ok(facts);
    }
    let catalog = &sources.collections.catalog;
    facts.collections = catalog.iter().map(|(_, collection)| collection.name.clone()).collect();
    facts.searched = sources.collections.names();
    for (ix, dataset_type) in &plan.searches {
        let in_conditions =
            plan.queries.iter().any(|query| uses_field(query, *ix, DatasetField::IngestDate));
        let wanted = in_conditions || plan.fields.contains(&(*ix, DatasetField::IngestDate));
        if wanted && let Some(registered) = sources.registered(&dataset_type.name) {
            facts.ingested.extend(snapshot.ingest_dates(registered)?);
        }
    }
    Ok(facts)
}

/// If the common pixels are a dimension of a query, all pixels that records touch are values.
fn add_needed_pixels(
    dictionary: &mut Dictionary,
    plan: &ReadingPlan<'_>,
    overlaps: &[(ElementIx, OverlapRows)],
) {
    let skypix = dictionary.universe().common_skypix().ix;
    if plan.queries.iter().any(|query| query.dimensions.contains(skypix)) {
        for (_, rows) in overlaps {
            dictionary.add_values(skypix, rows.pixel.iter().copied());
        }
    }
}

fn searches(
    snapshot: &mut dyn Snapshot,
    plan: &ReadingPlan<'_>,
    restrictions: &Restrictions,
    sources: &Sources<'_>,
    dictionary: &mut Dictionary,
    progress: &mut dyn FnMut(&str, usize),
) -> Result<FxHashMap<SearchIx, DatasetSearch>, QueryError> {
    let catalog = &sources.collections.catalog;
    let mut read = Vec::new();
    let universe = dictionary.universe().clone();
    for &(ix, dataset_type) in &plan.searches {
        let name = &dataset_type.name;
        let group = &dataset_type.dimensions;
        let Some(registered) = sources.registered(name) else {
            read.push((ix, group, None));
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
        progress(name, rows);
        // Pixels have no records; those of datasets are the values there are.
        for (at, &dimension) in dataset_type.dimensions.required().iter().enumerate() {
            if universe.element(dimension).skypix().is_some() {
                dictionary.add_values(dimension, tags.keys[at].iter().copied());
                if let Some(calibrations) = &calibrations {
                    let keys = &calibrations.datasets.keys;
                    dictionary.add_values(dimension, keys[at].iter().copied());
                }
            }
        }
        read.push((ix, group, Some((tags, tag_ranks, calibrations, calib_ranks))));
    }
    // Keys depend on the number of values, so searches are made after the last value was added.
    let mut searches = FxHashMap::default();
    for (ix, group, rows) in read {
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
