//! Contents into an empty SQLite registry, against nothing but SQLite: the same rows through
//! prepared statements, in one transaction, into the same tables and indexes.
//!
//! The datasets are made up: ten types of `visit` and `detector` with a file each.
//! `QBB_BENCH_DATASETS` is how many (300,000), `QBB_BENCH_ROUNDS` how often (3). The floor reads
//! all rows into memory before its clock starts.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use camino::Utf8Path;
use qbb_dimensions::{DatasetType, DimensionElement, RecordTable, Symbols, Universe};
use qbb_registry::RegistryWriter as _;
use qbb_registry::{CollectionKind, DatastoreTable, NewCollection, SqliteRegistry};
use qbb_transfer::{BATCH, DatasetColumns, Definitions, File, Insertion};
use rusqlite::Connection;
use rusqlite::types::Value;
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const TYPES: usize = 10;
const DETECTORS: usize = 100;
const DATABASE: &str = "gen3.sqlite3";
const RUN: &str = "u/bench/run";

fn main() -> Result<()> {
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let number = |name: &str, default: usize| -> Result<usize> {
        Ok(std::env::var(name).map_or(Ok(default), |text| text.parse())?)
    };
    let (wanted, rounds) = (number("QBB_BENCH_DATASETS", 300_000)?, number("QBB_BENCH_ROUNDS", 3)?);
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let root = Utf8Path::from_path(scratch.path()).ok_or("the folder's name is no text")?;
    let made = MadeUp::new(wanted.div_ceil(TYPES * DETECTORS))?;
    let n = made.visits * DETECTORS * TYPES;
    let mut figures: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for round in 0..rounds {
        let place = root.join(format!("round{round}"));
        SqliteRegistry::create(&place, &made.universe)?;
        let (live, before) = (place.join(DATABASE), place.join("before"));
        made.define(&live)?;
        fs_err::copy(&live, &before)?;
        let begin = Instant::now();
        made.insert(&live)?;
        figures.entry("qbb").or_default().push(begin.elapsed().as_secs_f64());
        let again = Instant::now();
        made.insert(&live)?;
        figures.entry("qbb, all known already").or_default().push(again.elapsed().as_secs_f64());
        let rows = Rows::added(&live, &before)?;
        for (what, drop, keys) in [
            ("floor, indexes and foreign keys kept", false, true),
            ("floor, indexes made at the end", true, true),
            ("floor, indexes made at the end, no foreign keys", true, false),
        ] {
            let copy = place.join("copy");
            fs_err::copy(&before, &copy)?;
            figures.entry(what).or_default().push(rows.insert(&copy, drop, keys)?);
        }
        fs_err::remove_dir_all(&place)?;
    }
    println!("{n} datasets, {rounds} rounds; peak memory with the floor's rows {}", peak());
    let median = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    };
    let ours = median(&figures["qbb"]);
    for (what, seconds) in &figures {
        let seconds = median(seconds);
        println!(
            "{what}: {seconds:.2} s, {:.1} µs a dataset; qbb needs {:.2} times as long",
            seconds / n as f64 * 1e6,
            ours / seconds
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
        let mut transaction = registry.begin()?;
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

/// Rows by table, in the order in which they were inserted.
struct Rows(Vec<(String, Vec<Vec<Value>>)>);

impl Rows {
    /// Rows that one database has in tables that are empty in another.
    fn added(after: &Utf8Path, before: &Utf8Path) -> Result<Self> {
        let connection = Connection::open(after)?;
        connection.execute("ATTACH ?1 AS before", [before.as_str()])?;
        let mut tables = Vec::new();
        // Referenced tables were created first.
        let sql = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid";
        let names: Vec<String> = connection
            .prepare(sql)?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for name in names {
            let known = format!("SELECT count(*) FROM before.\"{name}\"");
            if connection.query_row(&known, [], |row| row.get::<_, i64>(0))? != 0 {
                continue;
            }
            let mut statement =
                connection.prepare(&format!("SELECT * FROM main.\"{name}\" ORDER BY rowid"))?;
            let width = statement.column_count();
            let rows = statement
                .query_map([], |row| (0..width).map(|at| row.get(at)).collect())?
                .collect::<rusqlite::Result<Vec<Vec<Value>>>>()?;
            if !rows.is_empty() {
                tables.push((name, rows));
            }
        }
        Ok(Self(tables))
    }

    /// Inserts them; returns the seconds that took.
    fn insert(&self, database: &Utf8Path, drop: bool, foreign_keys: bool) -> Result<f64> {
        let begin = Instant::now();
        let mut connection = Connection::open(database)?;
        connection.pragma_update(None, "foreign_keys", foreign_keys)?;
        connection.pragma_update(None, "cache_size", -256 * 1024)?;
        let transaction = connection.transaction()?;
        let mut definitions = Vec::new();
        if drop {
            for (table, _) in &self.0 {
                let sql = "SELECT name, sql FROM sqlite_master \
                           WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL";
                let indexes = transaction
                    .prepare(sql)?
                    .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect::<rusqlite::Result<Vec<(String, String)>>>()?;
                for (name, definition) in indexes {
                    transaction.execute_batch(&format!("DROP INDEX \"{name}\""))?;
                    definitions.push(definition);
                }
            }
        }
        for (table, rows) in &self.0 {
            let parameters = vec!["?"; rows[0].len()].join(", ");
            let mut insert =
                transaction.prepare(&format!("INSERT INTO \"{table}\" VALUES ({parameters})"))?;
            for row in rows {
                insert.execute(rusqlite::params_from_iter(row))?;
            }
        }
        for definition in definitions {
            transaction.execute_batch(&definition)?;
        }
        transaction.commit()?;
        Ok(begin.elapsed().as_secs_f64())
    }
}
