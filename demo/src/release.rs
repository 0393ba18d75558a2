//! Making the release: a repository with a sky, a camera and its images.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use qbb_dimensions::{DataValue, DatasetType, RecordTable, Symbols, Timespan, Universe};
use qbb_registry::{
    Association, CollectionKind, DatasetBatch, DatastoreTable, NewCollection, RegistryWriter as _,
    SqliteRegistry, StoredFile, Transaction,
};
use serde_json::json;
use uuid::Uuid;

use crate::camera::{
    DETECTOR_SIDE, DETECTORS, SCALE, SEED, VISITS, Visit, bias, flat, raw, visits,
};
use crate::error::DemoError;
use crate::sky::{BANDS, Projection, Star, catalogue};

/// The demo's universe of dimensions.
pub const UNIVERSE: &str = include_str!("../data/universe.json");
/// Name of the camera.
pub const INSTRUMENT: &str = "DemoCam";
/// Name of the sky map.
pub const SKYMAP: &str = "demo_sky";
/// The collection to process: raws, calibrations and the sky map.
pub const DEFAULTS: &str = "DemoCam/defaults";

const PATCH_SIDE: usize = 64;
const PATCHES: usize = 3;
const TRACT_CENTRES: [(f64, f64); 2] = [(55.0, -2.0), (55.7, -2.0)];

/// How many datasets of what were made.
#[derive(Debug, Clone, Copy)]
pub struct ReleaseSummary {
    /// Raw images.
    pub raws: usize,
    /// Visits.
    pub visits: usize,
    /// All datasets.
    pub datasets: usize,
}

/// Makes the release in an empty or absent folder.
///
/// # Errors
/// If the folder cannot be written or holds something.
pub fn make_release(root: &Utf8Path) -> Result<ReleaseSummary, DemoError> {
    let universe = Universe::from_json(UNIVERSE)?;
    let database = SqliteRegistry::create(root, &universe)?;
    let mut registry = SqliteRegistry::open_write(&database, DatastoreTable::default())?;
    let mut maker = Maker {
        root: root.to_owned(),
        universe,
        symbols: Symbols::new(),
        stars: TRACT_CENTRES
            .iter()
            .enumerate()
            .flat_map(|(i, &(ra, dec))| catalogue(ra, dec, 0.45, 500, SEED + i as u64))
            .collect(),
        visits: visits(&TRACT_CENTRES),
        datasets: 0,
    };
    let mut transaction = registry.begin()?;
    maker.insert_records(&mut *transaction)?;
    maker.insert_datasets(&mut *transaction)?;
    transaction.commit()?;
    Ok(ReleaseSummary { raws: VISITS * DETECTORS, visits: VISITS, datasets: maker.datasets })
}

/// Projection of a patch, and of any grid of pixels in its tract.
pub fn patch_projection(tract: usize, patch: usize) -> Projection {
    let (ra, dec) = TRACT_CENTRES[tract];
    let middle = (PATCHES * PATCH_SIDE) as f64 / 2.0 - 0.5;
    Projection {
        ra,
        dec,
        angle: 0.0,
        scale: SCALE,
        x0: middle - (patch % PATCHES * PATCH_SIDE) as f64,
        y0: middle - (patch / PATCHES * PATCH_SIDE) as f64,
    }
}

struct Maker {
    root: Utf8PathBuf,
    universe: Arc<Universe>,
    symbols: Symbols,
    stars: Vec<Star>,
    visits: Vec<Visit>,
    datasets: usize,
}

impl Maker {
    fn table(&self, element: &str) -> Result<RecordTable, DemoError> {
        let element = self.universe.find(element).ok_or_else(|| DemoError::internal(element))?;
        Ok(RecordTable::new(element))
    }

    /// Appends a record in the form that graph files have: an array in table order.
    fn push(
        &mut self,
        table: &mut RecordTable,
        values: serde_json::Value,
    ) -> Result<(), DemoError> {
        let row = values.as_array().map(Vec::as_slice).unwrap_or_default();
        table.push_json(row, &self.universe, &mut self.symbols)?;
        Ok(())
    }

    fn insert_records(&mut self, transaction: &mut dyn Transaction) -> Result<(), DemoError> {
        let mut tables = Vec::new();
        let mut table = self.table("instrument")?;
        self.push(&mut table, json!([INSTRUMENT, DETECTORS, "qbb_demo.DemoCam"]))?;
        tables.push(table);
        let mut table = self.table("skymap")?;
        self.push(&mut table, json!([SKYMAP, hex(&map_hash(SKYMAP))]))?;
        tables.push(table);
        let mut table = self.table("detector")?;
        for detector in 0..DETECTORS {
            self.push(
                &mut table,
                json!([INSTRUMENT, detector, format!("D{detector}"), "SCIENCE"]),
            )?;
        }
        tables.push(table);
        let mut table = self.table("physical_filter")?;
        for band in BANDS {
            self.push(&mut table, json!([INSTRUMENT, format!("{band}_demo"), band]))?;
        }
        tables.push(table);
        tables.extend(self.sky_tables()?);
        tables.extend(self.observation_tables()?);
        transaction.insert_records(&tables, &self.symbols)?;
        Ok(())
    }

