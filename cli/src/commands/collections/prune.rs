//! `qbb collections prune`.

use std::collections::BTreeMap;

use qbb_datastore::RepositoryConfig;
use qbb_dimensions::DataValue;
use qbb_query::{DatasetQuery, FoundDatasets, Selection};
use qbb_registry::{CollectionCatalog, CollectionKind, RegistryError, RegistryWriter};
use serde::Serialize;
use uuid::Uuid;

use super::removed::Files;
use super::{chosen, open_to_write};
use crate::arguments::PruneArguments;
use crate::output::{ExitCode, Failure, Terminal, table};

/// Most datasets that are listed for people.
const LISTED: usize = 40;

#[derive(Debug, Serialize)]
struct Plan {
    done: bool,
    purge: bool,
    unstore: bool,
    disassociate: Vec<String>,
    counts: BTreeMap<String, u64>,
    datasets: Vec<Dataset>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Files>,
}

#[derive(Debug, Serialize)]
struct Dataset {
    r#type: String,
    run: String,
    id: Uuid,
    data_id: serde_json::Map<String, serde_json::Value>,
}

/// Removes datasets, their files or their tags.
pub fn execute(arguments: &PruneArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let collections = searched(arguments)?;
    let config = RepositoryConfig::open(&arguments.repository)?;
    let query = DatasetQuery {
        dataset_types: arguments.datasets.clone(),
        collections,
        find_first: !arguments.find_all,
        selection: Selection { restriction: arguments.restriction.clone(), ..Selection::default() },
        ..DatasetQuery::default()
    };
    let found = chosen::find(&config, &query)?;
    check_targets(&found.collections.catalog, arguments)?;
    let mut plan = Plan::of(&found, arguments);
    if arguments.confirmation.is_given() && (plan.unstore || !plan.datasets.is_empty()) {
        let (config, mut registry) = open_to_write(&arguments.repository)?;
        if !plan.datasets.is_empty() {
            plan.remove(&found, &mut *registry)?;
        }
        if plan.unstore {
            // An earlier call may have been cut off behind its transaction.
            let files = Files::delete(&config, &mut *registry, terminal)?;
            plan.files = Some(files).filter(|files| plan.done || !files.is_nothing());
        }
    }
    terminal.result(&plan, describe)?;
    Ok(plan.files.as_ref().map_or(ExitCode::Success, Files::exit_code))
}

/// Where datasets are searched.
fn searched(arguments: &PruneArguments) -> Result<Vec<String>, Failure> {
    if arguments.disassociate.is_empty() && arguments.purge.is_none() && !arguments.unstore {
        return Err(Failure::usage("one of --purge, --unstore and --disassociate must be given"));
    }
    let given: Vec<String> = match (&arguments.purge, arguments.collections.is_empty()) {
        (_, false) => arguments.collections.clone(),
        (Some(run), true) => vec![run.clone()],
        (None, true) => arguments.disassociate.clone(),
    };
    if given.is_empty() {
        return Err(Failure::usage("the collections in which datasets are searched are missing"));
    }
    Ok(given)
}

/// What is purged from must be a RUN, what is disassociated from TAGGED.
fn check_targets(catalog: &CollectionCatalog, arguments: &PruneArguments) -> Result<(), Failure> {
    let targets = (arguments.purge.iter().map(|run| (run, CollectionKind::Run, "RUN")))
        .chain(arguments.disassociate.iter().map(|tag| (tag, CollectionKind::Tagged, "TAGGED")));
    for (name, kind, needed) in targets {
        let found = catalog.get(catalog.require(name)?).kind;
        if found != kind {
            let action = match kind {
                CollectionKind::Run => "purging datasets of it",
                _ => "disassociating datasets from it",
            };
            let name = name.clone();
            return Err(RegistryError::WrongCollectionKind { name, found, action, needed }.into());
        }
    }
    Ok(())
}

