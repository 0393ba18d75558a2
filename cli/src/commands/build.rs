//! Building graphs, for `qbb prepare` and `qbb graph build`.

use std::collections::BTreeMap;

use qbb_builder::{
    Build, BuildError, BuildRequest, DatasetConstraint, HookNeed, Progress, TaskHooks,
};
use qbb_datastore::RepositoryConfig;
use qbb_executor::python::{Interpreter, WorkerPackage};
use qbb_hooks::PythonHooks;
use qbb_pipeline::PipelineDefinition;
use serde_json::json;

use crate::arguments::BuildArguments;
use crate::commands::pipeline::{self, PipelineText};
use crate::output::{ExitCode, Failure, ProgressBars, Terminal};

/// A finished build with the pipeline it came from.
pub struct Built {
    /// The graph, and how it came about.
    pub build: Build,
    /// The pipeline.
    pub pipeline: PipelineText,
}

/// Builds a graph.
pub fn build(arguments: &BuildArguments, terminal: Terminal) -> Result<Built, Failure> {
    let bars = ProgressBars::new(terminal);
    let release = RepositoryConfig::open(&arguments.butler_config)?;
    let mut registry = qbb_registry::open_reader(&release)?;
    bars.stage("reading the pipeline");
    let pipeline = pipeline::load(&arguments.pipeline, &arguments.python)?;
    let name = release.datastore.name.clone();
    let request = BuildRequest {
        pipeline: pipeline.definition.clone(),
        inputs: arguments.input.clone(),
        output: arguments.output.clone(),
        output_run: arguments.output_run.clone(),
        data_query: arguments.data_query.clone(),
        constraint: DatasetConstraint::parse(&arguments.dataset_query_constraint),
        max_rows: Some(arguments.max_rows),
        datastore_roots: BTreeMap::from([(name, release.datastore.root.to_string())]),
        user: user(),
        command: command(),
        metadata: metadata(arguments),
        ..BuildRequest::default()
    };
    let mut hooks = hooks(&pipeline.definition, arguments)?;
    let hooks = hooks.as_mut().map(|hooks| hooks as &mut dyn TaskHooks);
    bars.stage("reading the release");
    let mut show = |progress: Progress<'_>| match progress {
        Progress::Read { what, rows } => bars.stage(&format!("read {rows} rows of {what}")),
        Progress::DataIds { tasks, quanta } => {
            bars.stage(&format!("{quanta} quanta of {tasks} tasks"));
        }
        Progress::Task(task) => bars.stage(&format!("{} quanta of {}", task.kept, task.label)),
        _ => bars.stage("assembling the graph"),
    };
    let build = qbb_builder::build_with_hooks(&request, &mut *registry, hooks, &mut show)?;
    Ok(Built { build, pipeline })
}

/// Starts a Python process if graphs of a pipeline cannot be built without one.
fn hooks(
    pipeline: &PipelineDefinition,
    arguments: &BuildArguments,
) -> Result<Option<PythonHooks>, Failure> {
    let Some(HookNeed { task, hook }) = HookNeed::of(pipeline) else { return Ok(None) };
    let interpreter = Interpreter::find(arguments.python.python.as_deref()).map_err(|reason| {
        Failure::from(BuildError::NeedsPython { task, hook })
            .with_code(ExitCode::System)
            .with_hint(reason.to_string())
    })?;
    let package = WorkerPackage::unpack().map_err(Failure::from_error)?;
    Ok(Some(PythonHooks::start(interpreter, package, pipeline, &arguments.butler_config)))
}

fn metadata(arguments: &BuildArguments) -> serde_json::Map<String, serde_json::Value> {
    let mut metadata = serde_json::Map::new();
    metadata.insert("butler_argument".to_owned(), json!(arguments.butler_config));
    metadata.insert("data_query".to_owned(), json!(arguments.data_query));
    metadata
}

fn user() -> String {
    std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| {
        // Batch nodes may not set either; the number still says who it was.
        rustix::process::getuid().as_raw().to_string()
    })
}

fn command() -> String {
    std::env::args().collect::<Vec<_>>().join(" ")
}