    fn sky_tables(&mut self) -> Result<Vec<RecordTable>, DemoError> {
        let (mut tracts, mut patches) = (self.table("tract")?, self.table("patch")?);
        for tract in 0..TRACT_CENTRES.len() {
            let side = PATCHES * PATCH_SIDE;
            let region = region_hex(patch_projection(tract, 0), side, side)?;
            self.push(&mut tracts, json!([SKYMAP, tract, region]))?;
            for patch in 0..PATCHES * PATCHES {
                let region = region_hex(patch_projection(tract, patch), PATCH_SIDE, PATCH_SIDE)?;
                let (x, y) = (patch % PATCHES, patch / PATCHES);
                self.push(&mut patches, json!([SKYMAP, tract, patch, x, y, region]))?;
            }
        }
        Ok(vec![tracts, patches])
    }

    fn observation_tables(&mut self) -> Result<Vec<RecordTable>, DemoError> {
        let mut days = self.table("day_obs")?;
        let mut groups = self.table("group")?;
        let mut exposures = self.table("exposure")?;
        let mut visits = self.table("visit")?;
        let mut definitions = self.table("visit_definition")?;
        let mut regions = self.table("visit_detector_region")?;
        for i in 0..self.visits.len() {
            let visit = &self.visits[i];
            let (id, day, filter, name) = (visit.id, visit.day, visit.filter(), visit.name());
            let timespan = [visit.timespan.begin.0, visit.timespan.end.0];
            let middle = visit.detector(0);
            let span = 2 * DETECTOR_SIDE + 4;
            let whole = region_hex(middle, span, span)?;
            let detectors: Vec<Projection> = (0..DETECTORS).map(|d| visit.detector(d)).collect();
            if i == 0 || self.visits[i - 1].day != day {
                self.push(&mut days, json!([INSTRUMENT, day, null]))?;
            }
            self.push(&mut groups, json!([INSTRUMENT, name]))?;
            self.push(
                &mut exposures,
                json!([INSTRUMENT, id, day, name, filter, name, 30.0, timespan]),
            )?;
            self.push(
                &mut visits,
                json!([INSTRUMENT, id, day, filter, name, 30.0, whole, timespan]),
            )?;
            self.push(&mut definitions, json!([INSTRUMENT, id, id]))?;
            for (detector, projection) in detectors.into_iter().enumerate() {
                let region = region_hex(projection, DETECTOR_SIDE, DETECTOR_SIDE)?;
                self.push(&mut regions, json!([INSTRUMENT, detector, id, region]))?;
            }
        }
        Ok(vec![days, groups, exposures, visits, definitions, regions])
    }

    fn insert_datasets(&mut self, transaction: &mut dyn Transaction) -> Result<(), DemoError> {
        let types = [
            ("raw", &["exposure", "detector"][..], false),
            ("bias", &["instrument", "detector"], true),
            ("flat", &["instrument", "detector", "physical_filter"], true),
            ("sky_map", &["skymap"], false),
        ];
        let mut dataset_types = Vec::new();
        for (name, dimensions, is_calibration) in types {
            dataset_types.push(DatasetType {
                name: name.to_owned(),
                dimensions: self.universe.conform(dimensions.iter().copied())?,
                storage_class: "StructuredDataDict".to_owned(),
                is_calibration,
            });
        }
        transaction.register_dataset_types(&dataset_types)?;
        let run = |name: &str| new_collection(name, CollectionKind::Run, &[]);
        transaction.register_collections(&[
            run("DemoCam/raw"),
            run("DemoCam/calib/run"),
            run("skymaps"),
            new_collection("DemoCam/calib", CollectionKind::Calibration, &[]),
            new_collection(
                DEFAULTS,
                CollectionKind::Chained,
                &["DemoCam/raw", "DemoCam/calib", "skymaps"],
            ),
        ])?;
        self.insert_raws(transaction)?;
        self.insert_calibrations(transaction)?;
        let sky_map = json!({
            "name": SKYMAP,
            "patch_side": PATCH_SIDE,
            "patches_per_side": PATCHES,
            "tracts": TRACT_CENTRES.iter().enumerate()
                .map(|(tract, _)| patch_projection(tract, 0)).collect::<Vec<_>>(),
        });
        let row = (vec![self.cell("skymap", SKYMAP.into())?], "sky_map".to_owned(), sky_map);
        self.insert(transaction, "sky_map", "skymaps", &[row])?;
        Ok(())
    }

