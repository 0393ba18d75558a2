//! `qbb query dataset-types`.

use qbb_query::choose_dataset_types;
use qbb_query::engine::SearchedCollections;

use super::open;
use super::rendering::Destination;
use super::results::{Cell, ColumnType, ResultTable};
use super::selection::all_unless_named;
use crate::arguments::QueryDatasetTypesArguments;
use crate::commands::build::list;
use crate::output::{Failure, Terminal};

/// Lists dataset types by name.
pub fn execute(
    arguments: &QueryDatasetTypesArguments,
    destination: Destination<'_>,
    terminal: Terminal,
) -> Result<(), Failure> {
    let (_, mut reader) = open(&arguments.repository)?;
    let mut snapshot = reader.snapshot()?;
    let registered = snapshot.dataset_types()?;
    let names = all_unless_named(&arguments.dataset_types);
    let mut chosen = choose_dataset_types(&registered, &names)?;
    if !arguments.collections.is_empty() {
        let collections = list(&arguments.collections);
        let searched = SearchedCollections::new(snapshot.collections()?, &collections)?;
        let held = snapshot.summaries(&searched.catalog, &searched.flat)?;
        chosen.retain(|t| held.iter().any(|names| names.contains(&t.dataset_type.name)));
    }
    let mut table = ResultTable::new(chosen.len());
    table.text("name", |row| (&chosen[row].dataset_type.name).into());
    if arguments.verbose {
        table.column("dimensions", ColumnType::List, |row| {
            let group = &chosen[row].dataset_type.dimensions;
            let names = group.names().iter();
            Cell::List(names.map(|&ix| (&group.universe().element(ix).name).into()).collect())
        });
        table.text("storage class", |row| (&chosen[row].dataset_type.storage_class).into());
    }
    destination.write("dataset_types", &[table])?;
    if chosen.is_empty() {
        terminal.note("no dataset types were found");
    }
    Ok(())
}
