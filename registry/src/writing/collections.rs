//! Registering collections and editing chains.

use rustc_hash::{FxHashMap, FxHashSet};

use super::source::{WriteSource, statement};
use super::transaction::TableTransaction;
use crate::changes::NewCollection;
use crate::collection::{Collection, CollectionCatalog, CollectionIx, CollectionKind};
use crate::error::{Conflict, ConflictKind, RegistryError};
use crate::reading::{ResultRow as _, read_collections};

/// Positions in chains are two bytes wide, in databases that care.
const LAST_POSITION: i64 = i16::MAX as i64;

/// Most rows that one statement inserts; databases limit the number of values.
const ROWS_AT_ONCE: usize = 1_000;

impl<S: WriteSource> TableTransaction<'_, S> {
    pub(super) fn write_collections(
        &self,
        collections: &[NewCollection],
    ) -> Result<u64, RegistryError> {
        let before = self.catalog()?;
        let (mut new, mut kinds) = (Vec::new(), FxHashMap::default());
        for wanted in collections {
            check_new_collection(wanted)?;
            let known = before.find(&wanted.name).map(|ix| before.get(ix).kind);
            match known.or_else(|| kinds.get(wanted.name.as_str()).copied()) {
                Some(kind) => check_kind(wanted, kind)?,
                None => {
                    kinds.insert(wanted.name.as_str(), wanted.kind);
                    new.push(wanted);
                }
            }
        }
        let inserted = self.insert_collections(&new)?;
        for wanted in new.iter().filter(|wanted| !inserted.contains(&wanted.name)) {
            // Somebody else has registered it meanwhile.
            check_kind(wanted, self.collection(&wanted.name)?.1)?;
        }
        new.retain(|wanted| inserted.contains(&wanted.name));
        if new.iter().any(|collection| !collection.children.is_empty()) {
            let after = self.catalog()?;
            for chain in &new {
                let children = children_of(&after, &chain.children)?;
                let parent = after.get(after.require(&chain.name)?).id;
                self.write_links(parent, 0, &ids_of(&after, &children))?;
            }
            let linked = self.catalog()?;
            for chain in &new {
                linked.closure(&[linked.require(&chain.name)?])?;
            }
        }
        Ok(new.len() as u64)
    }

    pub(super) fn read_chain(&self, chain: &str) -> Result<Option<Vec<String>>, RegistryError> {
        let catalog = self.catalog()?;
        let Some(ix) = catalog.find(chain) else { return Ok(None) };
        let children = &chained(&catalog, ix)?.children;
        Ok(Some(children.iter().map(|&child| catalog.get(child).name.clone()).collect()))
    }

    /// All collections and chains, as of now.
    pub(super) fn catalog(&self) -> Result<CollectionCatalog, RegistryError> {
        read_collections(&self.source)
    }

    /// All collections, while nobody else edits a chain.
    pub(super) fn locked_chain(&self, chain: &str) -> Result<CollectionCatalog, RegistryError> {
        let before = self.catalog()?;
        self.source.lock_collection(chained(&before, before.require(chain)?)?.id)?;
        self.catalog()
    }

    /// Inserts rows of collections; returns the names of those that were not there.
    fn insert_collections(
        &self,
        collections: &[&NewCollection],
    ) -> Result<FxHashSet<String>, RegistryError> {
        let mut names = FxHashSet::default();
        let key = self.source.dialect().next_key("collection", "collection_id");
        for collections in collections.chunks(ROWS_AT_ONCE) {
            let mut insertion = statement(&self.source, "collection");
            insertion.columns = ["collection_id", "name", "type"].map(str::to_owned).into();
            insertion.push("INSERT INTO ").push_table("collection");
            insertion.push(" (collection_id, name, type, doc) VALUES ");
            for (i, wanted) in collections.iter().enumerate() {
                insertion.push(if i == 0 { "(" } else { ", (" }).push(&key);
                insertion.push(", ").bind(wanted.name.clone()).push(", ").bind(wanted.kind as i64);
                insertion.push(", ").bind(wanted.doc.clone()).push(")");
            }
            insertion.push(" ON CONFLICT DO NOTHING RETURNING collection_id, name, type");
            let mut runs = Vec::new();
            self.source.each(&insertion, |row| {
                if row.int(2)? == CollectionKind::Run as i64 {
                    runs.push(row.int(0)?);
                }
                names.insert(row.text(1)?.to_owned());
                Ok(())
            })?;
            if runs.is_empty() {
                continue;
            }
            let mut insertion = statement(&self.source, "run");
            insertion.push("INSERT INTO ").push_table("run").push(" (collection_id) VALUES ");
            for (i, &run) in runs.iter().enumerate() {
                insertion.push(if i == 0 { "(" } else { ", (" }).bind(run).push(")");
            }
            self.source.run("register collections", &insertion)?;
        }
        Ok(names)
    }

    /// Gives children of a chain consecutive positions, from `first` on.
    pub(super) fn write_links(
        &self,
        parent: i64,
        first: i64,
        children: &[i64],
    ) -> Result<(), RegistryError> {
        if children.len() as i64 > LAST_POSITION - first {
            return Err(RegistryError::Invalid {
                what: "chain of collections".to_owned(),
                reason: format!("{} children are too many", children.len()),
            });
        }
        let mut position = first;
        for children in children.chunks(ROWS_AT_ONCE) {
            let mut insertion = statement(&self.source, "collection_chain");
            insertion.push("INSERT INTO ").push_table("collection_chain");
            insertion.push(" (parent, position, child) VALUES ");
            for (i, &child) in children.iter().enumerate() {
                insertion.push(if i == 0 { "(" } else { ", (" }).bind(parent);
                insertion.push(", ").bind(position).push(", ").bind(child).push(")");
                position += 1;
            }
            self.source.run("link collections", &insertion)?;
        }
        Ok(())
    }

    /// Takes all children out of a chain.
    pub(super) fn delete_links(&self, parent: i64) -> Result<(), RegistryError> {
        let mut deletion = statement(&self.source, "collection_chain");
        deletion.push("DELETE FROM ").push_table("collection_chain");
        deletion.push(" WHERE parent = ").bind(parent);
        self.source.run("edit a chain of collections", &deletion).map(drop)
    }
}

