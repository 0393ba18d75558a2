//! `qbb query data-ids` and `qbb query dimension-records`.

use qbb_dimensions::{DimensionElement, DimensionGroup, RecordTable, Symbols, Universe};
use qbb_query::{
    DataIdQuery, FoundDataIds, RecordQuery, choose_dataset_types, data_ids, dimension_records,
};

use super::open;
use super::rendering::Destination;
use super::results::{Cell, ColumnType, ResultTable};
use super::selection::{existing, note_limit, selection};
use crate::arguments::{QueryDataIdsArguments, QueryRecordsArguments};
use crate::commands::build::list;
use crate::output::{Failure, Terminal};

/// Lists data IDs.
pub fn execute(
    arguments: &QueryDataIdsArguments,
    destination: Destination<'_>,
    terminal: Terminal,
) -> Result<(), Failure> {
    let (_, mut reader) = open(&arguments.repository)?;
    let universe = reader.universe().clone();
    let mut snapshot = reader.snapshot()?;
    let mut query = DataIdQuery {
        dimensions: list(&arguments.dimensions),
        existing: existing(&arguments.existing),
        selection: selection(&arguments.conditions, &universe)?,
    };
    if query.dimensions.is_empty() {
        // The dimensions that all dataset types have.
        let registered = snapshot.dataset_types()?;
        let chosen = choose_dataset_types(&registered, &query.existing.dataset_types)?;
        let groups = chosen.iter().map(|chosen| chosen.dataset_type.dimensions.clone());
        let common = groups.reduce(|a: DimensionGroup, b| a.intersection(&b));
        let names = common.iter().flat_map(|group| group.iter_key_names());
        query.dimensions = names.map(str::to_owned).collect();
        if query.dimensions.is_empty() {
            return Err(match query.existing.dataset_types.is_empty() {
                true => Failure::usage("name dimensions, or dataset types with --datasets"),
                false => Failure::input("these dataset types have no dimensions in common")
                    .with_hint("name the dimensions that you want"),
            });
        }
    }
    let found = data_ids(&universe, &mut *snapshot, &query)?;
    destination.write("data_ids", &[data_id_table(&universe, &found)])?;
    if found.data_ids.is_empty() {
        terminal.note("no data IDs were found");
    }
    note_limit(terminal, &arguments.conditions, found.more);
    Ok(())
}

fn data_id_table<'a>(universe: &'a Universe, found: &'a FoundDataIds) -> ResultTable<'a> {
    let mut table = ResultTable::new(found.data_ids.len());
    let keys = found.data_ids.group().keys().iter().zip(found.data_ids.columns());
    for (&dimension, cells) in keys {
        let name = universe.element(dimension).name.clone();
        table.dimension(name, (universe, &found.symbols), dimension, |row| cells[row]);
    }
    table
}

/// Lists dimension records.
pub fn execute_records(
    arguments: &QueryRecordsArguments,
    destination: Destination<'_>,
    terminal: Terminal,
) -> Result<(), Failure> {
    let (_, mut reader) = open(&arguments.repository)?;
    let universe = reader.universe().clone();
    let query = RecordQuery {
        element: arguments.element.clone(),
        existing: existing(&arguments.existing),
        selection: selection(&arguments.conditions, &universe)?,
    };
    let mut snapshot = reader.snapshot()?;
    let found = dimension_records(&universe, &mut *snapshot, &query)?;
    drop(snapshot);
    let element = universe.element(found.records.element);
    let table = record_table(&universe, element, &found.records, &found.symbols);
    destination.write("records", &[table])?;
    if found.records.is_empty() {
        terminal.note("no dimension records were found");
    }
    note_limit(terminal, &arguments.conditions, found.more);
    Ok(())
}

/// Columns as the middleware has them: keys, the element's own one under its column's name, then
/// alternate keys and metadata, implied dimensions, region and timespan.
fn record_table<'a>(
    universe: &'a Universe,
    element: &'a DimensionElement,
    records: &'a RecordTable,
    symbols: &'a Symbols,
) -> ResultTable<'a> {
    let mut table = ResultTable::new(records.len());
    let texts = (universe, symbols);
    for (&ix, cells) in element.required.iter().zip(&records.keys) {
        let own = element.key_column().filter(|_| ix == element.ix);
        let name = own.map_or(universe.element(ix).name.as_str(), |key| key.name.as_str());
        table.dimension(name, texts, ix, |row| cells[row]);
    }
    for (&ix, cells) in element.implied.iter().zip(&records.implied) {
        table.dimension(&universe.element(ix).name, texts, ix, |row| cells[row]);
    }
    let fields = element.alternate_keys.iter().chain(&element.metadata);
    for (spec, column) in fields.zip(&records.fields) {
        table.field(&spec.name, column, symbols);
    }
    if element.is_spatial() {
        table.column("region", ColumnType::Region, |row| {
            records.region(row as u32).map_or(Cell::Null, Cell::Region)
        });
    }
    if element.is_temporal() {
        table.column("timespan (TAI)", ColumnType::Timespan, |row| {
            records.timespan(row as u32).map_or(Cell::Null, Cell::Timespan)
        });
    }
    table
}
