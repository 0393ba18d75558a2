//! Datastore records: where the artifacts of datasets are and how they are read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::uri::{ArtifactUri, UriError};

/// What stands for "no component" in databases and graphs.
const NO_COMPONENT: &str = "__NULL_STRING__";
/// Class path under which graphs file the rows.
const RECORD_CLASS: &str = "lsst.daf.butler.datastore.stored_file_info.StoredFileInfo";

/// One row of a file datastore's table: an artifact of a dataset, or of a component of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DatastoreRecord {
    /// Path relative to the datastore's root, or a URI for artifacts elsewhere; may have a fragment
    /// `#zip-path=MEMBER`.
    pub path: String,
    /// Path of the formatter's Python class.
    pub formatter: String,
    /// Storage class with which it was written and is read.
    pub storage_class: String,
    /// Component; `None` for the whole dataset.
    pub component: Option<String>,
    /// Checksum as hexadecimal text, if the datastore makes them.
    pub checksum: Option<String>,
    /// Size in bytes; `None` if unknown, stored as -1.
    pub file_size: Option<u64>,
}

/// The JSON form of a row.
#[derive(Serialize, Deserialize)]
struct Row<'a> {
    path: &'a str,
    formatter: &'a str,
    storage_class: &'a str,
    #[serde(default)]
    component: Option<&'a str>,
    #[serde(default)]
    checksum: Option<&'a str>,
    #[serde(default = "unknown_size")]
    file_size: i64,
}

fn unknown_size() -> i64 {
    -1
}

impl Serialize for DatastoreRecord {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Row {
            path: &self.path,
            formatter: &self.formatter,
            storage_class: &self.storage_class,
            component: Some(self.component_column()),
            checksum: self.checksum.as_deref(),
            file_size: self.file_size_column(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for DatastoreRecord {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Owned {
            path: String,
            formatter: String,
            storage_class: String,
            #[serde(default)]
            component: Option<String>,
            #[serde(default)]
            checksum: Option<String>,
            #[serde(default = "unknown_size")]
            file_size: i64,
        }
        let row = Owned::deserialize(deserializer)?;
        Ok(Self {
            path: row.path,
            formatter: row.formatter,
            storage_class: row.storage_class,
            component: row.component.filter(|component| component != NO_COMPONENT),
            checksum: row.checksum,
            file_size: u64::try_from(row.file_size).ok(),
        })
    }
}

impl DatastoreRecord {
    /// The value of the column `component`.
    pub fn component_column(&self) -> &str {
        self.component.as_deref().unwrap_or(NO_COMPONENT)
    }

    /// The value of the column `file_size`.
    pub fn file_size_column(&self) -> i64 {
        self.file_size.and_then(|size| i64::try_from(size).ok()).unwrap_or(-1)
    }

    /// Makes a record of the values of a database row.
    pub fn from_columns(
        path: String,
        formatter: String,
        storage_class: String,
        component: Option<String>,
        checksum: Option<String>,
        file_size: i64,
    ) -> Self {
        Self {
            path,
            formatter,
            storage_class,
            component: component.filter(|component| component != NO_COMPONENT),
            checksum,
            file_size: u64::try_from(file_size).ok(),
        }
    }

    /// Where the artifact is, given the datastore's root.
    ///
    /// # Errors
    /// If the path leads out of the root.
    pub fn uri(&self, root: &ArtifactUri) -> Result<ArtifactUri, UriError> {
        root.join(&self.path)
    }
}

/// Records of one datastore as quantum graphs hold them: rows by dataset id, and ids that have none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DatastoreRecords {
    /// Rows by dataset id, one for each component.
    pub rows: BTreeMap<Uuid, Vec<DatastoreRecord>>,
}

/// Records in JSON that are not what a file datastore writes.
#[derive(Debug, thiserror::Error)]
#[error("datastore records: {place}: {reason}")]
pub struct RecordsError {
    /// Where in the JSON.
    pub place: String,
    /// What is wrong.
    pub reason: String,
}

impl DatastoreRecords {
    /// The JSON of one datastore: ids with dashes, and under class, id without dashes and table the
    /// rows.
    pub fn to_json(&self, table: &str) -> Value {
        let ids: Vec<String> = self.rows.keys().map(|id| id.hyphenated().to_string()).collect();
        let rows: Map<String, Value> = (self.rows.iter())
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(id, rows)| (id.simple().to_string(), json!({ table: rows })))
            .collect();
        let records = if rows.is_empty() { json!({}) } else { json!({ RECORD_CLASS: rows }) };
        json!({ "dataset_ids": ids, "records": records })
    }

