//! What a folder or an archive of artifacts says about itself: the middleware's `ZipIndex`.

use qbb_dimensions::{DataIdTable, DataValue, RecordTable, Symbols, Universe};
use qbb_registry::DatastoreRecordRows;
use rustc_hash::FxHashMap;
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::datasets::{DatasetTable, FoundDatasets};

/// Namespace of the UUIDs that archives are named by, the middleware's.
const NAMESPACE: Uuid = Uuid::from_u128(0x840b_31d9_05cd_5161_b2c8_00d3_2b28_0d0f);

/// An artifact of one or more datasets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedArtifact {
    /// Its path in the folder, or its name in the archive.
    pub path: String,
    /// Its datastore records, of each dataset one, as rows; the first says how it is read.
    pub records: Vec<usize>,
}

/// The index of artifacts of datasets, which are all that were found, with dimension records.
#[derive(Debug)]
pub struct ArtifactIndex<'a> {
    /// The universe.
    pub universe: &'a Universe,
    /// The datasets.
    pub found: &'a FoundDatasets,
    /// The datastore records of the datasets.
    pub records: &'a DatastoreRecordRows,
    /// The artifacts.
    pub artifacts: &'a [IndexedArtifact],
}

impl ArtifactIndex<'_> {
    /// The index as JSON.
    ///
    /// # Errors
    /// Never, as long as all its parts belong together.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = serde_json::to_vec(self)?;
        json.push(b'\n');
        Ok(json)
    }
}

/// Name of an archive with these members, without the index: equal names, equal archive, as the
/// middleware has it.
pub fn archive_name<'a>(members: impl IntoIterator<Item = &'a str>) -> String {
    let mut members: Vec<&str> = members.into_iter().collect();
    members.sort_unstable();
    format!("{}.zip", Uuid::new_v5(&NAMESPACE, members.join(",").as_bytes()))
}

/// The folder of a datastore in which the middleware keeps an archive of that name.
pub fn archive_folder(name: &str) -> String {
    format!("zips/{}", name.get(..4).unwrap_or(name))
}

impl Serialize for ArtifactIndex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut index = serializer.serialize_map(Some(3))?;
        index.serialize_entry("index_version", "V1")?;
        index
            .serialize_entry("refs", &References { universe: self.universe, found: self.found })?;
        index.serialize_entry("artifact_map", &Artifacts(self))?;
        index.end()
    }
}

/// The datasets.
struct References<'a> {
    universe: &'a Universe,
    found: &'a FoundDatasets,
}

impl Serialize for References<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { universe, found } = *self;
        let tables = || found.tables.iter().filter(|table| !table.is_empty());
        let mut references = serializer.serialize_map(Some(6))?;
        references.serialize_entry("container_version", "V1")?;
        references.serialize_entry("universe_version", &universe.version())?;
        references.serialize_entry("universe_namespace", universe.namespace())?;
        let types = tables().map(|table| {
            let definition = &table.dataset_type.dataset_type;
            let required = definition.dimensions.required().iter();
            let required: Vec<&str> =
                required.map(|&ix| universe.element(ix).name.as_str()).collect();
            let model = serde_json::json!({
                "name": definition.name,
                "storageClass": definition.storage_class,
                "dimensions": required,
                "parentStorageClass": null,
                "isCalibration": definition.is_calibration,
            });
            (definition.name.as_str(), model)
        });
        references.serialize_entry("dataset_types", &types.collect::<FxHashMap<_, _>>())?;
        references.serialize_entry("compact_refs", &Compact(found, universe))?;
        references.serialize_entry("dimension_records", &Records(found, universe))?;
        references.end()
    }
}

/// Datasets by UUID.
struct Compact<'a>(&'a FoundDatasets, &'a Universe);

impl Serialize for Compact<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(found, universe) = *self;
        let mut map = serializer.serialize_map(Some(found.len()))?;
        for table in &found.tables {
            for row in 0..table.len() {
                let dataset = Dataset { found, universe, table, row };
                map.serialize_entry(&Uuid::from_bytes(table.id[row]), &dataset)?;
            }
        }
        map.end()
    }
}

struct Dataset<'a> {
    found: &'a FoundDatasets,
    universe: &'a Universe,
    table: &'a DatasetTable,
    row: usize,
}

impl Serialize for Dataset<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { found, universe, table, row } = *self;
        let mut dataset = serializer.serialize_map(Some(3))?;
        dataset.serialize_entry("dataset_type_name", &table.dataset_type.dataset_type.name)?;
        dataset.serialize_entry("run", &found.collections.catalog.get(table.run[row]).name)?;
        let symbols = &found.symbols;
        let data_id = DataId { universe, symbols, table: &table.data_ids, row };
        dataset.serialize_entry("data_id", &data_id)?;
        dataset.end()
    }
}

struct DataId<'a> {
    universe: &'a Universe,
    symbols: &'a Symbols,
    table: &'a DataIdTable,
    row: usize,
}

impl Serialize for DataId<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let keys = self.table.group().keys().iter().zip(self.table.columns());
        serializer.collect_map(keys.map(|(&ix, cells)| {
            let value: DataValue = self.universe.value(ix, cells[self.row], self.symbols);
            (&self.universe.element(ix).name, value)
        }))
    }
}

/// Dimension records by element. Those of pixels say nothing that a program does not know.
struct Records<'a>(&'a FoundDatasets, &'a Universe);

impl Serialize for Records<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(found, universe) = *self;
        let elements = found.records.iter().filter_map(|table| {
            let element = universe.element(table.element);
            let has_table = element.skypix().is_none() && !table.is_empty();
            let rows = Rows { table, universe, symbols: &found.symbols };
            has_table.then_some((element.name.as_str(), rows))
        });
        serializer.collect_map(elements)
    }
}

struct Rows<'a> {
    table: &'a RecordTable,
    universe: &'a Universe,
    symbols: &'a Symbols,
}

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(Some(self.table.len()))?;
        for row in 0..self.table.len() as u32 {
            rows.serialize_element(&self.table.to_json(row, self.universe, self.symbols))?;
        }
        rows.end()
    }
}

/// Datastore records by artifact.
struct Artifacts<'a>(&'a ArtifactIndex<'a>);

impl Serialize for Artifacts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ArtifactIndex { found, records, artifacts, .. } = self.0;
        let text = |symbol| found.symbols.get(symbol);
        serializer.collect_map(artifacts.iter().filter_map(|artifact| {
            let &first = artifact.records.first()?;
            let mut ids: Vec<[u8; 16]> =
                artifact.records.iter().map(|&row| records.id[row]).collect();
            ids.sort_unstable();
            ids.dedup();
            let info = serde_json::json!({
                "info": {
                    "formatter": text(records.formatter[first]),
                    "path": records.path[first],
                    "storage_class": text(records.storage_class[first]),
                    "component": records.component[first].and_then(text),
                    "checksum": records.checksum[first],
                    "file_size": records.file_size[first],
                },
                "ids": ids.into_iter().map(Uuid::from_bytes).collect::<Vec<_>>(),
            });
            Some((&artifact.path, info))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `ZipIndex.calculate_zip_file_name` gives it for the same members.
    #[test]
    fn archives_have_the_middlewares_names() {
        let name = archive_name(["b#1.json", "a é.json"]);
        assert_eq!(name, "fe71efc8-2a94-5628-aa46-c3dae48f99c3.zip");
        assert_eq!(archive_folder(&name), "zips/fe71");
    }
}
