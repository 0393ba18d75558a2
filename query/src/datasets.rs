//! Datasets by type, collection and condition.

use std::sync::Arc;

use qbb_dimensions::{
    Column, DataIdTable, DatasetType, DimensionGroup, RecordTable, Symbols, Timespan, Universe,
};
use qbb_registry::{CollectionIx, RegisteredDatasetType, Snapshot, is_glob};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::dataset_types::choose_dataset_types;
use crate::engine::{
    Contents, DatasetSearch, Dictionary, NeededRecords, QueryPlan, Relation, SearchIx,
    SearchedCollections, join, satisfying_rows, search_rows,
};
use crate::error::QueryError;
use crate::question::DatasetQuery;
use crate::sorting::sort;
use crate::survey::{Planner, Search};

/// What a question for datasets gave.
#[derive(Debug)]
pub struct FoundDatasets {
    /// All collections of the repository, and those that were searched, in order.
    pub collections: SearchedCollections,
    /// One table for each dataset type that a searched collection may hold, by name.
    pub tables: Vec<DatasetTable>,
    /// Records of all dimension elements of the datasets' data IDs, if they were asked for.
    pub records: Vec<RecordTable>,
    /// Text of string values.
    pub symbols: Symbols,
    /// Whether there would have been more without the limit.
    pub more: bool,
}

/// Datasets of one type, as columns.
#[derive(Debug)]
pub struct DatasetTable {
    /// The definition.
    pub dataset_type: RegisteredDatasetType,
    /// Data ID of each row.
    pub data_ids: DataIdTable,
    /// UUIDs.
    pub id: Vec<[u8; 16]>,
    /// The RUN that owns the dataset.
    pub run: Vec<CollectionIx>,
    /// Where it was found, as a position in [`SearchedCollections::flat`].
    pub rank: Vec<u32>,
    /// Its validity range there, if that is a CALIBRATION collection.
    pub validity: Vec<Option<Timespan>>,
}

impl DatasetTable {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.id.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.id.is_empty()
    }
}

impl FoundDatasets {
    /// Number of rows of all tables.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tables.iter().map(DatasetTable::len).sum()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(DatasetTable::is_empty)
    }
}

/// Finds datasets. The number of statements depends on the question and on the number of dataset
/// types, not on what is found.
///
/// # Errors
/// If the repository cannot be read, a name is unknown, the expression or order is wrong, a join has
/// too many rows, or find-first meets a glob or several validity ranges for one data ID.
pub fn datasets(
    universe: &Arc<Universe>,
    snapshot: &mut dyn Snapshot,
    query: &DatasetQuery,
) -> Result<FoundDatasets, QueryError> {
    let catalog = snapshot.collections()?;
    if query.find_first {
        let is_glob = |name: &&String| is_glob(name) && catalog.find(name).is_none();
        if let Some(glob) = query.collections.iter().find(is_glob) {
            return Err(QueryError::FindFirstInGlob { glob: glob.clone() });
        }
    }
    let registered = snapshot.dataset_types()?;
    let chosen = choose_dataset_types(&registered, &query.dataset_types)?;
    let collections = SearchedCollections::new(catalog, &query.collections)?;
    let search = Search::new(snapshot, &collections, &registered)?;
    let planner = Planner::new(universe, &query.selection)?;
    let mut types: Vec<&RegisteredDatasetType> = Vec::new();
    let mut planned = Vec::new();
    for candidate in chosen {
        let definition = &candidate.dataset_type;
        let named = query.dataset_types.contains(&definition.name);
        if named || search.holds(&definition.name) {
            let constraint = (SearchIx(types.len() as u32), definition);
            planned.push(planner.plan(&definition.dimensions, &[constraint])?);
            types.push(candidate);
        }
    }
    let searches: Vec<(SearchIx, &DatasetType)> =
        types.iter().zip(0..).map(|(t, ix)| (SearchIx(ix), &t.dataset_type)).collect();
    let contents = search.read(snapshot, &planner, &planned, &searches)?;
    let mut needed = NeededRecords::new(&contents.dictionary);
    let mut all = DimensionGroup::empty(universe);
    let mut tables = Vec::with_capacity(types.len());
    let (mut left, mut more) = (query.selection.limit, false);
    for ((dataset_type, planned), &(ix, _)) in types.iter().zip(&planned).zip(&searches) {
        let Some(search) = contents.datasets.get(&ix) else { continue };
        let found = Matches { contents: &contents, collections: &collections, search };
        let mut rows = found.rows(query, &planned.plan)?;
        let source = search_rows(&contents, search);
        let order = (
            planned.order.as_slice(),
            &source as &(dyn qbb_dimensions::expression::RowSource + Sync),
        );
        more |= sort(&contents.dictionary, &search.relation, order, left, &mut rows);
        left = left.map(|left| left - rows.len());
        let relation = chosen_rows(&contents.dictionary, &search.relation, &rows);
        if query.selection.with_records {
            all = all.union(&relation.group);
            for &element in relation.group.elements() {
                needed.add(&contents.dictionary, element, &relation);
            }
        }
        tables.push(table(&contents.dictionary, dataset_type, search, &relation, &rows)?);
    }
    let records = match query.selection.with_records {
        true => needed.tables(&contents.dictionary, &all),
        false => Vec::new(),
    };
    let symbols = contents.dictionary.symbols;
    Ok(FoundDatasets { collections, tables, records, symbols, more })
}

