//! `qbb query collections`.

use qbb_query::engine::SearchedCollections;
use qbb_registry::{Collection, CollectionCatalog, CollectionIx, CollectionKind, Glob, is_glob};

use super::open;
use super::rendering::Destination;
use super::results::{Cell, ColumnType, ResultTable};
use super::selection::all_unless_named;
use crate::arguments::{ChainView, CollectionTypeArgument, Format, QueryCollectionsArguments};
use crate::output::{Failure, Terminal};

/// One line of a listing.
struct Line {
    collection: CollectionIx,
    /// Depth in a tree.
    level: usize,
    /// A child or parent, in tables.
    relative: Option<CollectionIx>,
}

/// What a listing is made of.
struct Listing<'a> {
    catalog: &'a CollectionCatalog,
    parents: Vec<Vec<CollectionIx>>,
    lines: Vec<Line>,
}

impl Listing<'_> {
    /// A collection with everything below it, or above it.
    fn add_tree(&mut self, collection: CollectionIx, level: usize, inverse: bool) {
        self.lines.push(Line { collection, level, relative: None });
        let next = match inverse {
            true => self.parents[collection.index()].clone(),
            false => self.catalog.get(collection).children.clone(),
        };
        for relative in next {
            self.add_tree(relative, level + 1, inverse);
        }
    }

    /// A collection once for each child or parent.
    fn add_relatives(&mut self, collection: CollectionIx, inverse: bool) {
        let relatives = match inverse {
            true => &self.parents[collection.index()],
            false => &self.catalog.get(collection).children,
        };
        if relatives.is_empty() {
            self.lines.push(Line { collection, level: 0, relative: None });
        }
        for &relative in relatives {
            self.lines.push(Line { collection, level: 0, relative: Some(relative) });
        }
    }
}

/// Lists collections.
pub fn execute(
    arguments: &QueryCollectionsArguments,
    destination: Destination<'_>,
    terminal: Terminal,
) -> Result<(), Failure> {
    let (_, mut reader) = open(&arguments.repository)?;
    let mut snapshot = reader.snapshot()?;
    let catalog = snapshot.collections()?;
    let names = all_unless_named(&arguments.collections);
    let searched = SearchedCollections::new(catalog, &names)?;
    let catalog = &searched.catalog;
    let mut chosen = searched.named.clone();
    // Chains without end are refused before anything walks along them.
    catalog.closure(&chosen)?;
    match arguments.chains {
        ChainView::Flatten => chosen.clone_from(&searched.flat),
        // As in the middleware: what globs match in the order of registration, chains last, then
        // what is named.
        ChainView::NoChildren => {
            let named: Vec<CollectionIx> =
                names.iter().filter_map(|name| catalog.find(name)).collect();
            chosen.sort_by_key(|ix| {
                let Collection { id, kind, .. } = catalog.get(*ix);
                match named.iter().position(|other| other == ix) {
                    Some(at) => (2, at as i64),
                    None => (i32::from(*kind == CollectionKind::Chained), *id),
                }
            });
        }
        _ => chosen.sort_unstable(),
    }
    let kinds: Vec<CollectionKind> = (arguments.collection_type.iter())
        .map(|kind| match kind {
            CollectionTypeArgument::Run => CollectionKind::Run,
            CollectionTypeArgument::Tagged => CollectionKind::Tagged,
            CollectionTypeArgument::Chained => CollectionKind::Chained,
            CollectionTypeArgument::Calibration => CollectionKind::Calibration,
        })
        .collect();
    chosen.retain(|&ix| kinds.is_empty() || kinds.contains(&catalog.get(ix).kind));
    let mut parents = vec![Vec::new(); catalog.collections.len()];
    for (ix, collection) in catalog.iter() {
        collection.children.iter().for_each(|child| parents[child.index()].push(ix));
    }
    let mut listing = Listing { catalog, parents, lines: Vec::new() };
    for &ix in &chosen {
        match arguments.chains {
            ChainView::Tree => listing.add_tree(ix, 0, false),
            ChainView::InverseTree => listing.add_tree(ix, 0, true),
            ChainView::Table => listing.add_relatives(ix, false),
            ChainView::InverseTable => listing.add_relatives(ix, true),
            ChainView::Flatten | ChainView::NoChildren => {
                listing.lines.push(Line { collection: ix, level: 0, relative: None });
            }
        }
    }
    let shown = match arguments.show_dataset_types {
        true => {
            let all: Vec<CollectionIx> = catalog.iter().map(|(ix, _)| ix).collect();
            let mut held = snapshot.summaries(catalog, &all)?;
            exclude(&arguments.exclude_dataset_types, &mut held);
            Some(held)
        }
        false => None,
    };
    let lines = &listing.lines;
    let name = |ix: CollectionIx| catalog.get(ix).name.as_str();
    let mut table = ResultTable::new(lines.len());
    let is_tree = matches!(arguments.chains, ChainView::Tree | ChainView::InverseTree);
    let indents = is_tree && terminal.format() == Format::Text;
    let repeats = |row: usize| row > 0 && lines[row - 1].collection == lines[row].collection;
    // For people a table says only once which collection its lines are about.
    let blank = |row: usize| terminal.format() == Format::Text && !is_tree && repeats(row);
    let text = |text| Cell::Text(text);
    table.column("Name", ColumnType::Text, |row| {
        let Line { collection, level, .. } = lines[row];
        match (blank(row), indents && level > 0) {
            (true, _) => Cell::Null,
            (_, true) => text(("  ".repeat(level) + name(collection)).into()),
            (_, false) => Cell::text(name(collection)),
        }
    });
    table.column("Type", ColumnType::Text, |row| match blank(row) {
        true => Cell::Null,
        false => text(catalog.get(lines[row].collection).kind.to_string().into()),
    });
    if is_tree && !indents {
        table.column("Level", ColumnType::Int, |row| Cell::Int(lines[row].level as i64));
    }
    if lines.iter().any(|line| line.relative.is_some()) {
        let inverse = arguments.chains == ChainView::InverseTable;
        let title = if inverse { "Parents" } else { "Children" };
        table.column(title, ColumnType::Text, |row| {
            lines[row].relative.map_or(Cell::Null, |ix| Cell::text(name(ix)))
        });
    }
    if let Some(held) = &shown {
        table.column("Dataset Types", ColumnType::List, |row| {
            let Line { collection, relative, .. } = lines[row];
            let of = relative.unwrap_or(collection);
            match catalog.get(of).kind {
                CollectionKind::Chained => Cell::Null,
                _ => Cell::List(held[of.index()].iter().map(Into::into).collect()),
            }
        });
    }
    destination.write("collections", &[table])?;
    if lines.is_empty() {
        terminal.note("no collections were found");
    }
    Ok(())
}

/// Leaves out dataset types that names and globs separated by commas mean.
fn exclude(patterns: &str, held: &mut [Vec<String>]) {
    let patterns: Vec<&str> = patterns.split(',').map(str::trim).collect();
    let globs: Vec<Glob> =
        patterns.iter().filter(|text| is_glob(text)).map(|text| Glob::new(text)).collect();
    for names in held {
        names.retain(|name| {
            !patterns.contains(&name.as_str()) && !globs.iter().any(|glob| glob.matches(name))
        });
    }
}
