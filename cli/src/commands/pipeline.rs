//! `qbb pipeline`, and pipelines named on the command line of other commands.

use camino::{Utf8Path, Utf8PathBuf};
use qbb_exports::{Export, ExportRequest};
use qbb_pipeline::{LoadedPipeline, PipelineDefinition};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::arguments::{ChangeKind, PipelineCommand, PythonArguments};
use crate::output::{ExitCode, Failure, ProgressBars, Terminal};

/// Exports a pipeline.
pub fn execute(command: PipelineCommand, terminal: Terminal) -> Result<ExitCode, Failure> {
    let PipelineCommand::Export { pipeline, output, python } = command;
    let bars = ProgressBars::new(terminal);
    bars.stage("exporting the pipeline with Python");
    let export = export(&pipeline, &python, &Map::new())?;
    let definition = PipelineDefinition::from_export(&export.text)?;
    write_whole(&output, export.text.as_bytes())?;
    drop(bars);
    let exported = Exported { pipeline: &pipeline, output: &output, tasks: definition.tasks.len() };
    terminal.result(&exported, |exported| {
        format!("{} tasks of {} exported to {}", exported.tasks, exported.pipeline, exported.output)
    })?;
    Ok(ExitCode::Success)
}

#[derive(Serialize)]
struct Exported<'a> {
    pipeline: &'a str,
    output: &'a Utf8Path,
    tasks: usize,
}

/// A pipeline with the text of the file that it can be read from again.
pub struct PipelineText {
    /// The pipeline.
    pub definition: PipelineDefinition,
    /// An export, or a native pipeline file.
    pub text: String,
    /// Name that says which.
    pub name: &'static str,
}

/// Reads an exported or native pipeline, or has Python export one, given the storage classes that the
/// repository defines.
pub fn load(
    pipeline: &str,
    python: &PythonArguments,
    storage_classes: &Map<String, Value>,
) -> Result<PipelineText, Failure> {
    if pipeline.is_empty() {
        // Python makes one of the tasks that were given by class.
        let text = export(pipeline, python, storage_classes)?.text;
        let definition = PipelineDefinition::from_export(&text)?;
        return Ok(PipelineText { definition, text, name: "pipeline.json" });
    }
    let (path, labels) = match pipeline.split_once('#') {
        Some((path, labels)) => (Utf8Path::new(path), Some(labels)),
        None => (Utf8Path::new(pipeline), None),
    };
    let (loaded, text) = PipelineDefinition::load_with_text(path)?;
    if let LoadedPipeline::Python = loaded {
        let text = export(pipeline, python, storage_classes)?.text;
        let definition = PipelineDefinition::from_export(&text)?;
        return Ok(PipelineText { definition, text, name: "pipeline.json" });
    }
    let not_delete = |(kind, _): &&(ChangeKind, String)| *kind != ChangeKind::Delete;
    if python.changes.0.iter().any(|change| not_delete(&change)) {
        return Err(Failure::usage(format!(
            "changes of tasks and their configuration are for Python pipelines; {path} is not one"
        ))
        .with_hint("for an exported pipeline give the changes to `qbb pipeline export`"));
    }
    let (mut definition, name) = match loaded {
        LoadedPipeline::Export(definition) => (definition, "pipeline.json"),
        LoadedPipeline::Native(definition) => (definition, "pipeline.yaml"),
        LoadedPipeline::Python => unreachable!("handled above"),
    };
    if let Some(labels) = labels {
        definition = definition.select(labels.split(',').map(str::trim))?;
    }
    for (_, label) in &python.changes.0 {
        definition = definition.without(label)?;
    }
    Ok(PipelineText { definition, text, name })
}

/// An export of a pipeline, made earlier if nothing has changed since, else now by Python.
fn export(
    pipeline: &str,
    python: &PythonArguments,
    storage_classes: &Map<String, Value>,
) -> Result<Export, Failure> {
    let mut changes = python.changes.exporter_options();
    if !storage_classes.is_empty() {
        changes.push(format!("--storage-classes={}", Value::Object(storage_classes.clone())));
    }
    let request =
        ExportRequest { pipeline: pipeline.to_owned(), changes, python: python.python.clone() };
    let cache = ExportRequest::default_cache();
    Ok(request.export((!python.fresh_export).then_some(&cache))?)
}

/// Writes a file that appears whole or not at all.
pub fn write_whole(path: &Utf8Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_str().is_empty() => parent.to_owned(),
        _ => Utf8PathBuf::from("."),
    };
    let fail = |error| Failure::unwritable(path, error);
    fs_err::create_dir_all(&folder).map_err(fail)?;
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .tempfile_in(&folder)
        .map_err(fail)?;
    std::io::Write::write_all(&mut file, bytes).map_err(fail)?;
    file.as_file().sync_all().map_err(fail)?;
    file.persist(path).map_err(|error| fail(error.error))?;
    Ok(())
}
