//! Asking Python whether storage classes convert into each other.

use std::io::{self, Write as _};
use std::process::Stdio;

use camino::Utf8Path;
use qbb_executor::python::{Interpreter, InterpreterError, PackageError, WorkerPackage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Whether objects of two storage classes can be given as each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Conversion {
    /// The first as the second.
    pub forth: bool,
    /// The second as the first.
    pub back: bool,
}

/// Why it cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConversionError {
    /// There is no interpreter.
    #[error(transparent)]
    Interpreter(#[from] InterpreterError),
    /// Our part of the Python side cannot be unpacked.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The interpreter cannot be run.
    #[error("the Python interpreter could not be run: {0}")]
    Process(#[from] io::Error),
    /// It did not answer.
    #[error("Python did not tell whether storage classes convert: {last}")]
    NoAnswer {
        /// The last line of its standard error.
        last: String,
    },
}

#[derive(Serialize)]
struct Question<'a> {
    storage_classes: &'a Map<String, Value>,
    pairs: &'a [(&'a str, &'a str)],
}

/// Asks the middleware about pairs of storage classes, given what a repository defines beyond the
/// middleware's own. It decides by Python types, so nothing else can.
///
/// # Errors
/// If there is no Python with the middleware.
pub fn conversions(
    python: Option<&Utf8Path>,
    storage_classes: &Map<String, Value>,
    pairs: &[(&str, &str)],
) -> Result<Vec<Conversion>, ConversionError> {
    let interpreter = Interpreter::find(python)?;
    let package = WorkerPackage::unpack()?;
    let mut child = interpreter
        .module(&package, "qbb_worker.conversions")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let question = serde_json::to_vec(&Question { storage_classes, pairs })
        .map_err(|error| ConversionError::NoAnswer { last: error.to_string() })?;
    if let Some(mut input) = child.stdin.take() {
        // Who does not listen says why on standard error.
        let _ = input.write_all(&question);
    }
    let output = child.wait_with_output()?;
    let answer: Option<Vec<Conversion>> =
        serde_json::from_slice(&output.stdout).ok().filter(|_| output.status.success());
    answer.filter(|answer| answer.len() == pairs.len()).ok_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        ConversionError::NoAnswer { last: last.unwrap_or("it said nothing").to_owned() }
    })
}
