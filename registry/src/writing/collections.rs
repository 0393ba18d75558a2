//! Registering collections and editing chains.

use super::source::{WriteSource, statement};
use super::transaction::TableTransaction;
use crate::collection::{Collection, CollectionCatalog, CollectionIx, CollectionKind};
use crate::error::{Conflict, ConflictKind, RegistryError};
use crate::reading::{ResultRow as _, read_collections};
use crate::writer::NewCollection;

/// Positions in chains are two bytes wide, in databases that care.
const LAST_POSITION: i64 = i16::MAX as i64;

/// Most links that one statement inserts; databases limit the number of values.
const LINKS_AT_ONCE: usize = 1_000;

impl<S: WriteSource> TableTransaction<'_, S> {
    pub(super) fn write_collections(
        &self,
        collections: &[NewCollection],
    ) -> Result<u64, RegistryError> {
        let before = self.catalog()?;
        let mut new: Vec<&NewCollection> = Vec::new();
        for wanted in collections {
            check_new_collection(wanted)?;
            let known = before.find(&wanted.name).map(|ix| before.get(ix).kind);
            let known = known.or_else(|| {
                new.iter().find(|other| other.name == wanted.name).map(|other| other.kind)
            });
            let known = match known {
                Some(kind) => Some(kind),
                None if self.write_collection(wanted)? => None,
                // Somebody else has registered it meanwhile.
                None => Some(self.collection(&wanted.name)?.1),
            };
            match known {
                Some(kind) if kind == wanted.kind => {}
                Some(kind) => {
                    let conflict = Conflict {
                        kind: ConflictKind::Collection,
                        key: format!("`{}`", wanted.name),
                        existing: kind.to_string(),
                        requested: wanted.kind.to_string(),
                    };
                    return Err(conflict.into());
                }
                None => new.push(wanted),
            }
        }
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

    /// Inserts rows of a collection; `false` if there is one of that name.
    fn write_collection(&self, wanted: &NewCollection) -> Result<bool, RegistryError> {
        let mut insertion = statement(&self.source, "collection");
        insertion.columns = vec!["collection_id".to_owned()];
        insertion.push("INSERT INTO ").push_table("collection");
        insertion.push(" (collection_id, name, type, doc) VALUES (");
        insertion.push(&self.source.dialect().next_key("collection", "collection_id"));
        insertion.push(", ").bind(wanted.name.clone()).push(", ").bind(wanted.kind as i64);
        insertion.push(", ").bind(wanted.doc.clone());
        insertion.push(") ON CONFLICT DO NOTHING RETURNING collection_id");
        let mut id = None;
        self.source.each(&insertion, |row| {
            id = Some(row.int(0)?);
            Ok(())
        })?;
        let Some(id) = id else { return Ok(false) };
        if wanted.kind == CollectionKind::Run {
            let mut run = statement(&self.source, "run");
            run.push("INSERT INTO ").push_table("run");
            run.push(" (collection_id) VALUES (").bind(id).push(")");
            self.source.run("register a collection", &run)?;
        }
        Ok(true)
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
        for children in children.chunks(LINKS_AT_ONCE) {
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
