//! The natural join of many relations, kept factorised.
//!
//! The rows of the common data ID query are never all made: the full join of, say, exposures,
//! detectors and patches can be far larger than any group of dimensions that a task needs. The
//! relations are arranged in a tree such that everything two of them share is also shared along
//! the path between them (merging relations only where they are cyclic), and reduced by
//! semi-joins down and up the tree. Then each row of each relation takes part in some row of the
//! full join, and a projection needs only the relations that span it.

use qbb_dimensions::DimensionGroup;

use crate::engine::dictionary::Dictionary;
use crate::engine::relation::Relation;
use crate::error::QueryError;

/// A reduced join tree.
#[derive(Debug)]
pub struct JoinTree {
    bags: Vec<Relation>,
    /// For each bag but the root, a neighbour; bags come before their parents.
    parent: Vec<Option<usize>>,
}

impl JoinTree {
    /// Arranges and reduces relations.
    pub fn new(dictionary: &Dictionary, relations: Vec<Relation>) -> Result<Self, QueryError> {
        let mut pending = absorb(dictionary, relations);
        let mut bags: Vec<Relation> = Vec::new();
        let mut parent_group: Vec<Option<DimensionGroup>> = Vec::new();
        // An ear shares with the rest only what one other relation has too; relations are taken
        // off as ears until one is left.
        while pending.len() > 1 {
            if let Some((ear, group)) = find_ear(&pending) {
                bags.push(pending.swap_remove(ear));
                parent_group.push(Some(group));
                continue;
            }
            let (a, b) = closest(&pending);
            let merged = pending[a].join(dictionary, &pending[b])?;
            pending.swap_remove(b);
            pending.swap_remove(a);
            pending.push(merged);
            pending = absorb(dictionary, pending);
        }
        bags.extend(pending);
        parent_group.push(None);
        // The parent may have been merged since; it is the first later bag that has all of the
        // ear's shared dimensions.
        let parent = (parent_group.iter().enumerate())
            .map(|(at, shared)| {
                let shared = shared.as_ref()?;
                (at + 1..bags.len()).find(|&later| shared.is_subset(&bags[later].group))
            })
            .collect();
        let mut tree = Self { bags, parent };
        tree.reduce(dictionary);
        Ok(tree)
    }

    fn reduce(&mut self, dictionary: &Dictionary) {
        for child in 0..self.bags.len() {
            if let Some(parent) = self.parent[child] {
                let (before, after) = self.bags.split_at_mut(parent);
                after[0].semijoin(dictionary, &before[child]);
            }
        }
        for child in (0..self.bags.len()).rev() {
            if let Some(parent) = self.parent[child] {
                let (before, after) = self.bags.split_at_mut(parent);
                before[child].semijoin(dictionary, &after[0]);
            }
        }
    }

    /// Whether the full join has no rows.
    pub fn is_empty(&self) -> bool {
        self.bags.iter().any(|bag| bag.len == 0)
    }

    /// The reduced relations, to be arranged again together with others.
    pub fn into_relations(self) -> Vec<Relation> {
        self.bags
    }

    /// Distinct rows of the full join for some of its dimensions.
    pub fn project(
        &self,
        dictionary: &Dictionary,
        group: &DimensionGroup,
    ) -> Result<Relation, QueryError> {
        let covering = self.bags.iter().filter(|bag| group.is_subset(&bag.group));
        if let Some(bag) = covering.min_by_key(|bag| bag.len) {
            return Ok(bag.project(dictionary, group));
        }
        let mut bags: Vec<Option<Relation>> = self.bags.iter().cloned().map(Some).collect();
        let mut parent = self.parent.clone();
        let mut rerooted = true;
        // Leaves that add nothing wanted beyond what their neighbour has are cut off.
        while rerooted {
            rerooted = false;
            for leaf in 0..bags.len() {
                let Some(neighbour) = only_neighbour(&bags, &parent, leaf) else { continue };
                let (Some(bag), Some(other)) = (&bags[leaf], &bags[neighbour]) else { continue };
                let wanted = bag.group.intersection(group);
                if wanted.is_subset(&other.group) {
                    bags[leaf] = None;
                    cut(&mut parent, leaf);
                    rerooted = true;
                }
            }
        }
        // The rest is joined from its leaves inwards, keeping what is wanted or still shared.
        loop {
            let leaf = (0..bags.len())
                .filter_map(|leaf| Some((leaf, only_neighbour(&bags, &parent, leaf)?)))
                .min_by_key(|&(leaf, _)| bags[leaf].as_ref().map_or(0, |bag| bag.len));
            let Some((leaf, neighbour)) = leaf else { break };
            let Some(bag) = bags[leaf].take() else { break };
            let Some(other) = bags[neighbour].take() else { break };
            let kept = bag.group.intersection(&group.union(&other.group));
            let part = bag.project(dictionary, &kept);
            bags[neighbour] = Some(other.join(dictionary, &part)?);
            cut(&mut parent, leaf);
        }
        Ok(match bags.into_iter().flatten().next() {
            Some(bag) => bag.project(dictionary, group),
            None => Relation::new(dictionary, group.clone(), Vec::new(), 0),
        })
    }
}

