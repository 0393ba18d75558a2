//! The tables of a new registry are those that the middleware makes.
//!
//! The fixture was written by `tests/kit/compare_schema.py --dump`, which has the middleware make
//! a repository with universe 8 and some dataset types, and reads its tables back.

#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::collections::BTreeMap;

use camino::Utf8Path;
use qbb_dimensions::{DatasetType, Universe};
use qbb_registry::{DatastoreTable, RegistryWriter, SqliteRegistry};
use rusqlite::Connection;
use serde_json::{Value, json};

const FIXTURE: &str = include_str!("data/middleware_tables.json");
const UNIVERSE: &str = include_str!("../../dimensions/tests/data/universe8.json");

#[test]
fn tables_are_those_of_the_middleware() {
    let fixture: Value = serde_json::from_str(FIXTURE).unwrap();
    let universe = Universe::from_json(UNIVERSE).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap().join("me");
    let database = SqliteRegistry::create(&root, &universe).unwrap();
    let types: Vec<DatasetType> = (fixture["dataset_types"].as_array().unwrap().iter())
        .map(|dataset_type| DatasetType {
            name: dataset_type["name"].as_str().unwrap().to_owned(),
            dimensions: universe
                .conform(
                    dataset_type["dimensions"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|name| name.as_str().unwrap()),
                )
                .unwrap(),
            storage_class: dataset_type["storage_class"].as_str().unwrap().to_owned(),
            is_calibration: dataset_type["is_calibration"].as_bool().unwrap(),
        })
        .collect();
    let mut writer = SqliteRegistry::open_write(&database, DatastoreTable::default()).unwrap();
    let mut transaction = writer.begin().unwrap();
    transaction.register_dataset_types(&types).unwrap();
    transaction.commit().unwrap();

    let found = tables(&Connection::open(&database).unwrap());
    let expected = fixture["tables"].as_object().unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, table) in found {
        for aspect in ["columns", "primary_key", "foreign_keys", "indexes", "checks"] {
            assert_eq!(
                sorted(&table[aspect], aspect),
                sorted(&expected[&name][aspect], aspect),
                "{aspect} of {name}"
            );
        }
    }
}

/// Keys, indexes and checks come in no particular order, and so do fields of objects.
fn sorted(list: &Value, aspect: &str) -> Vec<String> {
    let text = |item: &Value| match item.as_object() {
        Some(fields) => format!("{:?}", fields.iter().collect::<BTreeMap<_, _>>()),
        None => item.to_string(),
    };
    let mut texts: Vec<String> = list.as_array().unwrap().iter().map(text).collect();
    if !matches!(aspect, "columns" | "primary_key") {
        texts.sort();
    }
    texts
}

/// Definitions of all tables, without names of constraints and indexes.
fn tables(connection: &Connection) -> BTreeMap<String, Value> {
    let query = |sql: &str, parameter: &str| -> Vec<Vec<Value>> {
        let mut statement = connection.prepare(sql).unwrap();
        let n = statement.column_count();
        let rows = statement.query_map([parameter], |row| {
            (0..n)
                .map(|at| {
                    Ok(match row.get(at)? {
                        rusqlite::types::Value::Null => Value::Null,
                        rusqlite::types::Value::Integer(value) => value.into(),
                        rusqlite::types::Value::Text(value) => value.into(),
                        other => panic!("{other:?}"),
                    })
                })
                .collect()
        });
        rows.unwrap().map(Result::unwrap).collect()
    };
    let first = |rows: Vec<Vec<Value>>| -> Vec<Value> {
        rows.into_iter().map(|mut row| row.swap_remove(0)).collect()
    };
    let truth = |value: &Value| Value::from(value.as_i64() == Some(1));
    let mut tables = BTreeMap::new();
    for row in query("SELECT name, sql FROM sqlite_master WHERE type = ?", "table") {
        let (name, sql) = (row[0].as_str().unwrap(), row[1].as_str().unwrap());
        let info = "SELECT name, type, \"notnull\", dflt_value FROM pragma_table_info(?)";
        let columns: Vec<Value> = (query(info, name).iter())
            .map(|column| {
                json!({
                    "name": column[0],
                    "type": column[1],
                    "not_null": truth(&column[2]),
                    "default": column[3],
                })
            })
            .collect();
        let key = "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk";
        let mut foreign_keys: BTreeMap<i64, (Vec<Value>, Vec<Value>, Value, Value)> =
            BTreeMap::new();
        let list = "SELECT id, \"from\", \"to\", \"table\", on_delete \
                    FROM pragma_foreign_key_list(?) ORDER BY id, seq";
        for row in query(list, name) {
            let entry = foreign_keys.entry(row[0].as_i64().unwrap()).or_default();
            entry.0.push(row[1].clone());
            entry.1.push(row[2].clone());
            (entry.2, entry.3) = (row[3].clone(), row[4].clone());
        }
        let foreign_keys: Vec<Value> = (foreign_keys.into_values())
            .map(|(columns, targets, table, on_delete)| {
                json!({
                    "columns": columns,
                    "targets": targets,
                    "table": table,
                    "on_delete": on_delete,
                })
            })
            .collect();
        let list = "SELECT name, \"unique\", origin FROM pragma_index_list(?)";
        let indexes: Vec<Value> = (query(list, name).iter())
            .map(|index| {
                let members = "SELECT name FROM pragma_index_info(?) ORDER BY seqno";
                json!({
                    "columns": first(query(members, index[0].as_str().unwrap())),
                    "unique": truth(&index[1]),
                    "origin": index[2],
                })
            })
            .collect();
        let checks: Vec<&str> = (sql.lines())
            .filter_map(|line| line.split_once("CHECK (")?.1.rsplit_once(')'))
            .map(|(check, _)| check)
            .collect();
        let definition = json!({
            "columns": columns,
            "primary_key": first(query(key, name)),
            "foreign_keys": foreign_keys,
            "indexes": indexes,
            "checks": checks,
        });
        tables.insert(name.to_owned(), definition);
    }
    tables
}
