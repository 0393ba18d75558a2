//! The order of results.

use std::cmp::Ordering;

use qbb_dimensions::expression::{OrderKey, RowSource};
use qbb_dimensions::{ElementIx, KeyType};
use rayon::prelude::*;

use crate::engine::{Dictionary, Relation};

/// Sorts rows of a relation by keys, then by the values of data IDs, then as they came; at most
/// `limit` of them are kept. Returns whether there were more.
pub(crate) fn sort(
    dictionary: &Dictionary,
    relation: &Relation,
    (keys, source): (&[OrderKey], &(dyn RowSource + Sync)),
    limit: Option<usize>,
    rows: &mut Vec<u32>,
) -> bool {
    let ranks: Vec<Vec<u32>> = (relation.group.required().iter())
        .map(|&dimension| ranks(dictionary, dimension, &relation.cells(dictionary, dimension)))
        .collect();
    rows.par_sort_by(|&a, &b| {
        let keys = keys.iter().map(|key| key.compare(source, a, b));
        let ranks = ranks.iter().map(|column| column[a as usize].cmp(&column[b as usize]));
        keys.chain(ranks).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
    let more = limit.is_some_and(|limit| rows.len() > limit);
    rows.truncate(limit.unwrap_or(usize::MAX));
    more
}

/// Position of each cell among the distinct values in their order.
fn ranks(dictionary: &Dictionary, dimension: ElementIx, cells: &[i64]) -> Vec<u32> {
    let mut distinct = cells.to_vec();
    distinct.par_sort_unstable();
    distinct.dedup();
    let mut order: Vec<u32> = (0..distinct.len() as u32).collect();
    if dictionary.universe().element(dimension).key_type() == Some(KeyType::Text) {
        let text = |at: u32| dictionary.symbols.of_cell(distinct[at as usize]).unwrap_or_default();
        order.sort_by(|&a, &b| text(a).cmp(text(b)));
    }
    let mut rank = vec![0u32; distinct.len()];
    for (position, &at) in order.iter().enumerate() {
        rank[at as usize] = position as u32;
    }
    cells.iter().map(|cell| distinct.binary_search(cell).map_or(u32::MAX, |at| rank[at])).collect()
}
