//! A small repository with something of everything.

use std::sync::Arc;

use qbb_dimensions::{DatasetType, RecordTable, Symbols, Timespan, Universe};
use serde_json::{Value, json};

use crate::changes::{Association, DatasetBatch, NewCollection, StoredFile};
use crate::collection::CollectionKind;
use crate::writer::{RegistryWriter, Transaction};

const UNIVERSE: &str = include_str!("universe.json");

/// A triangle of one degree at longitude and latitude 0.
pub(super) const TRIANGLE: &str = "70000000000000f03f00000000000000000000000000000000\
                                   8aaff597c0feef3f1edd892b0bdf913f0000000000000000\
                                   8aaff597c0feef3f00000000000000001edd892b0bdf913f";
/// A circle of one degree around longitude 10, latitude 0.
pub(super) const CIRCLE: &str = "63171c818c8b83ef3f89730b7e1a3ac63f0000000000000000\
                                 626407a580f6333f399d52a246df913f";

/// A universe, and records, dataset types, collections and datasets for it.
pub struct Sample {
    universe: Arc<Universe>,
    /// What text in data IDs is.
    pub symbols: Symbols,
}

impl Default for Sample {
    fn default() -> Self {
        Self::new()
    }
}

impl Sample {
    /// Reads the universe.
    pub fn new() -> Self {
        let universe = Universe::from_json(UNIVERSE).unwrap();
        Self { universe, symbols: Symbols::new() }
    }

    /// The universe.
    pub fn universe(&self) -> &Arc<Universe> {
        &self.universe
    }

    /// Fills an empty repository with all of the sample.
    pub fn fill(&mut self, writer: &mut dyn RegistryWriter) {
        let mut transaction = writer.begin().unwrap();
        self.insert_all(&mut *transaction);
        transaction.commit().unwrap();
    }

    /// Inserts all of the sample; returns how much of it was new.
    pub fn insert_all(&mut self, transaction: &mut dyn Transaction) -> u64 {
        let mut new = transaction.insert_records(&self.records(), &self.symbols).unwrap();
        new += transaction.register_dataset_types(&self.dataset_types()).unwrap();
        new += transaction.register_collections(&Self::collections()).unwrap();
        for (run, base) in [("run1", 10), ("run2", 20)] {
            new += self.insert_images(transaction, run, base).unwrap();
        }
        let note: [Vec<i64>; 0] = [];
        let batch = DatasetBatch {
            dataset_type: "note",
            run: "run1",
            keys: &note,
            id: &[id(1)],
            files: &[],
        };
        new += transaction.insert_datasets(&batch, &self.symbols).unwrap();
        let (keys, ids) = self.flats();
        let batch =
            DatasetBatch { dataset_type: "flat", run: "run2", keys: &keys, id: &ids, files: &[] };
        new += transaction.insert_datasets(&batch, &self.symbols).unwrap();
        let tagged = Association {
            dataset_type: "image",
            collection: "tag",
            keys: &self.image_keys().map(|column| column[..1].to_vec()),
            id: &[id(20)],
            timespan: None,
        };
        new += transaction.associate(&tagged, &self.symbols).unwrap();
        let certified = Association {
            dataset_type: "flat",
            collection: "calib",
            keys: &keys,
            id: &ids,
            timespan: Some(&[Timespan::from((100, 200)), Timespan::UNBOUNDED]),
        };
        new += transaction.associate(&certified, &self.symbols).unwrap();
        new
    }

    /// A table of records given as in graph files.
    pub(super) fn table(&mut self, element: &str, rows: &Value) -> RecordTable {
        let mut table = RecordTable::new(self.universe.find(element).unwrap());
        for row in rows.as_array().unwrap() {
            table.push_json(row.as_array().unwrap(), &self.universe, &mut self.symbols).unwrap();
        }
        table
    }

    /// All records, dependent ones first; each table sorted by key.
    pub(super) fn records(&mut self) -> Vec<RecordTable> {
        Self::rows().into_iter().rev().map(|(element, rows)| self.table(element, &rows)).collect()
    }

