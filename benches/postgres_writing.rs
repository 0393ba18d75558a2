//! Inserting datasets with their files into a registry in PostgreSQL, against a bare binary `COPY` of
//! the same rows into the same tables, with their indexes and foreign keys, in one transaction.
//!
//! `QBB_BENCH_DATASETS` is another number of datasets, `QBB_BENCH_ROUNDS` another number of rounds.
#![expect(clippy::print_stdout, reason = "the report is what benchmarks are for")]
#![allow(clippy::expect_used, reason = "helpers of tests that are used here")]

#[path = "support/amount.rs"]
mod amount;
#[path = "support/copying.rs"]
mod copying;
#[path = "../tests/kit/postgres_server.rs"]
#[allow(dead_code, reason = "it is for all tests")]
mod postgres_server;
#[path = "support/samples.rs"]
#[allow(dead_code, reason = "it is for all benchmarks")]
mod samples;

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use amount::amount;
use postgres_server::postgres;
use qbb_datastore::DatabaseUrl;
use qbb_dimensions::{DatasetType, RecordTable, Symbols, Universe};
use qbb_registry::{
    CollectionKind, DatasetBatch, DatastoreTable, NewCollection, PostgresRegistry, RegistryWriter,
    StoredFile,
};
use samples::{Samples, Unit};
use serde_json::{Value, json};

/// Anything that ends a benchmark.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const UNIVERSE: &str = include_str!("../dimensions/tests/data/universe8.json");
const DETECTORS: usize = 100;
fn main() -> Result<()> {
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let rounds = amount("QBB_BENCH_ROUNDS", 5)?;
    let datasets = Datasets::new(amount("QBB_BENCH_DATASETS", 100_000)?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut ours, mut again, mut floor) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let [filled, empty] = ["filled", "empty"].map(|name| format!("{name}_{round}"));
        let mut writer = datasets.prepare(&filled)?;
        for times in [&mut ours, &mut again] {
            let start = Instant::now();
            datasets.insert(&mut writer)?;
            times.push(start.elapsed().as_secs_f64());
        }
        datasets.prepare(&empty)?;
        let url = &postgres().url;
        let tables = runtime.block_on(copying::dataset_tables(url, &filled))?;
        floor.push(runtime.block_on(copying::copy(url, &tables, &filled, &empty))?);
    }
    let n = datasets.id.len();
    let [ours, again, floor] =
        [ours, again, floor].map(|times| times.into_iter().collect::<Samples>());
    println!("{n} datasets, {rounds} rounds; median (from–to)");
    let ratio = ours.median() / floor.median();
    for (what, times) in [("inserted", &ours), ("inserted again", &again), ("bare COPY", &floor)] {
        let each = times.per(n as f64);
        println!("{what}: {}, {} each", times.text(Unit::Seconds), each.text(Unit::Seconds));
    }
    println!("inserting takes {ratio:.2} times as long as a bare COPY");
    Ok(())
}

/// What is inserted.
struct Datasets {
    universe: Arc<Universe>,
    symbols: Symbols,
    records: Vec<RecordTable>,
    dataset_type: DatasetType,
    keys: Vec<Vec<i64>>,
    id: Vec<[u8; 16]>,
    files: Vec<(u32, StoredFile)>,
}

impl Datasets {
    fn new(n: usize) -> Result<Self> {
        let universe = Universe::from_json(UNIVERSE)?;
        let mut symbols = Symbols::new();
        let visits = n.div_ceil(DETECTORS);
        let rows: [(&str, Vec<Value>); 5] = [
            ("instrument", vec![json!(["Cam"])]),
            ("physical_filter", vec![json!(["Cam", "r", "r"])]),
            ("day_obs", vec![json!(["Cam", 20_250_101])]),
            ("detector", (0..DETECTORS).map(|at| json!(["Cam", at, format!("D{at}")])).collect()),
            (
                "visit",
                (0..visits)
                    .map(|at| json!(["Cam", at, 20_250_101, "r", format!("V{at}")]))
                    .collect(),
            ),
        ];
        let mut records = Vec::new();
        for (name, rows) in rows {
            let element = universe.find(name).ok_or("the universe has it")?;
            let mut table = RecordTable::new(element);
            let width = table.keys.len()
                + table.implied.len()
                + table.fields.len()
                + usize::from(table.regions.is_some())
                + usize::from(table.timespans.is_some());
            for row in rows {
                let mut row = row.as_array().cloned().unwrap_or_default();
                row.resize(width, Value::Null);
                table.push_json(&row, &universe, &mut symbols)?;
            }
            records.push(table);
        }
        let dimensions = universe.conform(["visit", "detector"])?;
        let camera = symbols.intern("Cam").cell();
        let value = |name: &str, at: usize| match name {
            "instrument" => camera,
            "visit" => (at / DETECTORS) as i64,
            _ => (at % DETECTORS) as i64,
        };
        let names = dimensions.required().iter().map(|&ix| universe.element(ix).name.as_str());
        let keys = names.map(|name| (0..n).map(|at| value(name, at)).collect()).collect();
        let file = |at: usize| StoredFile {
            path: format!("u/me/run/image/{0}/image_Cam_{0}_{1}.fits", at / DETECTORS, at),
            formatter: "lsst.obs.base.formatters.fitsExposure.FitsExposureFormatter".to_owned(),
            storage_class: "ExposureF".to_owned(),
            component: None,
            checksum: None,
            file_size: 12_345_678,
        };
        Ok(Self {
            records,
            dataset_type: DatasetType {
                name: "image".to_owned(),
                dimensions,
                storage_class: "ExposureF".to_owned(),
                is_calibration: false,
            },
            keys,
            id: (0..n as u64).map(uuid).collect(),
            files: (0..n).map(|at| (at as u32, file(at))).collect(),
            universe,
            symbols,
        })
    }

    /// A new registry with all that datasets refer to.
    fn prepare(&self, schema: &str) -> Result<PostgresRegistry> {
        let (url, datastore) = (DatabaseUrl::new(&postgres().url), DatastoreTable::default());
        PostgresRegistry::create(&url, schema, &self.universe, &datastore)?;
        let mut writer = PostgresRegistry::open_write(&url, Some(schema), datastore)?;
        let mut transaction = writer.begin()?;
        transaction.insert_records(&self.records, &self.symbols)?;
        transaction.register_dataset_types(std::slice::from_ref(&self.dataset_type))?;
        let kind = CollectionKind::Run;
        let run = NewCollection { name: "run".to_owned(), kind, doc: None, children: Vec::new() };
        transaction.register_collections(&[run])?;
        transaction.commit()?;
        Ok(writer)
    }

    fn insert(&self, writer: &mut PostgresRegistry) -> Result<()> {
        let mut transaction = writer.begin_large()?;
        let batch = DatasetBatch {
            dataset_type: "image",
            run: "run",
            keys: &self.keys,
            id: &self.id,
            files: &self.files,
        };
        transaction.insert_datasets(&batch, &self.symbols)?;
        Ok(transaction.commit()?)
    }
}

/// UUIDs as new datasets have them: times that ascend, then what is random.
fn uuid(number: u64) -> [u8; 16] {
    let random = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let mut id = random.to_be_bytes();
    id[..6].copy_from_slice(&(1_700_000_000_000 + number / 50).to_be_bytes()[2..]);
    id[6] = 0x70 | (id[6] & 0x0f);
    id[8] = 0x80 | (id[8] & 0x3f);
    id
}
