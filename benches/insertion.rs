//! Contents into an empty SQLite registry, against nothing but SQLite: the same rows through
//! prepared statements, in one transaction, into the same tables and indexes.
//!
//! The datasets are made up: ten types of `visit` and `detector` with a file each.
//! `QBB_BENCH_DATASETS` is how many (300,000), `QBB_BENCH_ROUNDS` how often (3). The floor reads
//! all rows into memory before its clock starts.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "support/amount.rs"]
mod amount;
#[path = "support/prepared.rs"]
mod prepared;
#[path = "support/process.rs"]
#[allow(dead_code, reason = "each benchmark uses its part")]
mod process;
#[path = "support/samples.rs"]
#[allow(dead_code, reason = "each benchmark uses its part")]
mod samples;

use std::collections::BTreeMap;
use std::sync::Arc;

use amount::amount;
use camino::Utf8Path;
use prepared::{Indexes, Rows};
use process::{Measured, measure_inside};
use qbb_dimensions::{DatasetType, DimensionElement, RecordTable, Symbols, Universe};
use qbb_registry::RegistryWriter as _;
use qbb_registry::{CollectionKind, DatastoreTable, NewCollection, SqliteRegistry};
use qbb_transfer::{BATCH, DatasetColumns, Definitions, File, Insertion};
use samples::{Samples, Unit};
use serde_json::json;

/// Anything that ends a benchmark.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const TYPES: usize = 10;
const DETECTORS: usize = 100;
const DATABASE: &str = "gen3.sqlite3";
const RUN: &str = "u/bench/run";

fn main() -> Result<()> {
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let (wanted, rounds) =
        (amount("QBB_BENCH_DATASETS", 300_000_usize)?, amount("QBB_BENCH_ROUNDS", 3)?);
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let root = Utf8Path::from_path(scratch.path()).ok_or("the folder's name is no text")?;
    let made = MadeUp::new(wanted.div_ceil(TYPES * DETECTORS))?;
    let n = made.visits * DETECTORS * TYPES;
    let mut figures: BTreeMap<&str, Vec<Measured>> = BTreeMap::new();
    let mut note = |what, measured| figures.entry(what).or_default().push(measured);
    for round in 0..rounds {
        let place = root.join(format!("round{round}"));
        SqliteRegistry::create(&place, &made.universe)?;
        let (live, before) = (place.join(DATABASE), place.join("before"));
        made.define(&live)?;
        fs_err::copy(&live, &before)?;
        note("qbb", measure_inside(|| made.insert(&live))?);
        note("qbb, all known already", measure_inside(|| made.insert(&live))?);
        let rows = Rows::added(live.as_std_path(), before.as_std_path())?;
        for (what, indexes, keys) in [
            ("floor, indexes and foreign keys kept", Indexes::Kept, true),
            ("floor, indexes made at the end", Indexes::Remade, true),
            ("floor, indexes made at the end, no foreign keys", Indexes::Remade, false),
        ] {
            let copy = place.join("copy");
            fs_err::copy(&before, &copy)?;
            note(what, measure_inside(|| rows.insert(copy.as_std_path(), indexes, keys))?);
        }
        fs_err::remove_dir_all(&place)?;
    }
    println!("{n} datasets, {rounds} rounds; peak memory with the floor's rows {}", peak());
    let wall = |runs: &[Measured]| runs.iter().map(|run| run.wall).collect::<Samples>();
    let cpu = |runs: &[Measured]| runs.iter().map(|run| run.cpu).collect::<Samples>();
    let ours = &figures["qbb"];
    for (what, runs) in &figures {
        println!(
            "{what}: {}, {} a dataset, CPU {}; qbb needs {:.2} times as long, CPU {:.2} times",
            wall(runs).text(Unit::Seconds),
            wall(runs).per(n as f64).text(Unit::Seconds),
            cpu(runs).text(Unit::Seconds),
            wall(ours).median() / wall(runs).median(),
            cpu(ours).median() / cpu(runs).median(),
        );
    }
    Ok(())
}

