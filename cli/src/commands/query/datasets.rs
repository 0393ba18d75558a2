//! `qbb query datasets`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use qbb_datastore::{ArtifactUri, DatastoreConfig};
use qbb_dimensions::Universe;
use qbb_query::{DatasetTable, FoundDatasets, datasets, files};

use super::open;
use super::rendering::Destination;
use super::results::{Cell, ColumnType, ResultTable};
use super::selection::{dataset_query, note_limit};
use crate::arguments::QueryDatasetsArguments;
use crate::output::{Failure, Terminal};

/// Lists datasets, by default in the order of the middleware's command: by RUN, then by dimensions
/// with regions or timespans, then by the others.
pub fn execute(
    arguments: &QueryDatasetsArguments,
    destination: Destination<'_>,
    terminal: Terminal,
) -> Result<(), Failure> {
    let (config, mut reader) = open(&arguments.repository)?;
    let universe = reader.universe().clone();
    let query = dataset_query(&arguments.dataset_types, &arguments.datasets, &universe)?;
    let mut snapshot = reader.snapshot()?;
    let mut found = datasets(&universe, &mut *snapshot, &query)?;
    let uris = match arguments.show_uri {
        true => Some(uris(&config.datastore, files(&mut *snapshot, &mut found)?, &found)?),
        false => None,
    };
    drop(snapshot);
    let mut tables = Vec::new();
    for table in &found.tables {
        let rows = match query.selection.order_by.is_empty() {
            true => sorted(&universe, &found, table),
            false => (0..table.len()).collect(),
        };
        let name = &table.dataset_type.dataset_type.name;
        let Some(uris) = &uris else {
            tables.push(result_table(&universe, &found, table, name.clone(), rows, Vec::new()));
            continue;
        };
        // Each component of a disassembled composite has a table of its own.
        let mut components: Vec<&str> = Vec::new();
        let of = |row: usize| uris.get(&table.id[row]).map_or(&[][..], Vec::as_slice);
        for (component, _) in rows.iter().flat_map(|&row| of(row)) {
            if !components.contains(&component.as_str()) {
                components.push(component);
            }
        }
        components.sort_unstable();
        for component in components {
            let (mut kept, mut shown) = (Vec::new(), Vec::new());
            for &row in &rows {
                for (_, uri) in of(row).iter().filter(|(other, _)| other == component) {
                    kept.push(row);
                    shown.push(uri.clone());
                }
            }
            let name = match component.is_empty() {
                true => name.clone(),
                false => format!("{name}.{component}"),
            };
            tables.push(result_table(&universe, &found, table, name, kept, shown));
        }
    }
    if tables.is_empty() {
        // Programs expect the columns that are always there.
        let mut none = ResultTable::new(0);
        none.text("type", |_| Cow::default());
        none.text("run", |_| Cow::default());
        none.column("id", ColumnType::Uuid, |_| Cell::Null);
        tables.push(none);
    }
    destination.write("datasets", &tables)?;
    if found.is_empty() {
        terminal.note("no datasets were found");
    }
    note_limit(terminal, &arguments.datasets.conditions, found.more);
    Ok(())
}

fn result_table<'a>(
    universe: &'a Universe,
    found: &'a FoundDatasets,
    table: &'a DatasetTable,
    name: String,
    rows: Vec<usize>,
    uris: Vec<String>,
) -> ResultTable<'a> {
    let rows: Rc<[usize]> = rows.into();
    let mut result = ResultTable::new(rows.len());
    result.text("type", move |_| name.clone().into());
    let chosen = rows.clone();
    result.text("run", move |row| {
        (&found.collections.catalog.get(table.run[chosen[row]]).name).into()
    });
    let chosen = rows.clone();
    result.column("id", ColumnType::Uuid, move |row| Cell::Uuid(table.id[chosen[row]]));
    let keys = table.data_ids.group().keys().iter().zip(table.data_ids.columns());
    for (&dimension, cells) in keys {
        let (name, chosen) = (universe.element(dimension).name.clone(), rows.clone());
        let cell = move |row: usize| cells[chosen[row]];
        result.dimension(name, (universe, &found.symbols), dimension, cell);
    }
    if !uris.is_empty() {
        result.text("URI", move |row| uris[row].clone().into());
    }
    result
}

/// The middleware's order of rows.
fn sorted(universe: &Universe, found: &FoundDatasets, table: &DatasetTable) -> Vec<usize> {
    let group = table.data_ids.group();
    let mut early = Vec::new();
    let mut late = Vec::new();
    for &ix in group.keys() {
        let element = universe.element(ix);
        if element.is_spatial() || element.is_temporal() {
            early.extend(element.required.iter().copied());
        } else {
            late.push(ix);
        }
    }
    let mut order: Vec<usize> = Vec::new();
    for ix in early.into_iter().chain(late) {
        if let Some(at) = group.key_position(ix)
            && !order.contains(&at)
        {
            order.push(at);
        }
    }
    let mut rows: Vec<usize> = (0..table.len()).collect();
    rows.sort_by(|&a, &b| {
        let columns = order.iter().map(|&at| {
            let (ix, cells) = (group.keys()[at], &table.data_ids.columns()[at]);
            let value = |row: usize| universe.value(ix, cells[row], &found.symbols);
            match cells[a] == cells[b] {
                true => std::cmp::Ordering::Equal,
                false => value(a).cmp(&value(b)),
            }
        });
        // Collections are sorted by name, and so are their positions.
        std::iter::once(table.run[a].cmp(&table.run[b]))
            .chain(columns)
            .find(|order| order.is_ne())
            .unwrap_or_else(|| table.id[a].cmp(&table.id[b]))
    });
    rows
}

/// Component and URI of each file, by dataset; the component of a whole dataset is empty.
pub type Uris = HashMap<[u8; 16], Vec<(String, String)>>;

/// URIs of the files of datasets.
pub fn uris(
    datastore: &DatastoreConfig,
    files: qbb_registry::DatastoreRecordRows,
    found: &FoundDatasets,
) -> Result<Uris, Failure> {
    let mut uris: Uris = HashMap::new();
    for (row, id) in files.id.iter().enumerate() {
        let component = files.component[row].and_then(|symbol| found.symbols.get(symbol));
        let uri = file_uri(&datastore.root, &files.path[row])?;
        uris.entry(*id).or_default().push((component.unwrap_or_default().to_owned(), uri));
    }
    for list in uris.values_mut() {
        list.sort();
    }
    Ok(uris)
}

/// The URI of a recorded path.
pub fn file_uri(root: &ArtifactUri, path: &str) -> Result<String, Failure> {
    Ok(root.join(path).map_err(Failure::from_error)?.to_string())
}