impl Plan {
    fn of(found: &FoundDatasets, arguments: &PruneArguments) -> Self {
        let purge = arguments.purge.is_some();
        let mut plan = Self {
            done: false,
            purge,
            unstore: purge || arguments.unstore,
            disassociate: arguments.disassociate.clone(),
            counts: BTreeMap::new(),
            datasets: Vec::new(),
            files: None,
        };
        let catalog = &found.collections.catalog;
        for table in &found.tables {
            let name = &table.dataset_type.dataset_type.name;
            plan.counts.insert(name.clone(), table.len() as u64);
            let group = table.data_ids.group();
            let names: Vec<&str> = (group.required().iter())
                .map(|&ix| group.universe().element(ix).name.as_str())
                .collect();
            for (row, id) in (0..).zip(&table.id) {
                let values = table.data_ids.values(row, &found.symbols);
                let data_id = names.iter().zip(values).map(|(&name, value)| {
                    let value = match value {
                        DataValue::Int(value) => value.into(),
                        DataValue::Text(value) => value.into(),
                    };
                    (name.to_owned(), value)
                });
                plan.datasets.push(Dataset {
                    r#type: name.clone(),
                    run: catalog.get(table.run[row as usize]).name.clone(),
                    id: Uuid::from_bytes(*id),
                    data_id: data_id.collect(),
                });
            }
        }
        plan
    }

    /// Does what is planned, but for files.
    fn remove(
        &mut self,
        found: &FoundDatasets,
        registry: &mut dyn RegistryWriter,
    ) -> Result<(), RegistryError> {
        let id: Vec<[u8; 16]> = found.tables.iter().flat_map(|table| table.id.clone()).collect();
        let mut transaction = registry.begin()?;
        if self.unstore {
            transaction.trash_datasets(&id)?;
        }
        if self.purge {
            transaction.remove_datasets(&id)?;
        }
        for tag in &self.disassociate {
            for table in &found.tables {
                transaction.disassociate(&table.dataset_type.dataset_type.name, tag, &table.id)?;
            }
        }
        transaction.commit()?;
        self.done = true;
        Ok(())
    }
}

fn describe(plan: &Plan) -> String {
    if plan.datasets.is_empty() {
        return Files::finished(plan.files.as_ref(), "there are no such datasets");
    }
    let rows = plan.datasets.iter().take(LISTED).map(|dataset| {
        let values: Vec<String> = (dataset.data_id.iter())
            .map(|(name, value)| match value.as_str() {
                Some(text) => format!("{name}: {text}"),
                None => format!("{name}: {value}"),
            })
            .collect();
        let data_id = format!("{{{}}}", values.join(", "));
        [dataset.r#type.clone(), dataset.run.clone(), dataset.id.to_string(), data_id]
    });
    let mut text = table(["type", "run", "id", "data id"], 4, rows);
    if plan.datasets.len() > LISTED {
        text.push_str(&format!("… and {} more\n", plan.datasets.len() - LISTED));
    }
    let counts = plan.counts.iter().map(|(name, count)| [name.clone(), count.to_string()]);
    text.push_str(&format!("\n{}\n", table(["dataset type", "datasets"], 1, counts)));
    if let Some(files) = &plan.files {
        text.push_str(&format!("{}\n", files.describe()));
    }
    let mut actions = Vec::new();
    match (plan.purge, plan.unstore) {
        (true, _) => actions.push("removed with their files".to_owned()),
        (false, true) => actions.push("unstored".to_owned()),
        (false, false) => {}
    }
    if !plan.disassociate.is_empty() {
        actions.push(format!("disassociated from {}", plan.disassociate.join(", ")));
    }
    let (number, actions) = (plan.datasets.len(), actions.join(" and "));
    text.push_str(&match plan.done {
        true => format!("{number} datasets were {actions}"),
        false => format!("{number} datasets would be {actions}; do it with --yes"),
    });
    text
}
