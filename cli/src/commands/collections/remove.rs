//! `qbb collections remove` and `remove-runs`.

use std::collections::BTreeMap;

use qbb_datastore::RepositoryConfig;
use qbb_dimensions::Symbols;
use qbb_registry::{
    CollectionCatalog, CollectionIx, CollectionKind, Filter, RegistryError, Snapshot,
};
use serde::Serialize;

use super::open_to_write;
use super::removed::Files;
use crate::arguments::{RemoveArguments, RemoveRunsArguments};
use crate::output::{ExitCode, Failure, Terminal, table};

/// What would be removed, or was.
#[derive(Debug, Default, Serialize)]
struct Plan {
    removed: bool,
    collections: Vec<Doomed>,
    /// RUNs that match where only other collections are removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs_kept: Vec<String>,
    /// Datasets by type.
    #[serde(skip_serializing_if = "Option::is_none")]
    datasets: Option<BTreeMap<String, u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Files>,
}

#[derive(Debug, Serialize)]
struct Doomed {
    name: String,
    r#type: CollectionKind,
    /// Chains that hold it.
    parents: Vec<String>,
}

impl Plan {
    fn names(&self) -> Vec<String> {
        self.collections.iter().map(|doomed| doomed.name.clone()).collect()
    }

    /// The first collection that is in a chain that stays.
    fn linked(&self) -> Option<(&str, &str)> {
        let stays =
            |parent: &&String| !self.collections.iter().any(|doomed| doomed.name == **parent);
        self.collections.iter().find_map(|doomed| {
            doomed.parents.iter().find(stays).map(|parent| (doomed.name.as_str(), parent.as_str()))
        })
    }
}

