//! Datastore records of the overall inputs, and the collections that they were found in.

use std::collections::BTreeMap;

use qbb_dimensions::Symbols;
use qbb_graph::{Datastore, InputRecords};
use qbb_pipeline::DatasetTypeIx;
use qbb_query::engine::{DatasetSearch, SearchedCollections};
use qbb_registry::{CollectionIx, CollectionKind, DatastoreRecordRows, Snapshot};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::assembly::Assembled;
use crate::contents::{Contents, Sources};
use crate::error::BuildError;
use crate::request::Progress;

/// Fewer than one in so many datasets of the RUNs are looked up one by one, in one statement for all
/// dataset types, instead of reading all records of the RUNs.
const FEW: usize = 4;

/// Reads the records of everything that was found: at most one statement for each dataset type and
/// one more.
pub(crate) fn attach(
    snapshot: &mut dyn Snapshot,
    contents: &Contents,
    sources: &Sources<'_>,
    roots: &BTreeMap<String, String>,
    assembled: &mut Assembled,
    symbols: &mut Symbols,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), BuildError> {
    let mut types: Vec<DatasetTypeIx> = assembled.found.iter().map(|&(_, ix, _)| ix).collect();
    types.sort_unstable();
    types.dedup();
    let mut dataset_of: FxHashMap<[u8; 16], u32> = FxHashMap::default();
    let mut tables: Vec<DatastoreRecordRows> = Vec::new();
    let mut few: Vec<[u8; 16]> = Vec::new();
    for ix in types {
        let Some(search) = contents.search(ix) else { continue };
        let name = &assembled.graph.pipeline.dataset_type(ix).dataset_type.name;
        let Some(registered) = sources.inputs.registered(name) else { continue };
        let mut wanted: Vec<[u8; 16]> = Vec::new();
        let mut runs: FxHashSet<CollectionIx> = FxHashSet::default();
        for &(dataset, _, row) in assembled.found.iter().filter(|found| found.1 == ix) {
            let id = search.id[row as usize];
            if dataset_of.insert(id, dataset).is_none() {
                if search.rank[row as usize] == DatasetSearch::NOWHERE {
                    few.push(id);
                    continue;
                }
                wanted.push(id);
            }
            runs.insert(search.run[row as usize]);
        }
        let held = search.run.iter().filter(|run| runs.contains(run)).count();
        if wanted.len() < held / FEW {
            few.append(&mut wanted);
            continue;
        }
        let mut runs: Vec<CollectionIx> = runs.into_iter().collect();
        runs.sort_unstable();
        let catalog = &sources.inputs.collections.catalog;
        let filter = contents.read.restrictions.filter(search.relation.group.required());
        let table = snapshot.datastore_records(registered, catalog, &runs, &filter, symbols)?;
        progress(Progress::Read { what: name, rows: table.id.len() });
        tables.push(table);
    }
    if !few.is_empty() {
        tables.push(snapshot.datastore_records_of(&few, symbols)?);
    }
    let mut rows: Vec<(u32, usize, usize)> = Vec::new();
    for (at, table) in tables.iter().enumerate() {
        rows.extend(
            (table.id.iter().enumerate())
                .filter_map(|(row, id)| Some((*dataset_of.get(id)?, at, row))),
        );
    }
    rows.sort_unstable();
    let graph = &mut assembled.graph;
    let mut datastore_of: FxHashMap<u32, u32> = FxHashMap::default();
    let mut records = Columns::default();
    for (dataset, at, row) in rows {
        let table = &tables[at];
        let symbol = table.datastore[row];
        let datastore = *datastore_of.entry(symbol.0).or_insert_with(|| {
            let name = symbols.get(symbol).unwrap_or_default().to_owned();
            let root = roots.get(&name).cloned().unwrap_or_default();
            graph.datastores.push(Datastore { name, root });
            (graph.datastores.len() - 1) as u32
        });
        records.dataset.push(dataset);
        records.datastore.push(datastore);
        records.path.push(table.path[row].as_bytes());
        records.formatter.push(table.formatter[row].0);
        records.storage_class.push(table.storage_class[row].0);
        records.component.push(table.component[row].map_or(InputRecords::WHOLE, |symbol| symbol.0));
        records.checksum.push(table.checksum[row].as_deref().unwrap_or_default().as_bytes());
        records.file_size.push(table.file_size[row]);
    }
    graph.records = records.finish();
    Ok(())
}

#[derive(Default)]
struct Columns<'a> {
    dataset: Vec<u32>,
    datastore: Vec<u32>,
    path: Vec<&'a [u8]>,
    formatter: Vec<u32>,
    storage_class: Vec<u32>,
    component: Vec<u32>,
    checksum: Vec<&'a [u8]>,
    file_size: Vec<i64>,
}

impl Columns<'_> {
    fn finish(self) -> InputRecords {
        InputRecords {
            dataset: self.dataset.into(),
            datastore: self.datastore.into(),
            path: self.path.into_iter().collect(),
            formatter: self.formatter.into(),
            storage_class: self.storage_class.into(),
            component: self.component.into(),
            checksum: self.checksum.into_iter().collect(),
            file_size: self.file_size.into(),
        }
    }
}

/// Dataset, search position and validity range of everything that was found in a TAGGED or
/// CALIBRATION collection.
pub(crate) fn memberships(
    contents: &Contents,
    collections: &SearchedCollections,
    assembled: &Assembled,
) -> Vec<(u32, u32, i64, i64)> {
    (assembled.found.iter())
        .filter_map(|&(dataset, ix, row)| {
            let search = contents.input(ix)?;
            let rank = search.rank[row as usize];
            match collections.kind(rank) {
                CollectionKind::Tagged => Some((dataset, rank, 0, 0)),
                CollectionKind::Calibration => {
                    let validity = search.validity[row as usize]?;
                    Some((dataset, rank, validity.begin.0, validity.end.0))
                }
                _ => None,
            }
        })
        .collect()
}