/// The neighbour of a bag that has exactly one.
fn only_neighbour(
    bags: &[Option<Relation>],
    parent: &[Option<usize>],
    bag: usize,
) -> Option<usize> {
    bags[bag].as_ref()?;
    let children = (0..parent.len()).filter(|&child| parent[child] == Some(bag));
    let mut neighbours = children.chain(parent[bag]).filter(|&at| bags[at].is_some());
    let first = neighbours.next()?;
    neighbours.next().is_none().then_some(first)
}

/// Removes the edge of a bag that has exactly one.
fn cut(parent: &mut [Option<usize>], bag: usize) {
    parent[bag] = None;
    for other in parent.iter_mut() {
        if *other == Some(bag) {
            *other = None;
        }
    }
}

/// Replaces each relation whose dimensions another one has by a semi-join with it.
fn absorb(dictionary: &Dictionary, mut relations: Vec<Relation>) -> Vec<Relation> {
    let mut at = 0;
    while at < relations.len() {
        let host = (0..relations.len())
            .find(|&other| other != at && relations[at].group.is_subset(&relations[other].group));
        let Some(host) = host else {
            at += 1;
            continue;
        };
        let absorbed = relations.remove(at);
        let host = if host > at { host - 1 } else { host };
        relations[host].semijoin(dictionary, &absorbed);
        at = 0;
    }
    relations
}

/// A relation that shares with all others only what one of them has, and what that is.
fn find_ear(relations: &[Relation]) -> Option<(usize, DimensionGroup)> {
    for (ear, relation) in relations.iter().enumerate() {
        let others = || relations.iter().enumerate().filter(move |&(at, _)| at != ear);
        let shared = others()
            .map(|(_, other)| relation.group.intersection(&other.group))
            .reduce(|a, b| a.union(&b))?;
        if others().any(|(_, other)| shared.is_subset(&other.group)) {
            return Some((ear, shared));
        }
    }
    None
}

