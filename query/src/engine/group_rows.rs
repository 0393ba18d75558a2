//! Data IDs of several groups of dimensions that belong together.

use qbb_dimensions::DimensionGroup;
use rustc_hash::FxHashMap;

use crate::engine::dictionary::Dictionary;
use crate::engine::join::JoinTree;
use crate::engine::relation::Relation;
use crate::error::QueryError;

/// Data IDs of a query, by group of dimensions.
#[derive(Debug, Default)]
pub struct GroupRows {
    rows: FxHashMap<DimensionGroup, Relation>,
}

impl GroupRows {
    /// Projects the join to all groups that are needed, each from the smallest group that
    /// is there already and contains it.
    pub fn new(
        dictionary: &Dictionary,
        tree: &JoinTree,
        groups: &[DimensionGroup],
    ) -> Result<Self, QueryError> {
        let mut rows: FxHashMap<DimensionGroup, Relation> = FxHashMap::default();
        for group in groups {
            let parent = rows
                .values()
                .filter(|relation| group.is_subset(&relation.group))
                .min_by_key(|relation| relation.len);
            let relation = match parent {
                Some(parent) => parent.project(dictionary, group),
                None => tree.project(dictionary, group)?,
            };
            rows.insert(group.clone(), relation);
        }
        Ok(Self { rows })
    }

    /// Data IDs of a group.
    pub fn get(&self, group: &DimensionGroup) -> Option<&Relation> {
        self.rows.get(group)
    }

    /// Adds data IDs of a group to those that are there.
    pub fn add(&mut self, dictionary: &Dictionary, relation: Relation) {
        let group = relation.group.clone();
        let relation = match self.rows.remove(&group) {
            Some(there) => there.merged(dictionary, &relation),
            None => relation,
        };
        self.rows.insert(group, relation);
    }
}
