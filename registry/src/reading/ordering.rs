//! Putting rows in the order of their keys, where a database is slower at it.
//!
//! A database with another idea of how text is sorted cannot take such an order from an index, and
//! sorts whole rows; here numbers are sorted.

use qbb_dimensions::{FieldColumn, KeyType, RecordTable, Symbols};
use rustc_hash::FxHashMap;

use crate::reader::{CalibrationRows, OverlapRows};

/// A column to sort by.
pub(super) type SortKey<'a> = (&'a [i64], KeyType);

/// The positions of rows in the order of their keys, equal ones as they are; text goes by its
/// bytes. `None` if the rows are in that order.
pub(super) fn order_of(keys: &[SortKey<'_>], symbols: &Symbols) -> Option<Vec<u32>> {
    let len = keys.first().map_or(0, |(column, _)| column.len());
    let ranked: Vec<Option<Vec<i64>>> = keys
        .iter()
        .map(|&(column, key)| (key == KeyType::Text).then(|| ranks(column, symbols)))
        .collect();
    // What is the same everywhere decides nothing.
    let columns: Vec<&[i64]> = (keys.iter().zip(&ranked))
        .map(|((column, _), ranks)| ranks.as_deref().unwrap_or(column))
        .filter(|column| column.iter().any(|value| *value != column[0]))
        .collect();
    let compare = |a: usize, b: usize| {
        let of = |row: usize| columns.iter().map(move |column| column[row]);
        of(a).cmp(of(b))
    };
    if (1..len).all(|row| compare(row - 1, row).is_le()) {
        return None;
    }
    let mut order: Vec<u32> = (0..len as u32).collect();
    order.sort_by(|&a, &b| compare(a as usize, b as usize));
    Some(order)
}

/// Places of symbols among those of the column, by their text.
fn ranks(column: &[i64], symbols: &Symbols) -> Vec<i64> {
    let mut distinct: Vec<i64> = column.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.sort_by_key(|&cell| symbols.of_cell(cell));
    let places: FxHashMap<i64, i64> = distinct.into_iter().zip(0..).collect();
    column.iter().map(|cell| places[cell]).collect()
}

/// Values in another order; each position comes once.
fn permute<T: Default>(values: &mut Vec<T>, order: &[u32]) {
    *values = order.iter().map(|&row| std::mem::take(&mut values[row as usize])).collect();
}

/// Puts records in the order of their keys.
pub(super) fn sort_records(records: &mut RecordTable, types: &[KeyType], symbols: &Symbols) {
    let keys: Vec<SortKey<'_>> =
        records.keys.iter().map(Vec::as_slice).zip(types.iter().copied()).collect();
    let Some(order) = order_of(&keys, symbols) else { return };
    for column in records.keys.iter_mut().chain(&mut records.implied) {
        permute(column, &order);
    }
    for field in &mut records.fields {
        match field {
            FieldColumn::Int(values) => permute(values, &order),
            FieldColumn::Float(values) => permute(values, &order),
            FieldColumn::Bool(values) => permute(values, &order),
            FieldColumn::Text(values) => permute(values, &order),
            FieldColumn::Bytes(values) => permute(values, &order),
        }
    }
    if let Some(regions) = &mut records.regions {
        permute(regions, &order);
    }
    if let Some(timespans) = &mut records.timespans {
        permute(timespans, &order);
    }
}

/// Puts overlaps in the order of their keys and pixels.
pub(super) fn sort_overlaps(rows: &mut OverlapRows, types: &[KeyType], symbols: &Symbols) {
    let mut keys: Vec<SortKey<'_>> =
        rows.keys.iter().map(Vec::as_slice).zip(types.iter().copied()).collect();
    keys.push((&rows.pixel, KeyType::Int));
    let Some(order) = order_of(&keys, symbols) else { return };
    for column in rows.keys.iter_mut().chain([&mut rows.pixel]) {
        permute(column, &order);
    }
}

/// Puts certifications in the order of collections as they are searched, keys and validity.
pub(super) fn sort_calibrations(rows: &mut CalibrationRows, types: &[KeyType], symbols: &Symbols) {
    let CalibrationRows { datasets, timespan } = rows;
    let rank: Vec<i64> = datasets.rank.iter().map(|&rank| rank.into()).collect();
    let begin: Vec<i64> = timespan.iter().map(|timespan| timespan.begin.0).collect();
    let end: Vec<i64> = timespan.iter().map(|timespan| timespan.end.0).collect();
    let mut keys: Vec<SortKey<'_>> = vec![(&rank, KeyType::Int)];
    keys.extend(datasets.keys.iter().map(Vec::as_slice).zip(types.iter().copied()));
    keys.extend([(begin.as_slice(), KeyType::Int), (end.as_slice(), KeyType::Int)]);
    let Some(order) = order_of(&keys, symbols) else { return };
    for column in &mut datasets.keys {
        permute(column, &order);
    }
    permute(&mut datasets.id, &order);
    permute(&mut datasets.rank, &order);
    // Other types have no default value to leave behind.
    datasets.run = order.iter().map(|&row| datasets.run[row as usize]).collect();
    *timespan = order.iter().map(|&row| timespan[row as usize]).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_by_its_bytes_and_equal_rows_stay() {
        let symbols: Symbols = ["b", "a", "é", "B"].into_iter().collect();
        let cell = |text: &str| symbols.find(text).unwrap().cell();
        let text = ["b", "a", "é", "B", "a"].map(cell);
        let number = [1, 2, 0, 0, 2];
        let keys = [(&text[..], KeyType::Text), (&number[..], KeyType::Int)];
        assert_eq!(order_of(&keys, &symbols), Some(vec![3, 1, 4, 0, 2]));
        assert_eq!(order_of(&keys[1..], &symbols), Some(vec![2, 3, 0, 1, 4]));
        let sorted = [cell("B"), cell("a"), cell("a")];
        assert_eq!(order_of(&[(&sorted[..], KeyType::Text)], &symbols), None);
        assert_eq!(order_of(&[], &symbols), None);
    }
}
