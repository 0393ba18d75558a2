//! The collections that a query searches.

use qbb_registry::{CollectionCatalog, CollectionIx, CollectionKind};

use crate::error::QueryError;

/// The order in which the middleware searches collections: what globs match comes first, in the
/// order of registration, then the collections that are named, then the children of chains that
/// globs match.
fn search_order(
    catalog: &CollectionCatalog,
    expressions: &[&str],
) -> Result<Vec<CollectionIx>, QueryError> {
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

/// Collections as they are searched.
#[derive(Debug, Clone)]
pub struct SearchedCollections {
    /// All collections of the repository.
    pub catalog: CollectionCatalog,
    /// Collections as they were named, globs replaced by what they match.
    pub named: Vec<CollectionIx>,
    /// Collections in search order, without chains.
    pub flat: Vec<CollectionIx>,
}

impl SearchedCollections {
    /// Resolves names, globs and comma-separated lists.
    ///
    /// # Errors
    /// If a collection is unknown or a chain contains itself.
    pub fn new(catalog: CollectionCatalog, inputs: &[String]) -> Result<Self, QueryError> {
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
    pub fn names(&self) -> Vec<String> {
        self.flat.iter().map(|&ix| self.catalog.get(ix).name.clone()).collect()
    }

    /// Collections as the user named them, for messages.
    pub fn describe(&self) -> String {
        let names: Vec<&str> =
            self.named.iter().map(|&ix| self.catalog.get(ix).name.as_str()).collect();
        names.join(", ")
    }

    /// Type of a searched collection, by its position in the search order.
    pub fn kind(&self, rank: u32) -> CollectionKind {
        self.flat.get(rank as usize).map_or(CollectionKind::Run, |&ix| self.catalog.get(ix).kind)
    }
}
