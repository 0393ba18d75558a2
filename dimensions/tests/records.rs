//! Data IDs and dimension records in the forms that graph files have.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::sync::Arc;

use qbb_dimensions::{DataIdIndex, DataValue, RecordTable, Symbols, Universe};
use serde_json::{Value, json};

fn universe() -> Arc<Universe> {
    Universe::from_json(include_str!("data/universe8.json")).unwrap()
}

#[test]
fn a_data_id_is_kept_once_and_found_by_its_required_values() {
    let mut symbols = Symbols::new();
    let group = universe().conform(["physical_filter"]).unwrap();
    let mut row = |instrument: &str, filter: &str, band: &str| {
        [instrument, filter, band].map(|text| symbols.intern(text).cell())
    };
    let (first, second) = (row("Cam", "Cam-g", "g"), row("Cam", "Cam-r", "r"));
    let mut index = DataIdIndex::new(group);
    assert_eq!([index.insert(&first), index.insert(&second), index.insert(&first)], [0, 1, 0]);
    assert_eq!(index.find(&second[..2]), Some(1));
    assert_eq!(index.find(&[second[1], second[0]]), None);
    let table = index.into_table();
    assert_eq!(table.len(), 2);
    assert_eq!(
        table.describe(1, &symbols),
        "{instrument: 'Cam', physical_filter: 'Cam-r', band: 'r'}"
    );
    assert_eq!(table.values(0, &symbols)[2], DataValue::from("g"));
}

#[test]
fn the_empty_data_id_is_one_row() {
    let mut index = DataIdIndex::new(universe().conform([]).unwrap());
    assert_eq!([index.insert(&[]), index.insert(&[])], [0, 0]);
    assert_eq!(index.into_table().describe(0, &Symbols::new()), "{}");
}

/// Nulls, integers beyond the reach of doubles, hexadecimal bytes and timespans all survive.
#[test]
fn records_survive_their_json_form() {
    let universe = universe();
    let rows: [(&str, Value); 4] = [
        ("instrument", json!(["Cam", i64::MAX, null, null, 4, "lsst.pipe.base.Instrument"])),
        ("skymap", json!(["sky", "00ff10", 50, 2, null])),
        ("day_obs", json!(["Cam", 20_210_909, [0, 4_102_444_800_000_000_000_i64]])),
        (
            "visit",
            json!([
                "Cam",
                4_611_686_018_427_387_905_i64,
                20_210_909,
                "Cam-G",
                "ö 1",
                null,
                60.25,
                null,
                "science",
                null,
                null,
                5.0,
                "7000ff",
                null
            ]),
        ),
    ];
    for (element, row) in rows {
        let mut symbols = Symbols::new();
        let mut table = RecordTable::new(universe.find(element).unwrap());
        let values = row.as_array().unwrap();
        table.push_json(values, &universe, &mut symbols).unwrap();
        assert_eq!(&table.to_json(0, &universe, &symbols), values, "{element}");
    }
}

#[test]
fn a_row_that_does_not_fit_names_element_and_column() {
    let universe = universe();
    for (row, reason) in [
        (json!(["Cam"]), "no value for day_obs"),
        (json!(["Cam", "today", null]), "is no value of day_obs"),
        (json!(["Cam", 1, [2]]), "timespan is not a pair"),
        (json!(["Cam", 1, null, 3]), "more values than columns"),
    ] {
        let mut table = RecordTable::new(universe.find("day_obs").unwrap());
        let error = table
            .push_json(row.as_array().unwrap(), &universe, &mut Symbols::new())
            .unwrap_err()
            .to_string();
        assert!(error.contains("`day_obs`") && error.contains(reason), "{error}");
    }
}
