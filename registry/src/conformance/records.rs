//! Dimension records: repeated, contradictory and dangling.

use serde_json::json;

use super::RepositoryUnderTest;
use super::sample::{Sample, TRIANGLE};
use crate::error::{ConflictKind, RegistryError};

pub(super) fn check(repository: &dyn RepositoryUnderTest, mut sample: Sample) {
    let tables = sample.records();
    let mut writer = repository.writer();
    let mut transaction = writer.begin().unwrap();
    assert_eq!(transaction.insert_records(&tables, &sample.symbols).unwrap(), 19);
    assert_eq!(transaction.insert_records(&tables, &sample.symbols).unwrap(), 0, "nothing is new");
    transaction.commit().unwrap();

    // Tables of views and of pixels may be handed over, and need no rows of their own.
    let band = sample.table("band", &json!([["r"], ["u"]]));
    let mut transaction = writer.begin().unwrap();
    assert_eq!(transaction.insert_records(&[band], &sample.symbols).unwrap(), 0);
    // What is not a number is stored as null, so it equals null.
    let mut airless = sample.table(
        "order",
        &json!([["T1", 11, "g1", "it's \"quoted\"", 1.0, super::sample::CIRCLE, [200, 300]]]),
    );
    if let qbb_dimensions::FieldColumn::Float(values) = &mut airless.fields[1] {
        values[0] = Some(f64::NAN);
    }
    assert_eq!(transaction.insert_records(&[airless], &sample.symbols).unwrap(), 0);
    drop(transaction);

    let mut refused = |element: &str, row: serde_json::Value| {
        let table = sample.table(element, &json!([row]));
        let mut transaction = writer.begin().unwrap();
        transaction.insert_records(&[table], &sample.symbols).unwrap_err()
    };
    let conflicts = [
        ("order", json!(["T1", 10, "r1", "first", 1.5, TRIANGLE, [100, 200]]), "airmass 1.25"),
        ("order", json!(["T1", 10, "r1", "first", 1.25, null, [100, 200]]), "region "),
        ("order", json!(["T1", 10, "r1", "first", 1.25, TRIANGLE, [100, 201]]), "timespan "),
        ("order", json!(["T1", 10, "g1", "first", 1.25, TRIANGLE, [100, 200]]), "filter 'r1'"),
        ("telescope", json!(["T2", null, "00000000", null, null]), "serial null"),
        ("telescope", json!(["T1", 8.4, "0badcafe", false, "Cerro Pach\u{f3}n"]), "active "),
        ("sensor", json!(["T1", 7, "S0"]), "the same label in another record"),
    ];
    for (element, row, existing) in conflicts {
        match refused(element, row) {
            RegistryError::Conflict(conflict) => {
                assert_eq!(conflict.kind, ConflictKind::DimensionRecord);
                assert!(conflict.key.starts_with(element), "{conflict}");
                assert!(conflict.existing.contains(existing), "{conflict}");
            }
            other => panic!("{other}"),
        }
    }
    match refused("order", json!(["T1", 13, "z9", null, null, null, null])) {
        RegistryError::MissingRecord { what, dimension, data_id } => {
            assert_eq!(what, "order {telescope: 'T1', order: 13}");
            assert_eq!(dimension, "filter");
            assert_eq!(data_id, "{telescope: 'T1', filter: 'z9'}");
        }
        other => panic!("{other}"),
    }
    for name in ["", "seventeen letters"] {
        let error = refused("telescope", json!([name, null, null, null, null]));
        assert!(matches!(error, RegistryError::Invalid { .. }), "{error}");
    }
    let nonsense = refused("cell", json!(["A", 2, "00"]));
    assert!(matches!(nonsense, RegistryError::Invalid { .. }), "{nonsense}");
}
