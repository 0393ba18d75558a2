//! The finished tables of data IDs.

use std::cmp::Ordering;

use qbb_dimensions::{Column, DataIdTable, DimensionGroup};
use qbb_graph::DataIdGroupIx;
use qbb_query::engine::{Dictionary, KeyIndex, Layout, Relation};
use rayon::prelude::*;

use crate::error::BuildError;

/// Data IDs of one group, sorted by value.
#[derive(Debug)]
pub(crate) struct FinishedGroup {
    layout: Layout,
    index: KeyIndex,
    table: DataIdTable,
}

/// All groups of a graph.
#[derive(Debug)]
pub(crate) struct FinishedDataIds<'a> {
    dictionary: &'a Dictionary,
    groups: Vec<FinishedGroup>,
}

impl<'a> FinishedDataIds<'a> {
    /// Makes a table for each group from the rows that are used in it.
    pub(crate) fn new(
        dictionary: &'a Dictionary,
        used: Vec<(DimensionGroup, Vec<u64>)>,
    ) -> Result<Self, BuildError> {
        let groups = used
            .into_par_iter()
            .map(|(group, keys)| finish(dictionary, group, keys))
            .collect::<Result<_, _>>()?;
        Ok(Self { dictionary, groups })
    }

    /// Position of a group; all groups of tasks and dataset types are there.
    pub(crate) fn group(&self, group: &DimensionGroup) -> Option<DataIdGroupIx> {
        let at = self.groups.iter().position(|finished| finished.table.group() == group)?;
        Some(DataIdGroupIx(at as u16))
    }

    /// Row of each of a relation's rows in its group's table; unused data IDs get an unused number.
    pub(crate) fn rows(&self, relation: &Relation) -> Vec<u32> {
        let Some(ix) = self.group(&relation.group) else {
            return vec![u32::MAX; relation.len];
        };
        let finished = &self.groups[ix.index()];
        let keys = relation.keys(self.dictionary, &finished.layout);
        keys.into_iter().map(|key| finished.index.find(key).unwrap_or(u32::MAX)).collect()
    }

    pub(crate) fn into_tables(self) -> Vec<DataIdTable> {
        self.groups.into_iter().map(|finished| finished.table).collect()
    }
}

fn finish(
    dictionary: &Dictionary,
    group: DimensionGroup,
    mut keys: Vec<u64>,
) -> Result<FinishedGroup, BuildError> {
    let layout = Layout::new(dictionary, &group);
    keys.sort_unstable();
    keys.dedup();
    let relation =
        Relation::new(dictionary, group.clone(), layout.unpack(dictionary, &keys), keys.len());
    let columns: Vec<Vec<i64>> =
        group.keys().iter().map(|&ix| relation.cells(dictionary, ix)).collect();
    // Ranks compare like values and fit all types.
    let ranks: Vec<Vec<u32>> = (group.required().iter().zip(&columns))
        .map(|(&ix, cells)| dictionary.ranks(ix, cells))
        .collect();
    let mut order: Vec<u32> = (0..keys.len() as u32).collect();
    order.par_sort_unstable_by(|&a, &b| {
        (ranks.iter())
            .map(|column| column[a as usize].cmp(&column[b as usize]))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    });
    let columns: Vec<Column<i64>> = (columns.iter())
        .map(|cells| order.iter().map(|&row| cells[row as usize]).collect())
        .collect();
    let sorted: Vec<u64> = order.iter().map(|&row| keys[row as usize]).collect();
    let index = KeyIndex::new(&sorted, layout.total_bits());
    let len = keys.len();
    let table = DataIdTable::new(group, columns, len)
        .ok_or_else(|| BuildError::Inconsistent("data IDs without values".to_owned()))?;
    Ok(FinishedGroup { layout, index, table })
}
