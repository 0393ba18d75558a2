//! The order of results.

use std::cmp::Ordering;

use qbb_dimensions::expression::{OrderKey, RowSource};
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
        .map(|&dimension| dictionary.ranks(dimension, &relation.cells(dictionary, dimension)))
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
