//! Which pipeline to export, and running the exporter.

use std::env;
use std::ffi::OsString;
use std::io;
use std::process::Stdio;

use camino::Utf8PathBuf;
use qbb_executor::python::{Interpreter, InterpreterError, PackageError, WorkerPackage};
use serde::Deserialize;

use crate::cache::ExportCache;
use crate::conditions::key;

/// A Python pipeline and what is to be changed in it.
#[derive(Debug, Clone, Default)]
pub struct ExportRequest {
    /// Pipeline file or URI, with an optional `#label,subset`.
    pub pipeline: String,
    /// Options of the exporter that change the pipeline, in order.
    pub changes: Vec<String>,
    /// The interpreter that was named.
    pub python: Option<Utf8PathBuf>,
}

/// An exported pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The export's JSON.
    pub text: String,
    /// Whether it had been made before, so that Python was not needed.
    pub was_cached: bool,
}

/// Why a pipeline cannot be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// There is no interpreter.
    #[error(transparent)]
    Interpreter(#[from] InterpreterError),
    /// Our part of the Python side cannot be unpacked.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The interpreter cannot be started, or its output not be read.
    #[error("the Python interpreter could not be run: {0}")]
    Process(#[source] io::Error),
    /// The exporter said what is wrong.
    #[error("pipeline {pipeline}{}: {message}", task.as_ref().map(|task| format!(", task `{task}`")).unwrap_or_default())]
    Pipeline {
        /// The pipeline.
        pipeline: String,
        /// Label of the task that it is about.
        task: Option<String>,
        /// What is wrong.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The exporter failed without saying why.
    #[error("pipeline {pipeline} could not be exported: {last}")]
    Exporter {
        /// The pipeline.
        pipeline: String,
        /// The last line of its standard error.
        last: String,
    },
}

/// The exporter's one line on standard error when it fails.
#[derive(Deserialize)]
struct ExportFault {
    error: FaultBody,
}

#[derive(Deserialize)]
struct FaultBody {
    message: String,
    task: Option<String>,
    hint: Option<String>,
}

impl ExportRequest {
    /// The export, from the cache if one is given and it still holds, else made by Python.
    ///
    /// # Errors
    /// If there is no Python with the middleware, or the pipeline is wrong.
    pub fn export(&self, cache: Option<&ExportCache>) -> Result<Export, ExportError> {
        let interpreter = Interpreter::find(self.python.as_deref())?;
        let package = WorkerPackage::unpack()?;
        let key = self.key(&interpreter, &package);
        if let Some(text) = cache.and_then(|cache| cache.find(&key)) {
            return Ok(Export { text, was_cached: true });
        }
        let mut command = interpreter.module(&package, "qbb_worker.export");
        command.arg(&self.pipeline).args(["-o", "-"]).args(&self.changes).stdin(Stdio::null());
        let conditions = match cache {
            Some(_) => Some(tempfile::NamedTempFile::new().map_err(ExportError::Process)?),
            None => None,
        };
        if let Some(file) = &conditions {
            command.arg("--conditions").arg(file.path());
        }
        let output = command.output().map_err(ExportError::Process)?;
        if !output.status.success() {
            return Err(self.failure(&String::from_utf8_lossy(&output.stderr)));
        }
        let text = String::from_utf8(output.stdout)
            .map_err(|error| ExportError::Process(io::Error::other(error)))?;
        if let (Some(cache), Some(file)) = (cache, conditions)
            && let Ok(conditions) = fs_err::read_to_string(file.path())
        {
            // A cache that cannot be written costs time, not correctness.
            let _ = cache.keep(&key, &conditions, &text);
        }
        Ok(Export { text, was_cached: false })
    }

    /// Where exports are kept if nobody says otherwise.
    #[must_use]
    pub fn default_cache() -> ExportCache {
        ExportCache::new(WorkerPackage::cache_folder().join("exports"))
    }

    /// What decides which export is meant, apart from the content of files: the interpreter that
    /// runs, what it is told, and where relative names are looked up.
    fn key(&self, interpreter: &Interpreter, package: &WorkerPackage) -> String {
        let program = interpreter.program.canonicalize_utf8();
        let status = program.as_ref().ok().and_then(|path| fs_err::metadata(path).ok());
        let status = status.and_then(|status| Some((status.len(), status.modified().ok()?)));
        let mut parts: Vec<OsString> = vec![
            env!("CARGO_PKG_VERSION").into(),
            package.folder().as_str().into(),
            interpreter.program.as_str().into(),
            program.unwrap_or_default().as_str().into(),
            format!("{status:?}").into(),
            env::current_dir().unwrap_or_default().into(),
            env::var_os("PYTHONPATH").unwrap_or_default(),
            self.pipeline.as_str().into(),
        ];
        parts.extend(self.changes.iter().map(OsString::from));
        key(parts.iter().map(OsString::as_os_str))
    }

    fn failure(&self, said: &str) -> ExportError {
        // Task modules may print while they are imported; the exporter speaks last.
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let pipeline = self.pipeline.clone();
        match serde_json::from_str::<ExportFault>(last) {
            Ok(ExportFault { error: FaultBody { message, task, hint } }) => {
                ExportError::Pipeline { pipeline, task, message, hint }
            }
            Err(_) => ExportError::Exporter { pipeline, last: last.to_owned() },
        }
    }
}
