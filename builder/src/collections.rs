//! The collections that a build reads, and those that the graph remembers.

use qbb_dimensions::Column;
use qbb_graph::{CollectionEntry, CollectionStructure};
use qbb_registry::{CollectionCatalog, CollectionIx, CollectionKind};

use crate::error::BuildError;

/// The order in which the middleware searches collections: what globs match comes first, in the
/// order of registration, then the collections that are named, then the children of chains that
/// globs match.
fn search_order(
    catalog: &CollectionCatalog,
    expressions: &[&str],
) -> Result<Vec<CollectionIx>, BuildError> {
    let (named, globs): (Vec<&str>, Vec<&str>) =
        expressions.iter().partition(|name| catalog.find(name).is_some());
    let mut matched = catalog.resolve(&globs)?;
    matched.sort_by_key(|&ix| catalog.get(ix).id);
    let (chains, mut order): (Vec<CollectionIx>, Vec<CollectionIx>) =
        matched.into_iter().partition(|&ix| catalog.get(ix).kind == CollectionKind::Chained);
    order.extend(catalog.resolve(&named)?);
    order.extend(chains.iter().flat_map(|&ix| catalog.get(ix).children.iter().copied()));
    Ok(order)
}

/// The input collections of a build.
#[derive(Debug, Clone)]
pub(crate) struct InputCollections {
    /// All collections of the repository.
    pub(crate) catalog: CollectionCatalog,
    /// Collections as they were named, globs replaced by what they match.
    pub(crate) named: Vec<CollectionIx>,
    /// Collections in search order, without chains.
    pub(crate) flat: Vec<CollectionIx>,
}

impl InputCollections {
    /// Resolves names, globs and comma-separated lists.
    pub(crate) fn new(catalog: CollectionCatalog, inputs: &[String]) -> Result<Self, BuildError> {
        let expressions: Vec<&str> = (inputs.iter())
            .flat_map(|input| input.split(','))
            .map(str::trim)
            .filter(|input| !input.is_empty())
            .collect();
        let named = catalog.resolve(&expressions)?;
        let flat = catalog.flatten(&search_order(&catalog, &expressions)?)?;
        Ok(Self { catalog, named, flat })
    }

    /// Names in search order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.flat.iter().map(|&ix| self.catalog.get(ix).name.clone()).collect()
    }

    /// Collections as the user named them, for messages.
    pub(crate) fn describe(&self) -> String {
        let names: Vec<&str> =
            self.named.iter().map(|&ix| self.catalog.get(ix).name.as_str()).collect();
        names.join(", ")
    }

    /// Type of a searched collection, by its position in the search order.
    pub(crate) fn kind(&self, rank: u32) -> CollectionKind {
        self.flat.get(rank as usize).map_or(CollectionKind::Run, |&ix| self.catalog.get(ix).kind)
    }

    /// The structure that the graph remembers; `memberships` are datasets found in other
    /// collections than their RUN, with search positions and validity ranges.
    pub(crate) fn structure(
        &self,
        mut memberships: Vec<(u32, u32, i64, i64)>,
    ) -> Result<CollectionStructure, BuildError> {
        // A chain comes before its children in a closure, so backwards children come first; a
        // collection reached through several chains counts where it is met first from the end.
        let mut order = Vec::new();
        let mut seen = vec![false; self.catalog.collections.len()];
        for &named in &self.named {
            self.visit(named, &mut seen, &mut order);
        }
        let mut position = vec![u32::MAX; self.catalog.collections.len()];
        for (at, &ix) in order.iter().enumerate() {
            position[ix.index()] = at as u32;
        }
        for membership in &mut memberships {
            membership.1 = position[self.flat[membership.1 as usize].index()];
        }
        memberships.sort_unstable();
        memberships.dedup();
        Ok(CollectionStructure {
            inputs: self.named.iter().map(|&ix| self.catalog.get(ix).name.clone()).collect(),
            collections: order.iter().map(|&ix| self.entry(ix)).collect(),
            dataset: memberships.iter().map(|m| m.0).collect::<Column<u32>>(),
            collection: memberships.iter().map(|m| m.1).collect::<Column<u32>>(),
            begin: memberships.iter().map(|m| m.2).collect::<Column<i64>>(),
            end: memberships.iter().map(|m| m.3).collect::<Column<i64>>(),
        })
    }

    /// Children first; chains were checked for cycles when they were flattened.
    fn visit(&self, ix: CollectionIx, seen: &mut [bool], order: &mut Vec<CollectionIx>) {
        if std::mem::replace(&mut seen[ix.index()], true) {
            return;
        }
        for &child in &self.catalog.get(ix).children {
            self.visit(child, seen, order);
        }
        order.push(ix);
    }

    fn entry(&self, ix: CollectionIx) -> CollectionEntry {
        let collection = self.catalog.get(ix);
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
                .map(|&child| self.catalog.get(child).name.clone())
                .collect(),
        }
    }
}
