//! A small release in memory.

use std::cell::Cell;
use std::sync::Arc;

use qbb_dimensions::sphere::{ConvexPolygon, HtmPixelization, LonLat, Region, UnitVector3d};
use qbb_dimensions::{DataValue, ElementIx, RecordTable, Symbols, Universe};
use qbb_registry::{
    CellSet, CollectionCatalog, CollectionKind, DatasetRows, Filter, RegisteredDatasetType,
};
use serde_json::{Value, json};

/// A dataset of a [`MemoryRelease`].
#[derive(Debug, Clone)]
pub(crate) struct MemoryDataset {
    pub(crate) dataset_type: &'static str,
    pub(crate) run: &'static str,
    /// Required values in order.
    pub(crate) data_id: Vec<Value>,
    pub(crate) id: [u8; 16],
    /// TAGGED collections, and CALIBRATION ones with validity ranges.
    pub(crate) tags: Vec<&'static str>,
    pub(crate) certifications: Vec<(&'static str, i64, i64)>,
}

/// A release whose tables are vectors.
pub(crate) struct MemoryRelease {
    pub(crate) universe: Arc<Universe>,
    pub(crate) records: Vec<(&'static str, Vec<Value>)>,
    /// Name, type and children.
    pub(crate) collections: Vec<(&'static str, CollectionKind, Vec<&'static str>)>,
    pub(crate) types: Vec<(&'static str, Vec<&'static str>, bool)>,
    pub(crate) datasets: Vec<MemoryDataset>,
    /// Whether restrictions are applied, or everything is returned, as is allowed.
    pub(crate) applies_filters: bool,
    pub(super) statements: Cell<u64>,
}

/// Side of a patch and of a detector, degrees.
const SIDE: f64 = 1.0;
/// Nanoseconds between visits.
pub(crate) const DAY: i64 = 86_400_000_000_000;

fn square(lon: f64, lat: f64) -> Region {
    let corner = |x: f64, y: f64| {
        let at = LonLat::from_degrees(lon + x * SIDE, lat + y * SIDE).unwrap();
        UnitVector3d::from(at)
    };
    let corners = vec![corner(0., 0.), corner(1., 0.), corner(1., 1.), corner(0., 1.)];
    Region::ConvexPolygon(ConvexPolygon::new(corners).unwrap())
}

fn hex(region: &Region) -> String {
    region.encode().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl MemoryRelease {
    /// Visit `v` has detectors 0 and 1 side by side at longitudes `v mod 4` and one further; every
    /// third visit has two exposures. Patches 0 to 3 of tract 7 stand at longitudes 0.5 to 3.5.
    pub(crate) fn new(visits: i64) -> Self {
        let universe =
            Universe::from_json(include_str!("../../../dimensions/tests/data/universe8.json"))
                .unwrap();
        let mut release = Self {
            universe,
            records: Vec::new(),
            collections: vec![
                ("raw", CollectionKind::Run, vec![]),
                ("raw/again", CollectionKind::Run, vec![]),
                ("good", CollectionKind::Tagged, vec![]),
                ("calib", CollectionKind::Calibration, vec![]),
                ("calib/run", CollectionKind::Run, vec![]),
                ("shared", CollectionKind::Run, vec![]),
                ("defaults", CollectionKind::Chained, vec!["raw/again", "raw", "calib", "shared"]),
            ],
            types: vec![
                ("bias", vec!["instrument", "detector"], true),
                ("raw", vec!["instrument", "detector", "exposure"], false),
                ("refcat", vec!["htm7"], false),
                ("skyMap", vec!["skymap"], false),
            ],
            datasets: Vec::new(),
            applies_filters: true,
            statements: Cell::new(0),
        };
        release.add("instrument", json!(["Cam", 999, 1, 999, 9, "x.Y"]));
        release.add("skymap", json!(["Sky", "00", 9, 9, 9]));
        release.add("day_obs", json!(["Cam", 20250101, null]));
        for filter in ["g", "r"] {
            release.add("physical_filter", json!(["Cam", format!("Cam-{filter}"), filter]));
        }
        for detector in 0..2 {
            let name = format!("D{detector}");
            release.add("detector", json!(["Cam", detector, name, "a", "A", "SCIENCE"]));
            for (begin, end) in [(0, 10 * DAY), (10 * DAY, 1000 * DAY)] {
                let id = release.put("bias", "calib/run", vec!["Cam".into(), detector.into()]);
                release.datasets[id].certifications.push(("calib", begin, end));
            }
        }
        release.add("tract", json!(["Sky", 7, hex(&square(0.0, 0.0))]));
        for patch in 0..4 {
            let region = hex(&square(patch as f64 + 0.5, 0.0));
            release.add("patch", json!(["Sky", 7, patch, patch, 0, region]));
        }
        release.put("skyMap", "shared", vec!["Sky".into()]);
        for visit in 1..=visits {
            release.add_visit(visit);
        }
        let pixels: std::collections::BTreeSet<u64> =
            (0..4).flat_map(|lon| envelope(&square(f64::from(lon), 0.0))).collect();
        for pixel in pixels {
            release.put("refcat", "shared", vec![pixel.into()]);
        }
        release
    }

    fn add_visit(&mut self, visit: i64) {
        let filter = if visit % 2 == 0 { "Cam-g" } else { "Cam-r" };
        let lon = (visit % 4) as f64;
        let span = json!([visit * DAY, visit * DAY + DAY / 2]);
        let name = visit.to_string();
        self.add(
            "visit",
            json!([
                "Cam",
                visit,
                20250101,
                filter,
                name,
                1,
                30.0,
                "field",
                null,
                null,
                null,
                null,
                hex(&square(lon, 0.0)),
                span
            ]),
        );
        for detector in 0..2 {
            let region = hex(&square(lon + f64::from(detector), 0.0));
            self.add("visit_detector_region", json!(["Cam", detector, visit, region]));
        }
        for snap in 0..(if visit % 3 == 0 { 2 } else { 1 }) {
            let exposure = visit * 10 + snap;
            let group = exposure.to_string();
            self.add("group", json!(["Cam", group]));
            self.add(
                "exposure",
                json!([
                    "Cam", exposure, 20250101, group, filter, group, 30.0, null, "science", null,
                    1, 1, 1, null, null, null, null, null, null, null, false, true, span
                ]),
            );
            self.add("visit_definition", json!(["Cam", exposure, visit]));
            for detector in 0..2 {
                let id =
                    self.put("raw", "raw", vec!["Cam".into(), detector.into(), exposure.into()]);
                if visit != 1 {
                    self.datasets[id].tags.push("good");
                }
            }
        }
    }

    pub(crate) fn add(&mut self, element: &'static str, row: Value) {
        match self.records.iter_mut().find(|(name, _)| *name == element) {
            Some((_, rows)) => rows.push(row),
            None => self.records.push((element, vec![row])),
        }
    }

    /// Adds a dataset and returns its position.
    pub(crate) fn put(
        &mut self,
        dataset_type: &'static str,
        run: &'static str,
        data_id: Vec<Value>,
    ) -> usize {
        let at = self.datasets.len();
        let mut id = [0; 16];
        id[8..].copy_from_slice(&(at as u64 + 1).to_be_bytes());
        self.datasets.push(MemoryDataset {
            dataset_type,
            run,
            data_id,
            id,
            tags: Vec::new(),
            certifications: Vec::new(),
        });
        at
    }

    pub(crate) fn statements(&self) -> u64 {
        self.statements.get()
    }

    pub(super) fn count(&self) {
        self.statements.set(self.statements.get() + 1);
    }

    pub(super) fn table(
        &self,
        element: ElementIx,
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> RecordTable {
        let definition = self.universe.element(element);
        let mut table = RecordTable::new(definition);
        let rows = self.records.iter().find(|(name, _)| *name == definition.name);
        let keys: Vec<ElementIx> =
            definition.required.iter().chain(&definition.implied).copied().collect();
        for row in rows.map_or(&[][..], |(_, rows)| rows) {
            let row = row.as_array().unwrap();
            if self.allows(filter, &keys, row) {
                table.push_json(row, &self.universe, symbols).unwrap();
            }
        }
        table
    }

    pub(super) fn allows(&self, filter: &Filter, dimensions: &[ElementIx], row: &[Value]) -> bool {
        !self.applies_filters
            || filter.restrictions.iter().all(|(dimension, set)| {
                let at = dimensions.iter().position(|ix| ix == dimension).unwrap();
                let value: DataValue = serde_json::from_value(row[at].clone()).unwrap();
                match (set, value) {
                    (CellSet::Values(values), value) => values.contains(&value),
                    (CellSet::Ranges(ranges), DataValue::Int(value)) => {
                        ranges.iter().any(|range| range.first <= value && value <= range.last)
                    }
                    _ => false,
                }
            })
    }

    pub(super) fn push(
        &self,
        rows: &mut DatasetRows,
        dataset: &MemoryDataset,
        rank: usize,
        catalog: &CollectionCatalog,
        symbols: &mut Symbols,
    ) {
        rows.keys.resize(dataset.data_id.len(), Vec::new());
        for (column, value) in rows.keys.iter_mut().zip(&dataset.data_id) {
            column.push(match value {
                Value::String(text) => symbols.intern(text).cell(),
                other => other.as_i64().unwrap(),
            });
        }
        rows.id.push(dataset.id);
        rows.rank.push(rank as u32);
        rows.run.push(catalog.find(dataset.run).unwrap());
    }

    pub(super) fn matching<'a>(
        &'a self,
        dataset_type: &'a RegisteredDatasetType,
        filter: &'a Filter,
    ) -> impl Iterator<Item = &'a MemoryDataset> {
        let dimensions = dataset_type.dataset_type.dimensions.required();
        self.datasets.iter().filter(move |dataset| {
            dataset.dataset_type == dataset_type.dataset_type.name
                && self.allows(filter, dimensions, &dataset.data_id)
        })
    }
}

pub(super) fn envelope(region: &Region) -> Vec<u64> {
    HtmPixelization::new(7).unwrap().envelope(region, None).indexes().collect()
}
