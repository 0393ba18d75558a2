//! Tables of data IDs named on the command line.

use std::process::Stdio;

use qbb_builder::DataIdTable;
use qbb_executor::python::{Interpreter, WorkerPackage};
use serde::Deserialize;

use crate::arguments::PythonArguments;
use crate::output::{ExitCode, Failure};

/// Reads tables: CSV and ECSV files here, everything else with Python.
pub fn load(paths: &[String], python: &PythonArguments) -> Result<Vec<DataIdTable>, Failure> {
    let load = |path| load_one(path, python).map_err(|error| error.of_option("--data-id-table"));
    paths.iter().map(|path| load(path)).collect()
}

fn load_one(path: &str, python: &PythonArguments) -> Result<DataIdTable, Failure> {
    let ending = path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let is_text = matches!(ending.as_deref(), Some("csv" | "ecsv"));
    if is_text && !path.contains("://") {
        let text = fs_err::read_to_string(path).map_err(Failure::from_error)?;
        return Ok(DataIdTable::from_text(path, &text)?);
    }
    read_with_python(path, python)
}

/// What the reader prints.
#[derive(Deserialize)]
struct Columns {
    columns: Vec<NamedColumn>,
}

#[derive(Deserialize)]
struct NamedColumn {
    name: String,
    values: Vec<String>,
}

/// The reader's one line on standard error when it fails.
#[derive(Deserialize)]
struct Fault {
    error: FaultBody,
}

#[derive(Deserialize)]
struct FaultBody {
    message: String,
    hint: Option<String>,
}

fn read_with_python(path: &str, python: &PythonArguments) -> Result<DataIdTable, Failure> {
    let interpreter = Interpreter::find(python.python.as_deref())
        .map_err(|error| Failure::from_error(error).with_hint(WITHOUT_PYTHON))?;
    let package = WorkerPackage::unpack().map_err(Failure::from_error)?;
    let output = interpreter
        .module(&package, "qbb_worker.tables")
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::system("the Python interpreter could not be started", error))?;
    if output.status.success() {
        let read: Columns = serde_json::from_slice(&output.stdout).map_err(Failure::internal)?;
        let columns = read.columns.into_iter();
        let columns = columns.map(|column| (column.name, column.values.iter().collect()));
        return Ok(DataIdTable::new(path, columns.collect()));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Err(match serde_json::from_str::<Fault>(last) {
        Ok(Fault { error }) => {
            let failure = Failure::input(format!("data ID table {path}: {}", error.message));
            failure.with_hint(error.hint.unwrap_or_else(|| WITHOUT_PYTHON.to_owned()))
        }
        Err(_) => Failure::input(format!("data ID table {path} could not be read: {last}"))
            .with_code(ExitCode::System)
            .with_hint(WITHOUT_PYTHON),
    })
}

const WITHOUT_PYTHON: &str = "only CSV and ECSV tables are read without Python; convert the table, or choose an interpreter \
     that has astropy (and pyarrow, for Parquet) with --python";