/// The pair that shares most dimensions, and of those the smallest.
fn closest(relations: &[Relation]) -> (usize, usize) {
    let pairs = (0..relations.len()).flat_map(|a| (a + 1..relations.len()).map(move |b| (a, b)));
    pairs
        .min_by_key(|&(a, b)| {
            let shared = relations[a].group.intersection(&relations[b].group).names().len();
            (usize::MAX - shared, relations[a].len.saturating_add(relations[b].len))
        })
        .unwrap_or((0, 1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use qbb_dimensions::{ElementIx, RecordTable, Universe};
    use serde_json::json;

    use super::*;

    /// Dimensions that are independent of each other within an instrument.
    const NAMES: [&str; 4] = ["detector", "day_obs", "visit_system", "group"];
    /// Instruments, and values of each dimension in each of them.
    const INSTRUMENTS: u32 = 2;
    const VALUES: u32 = 2;

    fn dictionary() -> Dictionary {
        let universe =
            Universe::from_json(include_str!("../../../dimensions/tests/data/universe8.json"))
                .unwrap();
        let mut dictionary = Dictionary::new(&universe);
        let mut add = |name: &str, rows: Vec<serde_json::Value>| {
            let mut table = RecordTable::new(universe.find(name).unwrap());
            for row in rows {
                let row = row.as_array().unwrap();
                table.push_json(row, &universe, &mut dictionary.symbols).unwrap();
            }
            dictionary.add_records(table);
        };
        let instruments = 0..INSTRUMENTS;
        add(
            "instrument",
            instruments.clone().map(|i| json!([format!("C{i}"), 1, 1, 1, 1, "x"])).collect(),
        );
        for name in NAMES {
            let rows = instruments.clone().flat_map(|i| {
                (0..VALUES).map(move |value| {
                    let instrument = format!("C{i}");
                    match name {
                        "detector" => {
                            json!([instrument, value, format!("{i}{value}"), null, null, null])
                        }
                        "day_obs" => json!([instrument, value, null]),
                        "visit_system" => json!([instrument, value, format!("{i}{value}")]),
                        _ => json!([instrument, value.to_string()]),
                    }
                })
            });
            add(name, rows.collect());
        }
        dictionary
    }

    fn group(dictionary: &Dictionary, members: u8) -> DimensionGroup {
        let names = (0..4).filter(|bit| members >> bit & 1 == 1).map(|bit| NAMES[bit]);
        dictionary.universe().conform(names.chain(["instrument"])).unwrap()
    }

    /// Codes run through the values of the first instrument, then of the second.
    fn instrument(code: u32) -> u32 {
        code / VALUES
    }

    /// All data IDs of a group as codes of its generators.
    fn all_rows(generators: usize) -> Vec<Vec<u32>> {
        let n = INSTRUMENTS * VALUES;
        let mut rows: Vec<Vec<u32>> = vec![Vec::new()];
        for _ in 0..generators {
            rows = (rows.iter())
                .flat_map(|row| (0..n).map(move |code| [row.as_slice(), &[code]].concat()))
                .collect();
        }
        rows.retain(|row| row.windows(2).all(|pair| instrument(pair[0]) == instrument(pair[1])));
        rows
    }

    fn relation(dictionary: &Dictionary, members: u8, mask: u64) -> Relation {
        let group = group(dictionary, members);
        let n = dictionary.generators(&group).len();
        let rows: Vec<Vec<u32>> = (all_rows(n).into_iter().enumerate())
            .filter(|(at, _)| mask >> (at % 64) & 1 == 1)
            .map(|(_, row)| row)
            .collect();
        let columns = (0..n).map(|at| rows.iter().map(|row| row[at]).collect()).collect();
        Relation::new(dictionary, group, columns, rows.len())
    }

    /// The projection by nested loops over all values of all dimensions.
    fn naive(
        dictionary: &Dictionary,
        relations: &[Relation],
        target: &[ElementIx],
    ) -> BTreeSet<Vec<u32>> {
        let everything = group(dictionary, 0b1111);
        let order = dictionary.generators(&everything);
        let mut found = BTreeSet::new();
        for row in all_rows(4) {
            let code = |ix: ElementIx| match order.iter().position(|&other| other == ix) {
                Some(at) => row[at],
                None => instrument(row[0]),
            };
            let holds = |relation: &Relation| {
                (0..relation.len).any(|at| {
                    let pairs = relation.generators.iter().zip(&relation.columns);
                    pairs.clone().all(|(&ix, column)| column[at] == code(ix))
                })
            };
            if relations.iter().all(holds) {
                found.insert(target.iter().map(|&ix| code(ix)).collect());
            }
        }
        found
    }

    proptest! {
        #[test]
        fn projections_are_those_of_the_full_join(
            parts in prop::collection::vec((1u8..16, any::<u64>()), 1..6),
            target in 0u8..16,
            key_bits in prop::sample::select(vec![u64::BITS, 0]),
        ) {
            let mut dictionary = dictionary();
            // With no bits to spare, every key of more than one dimension is numbered.
            dictionary.numbers.key_bits = key_bits;
            let mut relations: Vec<Relation> =
                parts.iter().map(|&(members, mask)| relation(&dictionary, members, mask)).collect();
            // Every dimension of the query is in some relation.
            relations.extend((0..4).map(|bit| relation(&dictionary, 1 << bit, u64::MAX)));
            let target = group(&dictionary, target);
            let generators = dictionary.generators(&target);
            let expected = naive(&dictionary, &relations, &generators);
            let tree = JoinTree::new(&dictionary, relations).unwrap();
            let found = tree.project(&dictionary, &target).unwrap();
            prop_assert_eq!(tree.is_empty(), expected.is_empty());
            let rows: Vec<Vec<u32>> = (0..found.len)
                .map(|row| found.columns.iter().map(|column| column[row]).collect())
                .collect();
            prop_assert_eq!(rows.len(), expected.len(), "each data ID once");
            prop_assert_eq!(rows.into_iter().collect::<BTreeSet<_>>(), expected);
        }
    }
}
