//! Datasets of a repository that are to come into another one.

use std::sync::Arc;

use qbb_dimensions::{Symbols, Timespan, Universe};
use qbb_query::engine::SearchedCollections;
use qbb_query::{DatasetQuery, DatasetTable, datasets};
use qbb_registry::{CollectionIx, CollectionKind, NewCollection, Snapshot, is_glob};
use qbb_transfer::{DatasetColumns, Definitions, MemberColumns};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::record_closure::{add_populated, complete};
use crate::selection_error::SelectionError;

/// How much of a repository's structure comes with datasets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structure {
    /// The RUNs that own them.
    Runs,
    /// Also the TAGGED and CALIBRATION collections in which they were found, with all validity
    /// ranges, and the chains that were searched, nested and in order.
    Collections,
}

/// Chosen datasets, without their files.
pub(crate) struct Choice {
    /// What they refer to.
    pub(crate) definitions: Definitions<'static>,
    /// Those of one type in one RUN, of which there may be many.
    pub(crate) groups: Vec<DatasetColumns>,
    /// Their memberships.
    pub(crate) members: Vec<MemberColumns>,
    /// Text of all cells.
    pub(crate) symbols: Symbols,
    /// Whether a limit left some out.
    pub(crate) more: bool,
}

impl Choice {
    /// Asks for datasets, and for what they refer to.
    pub(crate) fn read(
        universe: &Arc<Universe>,
        snapshot: &mut dyn Snapshot,
        query: &DatasetQuery,
        structure: Structure,
    ) -> Result<Self, SelectionError> {
        let mut query = query.clone();
        query.selection.with_records = true;
        let mut chosen: Option<FxHashSet<[u8; 16]>> = None;
        let mut more = false;
        if structure == Structure::Collections && !query.find_first {
            if query.selection.limit.is_some() {
                // The limit is one of datasets, not of memberships.
                let limited = datasets(universe, snapshot, &query)?;
                more = limited.more;
                let ids = limited.tables.iter().flat_map(|table| table.id.iter().copied());
                chosen = Some(ids.collect());
                query.selection.limit = None;
            }
            query.every_membership = true;
        }
        let found = datasets(universe, snapshot, &query)?;
        let mut structured = Structured {
            collections: &found.collections,
            structure,
            used: vec![false; found.collections.catalog.collections.len()],
            groups: Vec::new(),
            members: Vec::new(),
        };
        let mut dataset_types = Vec::new();
        for table in &found.tables {
            if structured.take(table, chosen.as_ref()) {
                dataset_types.push(table.dataset_type.dataset_type.clone());
            }
        }
        let collections = structured.definitions(&query.collections)?;
        let (groups, members) = (structured.groups, structured.members);
        let (mut records, mut symbols) = (found.records, found.symbols);
        records.retain(|table| universe.element(table.element).has_table());
        records.sort_by_key(|table| table.element);
        add_populated(snapshot, universe, &mut records, &mut symbols)?;
        complete(snapshot, universe, &mut records, &mut symbols)?;
        let definitions = Definitions { records: records.into(), dataset_types, collections };
        Ok(Self { definitions, groups, members, symbols, more: more || found.more })
    }

    /// Number of datasets.
    pub(crate) fn len(&self) -> u64 {
        self.groups.iter().map(|group| group.len() as u64).sum()
    }
}

/// Rows of a query, by where they go.
struct Structured<'a> {
    collections: &'a SearchedCollections,
    structure: Structure,
    /// Collections that hold chosen datasets.
    used: Vec<bool>,
    groups: Vec<DatasetColumns>,
    members: Vec<MemberColumns>,
}

impl Structured<'_> {
    /// Takes the datasets of one type; says whether there are any.
    fn take(&mut self, table: &DatasetTable, chosen: Option<&FxHashSet<[u8; 16]>>) -> bool {
        let name = &table.dataset_type.dataset_type.name;
        let required = table.dataset_type.dataset_type.dimensions.required().len();
        let catalog = &self.collections.catalog;
        let mut seen: FxHashSet<[u8; 16]> = FxHashSet::default();
        let mut group_of: FxHashMap<CollectionIx, usize> = FxHashMap::default();
        let mut members_of: FxHashMap<u32, usize> = FxHashMap::default();
        for row in 0..table.len() {
            let id = table.id[row];
            if chosen.is_some_and(|chosen| !chosen.contains(&id)) {
                continue;
            }
            let cells = || table.data_ids.row(row as u32).take(required);
            let run = table.run[row];
            if seen.insert(id) {
                self.used[run.index()] = true;
                let at = *group_of.entry(run).or_insert_with(|| {
                    let run = &catalog.get(run).name;
                    self.groups.push(DatasetColumns::new(name, run, required));
                    self.groups.len() - 1
                });
                self.groups[at].push(id, cells());
            }
            let rank = table.rank[row];
            let Some(&found_in) = self.collections.flat.get(rank as usize) else { continue };
            let collection = catalog.get(found_in);
            let timespan: Option<Timespan> = match collection.kind {
                CollectionKind::Tagged => None,
                CollectionKind::Calibration => table.validity[row],
                CollectionKind::Run | CollectionKind::Chained => continue,
            };
            if self.structure == Structure::Runs {
                continue;
            }
            self.used[found_in.index()] = true;
            let at = *members_of.entry(rank).or_insert_with(|| {
                self.members.push(MemberColumns::new(name, &collection.name, required));
                self.members.len() - 1
            });
            self.members[at].push(id, cells(), timespan);
        }
        !seen.is_empty()
    }

    /// The collections to register: those that hold datasets; chains that were named, with all that
    /// is in them, so that more may come into them later; and chains that a glob has matched, if
    /// they are of use.
    fn definitions(
        &mut self,
        expressions: &[String],
    ) -> Result<Vec<NewCollection>, SelectionError> {
        let catalog = &self.collections.catalog;
        if self.structure == Structure::Collections {
            let named: Vec<CollectionIx> = expressions
                .iter()
                .flat_map(|text| text.split(','))
                .filter_map(|name| catalog.find(name.trim()))
                .filter(|&ix| catalog.get(ix).kind == CollectionKind::Chained)
                .collect();
            for ix in catalog.closure(&named)? {
                self.used[ix.index()] = true;
            }
            let globs = expressions.iter().any(|text| text.split(',').any(is_glob));
            let chains = self
                .collections
                .named
                .iter()
                .copied()
                .filter(|&ix| globs && catalog.get(ix).kind == CollectionKind::Chained);
            for chain in chains {
                let inside = catalog.closure(&[chain])?;
                if inside.iter().any(|&ix| self.used[ix.index()]) {
                    inside.iter().for_each(|&ix| self.used[ix.index()] = true);
                }
            }
        }
        let used = catalog.iter().filter(|(ix, _)| self.used[ix.index()]);
        Ok(used
            .map(|(_, collection)| NewCollection {
                name: collection.name.clone(),
                kind: collection.kind,
                doc: collection.doc.clone(),
                children: (collection.children.iter())
                    .map(|&child| catalog.get(child).name.clone())
                    .collect(),
            })
            .collect())
    }
}
