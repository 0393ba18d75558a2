//! `qbb query collections`.

use qbb_registry::{CollectionIx, CollectionKind};

use super::rendering::Destination;
use super::results::{Cell, ColumnType, ResultTable};
use crate::arguments::{CollectionListingArguments, Format};
use crate::commands::collections::{CollectionListing, Listed};
use crate::output::{Failure, Terminal};

/// One line of results.
struct Line {
    listed: Listed,
    /// A child or parent, in tables.
    relative: Option<CollectionIx>,
}

/// Lists collections.
pub fn execute(
    arguments: &CollectionListingArguments,
    destination: Destination<'_>,
    terminal: Terminal,
) -> Result<(), Failure> {
    let listing = CollectionListing::read(arguments)?;
    let lines = lines(&listing, arguments.chains.is_table());
    let name = |ix: CollectionIx| listing.get(ix).name.as_str();
    let mut table = ResultTable::new(lines.len());
    let is_tree = arguments.chains.is_tree();
    let indents = is_tree && terminal.format() == Format::Text;
    let repeats =
        |row: usize| row > 0 && lines[row - 1].listed.collection == lines[row].listed.collection;
    // For people a table says only once which collection its lines are about.
    let blank = |row: usize| terminal.format() == Format::Text && !is_tree && repeats(row);
    let text = |text| Cell::Text(text);
    table.column("Name", ColumnType::Text, |row| {
        let Listed { collection, level } = lines[row].listed;
        match (blank(row), indents && level > 0) {
            (true, _) => Cell::Null,
            (_, true) => text(("  ".repeat(level) + name(collection)).into()),
            (_, false) => Cell::text(name(collection)),
        }
    });
    table.column("Type", ColumnType::Text, |row| match blank(row) {
        true => Cell::Null,
        false => text(listing.get(lines[row].listed.collection).kind.to_string().into()),
    });
    if is_tree && !indents {
        table.column("Level", ColumnType::Int, |row| Cell::Int(lines[row].listed.level as i64));
    }
    if lines.iter().any(|line| line.relative.is_some()) {
        let title = if arguments.chains.is_inverse() { "Parents" } else { "Children" };
        table.column(title, ColumnType::Text, |row| {
            lines[row].relative.map_or(Cell::Null, |ix| Cell::text(name(ix)))
        });
    }
    if arguments.show_dataset_types {
        table.column("Dataset Types", ColumnType::List, |row| {
            let Line { listed, relative } = &lines[row];
            let of = relative.unwrap_or(listed.collection);
            match (listing.get(of).kind, listing.dataset_types(of)) {
                (CollectionKind::Chained, _) | (_, None) => Cell::Null,
                (_, Some(types)) => Cell::List(types.iter().map(Into::into).collect()),
            }
        });
    }
    destination.write("collections", &[table])?;
    if lines.is_empty() {
        terminal.note("no collections were found");
    }
    Ok(())
}

/// The lines of a listing; in a table a collection has one for each child or parent.
fn lines(listing: &CollectionListing, is_table: bool) -> Vec<Line> {
    let mut lines = Vec::with_capacity(listing.listed.len());
    for &listed in &listing.listed {
        let relatives = if is_table { listing.relatives(listed.collection) } else { &[] };
        if relatives.is_empty() {
            lines.push(Line { listed, relative: None });
        }
        lines.extend(relatives.iter().map(|&ix| Line { listed, relative: Some(ix) }));
    }
    lines
}
