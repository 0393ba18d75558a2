//! The number of statements depends on the kinds of rows, never on how many RUNs they are in.

use std::ffi::{CStr, c_int, c_uint, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

use camino::Utf8Path;
use qbb_dimensions::Symbols;
use rusqlite::{Connection, ffi};

use super::SqliteRegistry;
use super::connection::DatabaseFile;
use super::open_transaction::OpenTransaction;
use super::transaction::{Publication, SqliteTransaction};
use crate::DatastoreTable;
use crate::changes::{Association, DatasetBatch, NewCollection, StoredFile};
use crate::collection::CollectionKind;
use crate::conformance::Sample;
use crate::schema::Access;
use crate::writer::Transaction;
use crate::writing::TableTransaction;

/// Datasets, which are in as many RUNs as there may be.
const DATASETS: usize = 40;

/// How statements begin that look up what one distinct value of a foreign key refers to.
const LOOK_UP: &[u8] = b"SELECT 1 FROM ";

/// Has a connection count statements as they begin, but for look-ups of foreign keys.
fn count_statements(connection: &Connection, count: &AtomicU64) {
    unsafe extern "C" fn begun(
        _event: c_uint,
        count: *mut c_void,
        _statement: *mut c_void,
        text: *mut c_void,
    ) -> c_int {
        // SAFETY: for this event it is the text of the statement, which ends with a zero.
        let text = unsafe { CStr::from_ptr(text.cast_const().cast()) };
        if text.to_bytes().starts_with(LOOK_UP) {
            return 0;
        }
        // SAFETY: it is the counter that was handed over below, which outlives the connection.
        unsafe { &*count.cast_const().cast::<AtomicU64>() }.fetch_add(1, Ordering::Relaxed);
        0
    }
    let context = std::ptr::from_ref(count).cast_mut().cast();
    let events = ffi::SQLITE_TRACE_STMT as c_uint;
    // SAFETY: the connection is open, and the callback looks at nothing but the counter.
    let status =
        unsafe { ffi::sqlite3_trace_v2(connection.handle(), events, Some(begun), context) };
    assert_eq!(status, ffi::SQLITE_OK);
}

/// Inserts datasets into RUNs and tags them, with `tags` collections; then all of it again. Returns
/// how many statements both took.
fn statements(runs: usize, tags: usize) -> [u64; 2] {
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap().join("me");
    let mut sample = Sample::new();
    SqliteRegistry::create(&root, sample.universe()).unwrap();
    let path = root.join("gen3.sqlite3");
    sample.fill(&mut SqliteRegistry::open_write(&path, DatastoreTable::default()).unwrap());
    let count = AtomicU64::new(0);
    let (database, datastore) = (DatabaseFile::new(&path), DatastoreTable::default());
    let (connection, _) = database.open(Access::Write).unwrap();
    let begun = OpenTransaction::begin(&connection).unwrap();
    let source = SqliteTransaction::new(begun, Publication::InPlace(None), &database);
    let mut transaction = TableTransaction::new(source, sample.universe(), &datastore);
    let of_kind = |kind, prefix: &str, number: usize| NewCollection {
        name: format!("{prefix}{number}"),
        kind,
        doc: None,
        children: Vec::new(),
    };
    let mut collections: Vec<NewCollection> =
        (0..runs).map(|number| of_kind(CollectionKind::Run, "u/", number)).collect();
    collections.extend((0..tags).map(|number| of_kind(CollectionKind::Tagged, "t/", number)));
    let pixels: Vec<[Vec<i64>; 1]> = (0..runs)
        .map(|run| [(8192..).skip(run).step_by(runs).take(DATASETS / runs).collect()])
        .collect();
    let ids: Vec<Vec<[u8; 16]>> = (pixels.iter())
        .map(|keys| keys[0].iter().map(|pixel| (*pixel as u128).to_be_bytes()).collect())
        .collect();
    let file = |run: usize, number: u32| StoredFile {
        path: format!("file:///release/{run}/{number}"),
        formatter: "x.JsonFormatter".to_owned(),
        storage_class: "StructuredDataDict".to_owned(),
        component: None,
        checksum: None,
        file_size: 1,
    };
    let files: Vec<Vec<(u32, StoredFile)>> = (0..runs)
        .map(|run| (0..ids[run].len() as u32).map(|at| (at, file(run, at))).collect())
        .collect();
    let batches: Vec<DatasetBatch<'_>> = (0..runs)
        .map(|run| DatasetBatch {
            dataset_type: "stars",
            run: &collections[run].name,
            keys: &pixels[run],
            id: &ids[run],
            files: &files[run],
        })
        .collect();
    let associations: Vec<Association<'_>> = (0..tags)
        .map(|tag| Association {
            dataset_type: "stars",
            collection: &collections[runs + tag].name,
            keys: &pixels[0],
            id: &ids[0],
            timespan: None,
        })
        .collect();
    count_statements(&connection, &count);
    let mut take = |new: u64| {
        transaction.register_collections(&collections).unwrap();
        let symbols = Symbols::new();
        assert_eq!(transaction.insert_dataset_batches(&batches, &symbols).unwrap(), new);
        transaction.associate_all(&associations, &symbols).unwrap();
        count.swap(0, Ordering::Relaxed)
    };
    let found = [take(DATASETS as u64), take(0)];
    drop(transaction);
    drop(connection);
    found
}

#[test]
fn more_runs_and_tags_take_no_more_statements() {
    let [few, few_again] = statements(2, 2);
    let [many, many_again] = statements(20, 20);
    assert_eq!((many, many_again), (few, few_again));
    assert!(few_again < few && few > 10, "{few}, {few_again}");
}
