//! Registering collections and editing chains.

use super::transaction::SqliteTransaction;
use crate::collection::{Collection, CollectionCatalog, CollectionIx, CollectionKind};
use crate::error::{Conflict, ConflictKind, RegistryError};
use crate::reading::read_collections;
use crate::writer::NewCollection;

/// Positions in chains are two bytes wide, in databases that care.
const FIRST_POSITION: i64 = i16::MIN as i64;
const LAST_POSITION: i64 = i16::MAX as i64;

impl SqliteTransaction<'_> {
    pub(super) fn write_collections(
        &self,
        collections: &[NewCollection],
    ) -> Result<u64, RegistryError> {
        let before = self.catalog()?;
        let mut new: Vec<&NewCollection> = Vec::new();
        for wanted in collections {
            self.check_new_collection(wanted)?;
            let known = before.find(&wanted.name).map(|ix| before.get(ix).kind);
            let known = known.or_else(|| {
                new.iter().find(|other| other.name == wanted.name).map(|other| other.kind)
            });
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
                None => {
                    self.write_collection(wanted)?;
                    new.push(wanted);
                }
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

    pub(super) fn write_chain_front(
        &self,
        chain: &str,
        children: &[String],
    ) -> Result<(), RegistryError> {
        let catalog = self.catalog()?;
        let parent_ix = catalog.require(chain)?;
        let parent = chained(&catalog, parent_ix)?;
        let front = children_of(&catalog, children)?;
        // A chain that begins so already is left alone, or positions would wander at each call.
        if parent.children.starts_with(&front) {
            return Ok(());
        }
        for &child in &front {
            if catalog.closure(&[child])?.contains(&parent_ix) {
                let names = [chain, &catalog.get(child).name, chain].map(str::to_owned).to_vec();
                return Err(RegistryError::CollectionCycle { names });
            }
        }
        let action = "edit a chain of collections";
        let front_ids = ids_of(&catalog, &front);
        for child in &front_ids {
            self.execute(
                action,
                "DELETE FROM collection_chain WHERE parent = ? AND child = ?",
                (parent.id, child),
            )?;
        }
        let first: Option<i64> = self
            .connection()
            .query_row(
                "SELECT min(position) FROM collection_chain WHERE parent = ?",
                [parent.id],
                |row| row.get(0),
            )
            .map_err(|error| self.database.failure(action, error))?;
        let begin = first.unwrap_or(0) - front.len() as i64;
        if begin >= FIRST_POSITION {
            return self.write_links(parent.id, begin, &front_ids);
        }
        // No room in front: all positions are given anew.
        self.execute(action, "DELETE FROM collection_chain WHERE parent = ?", [parent.id])?;
        let rest = parent.children.iter().filter(|child| !front.contains(child));
        let all: Vec<CollectionIx> = front.iter().chain(rest).copied().collect();
        self.write_links(parent.id, 0, &ids_of(&catalog, &all))
    }

    fn catalog(&self) -> Result<CollectionCatalog, RegistryError> {
        read_collections(&self.rows())
    }

    fn check_new_collection(&self, wanted: &NewCollection) -> Result<(), RegistryError> {
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

    fn write_collection(&self, wanted: &NewCollection) -> Result<(), RegistryError> {
        let action = "register a collection";
        self.execute(
            action,
            "INSERT INTO collection (name, type, doc) VALUES (?, ?, ?)",
            (&wanted.name, wanted.kind as i64, &wanted.doc),
        )?;
        if wanted.kind == CollectionKind::Run {
            let id = self.connection().last_insert_rowid();
            self.execute(action, "INSERT INTO run (collection_id) VALUES (?)", [id])?;
        }
        Ok(())
    }

    /// Gives children of a chain consecutive positions.
    fn write_links(&self, parent: i64, first: i64, children: &[i64]) -> Result<(), RegistryError> {
        if children.len() as i64 > LAST_POSITION - first {
            return Err(RegistryError::Invalid {
                what: "chain of collections".to_owned(),
                reason: format!("{} children are too many", children.len()),
            });
        }
        for (position, child) in (first..).zip(children) {
            self.execute(
                "link collections",
                "INSERT INTO collection_chain (parent, position, child) VALUES (?, ?, ?)",
                (parent, position, child),
            )?;
        }
        Ok(())
    }
}

/// The collection, which must be CHAINED.
fn chained(catalog: &CollectionCatalog, ix: CollectionIx) -> Result<&Collection, RegistryError> {
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
fn children_of(
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

fn ids_of(catalog: &CollectionCatalog, collections: &[CollectionIx]) -> Vec<i64> {
    collections.iter().map(|&ix| catalog.get(ix).id).collect()
}
