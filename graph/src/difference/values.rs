//! Differences of headers, pipelines and datastore records.

use std::collections::BTreeSet;

use qbb_dimensions::Symbol;
use serde_json::Value;

use super::DifferentValue;
use super::matching::Matching;
use crate::model::{DatasetIx, GraphHeader, InputRecords, QuantumGraph};

/// Most characters of a value that are shown.
const SHOWN: usize = 200;

fn different(name: impl Into<String>, a: Option<String>, b: Option<String>) -> DifferentValue {
    DifferentValue { name: name.into(), a, b }
}

/// Everything but what tells who built it, when, and how.
pub(super) fn headers(a: &GraphHeader, b: &GraphHeader) -> Vec<DifferentValue> {
    let mut found = Vec::new();
    if a.inputs != b.inputs {
        found.push(different("inputs", Some(a.inputs.join(", ")), Some(b.inputs.join(", "))));
    }
    if a.output != b.output {
        found.push(different("output", a.output.clone(), b.output.clone()));
    }
    if a.output_run != b.output_run {
        let (a, b) = (Some(a.output_run.clone()), Some(b.output_run.clone()));
        found.push(different("output_run", a, b));
    }
    let metadata = |header: &GraphHeader| -> Value {
        serde_json::from_str(&header.metadata).unwrap_or_else(|_| header.metadata.clone().into())
    };
    json("metadata", Some(&metadata(a)), Some(&metadata(b)), &mut found);
    found
}

pub(super) fn pipelines(a: &QuantumGraph, b: &QuantumGraph) -> Vec<DifferentValue> {
    let (a, b) = (a.pipeline.to_json(), b.pipeline.to_json());
    let mut found = Vec::new();
    for key in ["data_id", "dataset_types", "dimensions", "tasks"] {
        json(key, a.get(key), b.get(key), &mut found);
    }
    found
}

/// Goes down to the smallest values that differ.
fn json(name: &str, a: Option<&Value>, b: Option<&Value>, found: &mut Vec<DifferentValue>) {
    match (a, b) {
        (Some(a), Some(b)) if a == b => {}
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            // Numbers of nodes follow from the rest.
            for key in keys.into_iter().filter(|key| *key != "index") {
                json(&format!("{name}.{key}"), a.get(key), b.get(key), found);
            }
        }
        (Some(Value::String(a)), Some(Value::String(b))) => {
            let (mut a, mut b) = (a.lines(), b.lines());
            for line in 1.. {
                let (a, b) = (a.next(), b.next());
                if a != b {
                    let name = if line == 1 { name.to_owned() } else { format!("{name}:{line}") };
                    found.push(different(name, a.map(shortened), b.map(shortened)));
                }
                if a != b || a.is_none() {
                    break;
                }
            }
        }
        (a, b) => {
            let text = |value: &Value| match value {
                Value::String(text) => shortened(text),
                // What is there in one graph only is told by its name.
                Value::Object(_) => "{…}".to_owned(),
                value => shortened(&value.to_string()),
            };
            found.push(different(name, a.map(text), b.map(text)));
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Datastore records of datasets that both graphs have.
pub(super) fn records(
    a: &QuantumGraph,
    b: &QuantumGraph,
    matching: &Matching,
) -> Vec<DifferentValue> {
    let mut found = Vec::new();
    for of_b in b.datasets.iter() {
        let Some(of_a) = matching.dataset(of_b) else { continue };
        let (rows_a, rows_b) = (a.records.of_dataset(of_a), b.records.of_dataset(of_b));
        let is_same = rows_a.len() == rows_b.len()
            && rows_a.clone().zip(rows_b.clone()).all(|(x, y)| record(a, x) == record(b, y));
        if !is_same {
            let name = a.describe_dataset(of_a);
            found.push(different(name, describe(a, of_a), describe(b, of_b)));
        }
    }
    found
}

type Record<'a> = (&'a str, &'a [u8], [&'a str; 3], &'a [u8], i64);

fn record(graph: &QuantumGraph, row: usize) -> Record<'_> {
    let records = &graph.records;
    let text = |number: u32| graph.symbols.get(Symbol(number)).unwrap_or_default();
    let component = match records.component[row] {
        InputRecords::WHOLE => "",
        component => text(component),
    };
    (
        &graph.datastores[records.datastore[row] as usize].name,
        records.path.get(row),
        [text(records.formatter[row]), text(records.storage_class[row]), component],
        records.checksum.get(row),
        records.file_size[row],
    )
}

fn describe(graph: &QuantumGraph, dataset: DatasetIx) -> Option<String> {
    let rows = graph.records.of_dataset(dataset);
    let texts = rows.map(|row| {
        let (datastore, path, [formatter, storage_class, component], checksum, size) =
            record(graph, row);
        let mut text = String::from_utf8_lossy(path).into_owned();
        if !component.is_empty() {
            text.push_str(&format!(" (component {component})"));
        }
        text.push_str(&format!(" of {size} bytes in {datastore}, {storage_class} by {formatter}"));
        if !checksum.is_empty() {
            text.push_str(&format!(", checksum {}", String::from_utf8_lossy(checksum)));
        }
        text
    });
    let texts: Vec<String> = texts.collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_smallest_values_are_told() {
        let mut found = Vec::new();
        let a = json!({"same": 1, "text": "x\ny\nz", "index": 1, "gone": {"deep": 1}, "list": [1]});
        let b = json!({"same": 1, "text": "x\nw\nz", "index": 2, "list": [1, 2], "new": null});
        json("top", Some(&a), Some(&b), &mut found);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            found,
            [
                different("top.gone", some("{…}"), None),
                different("top.list", some("[1]"), some("[1,2]")),
                different("top.new", None, some("null")),
                different("top.text:2", some("y"), some("w")),
            ]
        );
    }
}
