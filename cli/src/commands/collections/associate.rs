//! `qbb collections associate`.

use qbb_query::{DatasetQuery, Selection};
use qbb_registry::{Association, CollectionKind, NewCollection};
use serde::Serialize;

use super::{chosen, open_to_write};
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
    // A negative limit is one that is told about.
    let most = usize::try_from(arguments.limit.unsigned_abs()).unwrap_or(usize::MAX);
    let query = DatasetQuery {
        dataset_types: arguments.dataset_type.clone(),
        collections: arguments.collections.clone(),
        find_first: arguments.find_first,
        selection: Selection {
            restriction: arguments.restriction.clone(),
            limit: (most > 0).then_some(most),
            ..Selection::default()
        },
        ..DatasetQuery::default()
    };
    let found = chosen::find(&config, &query)?;
    if found.more && arguments.limit < 0 {
        terminal.note(&format!("there are more datasets than the limit of {most}"));
    }
    let collection = arguments.collection.as_str();
    let mut transaction = registry.begin()?;
    let created = transaction.register_collections(&[NewCollection {
        name: collection.to_owned(),
        kind: CollectionKind::Tagged,
        doc: None,
        children: Vec::new(),
    }])? > 0;
    let mut associated = Associated { collection, created, datasets: 0, new: 0 };
    for table in &found.tables {
        let dataset_type = &table.dataset_type.dataset_type.name;
        let (keys, id) = (chosen::keys(table), &table.id);
        let association = Association { dataset_type, collection, keys: &keys, id, timespan: None };
        associated.datasets += id.len() as u64;
        associated.new += transaction.associate(&association, &found.symbols)?;
    }
    if created || associated.new > 0 {
        transaction.commit()?;
    }
    terminal.result(&associated, |done| {
        format!("{} datasets are in {}, {} of them new", done.datasets, collection, done.new)
    })?;
    Ok(ExitCode::Success)
}