/// Datasets of one type, of which some are wanted.
struct Matches<'a> {
    contents: &'a Contents,
    collections: &'a SearchedCollections,
    search: &'a DatasetSearch,
}

impl Matches<'_> {
    /// Rows of the search that are wanted.
    fn rows(&self, query: &DatasetQuery, plan: &QueryPlan) -> Result<Vec<u32>, QueryError> {
        let Self { contents, search, .. } = *self;
        if search.is_empty() {
            return Ok(Vec::new());
        }
        let tree = join(contents, plan)?;
        if tree.is_empty() {
            return Ok(Vec::new());
        }
        let kept = satisfying_rows(contents, plan, &tree, 0)?;
        let mut rows: Vec<u32> =
            (0..search.len() as u32).filter(|&row| kept[row as usize]).collect();
        if query.find_first {
            rows = self.first(plan, &rows)?;
        } else if !query.every_membership {
            let mut seen: FxHashSet<[u8; 16]> = FxHashSet::default();
            rows.retain(|&row| seen.insert(search.id[row as usize]));
        }
        Ok(rows)
    }

    /// The first row of each data ID; rows come in search order.
    fn first(&self, plan: &QueryPlan, rows: &[u32]) -> Result<Vec<u32>, QueryError> {
        let Self { contents, collections, search } = *self;
        let keys = search.relation.keys(&contents.dictionary, search.layout());
        let mut first: FxHashMap<u64, u32> = FxHashMap::default();
        let mut found = Vec::new();
        for &row in rows {
            let at = row as usize;
            let other = *first.entry(keys[at]).or_insert_with(|| {
                found.push(row);
                row
            });
            if other != row && search.rank[other as usize] == search.rank[at] {
                let same: Vec<u32> = (rows.iter().copied())
                    .filter(|&row| keys[row as usize] == keys[at])
                    .filter(|&row| search.rank[row as usize] == search.rank[at])
                    .collect();
                let data_id = search.relation.describe(&contents.dictionary, at);
                let of = (plan.constraint_names[0].as_str(), data_id);
                let name = |rank: u32| {
                    let ix = collections.flat.get(rank as usize);
                    ix.map_or_else(String::new, |&ix| collections.catalog.get(ix).name.clone())
                };
                return Err(search.ambiguous(of, &same, &name));
            }
        }
        Ok(found)
    }
}

/// Some rows of a relation, in the given order.
pub(crate) fn chosen_rows(dictionary: &Dictionary, relation: &Relation, rows: &[u32]) -> Relation {
    let columns = (relation.columns.iter())
        .map(|column| rows.iter().map(|&row| column[row as usize]).collect())
        .collect();
    Relation::new(dictionary, relation.group.clone(), columns, rows.len())
}

/// The data IDs of a relation as cells.
pub(crate) fn data_id_table(
    dictionary: &Dictionary,
    relation: &Relation,
) -> Result<DataIdTable, QueryError> {
    let columns: Vec<Column<i64>> = (relation.group.keys().iter())
        .map(|&dimension| relation.cells(dictionary, dimension).into())
        .collect();
    DataIdTable::new(relation.group.clone(), columns, relation.len)
        .ok_or_else(|| QueryError::Inconsistent("data IDs without values".to_owned()))
}

fn table(
    dictionary: &Dictionary,
    dataset_type: &RegisteredDatasetType,
    search: &DatasetSearch,
    relation: &Relation,
    rows: &[u32],
) -> Result<DatasetTable, QueryError> {
    fn taken<T: Copy>(column: &[T], rows: &[u32]) -> Vec<T> {
        rows.iter().map(|&row| column[row as usize]).collect()
    }
    Ok(DatasetTable {
        dataset_type: dataset_type.clone(),
        data_ids: data_id_table(dictionary, relation)?,
        id: taken(&search.id, rows),
        run: taken(&search.run, rows),
        rank: taken(&search.rank, rows),
        validity: taken(&search.validity, rows),
    })
}