    pub(super) fn rows() -> Vec<(&'static str, Value)> {
        vec![
            ("atlas", json!([["A"]])),
            (
                "telescope",
                json!([
                    ["T1", 8.4, "0badcafe", true, "Cerro Pach\u{f3}n"],
                    ["T2", null, null, null, null],
                ]),
            ),
            ("cell", json!([["A", 0, TRIANGLE], ["A", 1, null]])),
            ("filter", json!([["T1", "g1", "g"], ["T1", "r1", "r"], ["T2", "r2", "r"]])),
            ("sensor", json!([["T1", 0, "S0"], ["T1", 1, null], ["T2", 0, "S0"]])),
            (
                "order",
                json!([
                    ["T1", 10, "r1", "first", 1.25, TRIANGLE, [100, 200]],
                    ["T1", 11, "g1", "it's \"quoted\"", null, CIRCLE, [200, 300]],
                    ["T1", 12, "g1", null, -0.5, null, null],
                ]),
            ),
            ("order_sensor_region", json!([["T1", 0, 10, TRIANGLE], ["T1", 1, 10, CIRCLE]])),
            // Every query for sensors of orders is joined with it.
            ("order_sensor", json!([["T1", 0, 10], ["T1", 0, 11], ["T1", 1, 10]])),
        ]
    }

    /// Dataset types, by name.
    pub(super) fn dataset_types(&self) -> Vec<DatasetType> {
        let make = |name: &str, dimensions: &[&str], is_calibration| DatasetType {
            name: name.to_owned(),
            dimensions: self.universe.conform(dimensions.iter().copied()).unwrap(),
            storage_class: "StructuredDataDict".to_owned(),
            is_calibration,
        };
        vec![
            make("coadd", &["cell", "band"], false),
            make("flat", &["sensor", "filter"], true),
            make("image", &["sensor", "order"], false),
            make("mask", &["sensor", "order"], false),
            make("note", &[], false),
            make("stars", &["htm5"], false),
        ]
    }

    pub(super) fn collections() -> Vec<NewCollection> {
        let make = |name: &str, kind, children: &[&str]| NewCollection {
            name: name.to_owned(),
            kind,
            doc: (kind == CollectionKind::Chained).then(|| format!("About {name}.")),
            children: children.iter().map(|&child| child.to_owned()).collect(),
        };
        vec![
            // Before the children that it is made of.
            make("top", CollectionKind::Chained, &["run1", "chain", "run1"]),
            make("run1", CollectionKind::Run, &[]),
            make("run2", CollectionKind::Run, &[]),
            make("tag", CollectionKind::Tagged, &[]),
            make("calib", CollectionKind::Calibration, &[]),
            make("chain", CollectionKind::Chained, &["tag", "run2", "calib"]),
        ]
    }

    /// Data IDs of the images of a run: sensors 0 and 1 of order 10, sensor 0 of order 11.
    pub(super) fn image_keys(&mut self) -> [Vec<i64>; 3] {
        let telescope = self.symbols.intern("T1").cell();
        [vec![telescope; 3], vec![0, 1, 0], vec![10, 10, 11]]
    }

    /// Inserts three images with UUIDs from `base` on: one in two components, one in a file, one
    /// known but not stored.
    pub(super) fn insert_images(
        &mut self,
        transaction: &mut dyn Transaction,
        run: &str,
        base: u8,
    ) -> Result<u64, crate::RegistryError> {
        let keys = self.image_keys();
        let files = [
            (0, file(&format!("{run}/a.pixels"), Some("pixels"), Some("0badcafe"), 12)),
            (0, file(&format!("{run}/a.wcs"), Some("wcs"), None, 3)),
            (1, file("file:///archive/b", None, None, -1)),
        ];
        let id = [id(base), id(base + 1), id(base + 2)];
        let batch =
            DatasetBatch { dataset_type: "image", run, keys: &keys, id: &id, files: &files };
        transaction.insert_datasets(&batch, &self.symbols)
    }

    /// Data IDs and UUIDs of two flats: sensors 0 and 1 with filter `r1`.
    pub fn flats(&mut self) -> ([Vec<i64>; 3], [[u8; 16]; 2]) {
        let telescope = self.symbols.intern("T1").cell();
        let filter = self.symbols.intern("r1").cell();
        // Dimensions stand in the universe's order, which has filters before sensors.
        ([vec![telescope; 2], vec![filter; 2], vec![0, 1]], [id(30), id(31)])
    }
}

/// A UUID that ends in a number.
pub(super) fn id(number: u8) -> [u8; 16] {
    let mut id = *b"\x01\x9f\0\0\0\0\x70\0\x80\0\0\0\0\0\0\0";
    id[15] = number;
    id
}

pub(super) fn file(
    path: &str,
    component: Option<&str>,
    checksum: Option<&str>,
    file_size: i64,
) -> StoredFile {
    StoredFile {
        path: path.to_owned(),
        formatter: "x.JsonFormatter".to_owned(),
        storage_class: "StructuredDataDict".to_owned(),
        component: component.map(str::to_owned),
        checksum: checksum.map(str::to_owned),
        file_size,
    }
}