    fn insert_raws(&mut self, transaction: &mut dyn Transaction) -> Result<(), DemoError> {
        let mut rows = Vec::new();
        for i in 0..self.visits.len() {
            for detector in 0..DETECTORS {
                let visit = &self.visits[i];
                let name = format!("raw_{}_{detector}", visit.id);
                let id = visit.id;
                let image = serde_json::to_value(raw(visit, detector, &self.stars))?;
                let instrument = self.cell("instrument", INSTRUMENT.into())?;
                rows.push((vec![instrument, detector as i64, id], name, image));
            }
        }
        self.insert(transaction, "raw", "DemoCam/raw", &rows)?;
        Ok(())
    }

    /// Biases hold for ever; of the flats there is a set for each night.
    fn insert_calibrations(&mut self, transaction: &mut dyn Transaction) -> Result<(), DemoError> {
        let run = "DemoCam/calib/run";
        let instrument = self.cell("instrument", INSTRUMENT.into())?;
        let (mut biases, mut flats) = (Vec::new(), Vec::new());
        for detector in 0..DETECTORS {
            let key = vec![instrument, detector as i64];
            let image = serde_json::to_value(bias(detector))?;
            biases.push((key, format!("bias_{detector}"), image));
            for (band, band_name) in BANDS.iter().enumerate() {
                let filter = format!("{band_name}_demo");
                let key = vec![
                    instrument,
                    detector as i64,
                    self.cell("physical_filter", filter.as_str().into())?,
                ];
                let image = serde_json::to_value(flat(detector, band))?;
                flats.push((key, format!("flat_{detector}_{band_name}"), image));
            }
        }
        for (dataset_type, rows) in [("bias", biases), ("flat", flats)] {
            let ids = self.insert(transaction, dataset_type, run, &rows)?;
            let keys = columns(rows.iter().map(|(key, ..)| key.as_slice()));
            let timespan = vec![Timespan::UNBOUNDED; ids.len()];
            transaction.associate(
                &Association {
                    dataset_type,
                    collection: "DemoCam/calib",
                    keys: &keys,
                    id: &ids,
                    timespan: Some(&timespan),
                },
                &self.symbols,
            )?;
        }
        Ok(())
    }

    fn cell(&mut self, dimension: &str, value: DataValue) -> Result<i64, DemoError> {
        let ix = self.universe.dimension(dimension)?.ix;
        self.universe
            .cell(ix, &value, &mut self.symbols)
            .ok_or_else(|| DemoError::internal(dimension))
    }

    /// Writes JSON files and registers them. Rows are key cells, file stem and content.
    fn insert(
        &mut self,
        transaction: &mut dyn Transaction,
        dataset_type: &str,
        run: &str,
        rows: &[(Vec<i64>, String, serde_json::Value)],
    ) -> Result<Vec<[u8; 16]>, DemoError> {
        let folder = format!("{run}/{dataset_type}");
        fs_err::create_dir_all(self.root.join(&folder))?;
        let (mut ids, mut files) = (Vec::new(), Vec::new());
        for (i, (_, stem, content)) in rows.iter().enumerate() {
            let path = format!("{folder}/{stem}.json");
            let bytes = serde_json::to_vec(content)?;
            fs_err::write(self.root.join(&path), &bytes)?;
            ids.push(Uuid::now_v7().into_bytes());
            files.push((
                i as u32,
                StoredFile {
                    path,
                    formatter: "lsst.daf.butler.formatters.json.JsonFormatter".to_owned(),
                    storage_class: "StructuredDataDict".to_owned(),
                    component: None,
                    checksum: None,
                    file_size: bytes.len() as i64,
                },
            ));
        }
        let keys = columns(rows.iter().map(|(key, ..)| key.as_slice()));
        let batch = DatasetBatch { dataset_type, run, keys: &keys, id: &ids, files: &files };
        transaction.insert_datasets(&batch, &self.symbols)?;
        self.datasets += ids.len();
        Ok(ids)
    }
}

fn columns<'a>(rows: impl Iterator<Item = &'a [i64]>) -> Vec<Vec<i64>> {
    let mut columns: Vec<Vec<i64>> = Vec::new();
    for row in rows {
        columns.resize(row.len(), Vec::new());
        for (column, &cell) in columns.iter_mut().zip(row) {
            column.push(cell);
        }
    }
    columns
}

fn new_collection(name: &str, kind: CollectionKind, children: &[&str]) -> NewCollection {
    let children = children.iter().map(|&child| child.to_owned()).collect();
    NewCollection { name: name.to_owned(), kind, doc: None, children }
}

fn region_hex(projection: Projection, width: usize, height: usize) -> Result<String, DemoError> {
    let region =
        projection.region(width, height).ok_or_else(|| DemoError::internal("a flat region"))?;
    Ok(hex(&region.encode()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The sky map's hash: any bytes that differ for differing maps.
fn map_hash(name: &str) -> [u8; 16] {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).into_bytes()
}
