//! Data IDs with the values of their implied dimensions, as path templates need them.

use qbb_dimensions::{Column, DataIdTable, DimensionGroup, RecordTable};
use rustc_hash::FxHashMap;

use crate::error::TransferError;

/// Completes data IDs, which are given as columns of their required dimensions, from records.
///
/// # Errors
/// If a record that tells an implied value is not among the given ones.
pub(crate) fn expanded(
    group: &DimensionGroup,
    required: &[Vec<i64>],
    len: usize,
    records: &[RecordTable],
) -> Result<DataIdTable, TransferError> {
    let universe = group.universe();
    let mut columns: Vec<Option<Vec<i64>>> = vec![None; group.keys().len()];
    for (column, cells) in columns.iter_mut().zip(required) {
        *column = Some(cells.clone());
    }
    for ix in group.lookup_order() {
        let element = universe.element(ix);
        let wanted: Vec<(usize, usize)> = (element.implied.iter().enumerate())
            .filter_map(|(at, &implied)| Some((at, group.key_position(implied)?)))
            .filter(|&(_, position)| columns[position].is_none())
            .collect();
        let keys: Option<Vec<&[i64]>> = (element.required.iter())
            .map(|&key| columns[group.key_position(key)?].as_deref())
            .collect();
        let (Some(keys), false) = (keys, wanted.is_empty()) else { continue };
        let missing = || TransferError::NoRecord { element: element.name.clone() };
        let table = records.iter().find(|table| table.element == ix).ok_or_else(missing)?;
        let key = |columns: &mut dyn Iterator<Item = i64>| columns.collect::<Vec<i64>>();
        let rows: FxHashMap<Vec<i64>, usize> = (0..table.len())
            .map(|row| (key(&mut table.keys.iter().map(|column| column[row])), row))
            .collect();
        let found: Vec<usize> = (0..len)
            .map(|row| rows.get(&key(&mut keys.iter().map(|column| column[row]))).copied())
            .collect::<Option<_>>()
            .ok_or_else(missing)?;
        for (at, position) in wanted {
            columns[position] = Some(found.iter().map(|&row| table.implied[at][row]).collect());
        }
    }
    let unknown = |position: usize| TransferError::NoRecord {
        element: universe.element(group.keys()[position]).name.clone(),
    };
    let columns = (columns.into_iter().enumerate())
        .map(|(position, column)| column.map(Column::from).ok_or_else(|| unknown(position)))
        .collect::<Result<Vec<_>, _>>()?;
    DataIdTable::new(group.clone(), columns, len).ok_or_else(|| unknown(0))
}
