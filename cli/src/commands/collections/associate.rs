//! `qbb collections associate`.

use qbb_dimensions::Symbols;
use qbb_registry::{Association, CollectionKind, NewCollection};
use qbb_upkeep::{Request, Selected, select};
use serde::Serialize;

use super::open_to_write;
use crate::arguments::AssociateArguments;
use crate::output::{ExitCode, Failure, Terminal};

#[derive(Serialize)]
struct Associated<'a> {
    collection: &'a str,
    created: bool,
    datasets: u64,
    new: u64,
}

/// Puts datasets into a TAGGED collection.
pub fn execute(arguments: &AssociateArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let (config, mut registry) = open_to_write(&arguments.repository)?;
    let mut symbols = Symbols::new();
    let mut selected = {
        let mut reader = qbb_registry::open_reader(&config)?;
        let mut snapshot = reader.snapshot()?;
        let catalog = snapshot.collections()?;
        let request = Request {
            dataset_types: &arguments.dataset_type,
            collections: &arguments.collections,
            restriction: &arguments.restriction,
            find_first: arguments.find_first,
        };
        select(&mut *snapshot, &catalog, &request, &mut symbols)?
    };
    limit(&mut selected, arguments.limit, terminal);
    let collection = arguments.collection.as_str();
    let mut transaction = registry.begin()?;
    let created = transaction.register_collections(&[NewCollection {
        name: collection.to_owned(),
        kind: CollectionKind::Tagged,
        doc: None,
        children: Vec::new(),
    }])? > 0;
    let mut associated = Associated { collection, created, datasets: 0, new: 0 };
    for Selected { dataset_type, keys, id, .. } in &selected {
        let dataset_type = &dataset_type.dataset_type.name;
        let association = Association { dataset_type, collection, keys, id, timespan: None };
        associated.datasets += id.len() as u64;
        associated.new += transaction.associate(&association, &symbols)?;
    }
    if created || associated.new > 0 {
        transaction.commit()?;
    }
    terminal.result(&associated, |done| {
        format!("{} datasets are in {}, {} of them new", done.datasets, collection, done.new)
    })?;
    Ok(ExitCode::Success)
}

/// Cuts datasets to a number; a negative one warns if there were more.
fn limit(selected: &mut Vec<Selected>, limit: i64, terminal: Terminal) {
    if limit == 0 {
        return;
    }
    let most = usize::try_from(limit.unsigned_abs()).unwrap_or(usize::MAX);
    let mut left = most;
    let mut more = false;
    for group in selected.iter_mut() {
        more |= group.id.len() > left;
        group.id.truncate(left);
        for column in &mut group.keys {
            column.truncate(left);
        }
        left -= group.id.len();
    }
    selected.retain(|group| !group.id.is_empty());
    if more && limit < 0 {
        terminal.note(&format!("there are more datasets than the limit of {most}"));
    }
}