fn check_new_collection(wanted: &NewCollection) -> Result<(), RegistryError> {
    let invalid = |reason: &str| RegistryError::Invalid {
        what: format!("collection `{}`", wanted.name),
        reason: reason.to_owned(),
    };
    if wanted.name.is_empty() {
        return Err(invalid("it has no name"));
    }
    if wanted.kind != CollectionKind::Chained && !wanted.children.is_empty() {
        return Err(invalid("only CHAINED collections have children"));
    }
    Ok(())
}

/// Checks that a collection that is there has the type that is wanted.
fn check_kind(wanted: &NewCollection, kind: CollectionKind) -> Result<(), RegistryError> {
    if kind == wanted.kind {
        return Ok(());
    }
    let conflict = Conflict {
        kind: ConflictKind::Collection,
        key: format!("`{}`", wanted.name),
        existing: kind.to_string(),
        requested: wanted.kind.to_string(),
    };
    Err(conflict.into())
}

/// The collection, which must be CHAINED.
pub(super) fn chained(
    catalog: &CollectionCatalog,
    ix: CollectionIx,
) -> Result<&Collection, RegistryError> {
    let collection = catalog.get(ix);
    if collection.kind == CollectionKind::Chained {
        return Ok(collection);
    }
    Err(RegistryError::WrongCollectionKind {
        name: collection.name.clone(),
        found: collection.kind,
        action: "treating it as a chain",
        needed: "CHAINED",
    })
}

/// Positions of named collections, each once.
pub(super) fn children_of(
    catalog: &CollectionCatalog,
    names: &[String],
) -> Result<Vec<CollectionIx>, RegistryError> {
    let mut children = Vec::with_capacity(names.len());
    for name in names {
        let child = catalog.require(name)?;
        if !children.contains(&child) {
            children.push(child);
        }
    }
    Ok(children)
}

pub(super) fn ids_of(catalog: &CollectionCatalog, collections: &[CollectionIx]) -> Vec<i64> {
    collections.iter().map(|&ix| catalog.get(ix).id).collect()
}
