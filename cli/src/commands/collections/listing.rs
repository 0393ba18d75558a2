//! What a listing of collections is made of, however it is printed.

use qbb_datastore::RepositoryConfig;
use qbb_registry::{Collection, CollectionCatalog, CollectionIx, CollectionKind, Glob};

use crate::arguments::{ChainView, CollectionListingArguments};
use crate::commands::build::list;
use crate::commands::query::all_unless_named;
use crate::output::Failure;

/// A collection at its place in a listing.
#[derive(Debug, Clone, Copy)]
pub struct Listed {
    /// Which.
    pub collection: CollectionIx,
    /// How deep it stands in a tree.
    pub level: usize,
}

/// Collections in the order in which the middleware lists them.
pub struct CollectionListing {
    catalog: CollectionCatalog,
    /// The list.
    pub listed: Vec<Listed>,
    /// Chains that hold each collection, by name; only where they are shown.
    parents: Option<Vec<Vec<CollectionIx>>>,
    /// Of each collection, where they are shown.
    dataset_types: Option<Vec<Vec<String>>>,
}

impl CollectionListing {
    /// Reads what is to be listed.
    ///
    /// # Errors
    /// If the repository cannot be read, a collection is unknown or a chain contains itself.
    pub fn read(arguments: &CollectionListingArguments) -> Result<Self, Failure> {
        let config = RepositoryConfig::open(&arguments.repository)?;
        let mut reader = qbb_registry::open_reader(&config)?;
        let mut snapshot = reader.snapshot()?;
        let catalog = snapshot.collections()?;
        let dataset_types = match arguments.show_dataset_types {
            true => {
                let all: Vec<CollectionIx> = catalog.iter().map(|(ix, _)| ix).collect();
                let mut held = snapshot.summaries(&catalog, &all)?;
                let excluded: Vec<Glob> = (list(&arguments.exclude_dataset_types).iter())
                    .map(|pattern| Glob::new(pattern))
                    .collect();
                for names in &mut held {
                    names.retain(|name| !excluded.iter().any(|glob| glob.matches(name)));
                }
                Some(held)
            }
            false => None,
        };
        let parents = arguments.chains.is_inverse().then(|| parents(&catalog));
        let chosen = chosen(&catalog, arguments)?;
        let mut listing = Self { catalog, listed: Vec::new(), parents, dataset_types };
        for collection in chosen {
            match arguments.chains.is_tree() {
                true => listing.add_branch(collection, 0),
                false => listing.listed.push(Listed { collection, level: 0 }),
            }
        }
        Ok(listing)
    }

    /// A collection.
    pub fn get(&self, ix: CollectionIx) -> &Collection {
        self.catalog.get(ix)
    }

    /// Names of collections.
    pub fn names(&self, collections: &[CollectionIx]) -> Vec<String> {
        collections.iter().map(|&ix| self.get(ix).name.clone()).collect()
    }

    /// Chains that hold a collection, by name; nothing if they are not shown.
    pub fn parents(&self, ix: CollectionIx) -> Option<&[CollectionIx]> {
        self.parents.as_ref().map(|parents| parents[ix.index()].as_slice())
    }

    /// What is shown beside or below a collection: the chains that hold it, or its children.
    pub fn relatives(&self, ix: CollectionIx) -> &[CollectionIx] {
        self.parents(ix).unwrap_or(&self.get(ix).children)
    }

    /// Dataset types that a collection may hold, if they are shown.
    pub fn dataset_types(&self, ix: CollectionIx) -> Option<&[String]> {
        self.dataset_types.as_ref().map(|types| types[ix.index()].as_slice())
    }

    /// A collection with everything below it, or above it.
    fn add_branch(&mut self, collection: CollectionIx, level: usize) {
        self.listed.push(Listed { collection, level });
        for relative in self.relatives(collection).to_vec() {
            self.add_branch(relative, level + 1);
        }
    }
}

/// Collections of the wanted names and types.
fn chosen(
    catalog: &CollectionCatalog,
    arguments: &CollectionListingArguments,
) -> Result<Vec<CollectionIx>, Failure> {
    let names = all_unless_named(&arguments.collections);
    let mut chosen = match arguments.chains {
        ChainView::Flatten | ChainView::NoChildren => {
            catalog.listing(&names, arguments.chains == ChainView::Flatten)?
        }
        _ => {
            let mut chosen = catalog.resolve(&names)?;
            chosen.sort_unstable();
            chosen
        }
    };
    if arguments.chains.is_tree() {
        // Chains without end, which the schema allows, are refused before anything walks along them.
        catalog.closure(&chosen)?;
    }
    let kinds: Vec<CollectionKind> =
        arguments.collection_type.iter().map(|&kind| kind.into()).collect();
    chosen.retain(|&ix| kinds.is_empty() || kinds.contains(&catalog.get(ix).kind));
    Ok(chosen)
}

/// The chains that hold each collection, by name.
fn parents(catalog: &CollectionCatalog) -> Vec<Vec<CollectionIx>> {
    let mut parents = vec![Vec::new(); catalog.collections.len()];
    for (ix, collection) in catalog.iter() {
        for child in &collection.children {
            if !parents[child.index()].contains(&ix) {
                parents[child.index()].push(ix);
            }
        }
    }
    parents
}
