//! Records with all that they refer to.

use qbb_dimensions::{DataValue, ElementIx, ElementKind, KeyType, RecordTable, Symbols, Universe};
use qbb_registry::{CellSet, Filter, RegistryError, Snapshot};
use rustc_hash::FxHashSet;

/// Adds the records that others refer to by a required or implied dimension and that are not there:
/// one statement for each element of which some are missing. Tables stay sorted by element.
pub(crate) fn complete(
    snapshot: &mut dyn Snapshot,
    universe: &Universe,
    tables: &mut Vec<RecordTable>,
    symbols: &mut Symbols,
) -> Result<(), RegistryError> {
    // What an element refers to comes before it in the universe's order.
    for target in universe.elements().iter().rev().filter(|element| element.has_table()) {
        if !target.is_dimension() {
            continue;
        }
        let mut missing: FxHashSet<Vec<i64>> = FxHashSet::default();
        for table in tables.iter().filter(|table| table.element != target.ix) {
            let Some(columns) = columns_of(universe, table, &target.required) else { continue };
            missing.extend((0..table.len()).map(|row| key(&columns, row)));
        }
        if let Some(table) = tables.iter().find(|table| table.element == target.ix) {
            let columns: Vec<&[i64]> = table.keys.iter().map(Vec::as_slice).collect();
            for row in 0..table.len() {
                missing.remove(&key(&columns, row));
            }
        }
        if missing.is_empty() {
            continue;
        }
        let filter = filter_of(universe, &target.required, &missing, symbols);
        let found = snapshot.records(target.ix, &filter, symbols)?;
        // A filter is an offer, and restricts each dimension by itself.
        let columns: Vec<&[i64]> = found.keys.iter().map(Vec::as_slice).collect();
        let mut wanted = RecordTable::new(target);
        for row in (0..found.len()).filter(|&row| missing.contains(&key(&columns, row))) {
            wanted.push_from(&found, row as u32);
        }
        insert_sorted(tables, wanted);
    }
    Ok(())
}

/// Adds the records of elements that come with others: those of an element that is populated by one
/// that is there, for all its records, unless there are some already, which the data IDs have
/// limited to what they need. The middleware does so too.
pub(crate) fn add_populated(
    snapshot: &mut dyn Snapshot,
    universe: &Universe,
    tables: &mut Vec<RecordTable>,
    symbols: &mut Symbols,
) -> Result<(), RegistryError> {
    for element in universe.elements().iter().filter(|element| element.has_table()) {
        let ElementKind::Combination { populated_by: Some(source), .. } = element.kind else {
            continue;
        };
        let find = |ix| tables.iter().position(|table| table.element == ix && !table.is_empty());
        let (Some(at), None) = (find(source), find(element.ix)) else { continue };
        let dimensions = &universe.element(source).required;
        let columns: Vec<&[i64]> = tables[at].keys.iter().map(Vec::as_slice).collect();
        let keys: FxHashSet<Vec<i64>> =
            (0..tables[at].len()).map(|row| key(&columns, row)).collect();
        let filter = filter_of(universe, dimensions, &keys, symbols);
        let found = snapshot.records(element.ix, &filter, symbols)?;
        let Some(columns) = columns_of(universe, &found, dimensions) else { continue };
        let mut wanted = RecordTable::new(element);
        for row in (0..found.len()).filter(|&row| keys.contains(&key(&columns, row))) {
            wanted.push_from(&found, row as u32);
        }
        insert_sorted(tables, wanted);
    }
    Ok(())
}

/// Puts a table to its place, or those of its rows to others that are not there.
pub(crate) fn insert_sorted(tables: &mut Vec<RecordTable>, table: RecordTable) {
    match tables.binary_search_by_key(&table.element, |table| table.element) {
        Ok(at) => {
            let columns: Vec<&[i64]> = tables[at].keys.iter().map(Vec::as_slice).collect();
            let known: FxHashSet<Vec<i64>> =
                (0..tables[at].len()).map(|row| key(&columns, row)).collect();
            let columns: Vec<&[i64]> = table.keys.iter().map(Vec::as_slice).collect();
            for row in (0..table.len()).filter(|&row| !known.contains(&key(&columns, row))) {
                tables[at].push_from(&table, row as u32);
            }
        }
        Err(at) => tables.insert(at, table),
    }
}

/// Columns of a table with the values of dimensions, if it has them all.
fn columns_of<'t>(
    universe: &Universe,
    table: &'t RecordTable,
    dimensions: &[ElementIx],
) -> Option<Vec<&'t [i64]>> {
    let element = universe.element(table.element);
    let names = || element.required.iter().chain(&element.implied);
    let columns = || table.keys.iter().chain(&table.implied);
    dimensions
        .iter()
        .map(|&ix| Some(columns().nth(names().position(|&own| own == ix)?)?.as_slice()))
        .collect()
}

pub(crate) fn key(columns: &[&[i64]], row: usize) -> Vec<i64> {
    columns.iter().map(|column| column[row]).collect()
}

/// Restricts each dimension to the values that occur.
pub(crate) fn filter_of(
    universe: &Universe,
    dimensions: &[ElementIx],
    keys: &FxHashSet<Vec<i64>>,
    symbols: &Symbols,
) -> Filter {
    let restrictions = dimensions.iter().enumerate().map(|(at, &ix)| {
        let mut cells: Vec<i64> = keys.iter().map(|key| key[at]).collect();
        cells.sort_unstable();
        cells.dedup();
        let values = cells.into_iter().filter_map(|cell| match universe.element(ix).key_type() {
            Some(KeyType::Text) => Some(DataValue::Text(symbols.of_cell(cell)?.to_owned())),
            _ => Some(DataValue::Int(cell)),
        });
        (ix, CellSet::Values(values.collect()))
    });
    Filter { restrictions: restrictions.collect() }
}
