//! Building graphs, for `qbb prepare` and `qbb graph build`.

use std::collections::BTreeMap;
use std::sync::Arc;

use qbb_builder::{
    Build, BuildError, BuildRequest, DatasetConstraint, Explain, HookNeed, Progress, TaskHooks,
};
use qbb_datastore::RepositoryConfig;
use qbb_dimensions::expression::{Bindings, Literal};
use qbb_dimensions::{DimensionGroup, Universe};
use qbb_executor::python::{Interpreter, WorkerPackage};
use qbb_hooks::PythonHooks;
use qbb_pipeline::PipelineDefinition;
use serde_json::json;

use crate::arguments::{BuildArguments, ResumeArguments, split_commas};
use crate::commands::pipeline::{self, PipelineText};
use crate::commands::remembered::release_of;
use crate::commands::tables;
use crate::output::{ExitCode, Failure, ProgressBars, Terminal, explanation_text};

/// A finished build with the pipeline it came from.
pub struct Built {
    /// The graph, and how it came about.
    pub build: Build,
    /// The pipeline.
    pub pipeline: PipelineText,
}

/// What came of building a graph.
pub enum Attempt {
    /// The graph.
    Built(Box<Built>),
    /// Why there is none.
    Refused(BuildError),
}

/// Builds a graph. With `--explain`, or if nothing is left, people are shown why.
pub fn build(arguments: &BuildArguments, terminal: Terminal) -> Result<Built, Failure> {
    let explain = if arguments.explain { Explain::Constraints } else { Explain::Nothing };
    match attempt(arguments, explain, terminal)? {
        Attempt::Built(built) => {
            if let Some(explanation) = &built.build.explanation {
                terminal.note(&explanation_text(explanation));
            }
            Ok(*built)
        }
        Attempt::Refused(BuildError::Empty(explanation)) => {
            terminal.note(&explanation_text(&explanation));
            let details = serde_json::to_value(&explanation).map_err(Failure::internal)?;
            Err(Failure::from(BuildError::Empty(explanation)).with_details(details))
        }
        Attempt::Refused(error) => Err(error.into()),
    }
}

