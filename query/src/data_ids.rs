//! Data IDs of a group of dimensions, and dimension records.

use std::sync::Arc;

use qbb_dimensions::expression::RowSource;
use qbb_dimensions::{
    DataIdTable, DatasetType, DimensionGroup, RecordTable, Storage, Symbols, Universe, nearest_name,
};
use qbb_registry::Snapshot;

use crate::dataset_types::choose_dataset_types;
use crate::datasets::{chosen_rows, data_id_table};
use crate::engine::{Contents, NeededRecords, Relation, SearchIx, SearchedCollections, join};
use crate::error::QueryError;
use crate::question::{DataIdQuery, ExistingDatasets, RecordQuery, Selection};
use crate::sorting::sort;
use crate::survey::{Planner, Search};

/// What a question for data IDs gave.
#[derive(Debug)]
pub struct FoundDataIds {
    /// The data IDs, each once.
    pub data_ids: DataIdTable,
    /// Records of all dimension elements of the data IDs, if they were asked for.
    pub records: Vec<RecordTable>,
    /// Text of string values.
    pub symbols: Symbols,
    /// Whether there would have been more without the limit.
    pub more: bool,
}

/// What a question for dimension records gave.
#[derive(Debug)]
pub struct FoundRecords {
    /// The records; one of a view of another element's table has its key alone.
    pub records: RecordTable,
    /// Text of string values.
    pub symbols: Symbols,
    /// Whether there would have been more without the limit.
    pub more: bool,
}

/// Finds data IDs.
///
/// # Errors
/// If the repository cannot be read, a name is unknown, the expression or order is wrong, a join has
/// too many rows, or nothing gives the values of a skypix dimension.
pub fn data_ids(
    universe: &Arc<Universe>,
    snapshot: &mut dyn Snapshot,
    query: &DataIdQuery,
) -> Result<FoundDataIds, QueryError> {
    let group = dimension_group(universe, &query.dimensions)?;
    let found = find(universe, snapshot, &group, &query.existing, &query.selection)?;
    let dictionary = &found.contents.dictionary;
    let mut records = Vec::new();
    if query.selection.with_records {
        let mut needed = NeededRecords::new(dictionary);
        for &element in group.elements() {
            needed.add(dictionary, element, &found.relation);
        }
        records = needed.tables(dictionary, &group);
    }
    let data_ids = data_id_table(dictionary, &found.relation)?;
    let symbols = found.contents.dictionary.symbols;
    Ok(FoundDataIds { data_ids, records, symbols, more: found.more })
}

/// Finds dimension records.
///
/// # Errors
/// As for [`data_ids`], and for elements that have no records.
pub fn dimension_records(
    universe: &Arc<Universe>,
    snapshot: &mut dyn Snapshot,
    query: &RecordQuery,
) -> Result<FoundRecords, QueryError> {
    let element = universe.find(&query.element).ok_or_else(|| {
        let names = universe.elements().iter().map(|element| element.name.as_str());
        QueryError::UnknownElement {
            name: query.element.clone(),
            similar: nearest_name(&query.element, names).map(str::to_owned),
        }
    })?;
    if element.skypix().is_some() {
        return Err(QueryError::NoRecords { element: element.name.clone() });
    }
    let group = DimensionGroup::of_elements(universe, [element.ix]);
    let selection = Selection { with_records: true, ..query.selection.clone() };
    let found = find(universe, snapshot, &group, &query.existing, &selection)?;
    let dictionary = &found.contents.dictionary;
    let mut records = RecordTable::new(element);
    if let Storage::ViewOf(_) = element.storage {
        let keys = vec![found.relation.cells(dictionary, element.ix)];
        let view = RecordTable::from_columns(element, keys, Vec::new(), Vec::new(), None, None);
        records = view.unwrap_or(records);
    } else if let Some(table) = dictionary.records(element.ix) {
        let rows = found.relation.rows(dictionary);
        for row in 0..found.relation.len as u32 {
            if let Some(record) = rows.record_row(element.ix, row) {
                records.push_from(table, record);
            }
        }
    }
    let symbols = found.contents.dictionary.symbols;
    Ok(FoundRecords { records, symbols, more: found.more })
}

/// The group of dimensions of these names.
fn dimension_group(
    universe: &Arc<Universe>,
    names: &[String],
) -> Result<DimensionGroup, QueryError> {
    let mut elements = Vec::with_capacity(names.len());
    for name in names {
        let element = universe.find(name).filter(|element| element.is_dimension());
        let element = element.ok_or_else(|| {
            let dimensions = universe.elements().iter().filter(|element| element.is_dimension());
            let similar = nearest_name(name, dimensions.map(|element| element.name.as_str()));
            QueryError::UnknownDimension { name: name.clone(), similar: similar.map(str::to_owned) }
        })?;
        elements.push(element.ix);
    }
    Ok(DimensionGroup::of_elements(universe, elements))
}

/// Data IDs in order, with what was read.
struct Found {
    contents: Contents,
    relation: Relation,
    more: bool,
}

fn find(
    universe: &Arc<Universe>,
    snapshot: &mut dyn Snapshot,
    group: &DimensionGroup,
    existing: &ExistingDatasets,
    selection: &Selection,
) -> Result<Found, QueryError> {
    let catalog = snapshot.collections()?;
    let registered = match existing.dataset_types.is_empty() {
        true => Vec::new(),
        false => snapshot.dataset_types()?,
    };
    let chosen = choose_dataset_types(&registered, &existing.dataset_types)?;
    let collections = SearchedCollections::new(catalog, &existing.collections)?;
    let search = Search::new(snapshot, &collections, &registered)?;
    let held = chosen.iter().map(|t| &t.dataset_type).filter(|t| search.holds(&t.name));
    let constraints: Vec<(SearchIx, &DatasetType)> =
        held.zip(0..).map(|(definition, ix)| (SearchIx(ix), definition)).collect();
    let nothing_held = constraints.is_empty() && !existing.dataset_types.is_empty();
    let planner = Planner::new(universe, selection)?;
    let planned = [planner.plan(group, &constraints)?];
    let contents = search.read(snapshot, &planner, &planned, &constraints)?;
    let dictionary = &contents.dictionary;
    let [planned] = planned;
    let mut all = Relation::new(
        dictionary,
        group.clone(),
        vec![Vec::new(); dictionary.generators(group).len()],
        0,
    );
    if !nothing_held {
        let tree = join(&contents, &planned.plan)?;
        if !tree.is_empty() {
            all = tree.project(dictionary, group)?;
        }
    }
    let mut rows: Vec<u32> = (0..all.len as u32).collect();
    let more = {
        let view = all.rows(dictionary);
        let order = (planned.order.as_slice(), &view as &(dyn RowSource + Sync));
        sort(dictionary, &all, order, selection.limit, &mut rows)
    };
    let relation = chosen_rows(dictionary, &all, &rows);
    Ok(Found { contents, relation, more })
}
