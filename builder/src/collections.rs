//! The collections that the graph remembers.

use qbb_dimensions::Column;
use qbb_graph::{CollectionEntry, CollectionStructure};
use qbb_query::engine::SearchedCollections;
use qbb_registry::{CollectionIx, CollectionKind};

use crate::error::BuildError;

/// The structure that the graph remembers; `memberships` are datasets found in other
/// collections than their RUN, with search positions and validity ranges.
pub(crate) fn structure(
    collections: &SearchedCollections,
    mut memberships: Vec<(u32, u32, i64, i64)>,
) -> Result<CollectionStructure, BuildError> {
    // A chain comes before its children in a closure, so backwards children come first; a
    // collection reached through several chains counts where it is met first from the end.
    let mut order = Vec::new();
    let mut seen = vec![false; collections.catalog.collections.len()];
    for &named in &collections.named {
        visit(collections, named, &mut seen, &mut order);
    }
    let mut position = vec![u32::MAX; collections.catalog.collections.len()];
    for (at, &ix) in order.iter().enumerate() {
        position[ix.index()] = at as u32;
    }
    for membership in &mut memberships {
        membership.1 = position[collections.flat[membership.1 as usize].index()];
    }
    memberships.sort_unstable();
    memberships.dedup();
    Ok(CollectionStructure {
        inputs: collections
            .named
            .iter()
            .map(|&ix| collections.catalog.get(ix).name.clone())
            .collect(),
        collections: order.iter().map(|&ix| entry(collections, ix)).collect(),
        dataset: memberships.iter().map(|m| m.0).collect::<Column<u32>>(),
        collection: memberships.iter().map(|m| m.1).collect::<Column<u32>>(),
        begin: memberships.iter().map(|m| m.2).collect::<Column<i64>>(),
        end: memberships.iter().map(|m| m.3).collect::<Column<i64>>(),
    })
}

/// Children first; chains were checked for cycles when they were flattened.
fn visit(
    collections: &SearchedCollections,
    ix: CollectionIx,
    seen: &mut [bool],
    order: &mut Vec<CollectionIx>,
) {
    if std::mem::replace(&mut seen[ix.index()], true) {
        return;
    }
    for &child in &collections.catalog.get(ix).children {
        visit(collections, child, seen, order);
    }
    order.push(ix);
}

fn entry(collections: &SearchedCollections, ix: CollectionIx) -> CollectionEntry {
    let collection = collections.catalog.get(ix);
    CollectionEntry {
        name: collection.name.clone(),
        kind: match collection.kind {
            CollectionKind::Run => "RUN",
            CollectionKind::Tagged => "TAGGED",
            CollectionKind::Chained => "CHAINED",
            CollectionKind::Calibration => "CALIBRATION",
        }
        .to_owned(),
        doc: collection.doc.clone(),
        children: (collection.children.iter())
            .map(|&child| collections.catalog.get(child).name.clone())
            .collect(),
    }
}
