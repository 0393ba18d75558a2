//! Dimension records of two repositories that have one key and differ.

use qbb_dimensions::{DimensionElement, FieldColumn, RecordTable, Symbols, Universe};
use qbb_registry::{Filter, RegistryError, Snapshot};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::fit::Finding;
use crate::record_closure::{filter_of, key};

/// Most differing records of one element that are named; more would fill a screen.
const MOST_NAMED: usize = 20;

/// Compares the records of an element that both have: their number, and those that differ.
pub(crate) fn differing_records(
    universe: &Universe,
    element: &DimensionElement,
    personal: &mut dyn Snapshot,
    release: &mut dyn Snapshot,
    symbols: &mut Symbols,
) -> Result<(u64, Vec<Finding>), RegistryError> {
    let ours = personal.records(element.ix, &Filter::default(), symbols)?;
    if ours.is_empty() {
        return Ok((0, Vec::new()));
    }
    let columns: Vec<&[i64]> = ours.keys.iter().map(Vec::as_slice).collect();
    let keys: FxHashSet<Vec<i64>> = (0..ours.len()).map(|row| key(&columns, row)).collect();
    let filter = filter_of(universe, &element.required, &keys, symbols);
    let theirs = release.records(element.ix, &filter, symbols)?;
    let their_columns: Vec<&[i64]> = theirs.keys.iter().map(Vec::as_slice).collect();
    let rows: FxHashMap<Vec<i64>, usize> =
        (0..theirs.len()).map(|row| (key(&their_columns, row), row)).collect();
    let (mut compared, mut differing, mut findings) = (0, 0, Vec::new());
    for row in 0..ours.len() {
        let Some(&other) = rows.get(&key(&columns, row)) else { continue };
        compared += 1;
        let Some(column) = differing_column(universe, element, (&ours, row), (&theirs, other))
        else {
            continue;
        };
        differing += 1;
        if differing <= MOST_NAMED {
            let json = |table: &RecordTable, row: usize| {
                let values = table.to_json(row as u32, universe, symbols);
                let text = serde_json::Value::from(values).to_string();
                text.chars().take(200).collect()
            };
            findings.push(Finding {
                what: "dimension record",
                name: format!("{} ({column})", element.name),
                personal: json(&ours, row),
                release: json(&theirs, other),
                matters: true,
            });
        }
    }
    if differing > MOST_NAMED {
        findings.push(Finding {
            what: "dimension record",
            name: element.name.clone(),
            personal: format!("{} more differ", differing - MOST_NAMED),
            release: String::new(),
            matters: true,
        });
    }
    Ok((compared, findings))
}

/// The first column in which two records of one table differ.
fn differing_column(
    universe: &Universe,
    element: &DimensionElement,
    (ours, row): (&RecordTable, usize),
    (theirs, other): (&RecordTable, usize),
) -> Option<String> {
    for (at, &ix) in element.implied.iter().enumerate() {
        if ours.implied[at][row] != theirs.implied[at][other] {
            return Some(universe.element(ix).name.clone());
        }
    }
    let specs = element.alternate_keys.iter().chain(&element.metadata);
    for (spec, (own, their)) in specs.zip(ours.fields.iter().zip(&theirs.fields)) {
        let same = match (own, their) {
            (FieldColumn::Int(a), FieldColumn::Int(b)) => a[row] == b[other],
            (FieldColumn::Float(a), FieldColumn::Float(b)) => a[row] == b[other],
            (FieldColumn::Bool(a), FieldColumn::Bool(b)) => a[row] == b[other],
            (FieldColumn::Text(a), FieldColumn::Text(b)) => a[row] == b[other],
            (FieldColumn::Bytes(a), FieldColumn::Bytes(b)) => a[row] == b[other],
            _ => false,
        };
        if !same {
            return Some(spec.name.clone());
        }
    }
    if ours.region(row as u32) != theirs.region(other as u32) {
        return Some("region".to_owned());
    }
    (ours.timespan(row as u32) != theirs.timespan(other as u32)).then(|| "timespan".to_owned())
}
