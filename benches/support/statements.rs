//! What a database needs for the statements of a build by itself: the floor of every builder.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::sync::Mutex;

use qbb_builder::{BuildRequest, DatasetConstraint};
use qbb_datastore::RepositoryConfig;
use qbb_pipeline::{LoadedPipeline, PipelineDefinition};
use rusqlite::{Connection, OpenFlags, auto_extension, ffi};

use super::process::{Measured, measure_inside};
use super::setting::utf8;
use super::{DEFAULTS, Result, WHERE};

/// Statements that connections of this process began, with their values.
static TEXTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The statements that a build of an exported pipeline sends to a release, with their values.
pub fn statements(release: &Path, export: &Path) -> Result<Vec<String>> {
    // SAFETY: `attach` has the signature of an extension and lives as long as the program.
    unsafe { auto_extension::register_auto_extension(attach)? };
    let pipeline = match PipelineDefinition::load(utf8(export)?)? {
        LoadedPipeline::Export(definition) => definition,
        _ => return Err(format!("{} is no export", export.display()).into()),
    };
    let config = RepositoryConfig::open(&release.display().to_string())?;
    let request = BuildRequest {
        pipeline,
        inputs: vec![DEFAULTS.to_owned()],
        output_run: Some("u/bench/run".to_owned()),
        data_query: WHERE.to_owned(),
        constraint: DatasetConstraint::All,
        ..BuildRequest::default()
    };
    let mut reader = qbb_registry::open_reader(&config)?;
    let texts = || std::mem::take(&mut *TEXTS.lock().unwrap_or_else(|held| held.into_inner()));
    texts();
    qbb_builder::build(&request, &mut *reader, &mut |_| {})?;
    let found: Vec<String> =
        texts().into_iter().filter(|text| text.trim_start().starts_with("SELECT")).collect();
    auto_extension::cancel_auto_extension(attach);
    Ok(found)
}

/// Has a new connection tell of each statement that begins.
unsafe extern "C" fn attach(
    database: *mut ffi::sqlite3,
    _message: *mut *mut c_char,
    _routines: *const ffi::sqlite3_api_routines,
) -> c_int {
    let events = ffi::SQLITE_TRACE_STMT as c_uint;
    // SAFETY: the connection is open, and the callback needs no context.
    unsafe { ffi::sqlite3_trace_v2(database, events, Some(trace), std::ptr::null_mut()) }
}

unsafe extern "C" fn trace(
    _event: c_uint,
    _context: *mut c_void,
    statement: *mut c_void,
    _text: *mut c_void,
) -> c_int {
    // SAFETY: for this event the third argument is a statement that has begun.
    let expanded = unsafe { ffi::sqlite3_expanded_sql(statement.cast()) };
    if !expanded.is_null() {
        // SAFETY: the text ends with a zero and is ours until it is freed.
        let text = unsafe { CStr::from_ptr(expanded) }.to_string_lossy().into_owned();
        // SAFETY: it was allocated by SQLite and is not used again.
        unsafe { ffi::sqlite3_free(expanded.cast()) };
        TEXTS.lock().unwrap_or_else(|held| held.into_inner()).push(text);
    }
    0
}

/// Runs statements in one read transaction on a new connection and looks at every value of every
/// row, without keeping any.
pub fn run_statements(release: &Path, statements: &[String]) -> Result<Measured> {
    let mut values = 0u64;
    let measured = measure_inside(|| {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(release.join("gen3.sqlite3"), flags)?;
        let transaction = connection.transaction()?;
        for sql in statements {
            let mut statement = transaction.prepare(sql)?;
            let columns = statement.column_count();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                for column in 0..columns {
                    std::hint::black_box(row.get_ref(column)?);
                    values += 1;
                }
            }
        }
        Ok(())
    })?;
    if values == 0 { Err("the statements give no rows".into()) } else { Ok(measured) }
}