/// Collections that names and patterns mean; names without a collection mean none.
fn meant(
    catalog: &CollectionCatalog,
    names: &[String],
    terminal: Terminal,
) -> Result<Vec<CollectionIx>, Failure> {
    let mut found = Vec::new();
    for name in names {
        match catalog.resolve(std::slice::from_ref(name)) {
            Ok(more) => found.extend(more),
            // What is gone already is no mistake for those who repeat a command.
            Err(error @ RegistryError::UnknownCollection { .. }) => {
                terminal.note(&format!("nothing to remove: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn doomed(catalog: &CollectionCatalog, ix: CollectionIx) -> Doomed {
    let collection = catalog.get(ix);
    let holds =
        |(_, chain): &(CollectionIx, &qbb_registry::Collection)| chain.children.contains(&ix);
    let parents = catalog.iter().filter(holds).map(|(_, chain)| chain.name.clone()).collect();
    Doomed { name: collection.name.clone(), r#type: collection.kind, parents }
}

/// Removes collections that are not RUNs.
pub fn execute(arguments: &RemoveArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let mut plan = {
        let config = RepositoryConfig::open(&arguments.repository)?;
        let mut reader = qbb_registry::open_reader(&config)?;
        let catalog = reader.snapshot()?.collections()?;
        let mut plan = Plan::default();
        for ix in meant(&catalog, &arguments.collections, terminal)? {
            match catalog.get(ix).kind {
                CollectionKind::Run => plan.runs_kept.push(catalog.get(ix).name.clone()),
                _ => plan.collections.push(doomed(&catalog, ix)),
            }
        }
        plan
    };
    if arguments.confirmation.is_given() && !plan.collections.is_empty() {
        refuse_linked(&plan, arguments.remove_from_parents, "--remove-from-parents")?;
        let (_, mut registry) = open_to_write(&arguments.repository)?;
        let mut transaction = registry.begin()?;
        transaction.remove_collections(&plan.names(), arguments.remove_from_parents)?;
        transaction.commit()?;
        plan.removed = true;
    }
    terminal.result(&plan, |plan| describe(plan, arguments.remove_from_parents))?;
    Ok(ExitCode::Success)
}

/// Removes RUN collections with their datasets.
pub fn runs(arguments: &RemoveRunsArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let mut plan = {
        let config = RepositoryConfig::open(&arguments.repository)?;
        let mut reader = qbb_registry::open_reader(&config)?;
        let mut snapshot = reader.snapshot()?;
        let catalog = snapshot.collections()?;
        let mut runs = meant(&catalog, &arguments.collections, terminal)?;
        runs.retain(|&ix| catalog.get(ix).kind == CollectionKind::Run);
        let datasets = Some(count_datasets(&mut *snapshot, &catalog, &runs)?);
        let collections = runs.iter().map(|&ix| doomed(&catalog, ix)).collect();
        Plan { collections, datasets, ..Plan::default() }
    };
    if arguments.confirmation.is_given() {
        refuse_linked(&plan, arguments.force, "--force")?;
        let (config, mut registry) = open_to_write(&arguments.repository)?;
        if !plan.collections.is_empty() {
            let mut transaction = registry.begin()?;
            transaction.remove_runs(&plan.names(), arguments.force)?;
            transaction.commit()?;
            plan.removed = true;
        }
        // An earlier call may have been cut off behind its transaction.
        let files = Files::delete(&config, &mut *registry, terminal)?;
        plan.files = Some(files).filter(|files| plan.removed || !files.is_nothing());
    }
    terminal.result(&plan, |plan| describe(plan, arguments.force))?;
    Ok(plan.files.as_ref().map_or(ExitCode::Success, Files::exit_code))
}

fn refuse_linked(plan: &Plan, unlink: bool, option: &str) -> Result<(), Failure> {
    match plan.linked() {
        Some((name, parent)) if !unlink => Err(Failure::input(format!(
            "`{name}` is in the chain `{parent}`, so nothing was removed"
        ))
        .with_hint(format!("{option} takes collections out of chains that hold them"))),
        _ => Ok(()),
    }
}

fn count_datasets(
    snapshot: &mut dyn Snapshot,
    catalog: &CollectionCatalog,
    runs: &[CollectionIx],
) -> Result<BTreeMap<String, u64>, Failure> {
    let summaries = snapshot.summaries(catalog, runs)?;
    let mut counts = BTreeMap::new();
    let mut symbols = Symbols::new();
    for dataset_type in snapshot.dataset_types()? {
        let name = &dataset_type.dataset_type.name;
        let holding: Vec<CollectionIx> = (runs.iter().zip(&summaries))
            .filter(|(_, types)| types.binary_search(name).is_ok())
            .map(|(&run, _)| run)
            .collect();
        if holding.is_empty() {
            continue;
        }
        let filter = Filter::default();
        let rows = snapshot.datasets(&dataset_type, catalog, &holding, &filter, &mut symbols)?;
        if !rows.id.is_empty() {
            counts.insert(name.clone(), rows.id.len() as u64);
        }
    }
    Ok(counts)
}

fn describe(plan: &Plan, unlink: bool) -> String {
    if plan.collections.is_empty() && plan.runs_kept.is_empty() {
        return Files::finished(plan.files.as_ref(), "there is nothing to remove");
    }
    let rows = plan
        .collections
        .iter()
        .map(|doomed| [doomed.name.clone(), doomed.r#type.to_string(), doomed.parents.join(", ")]);
    let mut text = table(["collection", "type", "in chains"], 3, rows);
    if let Some(datasets) = &plan.datasets {
        let total: u64 = datasets.values().sum();
        let rows = datasets.iter().map(|(name, count)| [name.clone(), count.to_string()]);
        text.push_str(&format!(
            "\n{}\n{total} datasets\n",
            table(["dataset type", "datasets"], 1, rows)
        ));
    }
    if !plan.runs_kept.is_empty() {
        let runs = plan.runs_kept.join(", ");
        text.push_str(&format!("RUN collections stay (see remove-runs): {runs}\n"));
    }
    if let Some(files) = &plan.files {
        text.push_str(&format!("{}\n", files.describe()));
    }
    let number = plan.collections.len();
    text.push_str(&match (plan.removed, plan.linked()) {
        (true, _) => format!("removed {number} collections"),
        (false, _) if number == 0 => String::new(),
        (false, Some((name, parent))) if !unlink => {
            format!(
                "{number} collections could be removed, but `{name}` is in the chain `{parent}`"
            )
        }
        (false, _) => format!("{number} collections; remove them with --yes"),
    });
    text
}
