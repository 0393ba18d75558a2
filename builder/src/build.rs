//! The build from beginning to end.

use qbb_graph::GraphHeader;
use qbb_pipeline::{PipelineGraph, TaskIx};
use qbb_registry::RegistryReader;

use crate::assembly::assemble;
use crate::collections::InputCollections;
use crate::contents::{Contents, Sources};
use crate::diagnosis::{diagnose, of_outcomes};
use crate::dimension_records::NeededRecords;
use crate::error::BuildError;
use crate::generation::component_rows;
use crate::hooks::{self, HookCalls, TaskHooks};
use crate::plan::Plan;
use crate::prerequisites::look_up;
use crate::query::join;
use crate::records::{attach, memberships};
use crate::request::{Build, BuildRequest, Progress, TaskOutcome};
use crate::resolve::{adjust, check_init_inputs, check_outputs, find_inputs};
use crate::skeleton::Skeleton;

/// Builds a quantum graph from one consistent view of a repository.
///
/// # Errors
/// If the repository cannot be read, the pipeline or the expression does not fit it, a task needs
/// what only Python can tell, a connection's limits are violated, or nothing is left; then the
/// error tells which constraint left nothing.
pub fn build(
    request: &BuildRequest,
    reader: &mut dyn RegistryReader,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Build, BuildError> {
    build_with_hooks(request, reader, None, progress)
}

/// As [`build`], with somebody who can call tasks' own methods.
///
/// # Errors
/// As for [`build`], and if such a method raises or cannot be called.
pub fn build_with_hooks(
    request: &BuildRequest,
    reader: &mut dyn RegistryReader,
    hooks: Option<&mut dyn TaskHooks>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Build, BuildError> {
    let universe = reader.universe().clone();
    let mut snapshot = reader.snapshot()?;
    let snapshot = &mut *snapshot;
    let collections = InputCollections::new(snapshot.collections()?, &request.inputs)?;
    let registered = snapshot.dataset_types()?;
    let definitions: Vec<_> = registered.iter().map(|t| t.dataset_type.clone()).collect();
    let pipeline = request.pipeline.resolve(&universe, &definitions)?;
    let output_run = output_run(request)?;
    let mut calls = HookCalls::start(&pipeline, hooks, &collections.names(), &output_run)?;
    let plan = Plan::new(&pipeline, request)?;
    let summaries = snapshot.summaries(&collections.catalog, &collections.flat)?;
    let sources = Sources {
        collections: &collections,
        registered: &registered,
        summaries: &summaries,
        output_run: collections.catalog.find(&output_run),
    };
    check_constraints(&pipeline, &plan, &sources)?;
    let mut contents = Contents::read(snapshot, &pipeline, &plan, &sources, progress)?;

    let (mut skeleton, mut needed) = data_ids(&pipeline, &mut contents, &plan, progress)?;
    if skeleton.quanta.iter().all(|quanta| quanta.rows.len == 0) {
        let diagnosis = diagnose(snapshot, &pipeline, plan, &sources)?;
        return Err(BuildError::Empty(Box::new(diagnosis)));
    }
    let name = |rank: u32| {
        let ix = collections.flat.get(rank as usize);
        ix.map_or_else(String::new, |&ix| collections.catalog.get(ix).name.clone())
    };
    find_inputs(&pipeline, &contents, &mut skeleton, &name)?;
    check_outputs(&pipeline, &contents, &skeleton, &output_run)?;
    look_up(&pipeline, &contents, &mut skeleton, &name)?;
    let mut sent =
        hooks::look_up(&mut calls, &pipeline, &mut contents, &collections, &needed, &mut skeleton)?;
    needed.add_prerequisites(&pipeline, &contents.dictionary, &skeleton);
    sent.complete(&mut calls, &pipeline, &contents, &needed)?;
    let outcomes = adjust_all(
        &pipeline,
        &contents,
        &collections,
        &sources,
        &mut calls,
        &mut skeleton,
        progress,
    )?;
    if outcomes.iter().all(|outcome| outcome.kept == 0) {
        return Err(BuildError::Empty(Box::new(of_outcomes(&outcomes))));
    }

    progress(Progress::Assembling);
    let header = header(request, &collections, output_run);
    let mut assembled = assemble(&pipeline, &contents, &collections, &skeleton, header)?;
    let mut symbols = std::mem::take(&mut contents.dictionary.symbols);
    attach(
        snapshot,
        &contents,
        &sources,
        &request.datastore_roots,
        &mut assembled,
        &mut symbols,
        progress,
    )?;
    let memberships = memberships(&contents, &collections, &assembled);
    let mut graph = assembled.graph;
    graph.dimension_records = needed.tables(&pipeline, &contents.dictionary);
    graph.collections = collections.structure(memberships)?;
    graph.symbols = symbols;
    Ok(Build { graph, tasks: outcomes, statements: snapshot.statements() })
}

/// Data IDs of all components, and the records that they need.
fn data_ids(
    pipeline: &PipelineGraph,
    contents: &mut Contents,
    plan: &Plan,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(Skeleton, NeededRecords), BuildError> {
    let mut rows = Vec::with_capacity(plan.components.len());
    for component in &plan.components {
        let query = join(contents, component)?;
        rows.push(match query.is_empty() {
            true => None,
            false => Some(component_rows(contents, &query, &component.tree)?),
        });
    }
    // Generating data IDs adds values to dimensions.
    contents.index_again();
    let dictionary = &contents.dictionary;
    let mut skeleton = Skeleton::new(dictionary, pipeline);
    let mut needed = NeededRecords::new(dictionary);
    for (component, rows) in plan.components.iter().zip(rows) {
        let component = &component.component;
        let tasks = component.tasks.len();
        let Some(rows) = rows else {
            progress(Progress::DataIds { tasks, quanta: 0 });
            continue;
        };
        let quanta = skeleton.add_component(pipeline, dictionary, component, &rows)?;
        needed.add_component(pipeline, dictionary, component, &rows);
        progress(Progress::DataIds { tasks, quanta });
    }
    Ok((skeleton, needed))
}

/// Applies the limits of all connections, from upstream to downstream.
fn adjust_all(
    pipeline: &PipelineGraph,
    contents: &Contents,
    collections: &InputCollections,
    sources: &Sources<'_>,
    calls: &mut HookCalls<'_>,
    skeleton: &mut Skeleton,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Vec<TaskOutcome>, BuildError> {
    let mut outcomes = Vec::with_capacity(pipeline.tasks.len());
    for at in 0..pipeline.tasks.len() {
        let ix = TaskIx(at as u32);
        let task = pipeline.task(ix);
        let removed = match calls.adjusting_all(task) {
            Some(hooks) => hooks::adjust_all(hooks, pipeline, contents, collections, skeleton, ix)?,
            None => 0,
        };
        let mut outcome = match calls.adjusting(task) {
            Some(hooks) => hooks::adjust(hooks, pipeline, contents, collections, skeleton, ix)?,
            None => adjust(pipeline, contents, sources, skeleton, ix)?,
        };
        if removed > 0 {
            outcome.dropped_by_hooks.push(("adjust_all_quanta".to_owned(), removed));
        }
        if outcome.kept > 0 {
            check_init_inputs(pipeline, contents, collections, skeleton, ix)?;
        }
        progress(Progress::Task(&outcome));
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

fn check_constraints(
    pipeline: &PipelineGraph,
    plan: &Plan,
    sources: &Sources<'_>,
) -> Result<(), BuildError> {
    for &ix in plan.components.iter().flat_map(|component| &component.constraints) {
        let name = &pipeline.dataset_type(ix).dataset_type.name;
        if sources.registered(name).is_none() {
            return Err(BuildError::ConstraintNotRegistered { dataset_type: name.clone() });
        }
    }
    Ok(())
}

/// The output run as given, or the output collection followed by the time.
fn output_run(request: &BuildRequest) -> Result<String, BuildError> {
    if let Some(run) = &request.output_run {
        return Ok(run.clone());
    }
    let output = request.output.as_ref().ok_or(BuildError::NoOutput)?;
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    Ok(format!("{output}/{now}"))
}

fn header(
    request: &BuildRequest,
    collections: &InputCollections,
    output_run: String,
) -> GraphHeader {
    let mut metadata = request.metadata.clone();
    metadata.entry("data_query").or_insert_with(|| request.data_query.clone().into());
    GraphHeader {
        inputs: collections.names(),
        output: request.output.clone(),
        output_run,
        user: request.user.clone(),
        timestamp: jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string(),
        command: request.command.clone(),
        metadata: serde_json::Value::Object(metadata).to_string(),
    }
}
