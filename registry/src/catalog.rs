//! Looking up collections and walking the chains between them.

use qbb_dimensions::nearest_name;

use crate::collection::{Collection, CollectionCatalog, CollectionIx, CollectionKind};
use crate::error::RegistryError;
use crate::glob::{Glob, is_glob};

/// How far a walk has come with a chain.
#[derive(Clone, Copy, PartialEq)]
enum Visit {
    Unseen,
    /// Its children are being visited.
    Open,
    Done,
}

impl CollectionCatalog {
    /// The collection at a position; panics if there is none, as indexing does.
    pub fn get(&self, collection: CollectionIx) -> &Collection {
        &self.collections[collection.index()]
    }

    /// All positions with their collections, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (CollectionIx, &Collection)> {
        self.collections.iter().enumerate().map(|(at, c)| (CollectionIx(at as u32), c))
    }

    /// The collection of that name.
    pub fn find(&self, name: &str) -> Option<CollectionIx> {
        let at = self.collections.binary_search_by(|c| c.name.as_str().cmp(name)).ok()?;
        Some(CollectionIx(at as u32))
    }

    /// The collection of that name.
    ///
    /// # Errors
    /// If there is none; the error carries the nearest name.
    pub fn require(&self, name: &str) -> Result<CollectionIx, RegistryError> {
        self.find(name).ok_or_else(|| {
            let names = self.collections.iter().map(|c| c.name.as_str());
            RegistryError::UnknownCollection {
                name: name.to_owned(),
                similar: nearest_name(name, names).map(str::to_owned),
            }
        })
    }

    /// The collections that names and shell globs mean, in the order given; matches of a glob come
    /// by name, and each collection once. Chains are not followed.
    ///
    /// # Errors
    /// If a name without wildcards does not exist. A glob may match nothing.
    pub fn resolve<S: AsRef<str>>(
        &self,
        expressions: &[S],
    ) -> Result<Vec<CollectionIx>, RegistryError> {
        let mut taken = vec![false; self.collections.len()];
        let mut found = Vec::new();
        let mut take = |ix: CollectionIx| {
            if !std::mem::replace(&mut taken[ix.index()], true) {
                found.push(ix);
            }
        };
        for expression in expressions {
            let expression = expression.as_ref();
            // A collection may have any name, even one that looks like a pattern.
            if let Some(ix) = self.find(expression) {
                take(ix);
            } else if is_glob(expression) {
                let glob = Glob::new(expression);
                self.iter().filter(|(_, c)| glob.matches(&c.name)).for_each(|(ix, _)| take(ix));
            } else {
                self.require(expression).map(&mut take)?;
            }
        }
        Ok(found)
    }

    /// Collections in the order in which the middleware lists them: those that shell globs match,
    /// chains last and otherwise as the database numbers them, then those that names mean. If
    /// flattened, chains are replaced by their children.
    ///
    /// # Errors
    /// As for [`CollectionCatalog::resolve`], and if a chain contains itself.
    pub fn listing<S: AsRef<str>>(
        &self,
        expressions: &[S],
        flatten: bool,
    ) -> Result<Vec<CollectionIx>, RegistryError> {
        let (globs, names): (Vec<&str>, Vec<&str>) = (expressions.iter().map(AsRef::as_ref))
            .partition(|text| is_glob(text) && self.find(text).is_none());
        let mut order = self.resolve(&globs)?;
        let is_chain = |ix: &CollectionIx| self.get(*ix).kind == CollectionKind::Chained;
        order.sort_by_key(|ix| (is_chain(ix), self.get(*ix).id));
        let mut rest = self.resolve(&names)?;
        if flatten {
            rest.extend(order.iter().copied().filter(is_chain));
            order.retain(|ix| !is_chain(ix));
            rest = self.flatten(&rest)?;
        }
        order.extend(rest);
        let mut taken = vec![false; self.collections.len()];
        order.retain(|ix| !std::mem::replace(&mut taken[ix.index()], true));
        Ok(order)
    }

    /// The order in which collections are searched: chains are replaced by their children, depth
    /// first, and of repeated collections the first one stays.
    ///
    /// # Errors
    /// If a chain contains itself.
    pub fn flatten(
        &self,
        collections: &[CollectionIx],
    ) -> Result<Vec<CollectionIx>, RegistryError> {
        let mut order = self.closure(collections)?;
        order.retain(|&ix| self.get(ix).kind != CollectionKind::Chained);
        Ok(order)
    }

    /// Like [`CollectionCatalog::flatten`], but chains stay, each before its children.
    ///
    /// # Errors
    /// If a chain contains itself.
    pub fn closure(
        &self,
        collections: &[CollectionIx],
    ) -> Result<Vec<CollectionIx>, RegistryError> {
        let mut visits = vec![Visit::Unseen; self.collections.len()];
        let mut order = Vec::new();
        // Open chains, each with the number of children visited.
        let mut path: Vec<(CollectionIx, usize)> = Vec::new();
        for &start in collections {
            let mut next = Some(start);
            loop {
                if let Some(ix) = next.take() {
                    match visits[ix.index()] {
                        Visit::Done => {}
                        Visit::Open => return Err(self.cycle(&path, ix)),
                        Visit::Unseen => {
                            visits[ix.index()] = Visit::Open;
                            order.push(ix);
                            path.push((ix, 0));
                        }
                    }
                }
                let Some((open, visited)) = path.last_mut() else { break };
                match self.get(*open).children.get(*visited) {
                    Some(&child) => {
                        *visited += 1;
                        next = Some(child);
                    }
                    None => {
                        visits[open.index()] = Visit::Done;
                        path.pop();
                    }
                }
            }
        }
        Ok(order)
    }

    fn cycle(&self, path: &[(CollectionIx, usize)], repeated: CollectionIx) -> RegistryError {
        let inside = path.iter().map(|&(ix, _)| ix).skip_while(|&ix| ix != repeated);
        let names = inside.chain([repeated]).map(|ix| self.get(ix).name.clone()).collect();
        RegistryError::CollectionCycle { names }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(chains: &[(&str, &[&str])]) -> CollectionCatalog {
        let mut names: Vec<&str> = chains
            .iter()
            .flat_map(|(name, children)| [*name].into_iter().chain(children.iter().copied()))
            .collect();
        names.sort_unstable();
        names.dedup();
        let at = |name: &str| CollectionIx(names.binary_search(&name).unwrap() as u32);
        let collections = (names.iter().zip(1..))
            .map(|(&name, id)| {
                let chain = chains.iter().find(|(chain, _)| *chain == name);
                Collection {
                    id,
                    name: name.to_owned(),
                    kind: if chain.is_some() {
                        CollectionKind::Chained
                    } else {
                        CollectionKind::Run
                    },
                    doc: None,
                    children: chain
                        .map_or(&[][..], |(_, children)| children)
                        .iter()
                        .map(|c| at(c))
                        .collect(),
                }
            })
            .collect();
        CollectionCatalog { collections }
    }

    fn names(catalog: &CollectionCatalog, found: &[CollectionIx]) -> Vec<String> {
        found.iter().map(|&ix| catalog.get(ix).name.clone()).collect()
    }

    #[test]
    fn chains_flatten_depth_first_keeping_first_occurrences() {
        let catalog = catalog(&[("c1", &["a2", "a1"]), ("c2", &["a3", "c1", "a2", "a1"])]);
        let c2 = catalog.require("c2").unwrap();
        assert_eq!(names(&catalog, &catalog.flatten(&[c2]).unwrap()), ["a3", "a2", "a1"]);
        assert_eq!(
            names(&catalog, &catalog.closure(&[c2]).unwrap()),
            ["c2", "a3", "c1", "a2", "a1"]
        );
        let a1 = catalog.find("a1").unwrap();
        assert_eq!(names(&catalog, &catalog.flatten(&[a1, c2]).unwrap()), ["a1", "a3", "a2"]);
    }

    #[test]
    fn a_cycle_is_an_error_that_names_it_and_a_repeated_chain_is_not() {
        let twice = catalog(&[("b", &["x"]), ("a", &["b", "b", "y"])]);
        let flat = twice.flatten(&[twice.find("a").unwrap()]).unwrap();
        assert_eq!(names(&twice, &flat), ["x", "y"]);

        let cyclic = catalog(&[("top", &["a"]), ("a", &["x", "b"]), ("b", &["a"])]);
        match cyclic.flatten(&[cyclic.find("top").unwrap()]).unwrap_err() {
            RegistryError::CollectionCycle { names } => assert_eq!(names, ["a", "b", "a"]),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn names_and_globs_are_resolved_in_order() {
        let catalog = catalog(&[("u/a", &["u/r1", "u/r2", "v[1]", "v1"])]);
        let resolve =
            |expressions: &[&str]| names(&catalog, &catalog.resolve(expressions).unwrap());
        assert_eq!(resolve(&["u/r2", "u/*"]), ["u/r2", "u/a", "u/r1"]);
        assert_eq!(resolve(&["v[1]"]), ["v[1]"], "the collection of that very name");
        assert_eq!(resolve(&["v[1-9]"]), ["v1"]);
        assert!(resolve(&["w*"]).is_empty());
        let message = catalog.resolve(&["u/r3"]).unwrap_err().to_string();
        assert_eq!(message, "unknown collection `u/r3` (did you mean `u/r1`?)");
    }
}