/// Highest memory of this process.
fn peak() -> String {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// A made-up camera and its datasets.
struct MadeUp {
    universe: Arc<Universe>,
    symbols: Symbols,
    records: Vec<RecordTable>,
    dataset_types: Vec<DatasetType>,
    visits: usize,
}

impl MadeUp {
    fn new(visits: usize) -> Result<Self> {
        let data = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../qbb/tests/data/visits.qg");
        let universe = qbb_graph::open(&data)?.universe().clone();
        let mut symbols = Symbols::new();
        let mut records = Vec::new();
        let mut table = |name: &str, rows: &mut dyn Iterator<Item = Vec<serde_json::Value>>| {
            let element = universe.find(name).ok_or("unknown element")?;
            let mut table = RecordTable::new(element);
            let width = width(element);
            for mut row in rows {
                row.resize(width, json!(null));
                table.push_json(&row, &universe, &mut symbols)?;
            }
            records.push(table);
            Result::Ok(())
        };
        table("instrument", &mut std::iter::once(vec![json!("Cam")]))?;
        table(
            "physical_filter",
            &mut std::iter::once(vec![json!("Cam"), json!("Cam-g"), json!("g")]),
        )?;
        table("day_obs", &mut std::iter::once(vec![json!("Cam"), json!(20_250_101)]))?;
        table("detector", &mut (0..DETECTORS).map(|id| vec![json!("Cam"), json!(id)]))?;
        table(
            "visit",
            &mut (0..visits)
                .map(|id| vec![json!("Cam"), json!(id), json!(20_250_101), json!("Cam-g")]),
        )?;
        let dimensions = universe.conform(["visit", "detector"])?;
        let dataset_types = (0..TYPES)
            .map(|i| DatasetType {
                name: format!("type{i}"),
                dimensions: dimensions.clone(),
                storage_class: "StructuredDataDict".to_owned(),
                is_calibration: false,
            })
            .collect();
        Ok(Self { universe, symbols, records, dataset_types, visits })
    }

    fn open(&self, database: &Utf8Path) -> Result<SqliteRegistry> {
        let datastore = DatastoreTable {
            name: "FileDatastore@<butlerRoot>".to_owned(),
            records_table: "file_datastore_records".to_owned(),
        };
        Ok(SqliteRegistry::open_write(database, datastore)?)
    }

    fn define(&self, database: &Utf8Path) -> Result<()> {
        let mut registry = self.open(database)?;
        let mut transaction = registry.begin()?;
        let run = NewCollection {
            name: RUN.to_owned(),
            kind: CollectionKind::Run,
            doc: None,
            children: Vec::new(),
        };
        let definitions = Definitions {
            records: (&self.records).into(),
            dataset_types: self.dataset_types.clone(),
            collections: vec![run],
        };
        Insertion::new(&mut *transaction).define(&definitions, &self.symbols)?;
        Ok(transaction.commit()?)
    }

    fn insert(&self, database: &Utf8Path) -> Result<()> {
        let mut registry = self.open(database)?;
        let mut transaction = registry.begin_large()?;
        let mut insertion = Insertion::new(&mut *transaction);
        let camera = self.symbols.find("Cam").ok_or("no camera")?.cell();
        for (i, dataset_type) in self.dataset_types.iter().enumerate() {
            let mut columns = DatasetColumns::new(&dataset_type.name, RUN, 3);
            for row in 0..self.visits * DETECTORS {
                let (visit, detector) = (row / DETECTORS, row % DETECTORS);
                let dataset = columns.push(id(i, row), [camera, detector as i64, visit as i64]);
                let path = format!(
                    "{RUN}/{0}/20250101/g/Cam-g/{visit}/{0}_Cam_g_Cam-g_{visit}_{detector}.json",
                    dataset_type.name
                );
                let file = File {
                    path: &path,
                    formatter: "lsst.daf.butler.formatters.json.JsonFormatter",
                    storage_class: "StructuredDataDict",
                    component: None,
                    checksum: None,
                    file_size: row as i64,
                };
                columns.files.push(dataset, file);
                if columns.len() == BATCH {
                    insertion.datasets(&columns, &self.symbols)?;
                    columns = DatasetColumns::new(&dataset_type.name, RUN, 3);
                }
            }
            insertion.datasets(&columns, &self.symbols)?;
        }
        Ok(transaction.commit()?)
    }
}

/// Number of columns of an element's records.
fn width(element: &DimensionElement) -> usize {
    element.required.len()
        + element.implied.len()
        + element.alternate_keys.len()
        + element.metadata.len()
        + usize::from(element.is_spatial())
        + usize::from(element.is_temporal())
}

/// A UUID as the middleware makes them: by time, then random.
fn id(dataset_type: usize, row: usize) -> [u8; 16] {
    let mut id = [0; 16];
    let milliseconds = (row / 500) as u64 + 1_700_000_000_000;
    id[..6].copy_from_slice(&milliseconds.to_be_bytes()[2..]);
    let mixed = ((dataset_type * 1_000_000_007 + row) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    id[6..14].copy_from_slice(&mixed.to_be_bytes());
    id[14] = dataset_type as u8;
    id[6] = (id[6] & 0x0f) | 0x70;
    id
}
