//! Removing datasets and collections.

use rustc_hash::FxHashSet;

use super::source::{WriteSource, statement};
use crate::changes::RemovedCollections;
use crate::collection::{CollectionCatalog, CollectionIx, CollectionKind};
use crate::error::RegistryError;
use crate::reading::{DatastoreTable, Query, ResultRow as _, read_collections};

/// Most UUIDs that one statement is handed; keeps its text to some megabytes.
pub(super) const CHUNK: usize = 50_000;

/// Datasets that a statement is about.
#[derive(Clone, Copy)]
pub(super) enum Chosen<'a> {
    /// By UUID.
    Datasets(&'a [[u8; 16]]),
    /// All of some RUNs, by key.
    Runs(&'a [i64]),
}

impl Chosen<'_> {
    /// Adds a table `u` of UUIDs, whose column is `value`.
    pub(super) fn push_table(self, query: &mut Query<'_>) {
        match self {
            Self::Datasets(id) => {
                query.push_uuids("u", id);
            }
            Self::Runs(runs) => {
                query.push("(SELECT id AS value FROM ").push_table("dataset");
                query.push(" WHERE run_id").in_integers(runs).push(") u");
            }
        }
    }

    /// Adds ` IN (…)`.
    pub(super) fn push_in(self, query: &mut Query<'_>) {
        query.push(" IN (SELECT u.value FROM ");
        self.push_table(query);
        query.push(")");
    }
}

/// Deletes datasets with all their memberships. Their files must be in the trash.
pub(super) fn remove_datasets(
    source: &impl WriteSource,
    id: &[[u8; 16]],
) -> Result<u64, RegistryError> {
    let mut removed = 0;
    for id in id.chunks(CHUNK) {
        refuse_stored(source, Chosen::Datasets(id))?;
        let mut change = statement(source, "dataset");
        change.push("DELETE FROM ").push_table("dataset").push(" WHERE id");
        Chosen::Datasets(id).push_in(&mut change);
        removed += source.run("remove datasets", &change)?;
    }
    Ok(removed)
}

/// Datasets may be stored in more datastores than one is looked at; those need others' help.
fn refuse_stored(source: &impl WriteSource, chosen: Chosen<'_>) -> Result<(), RegistryError> {
    let columns = [("l", "dataset_id"), ("l", "datastore_name")];
    let mut query = Query::select(source.dialect(), "dataset_location", &columns);
    query.push(" FROM ");
    chosen.push_table(&mut query);
    query
        .push(" JOIN ")
        .push_table("dataset_location")
        .push(" l ON l.dataset_id = u.value LIMIT 1");
    let mut stored = None;
    source.each(&query, |row| {
        stored = Some((row.uuid(0)?, row.text(1)?.to_owned()));
        Ok(())
    })?;
    match stored {
        None => Ok(()),
        Some((id, datastore)) => Err(RegistryError::InUse {
            what: format!("dataset {}", uuid::Uuid::from_bytes(id).hyphenated()),
            by: format!("datastore `{datastore}` still holds it"),
        }),
    }
}

/// Removes RUNs with their datasets, whose files go to the trash.
pub(super) fn remove_runs(
    source: &impl WriteSource,
    datastore: &DatastoreTable,
    runs: &[String],
    unlink: bool,
) -> Result<RemovedCollections, RegistryError> {
    let catalog = read_collections(source)?;
    let removed = named(&catalog, runs)?;
    if let Some(&other) = removed.iter().find(|&&ix| catalog.get(ix).kind != CollectionKind::Run) {
        return Err(RegistryError::WrongCollectionKind {
            name: catalog.get(other).name.clone(),
            found: catalog.get(other).kind,
            action: "removing datasets with it",
            needed: "RUN",
        });
    }
    let ids: Vec<i64> = removed.iter().map(|&ix| catalog.get(ix).id).collect();
    let parents = parents_of(&catalog, &removed, unlink)?;
    let mut datasets = 0;
    if !ids.is_empty() {
        super::trash::move_to_trash(source, datastore, Chosen::Runs(&ids))?;
        refuse_stored(source, Chosen::Runs(&ids))?;
        let mut change = statement(source, "dataset");
        change.push("DELETE FROM ").push_table("dataset").push(" WHERE run_id");
        change.in_integers(&ids);
        datasets = source.run("remove datasets", &change)?;
    }
    delete(source, &ids)?;
    Ok(RemovedCollections { collections: ids.len() as u64, datasets, parents })
}

/// Removes collections that are not RUNs; datasets stay.
pub(super) fn remove_collections(
    source: &impl WriteSource,
    names: &[String],
    unlink: bool,
) -> Result<RemovedCollections, RegistryError> {
    let catalog = read_collections(source)?;
    let removed = named(&catalog, names)?;
    if let Some(&run) = removed.iter().find(|&&ix| catalog.get(ix).kind == CollectionKind::Run) {
        return Err(RegistryError::WrongCollectionKind {
            name: catalog.get(run).name.clone(),
            found: CollectionKind::Run,
            action: "removing it while its datasets stay",
            needed: "TAGGED, CHAINED or CALIBRATION",
        });
    }
    let ids: Vec<i64> = removed.iter().map(|&ix| catalog.get(ix).id).collect();
    let parents = parents_of(&catalog, &removed, unlink)?;
    delete(source, &ids)?;
    Ok(RemovedCollections { collections: ids.len() as u64, datasets: 0, parents })
}

/// Those of the collections that exist, each once.
fn named(
    catalog: &CollectionCatalog,
    names: &[String],
) -> Result<Vec<CollectionIx>, RegistryError> {
    let mut found: Vec<CollectionIx> = names.iter().filter_map(|name| catalog.find(name)).collect();
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Chains that stay and hold some of the collections, with what they lose.
fn parents_of(
    catalog: &CollectionCatalog,
    removed: &[CollectionIx],
    unlink: bool,
) -> Result<Vec<(String, String)>, RegistryError> {
    let gone: FxHashSet<CollectionIx> = removed.iter().copied().collect();
    let mut links = Vec::new();
    for (ix, chain) in catalog.iter().filter(|(ix, _)| !gone.contains(ix)) {
        for child in chain.children.iter().filter(|child| gone.contains(child)) {
            if !unlink {
                return Err(RegistryError::InUse {
                    what: format!("collection `{}`", catalog.get(*child).name),
                    by: format!("it is in the chain `{}`", catalog.get(ix).name),
                });
            }
            links.push((catalog.get(*child).name.clone(), chain.name.clone()));
        }
    }
    links.sort_unstable();
    links.dedup();
    Ok(links)
}

/// Deletes collections and their links in chains. Memberships go with them.
fn delete(source: &impl WriteSource, ids: &[i64]) -> Result<(), RegistryError> {
    if ids.is_empty() {
        return Ok(());
    }
    for (table, column) in [
        ("collection_chain", "parent"),
        ("collection_chain", "child"),
        ("collection", "collection_id"),
    ] {
        let mut change = statement(source, table);
        change.push("DELETE FROM ").push_table(table).push(&format!(" WHERE {column}"));
        change.in_integers(ids);
        source.run("remove collections", &change)?;
    }
    Ok(())
}
