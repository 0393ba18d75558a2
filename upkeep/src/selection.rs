//! Datasets that a command is about.

use qbb_dimensions::{Symbols, Timespan};
use qbb_registry::{
    CalibrationRows, CollectionCatalog, CollectionIx, CollectionKind, DatasetRows, Filter,
    NamePattern, RegisteredDatasetType, RegistryError, Snapshot, is_glob,
};
use rustc_hash::FxHashMap;

use crate::error::UpkeepError;

/// Which datasets.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Names of dataset types, or patterns.
    pub dataset_types: &'a [String],
    /// Names of collections, or patterns, in the order of the search.
    pub collections: &'a [String],
    /// Restriction of data IDs in the `where` language; may be empty.
    pub restriction: &'a str,
    /// Whether, of several datasets with one data ID, only that in the first collection counts.
    pub find_first: bool,
}

/// Datasets of one type, each once.
#[derive(Debug, Clone)]
pub struct Selected {
    /// The dataset type.
    pub dataset_type: RegisteredDatasetType,
    /// One column of cells for each required dimension.
    pub keys: Vec<Vec<i64>>,
    /// UUIDs.
    pub id: Vec<[u8; 16]>,
    /// The RUN of each.
    pub run: Vec<CollectionIx>,
}

/// Finds datasets as the middleware's commands do, type by type; types without any are left out.
///
/// # Errors
/// If no dataset type or collection is meant, or the registry cannot be read.
pub fn select(
    snapshot: &mut dyn Snapshot,
    catalog: &CollectionCatalog,
    request: &Request<'_>,
    symbols: &mut Symbols,
) -> Result<Vec<Selected>, UpkeepError> {
    if !request.restriction.trim().is_empty() {
        return Err(UpkeepError::Restriction);
    }
    let types = dataset_types(snapshot, request.dataset_types)?;
    if request.find_first
        && let Some(pattern) =
            (request.collections.iter()).find(|name| is_glob(name) && catalog.find(name).is_none())
    {
        return Err(UpkeepError::NoOrder { pattern: pattern.clone() });
    }
    let collections = catalog.flatten(&catalog.resolve(request.collections)?)?;
    let summaries = snapshot.summaries(catalog, &collections)?;
    let mut selected = Vec::new();
    for dataset_type in types {
        let name = &dataset_type.dataset_type.name;
        let searched: Vec<CollectionIx> = (collections.iter().zip(&summaries))
            .filter(|(_, summary)| summary.binary_search(name).is_ok())
            .map(|(&collection, _)| collection)
            .collect();
        let found = search(snapshot, &dataset_type, catalog, &searched, symbols)?;
        let found = match request.find_first {
            true => found.first(catalog, &searched, name)?,
            false => found.each_once(),
        };
        if !found.id.is_empty() {
            let DatasetRows { keys, id, run, .. } = found;
            selected.push(Selected { dataset_type, keys, id, run });
        }
    }
    Ok(selected)
}

/// Registered dataset types that names and patterns mean.
fn dataset_types(
    snapshot: &mut dyn Snapshot,
    names: &[String],
) -> Result<Vec<RegisteredDatasetType>, UpkeepError> {
    let mut types = snapshot.dataset_types()?;
    let known = |name: &str| types.iter().any(|known| known.dataset_type.name == name);
    let unmatched = |name: &&String| {
        let pattern = NamePattern::whole(name);
        !known(name) && !types.iter().any(|known| pattern.matches(&known.dataset_type.name))
    };
    // A pattern may match nothing, if something else does.
    let unknown = (names.iter().find(|name| !is_glob(name) && unmatched(name)))
        .or_else(|| names.first().filter(|_| names.iter().all(|name| unmatched(&name))));
    if let Some(name) = unknown {
        let names = types.iter().map(|known| known.dataset_type.name.as_str());
        let similar = qbb_dimensions::nearest_name(name, names).map(str::to_owned);
        return Err(RegistryError::UnknownDatasetType { name: name.clone(), similar }.into());
    }
    let patterns: Vec<NamePattern> = names.iter().map(|name| NamePattern::whole(name)).collect();
    types.retain(|known| patterns.iter().any(|pattern| pattern.matches(&known.dataset_type.name)));
    Ok(types)
}

/// Memberships in collections of all types.
struct Found {
    rows: DatasetRows,
    timespan: Vec<Option<Timespan>>,
}

fn search(
    snapshot: &mut dyn Snapshot,
    dataset_type: &RegisteredDatasetType,
    catalog: &CollectionCatalog,
    collections: &[CollectionIx],
    symbols: &mut Symbols,
) -> Result<Found, UpkeepError> {
    let filter = Filter::default();
    let mut rows = snapshot.datasets(dataset_type, catalog, collections, &filter, symbols)?;
    let mut timespan = vec![None; rows.id.len()];
    if dataset_type.calibs_table.is_some() {
        let CalibrationRows { datasets, timespan: ranges } =
            snapshot.calibrations(dataset_type, catalog, collections, &filter, symbols)?;
        for (column, more) in rows.keys.iter_mut().zip(datasets.keys) {
            column.extend(more);
        }
        rows.id.extend(datasets.id);
        rows.rank.extend(datasets.rank);
        rows.run.extend(datasets.run);
        timespan.extend(ranges.into_iter().map(Some));
    }
    Ok(Found { rows, timespan })
}

impl Found {
    fn key(&self, row: usize) -> Box<[i64]> {
        self.rows.keys.iter().map(|column| column[row]).collect()
    }

    fn take(&self, rows: &[usize]) -> DatasetRows {
        DatasetRows {
            keys: (self.rows.keys.iter())
                .map(|column| rows.iter().map(|&row| column[row]).collect())
                .collect(),
            id: rows.iter().map(|&row| self.rows.id[row]).collect(),
            rank: rows.iter().map(|&row| self.rows.rank[row]).collect(),
            run: rows.iter().map(|&row| self.rows.run[row]).collect(),
        }
    }

    fn each_once(&self) -> DatasetRows {
        let mut seen = rustc_hash::FxHashSet::default();
        let rows: Vec<usize> =
            (0..self.rows.id.len()).filter(|&row| seen.insert(self.rows.id[row])).collect();
        self.take(&rows)
    }

    /// The dataset in the first collection for each data ID.
    fn first(
        &self,
        catalog: &CollectionCatalog,
        collections: &[CollectionIx],
        dataset_type: &str,
    ) -> Result<DatasetRows, UpkeepError> {
        let mut best: FxHashMap<Box<[i64]>, usize> = FxHashMap::default();
        let mut order: Vec<usize> = (0..self.rows.id.len()).collect();
        order.sort_by_key(|&row| self.rows.rank[row]);
        for row in order {
            let Some(&first) = best.get(&self.key(row)) else {
                best.insert(self.key(row), row);
                continue;
            };
            let same_place = self.rows.rank[first] == self.rows.rank[row];
            if same_place && self.rows.id[first] != self.rows.id[row] {
                let collection = catalog.get(collections[self.rows.rank[row] as usize]);
                debug_assert_eq!(collection.kind, CollectionKind::Calibration);
                debug_assert!(self.timespan[row].is_some());
                return Err(UpkeepError::NeedsTime {
                    dataset_type: dataset_type.to_owned(),
                    collection: collection.name.clone(),
                });
            }
        }
        let mut rows: Vec<usize> = best.into_values().collect();
        rows.sort_unstable();
        Ok(self.take(&rows))
    }
}
