//! `qbb get-uri`.

use std::collections::BTreeMap;
use std::sync::Arc;

use qbb_datastore::ArtifactUri;
use qbb_dimensions::expression::Literal;
use qbb_dimensions::{DimensionGroup, KeyType, Symbols, Universe, nearest_name, split_component};
use qbb_query::{DatasetQuery, FoundDatasets, Selection, datasets};
use qbb_registry::{DatastoreRecordRows, Snapshot};
use serde::Serialize;
use uuid::Uuid;

use super::datasets::file_uri;
use super::open;
use super::selection::all_unless_named;
use crate::arguments::GetUriArguments;
use crate::output::{ExitCode, Failure, Terminal};

/// Where a dataset is.
#[derive(Debug, Serialize)]
struct Whereabouts {
    id: String,
    /// The file of the whole dataset; none if it was taken apart.
    uri: Option<String>,
    /// Files of components.
    components: BTreeMap<String, String>,
}

/// Prints URIs: one of a dataset in one file, otherwise one with its name for each component.
pub fn execute(arguments: &GetUriArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let (config, mut reader) = open(&arguments.repository)?;
    let universe = reader.universe().clone();
    let mut snapshot = reader.snapshot()?;
    let mut symbols = Symbols::new();
    let (id, component) = match Uuid::parse_str(&arguments.dataset) {
        Ok(id) if arguments.data_id.is_empty() => (*id.as_bytes(), None),
        Ok(_) => return Err(Failure::usage("a UUID says which dataset, without a data ID")),
        Err(_) => {
            let (name, component) = split_component(&arguments.dataset);
            (find(&universe, &mut *snapshot, name, arguments)?, component)
        }
    };
    let files = snapshot.datastore_records_of(&[id], &mut symbols)?;
    let found = whereabouts(&config.datastore.root, &files, &symbols, id)?;
    let found = match component {
        Some(component) => of_component(found, component)?,
        None => found,
    };
    terminal.result(&found, |found| {
        let lines = found.components.iter().map(|(component, uri)| format!("{component}: {uri}"));
        let lines: Vec<String> = found.uri.iter().cloned().chain(lines).collect();
        lines.join("\n")
    })?;
    Ok(ExitCode::Success)
}

fn whereabouts(
    root: &ArtifactUri,
    files: &DatastoreRecordRows,
    symbols: &Symbols,
    id: [u8; 16],
) -> Result<Whereabouts, Failure> {
    let id = Uuid::from_bytes(id).to_string();
    let mut found = Whereabouts { id, uri: None, components: BTreeMap::new() };
    for (path, component) in files.path.iter().zip(&files.component) {
        let uri = file_uri(root, path)?;
        match component.and_then(|symbol| symbols.get(symbol)) {
            Some(component) => {
                found.components.insert(component.to_owned(), uri);
            }
            None => found.uri = Some(uri),
        }
    }
    if found.uri.is_none() && found.components.is_empty() {
        return Err(Failure::input(format!("no file is recorded of dataset {}", found.id))
            .with_hint("`qbb query datasets` lists the datasets of a repository"));
    }
    Ok(found)
}

/// The file of a component; of a dataset in one file, that.
fn of_component(mut found: Whereabouts, component: &str) -> Result<Whereabouts, Failure> {
    if !found.components.is_empty() {
        let names: Vec<String> = found.components.keys().cloned().collect();
        let uri = found.components.remove(component).ok_or_else(|| {
            Failure::input(format!("dataset {} has no component `{component}`", found.id))
                .with_hint(format!("its components are {}", names.join(", ")))
        })?;
        found.uri = Some(uri);
        found.components.clear();
    }
    Ok(found)
}

/// The first dataset of a type with a data ID.
fn find(
    universe: &Arc<Universe>,
    snapshot: &mut dyn Snapshot,
    name: &str,
    arguments: &GetUriArguments,
) -> Result<[u8; 16], Failure> {
    let selection = of_data_id(universe, &arguments.data_id)?;
    let query = DatasetQuery {
        dataset_types: vec![name.to_owned()],
        collections: all_unless_named(&arguments.collections),
        // All collections together have no order.
        find_first: !arguments.collections.is_empty(),
        every_membership: false,
        selection,
    };
    let found = datasets(universe, snapshot, &query)?;
    match found.tables.iter().flat_map(|table| &table.id).collect::<Vec<_>>().as_slice() {
        [id] => Ok(**id),
        [] => Err(Failure::input(format!("there is no `{name}` with this data ID"))
            .with_hint("`qbb query datasets` lists those that there are")),
        several => Err(Failure::input(format!(
            "{} datasets `{name}` fit, among them {}",
            several.len(),
            examples(&found)
        ))
        .with_hint("give more of the data ID, or the collections to search with --collections")),
    }
}

fn examples(found: &FoundDatasets) -> String {
    let rows = found.tables.iter().flat_map(|table| {
        (0..table.len()).map(|row| {
            let run = &found.collections.catalog.get(table.run[row]).name;
            format!("{} in {run}", table.data_ids.describe(row as u32, &found.symbols))
        })
    });
    rows.take(2).collect::<Vec<_>>().join(" and ")
}

/// The condition that a data ID is.
fn of_data_id(universe: &Arc<Universe>, data_id: &[String]) -> Result<Selection, Failure> {
    let mut selection = Selection::default();
    let mut conditions = Vec::new();
    for (at, text) in data_id.iter().enumerate() {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Failure::usage(format!("`{text}`: write NAME=VALUE, such as visit=5"))
        })?;
        // What has a dot in it is a field of a record, which the condition knows.
        let key_type = match universe.find(name).map(qbb_dimensions::DimensionElement::key_type) {
            Some(Some(key_type)) => Some(key_type),
            None if name.contains('.') => None,
            _ => return Err(no_dimension(universe, name)),
        };
        let literal = match key_type {
            Some(KeyType::Text) => Literal::Text(value.to_owned()),
            _ => Literal::parse(value, &DimensionGroup::empty(universe))
                .map_err(|error| Failure::usage(format!("{name}={value}: {error}")))?,
        };
        if key_type == Some(KeyType::Int) && !matches!(literal, Literal::Int(_)) {
            return Err(Failure::usage(format!("{name}={value}: the value must be an integer")));
        }
        let bind = format!("value_{at}");
        conditions.push(format!("{name} = :{bind}"));
        selection.bindings.insert(bind, literal);
    }
    selection.restriction = conditions.join(" AND ");
    Ok(selection)
}

fn no_dimension(universe: &Universe, name: &str) -> Failure {
    let dimensions = universe.elements().iter().filter(|element| element.is_dimension());
    let nearest = nearest_name(name, dimensions.map(|element| element.name.as_str()));
    let similar = nearest.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default();
    Failure::input(format!("unknown dimension `{name}`{similar}"))
}