/// Builds a graph, and explains what is asked for.
pub fn attempt(
    arguments: &BuildArguments,
    explain: Explain,
    terminal: Terminal,
) -> Result<Attempt, Failure> {
    arguments.foreign.check()?;
    let bars = ProgressBars::new(terminal);
    let place = release_of(arguments.butler_config.as_deref(), arguments.personal.as_deref())?;
    let release = RepositoryConfig::open(&place)?;
    bars.stage("reading the pipeline");
    // Neither needs the other, and each takes a good part of the time of a small build.
    let (registry, pipeline) = std::thread::scope(|scope| {
        let pipeline = scope.spawn(|| {
            pipeline::load(arguments.pipeline(), &arguments.python, &release.storage_classes)
        });
        let registry = qbb_registry::open_reader(&release);
        (registry, pipeline.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let (mut registry, pipeline) = (registry?, pipeline?);
    let definition = match &arguments.select_tasks {
        Some(expression) if !expression.is_empty() => {
            pipeline.definition.select_matching(expression)?
        }
        _ => pipeline.definition.clone(),
    };
    let resume = &arguments.resume;
    let name = release.datastore.name.clone();
    let request = BuildRequest {
        pipeline: definition,
        inputs: list(&arguments.input),
        extend_run: resume.extend_run,
        replace_run: resume.replace_run,
        prune_replaced: resume.prune_replaced.is_some(),
        rebase: resume.rebase,
        skip_existing_in: list(&resume.skip_existing_in),
        skip_existing: resume.skip_existing,
        clobber: resume.clobber_outputs,
        retained: retained(resume).map_err(|error| error.of_option("--retained-dataset-types"))?,
        prune_unanchored: unanchored(resume)?,
        data_id_tables: tables::load(&arguments.data_id_table, &arguments.python)?,
        output: arguments.output.clone(),
        output_run: arguments.output_run.clone(),
        data_query: arguments.data_query.clone(),
        bindings: bindings(&arguments.bind, registry.universe())?,
        constraint: DatasetConstraint::parse(&arguments.dataset_query_constraint),
        max_rows: Some(arguments.max_rows),
        explain,
        datastore_roots: BTreeMap::from([(name, release.datastore.root.to_string())]),
        user: user(),
        command: command(),
        metadata: metadata(arguments, &place),
    };
    let mut hooks = hooks(&request.pipeline, arguments, &place)?;
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
    let build = qbb_builder::build_with_hooks(&request, &mut *registry, hooks, &mut show);
    drop(bars);
    let build = match build {
        Ok(build) => build,
        Err(error) => return Ok(Attempt::Refused(error)),
    };
    for warning in &build.warnings {
        terminal.note(&format!("warning: {warning}"));
    }
    Ok(Attempt::Built(Box::new(Built { build, pipeline })))
}

/// Starts a Python process if graphs of a pipeline cannot be built without one.
fn hooks(
    pipeline: &PipelineDefinition,
    arguments: &BuildArguments,
    release: &str,
) -> Result<Option<PythonHooks>, Failure> {
    let Some(HookNeed { task, hook }) = HookNeed::of(pipeline) else { return Ok(None) };
    let interpreter = Interpreter::find(arguments.python.python.as_deref()).map_err(|reason| {
        Failure::from(BuildError::NeedsPython { task, hook })
            .with_code(ExitCode::System)
            .with_hint(reason.to_string())
    })?;
    let package = WorkerPackage::unpack().map_err(Failure::from_error)?;
    Ok(Some(PythonHooks::start(interpreter, package, pipeline, release)))
}

/// Lists separated by commas, given several times.
pub fn list(values: &[String]) -> Vec<String> {
    values.iter().flat_map(|value| split_commas(value)).collect()
}

/// The list of names and globs in the file of retained dataset types.
fn retained(arguments: &ResumeArguments) -> Result<Option<Vec<String>>, Failure> {
    let Some(path) = &arguments.retained_dataset_types else { return Ok(None) };
    let text = fs_err::read_to_string(path).map_err(Failure::from_error)?;
    match serde_saphyr::from_str::<Vec<String>>(&text) {
        Ok(names) if !names.is_empty() => Ok(Some(names)),
        Ok(_) => {
            Err(Failure::input(format!("{path}: the list of retained dataset types is empty"))
                .with_hint("list names or globs; leave the option out if everything is kept"))
        }
        Err(error) => {
            Err(Failure::input(format!("{path} must be a YAML list of dataset types: {error}")))
        }
    }
}

/// Source and anchor of pruning.
fn unanchored(arguments: &ResumeArguments) -> Result<Option<(String, String)>, Failure> {
    let Some(text) = &arguments.prune_unanchored_quanta else { return Ok(None) };
    match text.split_once(':') {
        Some((source, anchor)) if !source.is_empty() && !anchor.is_empty() => {
            Ok(Some((source.to_owned(), anchor.to_owned())))
        }
        _ => Err(Failure::usage(format!(
            "--prune-unanchored-quanta takes two labels as SOURCE:ANCHOR, not `{text}`"
        ))),
    }
}

/// Values of bind names.
pub fn bindings(texts: &[String], universe: &Arc<Universe>) -> Result<Bindings, Failure> {
    let none = DimensionGroup::empty(universe);
    let mut bindings = Bindings::new();
    for text in texts {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Failure::usage(format!(
                "--bind {text}: write NAME=VALUE, such as --bind night=20250620"
            ))
        })?;
        let value = Literal::parse(value, &none)
            .map_err(|error| Failure::usage(format!("--bind {name}: {error}")))?;
        if bindings.insert(name.to_owned(), value).is_some() {
            return Err(Failure::usage(format!("--bind gives `{name}` twice")));
        }
    }
    Ok(bindings)
}

fn metadata(
    arguments: &BuildArguments,
    release: &str,
) -> serde_json::Map<String, serde_json::Value> {
    let mut metadata = serde_json::Map::new();
    metadata.insert("butler_argument".to_owned(), json!(release));
    if let Some(path) = &arguments.resume.retained_dataset_types {
        metadata.insert("retained_dataset_types".to_owned(), json!(path));
    }
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
