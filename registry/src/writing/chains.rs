//! Editing CHAINED collections.

use super::collections::{children_of, ids_of};
use super::source::WriteSource;
use super::transaction::TableTransaction;
use crate::changes::{ChainChange, ChainEdit};
use crate::collection::{Collection, CollectionCatalog, CollectionIx};
use crate::error::RegistryError;

impl<S: WriteSource> TableTransaction<'_, S> {
    /// Edits a chain. All positions are given anew, from 0, so that they never run out of their two
    /// bytes; a chain that would stay the same is left alone.
    pub(super) fn write_chain(
        &self,
        chain: &str,
        edit: &ChainEdit<'_>,
    ) -> Result<ChainChange, RegistryError> {
        let catalog = self.locked_chain(chain)?;
        let parent_ix = catalog.require(chain)?;
        let parent = catalog.get(parent_ix);
        let wanted = edited(&catalog, parent, edit)?;
        let names = |children: &[CollectionIx]| {
            children.iter().map(|&child| catalog.get(child).name.clone()).collect()
        };
        if wanted == parent.children {
            return Ok(ChainChange { children: names(&wanted), changed: false });
        }
        // What was in the chain before cannot close a cycle.
        for &child in wanted.iter().filter(|child| !parent.children.contains(child)) {
            if catalog.closure(&[child])?.contains(&parent_ix) {
                let names = [chain, &catalog.get(child).name, chain].map(str::to_owned).to_vec();
                return Err(RegistryError::CollectionCycle { names });
            }
        }
        self.delete_links(parent.id)?;
        self.write_links(parent.id, 0, &ids_of(&catalog, &wanted))?;
        Ok(ChainChange { children: names(&wanted), changed: true })
    }
}

/// The children that a chain is to have.
fn edited(
    catalog: &CollectionCatalog,
    parent: &Collection,
    edit: &ChainEdit<'_>,
) -> Result<Vec<CollectionIx>, RegistryError> {
    let present = &parent.children;
    let without = |moved: &[CollectionIx]| -> Vec<CollectionIx> {
        present.iter().copied().filter(|child| !moved.contains(child)).collect()
    };
    Ok(match *edit {
        ChainEdit::Redefine(names) => children_of(catalog, names)?,
        ChainEdit::Prepend(names) => {
            let front = children_of(catalog, names)?;
            let rest = without(&front);
            [front, rest].concat()
        }
        ChainEdit::Extend(names) => {
            let back = children_of(catalog, names)?;
            [without(&back), back].concat()
        }
        ChainEdit::Insert { at, children } => {
            let new = children_of(catalog, children)?;
            if at > present.len() {
                return Err(out_of_range(parent, at as i64));
            }
            // Those that move leave their places first; `at` counts what is there now.
            let (before, after) = present.split_at(at);
            let stays = |child: &CollectionIx| !new.contains(child);
            let before: Vec<CollectionIx> = before.iter().copied().filter(stays).collect();
            let after: Vec<CollectionIx> = after.iter().copied().filter(stays).collect();
            [before, new, after].concat()
        }
        ChainEdit::Remove(names) => without(&children_of(catalog, names)?),
        ChainEdit::Pop(positions) => {
            let mut popped = Vec::with_capacity(positions.len());
            for &position in positions {
                let length = present.len() as i64;
                let at = if position < 0 { position + length } else { position };
                let child = usize::try_from(at).ok().and_then(|at| present.get(at));
                popped.push(*child.ok_or_else(|| out_of_range(parent, position))?);
            }
            without(&popped)
        }
    })
}

fn out_of_range(parent: &Collection, position: i64) -> RegistryError {
    RegistryError::Invalid {
        what: format!("position {position} in `{}`", parent.name),
        reason: format!("it has {} children, counted from 0", parent.children.len()),
    }
}
