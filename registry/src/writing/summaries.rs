//! What collections may contain, as their summaries say.

use std::collections::{BTreeMap, BTreeSet};

use qbb_dimensions::ElementIx;

use super::member_rows::{MemberRows, TableRows};
use super::source::{Violation, WriteSource, statement};
use super::value::Value;
use crate::error::RegistryError;
use crate::reading::quoted;
use crate::schema::summary_table_name;

/// Most rows that one statement inserts; databases limit the number of values.
const ROWS_AT_ONCE: usize = 1_000;

/// Says in the summaries of collections that they may contain rows. This must come before the
/// memberships, which refer to it. Rows come in a fixed order, so that two who write the same wait for
/// each other at most.
pub(super) fn insert_summaries<S: WriteSource>(
    source: &S,
    rows: &MemberRows<'_>,
    tables: &[TableRows<'_>],
) -> Result<Result<(), Violation>, RegistryError> {
    let mut dataset_types: BTreeSet<(i64, i64)> = BTreeSet::new();
    let mut governors: BTreeMap<ElementIx, BTreeSet<(i64, i64)>> = BTreeMap::new();
    for table in tables {
        dataset_types.extend(rows.summaries(&table.rows));
        let required = table.dataset_type.dataset_type.dimensions.required();
        for (at, &ix) in required.iter().enumerate() {
            if rows.universe.element(ix).is_governor() {
                governors.entry(ix).or_default().extend(rows.governors(at, &table.rows));
            }
        }
    }
    let values = dataset_types.into_iter().map(|(collection, key)| (collection, Value::Int(key)));
    let table = "collection_summary_dataset_type";
    let inserted = insert(source, table, "dataset_type_id", &values.collect::<Vec<_>>())?;
    if inserted.is_err() {
        return Ok(inserted);
    }
    for (ix, keys) in governors {
        let governor = rows.universe.element(ix);
        let mut values: Vec<(i64, Value<'_>)> =
            (keys.into_iter()).map(|(key, cell)| (key, rows.of_cell(ix, cell))).collect();
        // Symbols are numbered by whoever writes.
        values.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| text(&a.1).cmp(&text(&b.1))));
        let inserted = insert(source, &summary_table_name(governor), &governor.name, &values)?;
        if inserted.is_err() {
            return Ok(inserted);
        }
    }
    Ok(Ok(()))
}

fn text<'v>(value: &Value<'v>) -> Option<&'v str> {
    if let Value::Text(text) = *value { Some(text) } else { None }
}

/// Inserts what is not there of keys of collections and values.
fn insert<S: WriteSource>(
    source: &S,
    table: &str,
    column: &str,
    values: &[(i64, Value<'_>)],
) -> Result<Result<(), Violation>, RegistryError> {
    for values in values.chunks(ROWS_AT_ONCE) {
        let mut insertion = statement(source, table);
        insertion.push("INSERT INTO ").push_table(table);
        insertion.push(&format!(" (collection_id, {}) VALUES ", quoted(column)));
        for (i, &(collection, value)) in values.iter().enumerate() {
            insertion.push(if i == 0 { "(" } else { ", (" }).bind(collection).push(", ");
            match value {
                Value::Text(text) => insertion.bind(text.to_owned()),
                Value::Int(value) => insertion.bind(value),
                _ => insertion.bind(None::<String>),
            };
            insertion.push(")");
        }
        insertion.push(" ON CONFLICT DO NOTHING");
        if let Err(violation) = source.attempt("update summaries of collections", &insertion)? {
            return Ok(Err(violation));
        }
    }
    Ok(Ok(()))
}