    /// Reads the JSON of one datastore; rows of all tables count.
    ///
    /// # Errors
    /// If it is of another form.
    pub fn from_json(value: &Value) -> Result<Self, RecordsError> {
        let wrong = |place: &str, reason: String| RecordsError { place: place.to_owned(), reason };
        let parse = |text: &str| {
            Uuid::parse_str(text).map_err(|error| wrong(text, format!("no dataset id: {error}")))
        };
        let mut rows: BTreeMap<Uuid, Vec<DatastoreRecord>> = BTreeMap::new();
        for id in value.get("dataset_ids").and_then(Value::as_array).into_iter().flatten() {
            let id =
                id.as_str().ok_or_else(|| wrong("dataset_ids", "texts expected".to_owned()))?;
            rows.entry(parse(id)?).or_default();
        }
        let Some(classes) = value.get("records").and_then(Value::as_object) else {
            return Ok(Self { rows });
        };
        for (class, datasets) in classes {
            let datasets = datasets
                .as_object()
                .ok_or_else(|| wrong(class, "a mapping of dataset ids is expected".to_owned()))?;
            for (id, tables) in datasets {
                let entry = rows.entry(parse(id)?).or_default();
                for table in tables.as_object().into_iter().flat_map(Map::values) {
                    let read = Vec::<DatastoreRecord>::deserialize(table)
                        .map_err(|error| wrong(id, error.to_string()))?;
                    entry.extend(read);
                }
            }
        }
        Ok(Self { rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_look_like_those_in_graphs() {
        let text = r#"{"dataset_ids": ["01a1f819-20fa-753b-8ec5-37cea45f5dc5",
              "01a1f819-20fa-753b-8ec5-37cea45f5dc6"],
            "records": {"lsst.daf.butler.datastore.stored_file_info.StoredFileInfo":
              {"01a1f81920fa753b8ec537cea45f5dc5": {"file_datastore_records":
                [{"formatter": "a.Formatter", "path": "run/x.json", "storage_class": "Dict",
                  "component": "__NULL_STRING__", "checksum": null, "file_size": 483},
                 {"formatter": "a.Formatter", "path": "run/y.json", "storage_class": "Dict",
                  "component": "part", "checksum": "ab", "file_size": -1}]}}}}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        let records = DatastoreRecords::from_json(&value).unwrap();
        let rows: Vec<_> = records.rows.values().collect();
        assert_eq!((rows[0].len(), rows[1].len()), (2, 0));
        assert_eq!((rows[0][0].component.as_deref(), rows[0][0].file_size), (None, Some(483)));
        assert_eq!((rows[0][1].component.as_deref(), rows[0][1].file_size), (Some("part"), None));
        assert_eq!(records.to_json("file_datastore_records"), value);
        let root = ArtifactUri::parse("/data/").unwrap();
        assert_eq!(rows[0][0].uri(&root).unwrap().as_str(), "file:///data/run/x.json");
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            r#"{"dataset_ids": ["x"]}"#,
            r#"{"records": {"C": 5}}"#,
            r#"{"records": {"C": {"01a1f81920fa753b8ec537cea45f5dc5": {"t": [{"path": "x"}]}}}}"#,
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert!(DatastoreRecords::from_json(&value).is_err(), "{text}");
        }
        assert_eq!(DatastoreRecords::from_json(&json!({})).unwrap(), DatastoreRecords::default());
    }
}
