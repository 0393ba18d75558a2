//! The build from beginning to end.

use qbb_dimensions::{DataValue, ElementIx};
use qbb_graph::GraphHeader;
use qbb_pipeline::{PipelineGraph, TaskIx};
use qbb_query::engine::{self, NeededRecords, SearchedCollections, group_rows, join};
use qbb_registry::{RegistryReader, Snapshot};

use crate::anchoring::remove_unanchored;
use crate::assembly::assemble;
use crate::collections::structure;
use crate::contents::{Contents, Sources};
use crate::dimension_records;
use crate::error::BuildError;
use crate::existing::OutputSources;
use crate::explanation::{Explain, Explanation, Inspection};
use crate::hooks::{self, HookCalls, TaskHooks};
use crate::outputs::OutputCollections;
use crate::plan::Plan;
use crate::prerequisites::look_up;
use crate::records::{attach, memberships};
use crate::request::{Build, BuildRequest, Progress, TaskOutcome};
use crate::resolve::{adjust, check_init_inputs, find_inputs};
use crate::retained::Retained;
use crate::skeleton::Skeleton;
use crate::skipping::{check_skipped_init_outputs, claim_outputs, skip_finished};

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
    let catalog = snapshot.collections()?;
    let outputs = OutputCollections::new(&catalog, request)?;
    if request.retained.is_some() && outputs.skip_existing_in.is_empty() {
        return Err(BuildError::RetainedWithoutSkipping);
    }
    let output_sources = OutputSources::new(snapshot, &catalog, &outputs)?;
    let collections = SearchedCollections::new(catalog, &outputs.inputs)?;
    let registered = snapshot.dataset_types()?;
    let definitions: Vec<_> = registered.iter().map(|t| t.dataset_type.clone()).collect();
    let pipeline = request.pipeline.resolve(&universe, &definitions)?;
    let mut calls = HookCalls::start(&pipeline, hooks, &collections.names(), &outputs.run)?;
    let mut warnings: Vec<String> = output_sources.warning.clone().into_iter().collect();
    let retained = request.retained.as_ref().and_then(|names| Retained::new(&pipeline, names));
    warnings.extend(retained.iter().flat_map(|retained| &retained.unmatched).map(|name| {
        format!("retained dataset types: no dataset type of the pipeline fits `{name}`")
    }));
    let defaults = default_governors(snapshot, &collections)?;
    let mut plan = Plan::new(&pipeline, request, &defaults)?;
    let summaries = snapshot.summaries(&collections.catalog, &collections.flat)?;
    let sources = Sources {
        inputs: engine::Sources {
            collections: &collections,
            registered: &registered,
            summaries: &summaries,
        },
        outputs: &output_sources,
    };
    check_constraints(&plan, &sources)?;
    let mut contents = Contents::read(snapshot, &pipeline, &plan, &sources, progress)?;

    let (mut skeleton, mut needed) = data_ids(&pipeline, &mut contents, &plan, progress)?;
    if skeleton.quanta.iter().all(|quanta| quanta.rows.len == 0) {
        let explain = &request.explain;
        let (contents, skeleton) = (&contents, &skeleton);
        let inspection =
            Inspection { explain, pipeline: &pipeline, sources: &sources, contents, skeleton };
        let explanation = inspection.explain(snapshot, &mut plan, &[])?;
        return Err(BuildError::Empty(Box::new(explanation)));
    }
    let name = |rank: u32| {
        let ix = collections.flat.get(rank as usize);
        ix.map_or_else(String::new, |&ix| collections.catalog.get(ix).name.clone())
    };
    find_inputs(&pipeline, &contents, &mut skeleton, &name)?;
    // Outputs may have dimensions whose values came up with the data IDs.
    contents.read_outputs(snapshot, &pipeline, &sources, progress)?;
    skip_finished(&pipeline, &contents, retained.as_ref(), &mut skeleton);
    claim_outputs(&pipeline, &contents, &mut skeleton, &outputs.run, request.clobber)?;
    look_up(&pipeline, &contents, &mut skeleton, &name)?;
    let mut sent =
        hooks::look_up(&mut calls, &pipeline, &mut contents, &collections, &needed, &mut skeleton)?;
    dimension_records::add_prerequisites(
        &mut needed,
        &pipeline,
        &contents.read.dictionary,
        &skeleton,
    );
    sent.complete(&mut calls, &pipeline, &contents, &needed)?;
    let mut outcomes =
        adjust_all(&pipeline, &contents, &sources, &outputs, &mut calls, &mut skeleton, progress)?;
    if let Some((source, anchor)) = &request.prune_unanchored {
        warnings.extend(unknown_anchors(&pipeline, source, anchor));
        let removed = remove_unanchored(&pipeline, &mut skeleton, source, anchor);
        for (outcome, removed) in outcomes.iter_mut().zip(removed) {
            outcome.kept -= removed;
        }
    }
    let is_empty = outcomes.iter().all(|outcome| outcome.kept == 0);
    let mut explanation = None;
    if is_empty || request.explain != Explain::Nothing {
        let explain = &request.explain;
        let (contents, skeleton) = (&contents, &skeleton);
        let inspection =
            Inspection { explain, pipeline: &pipeline, sources: &sources, contents, skeleton };
        explanation = Some(inspection.explain(snapshot, &mut plan, &outcomes)?);
    }
    if is_empty {
        return Err(nothing_left(&outcomes, &outputs, explanation.unwrap_or_default()));
    }

    progress(Progress::Assembling);
    let header = header(request, &collections, outputs);
    let mut assembled = assemble(&pipeline, &contents, &collections, &skeleton, header)?;
    let mut symbols = std::mem::take(&mut contents.read.dictionary.symbols);
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
    graph.dimension_records =
        dimension_records::tables(&needed, &pipeline, &contents.read.dictionary);
    graph.collections = structure(&collections, memberships)?;
    graph.symbols = symbols;
    Ok(Build { graph, tasks: outcomes, statements: snapshot.statements(), warnings, explanation })
}

/// Governor dimensions for which the datasets in the input collections have one value.
fn default_governors(
    snapshot: &mut dyn Snapshot,
    collections: &SearchedCollections,
) -> Result<Vec<(ElementIx, DataValue)>, BuildError> {
    let values = snapshot.governor_values(&collections.catalog, &collections.flat)?;
    let single = values.into_iter().filter_map(|(governor, mut values)| match values.len() {
        1 => Some((governor, values.remove(0))),
        _ => None,
    });
    Ok(single.collect())
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
        let query = join(&contents.read, &component.query)?;
        rows.push(match query.is_empty() {
            true => None,
            false => Some(group_rows(&mut contents.read, &query, &component.tree)?),
        });
    }
    // Generating data IDs adds values to dimensions.
    contents.read.index_again();
    let dictionary = &contents.read.dictionary;
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
        dimension_records::add_component(&mut needed, pipeline, dictionary, component, &rows);
        progress(Progress::DataIds { tasks, quanta });
    }
    Ok((skeleton, needed))
}

/// Applies the limits of all connections, from upstream to downstream.
fn adjust_all(
    pipeline: &PipelineGraph,
    contents: &Contents,
    sources: &Sources<'_>,
    outputs: &OutputCollections,
    calls: &mut HookCalls<'_>,
    skeleton: &mut Skeleton,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Vec<TaskOutcome>, BuildError> {
    let collections = sources.inputs.collections;
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
        let searched = &outputs.skip_existing_in;
        check_skipped_init_outputs(pipeline, contents, skeleton, ix, searched)?;
        progress(Progress::Task(&outcome));
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

fn check_constraints(plan: &Plan, sources: &Sources<'_>) -> Result<(), BuildError> {
    for name in plan.components.iter().flat_map(|component| &component.query.constraint_names) {
        if sources.inputs.registered(name).is_none() {
            return Err(BuildError::ConstraintNotRegistered { dataset_type: name.clone() });
        }
    }
    Ok(())
}

/// What should be said about labels that the pipeline does not have.
fn unknown_anchors(pipeline: &PipelineGraph, source: &str, anchor: &str) -> Option<String> {
    let has = |label: &str| pipeline.tasks.iter().any(|task| task.label == label);
    match (has(source), has(anchor)) {
        (false, _) => Some(format!(
            "pruning unanchored quanta has no effect: the pipeline has no task `{source}`"
        )),
        (true, false) => Some(format!(
            "all quanta of `{source}` are unanchored: the pipeline has no task `{anchor}`"
        )),
        (true, true) => None,
    }
}

/// All quanta that there could be are done, or none has what it needs.
fn nothing_left(
    outcomes: &[TaskOutcome],
    outputs: &OutputCollections,
    explanation: Explanation,
) -> BuildError {
    let skipped: usize = outcomes.iter().map(|outcome| outcome.skipped).sum();
    if skipped == outcomes.iter().map(|outcome| outcome.initial).sum::<usize>() {
        let collections = outputs.skip_existing_in.join(", ");
        return BuildError::AllDone { quanta: skipped, collections };
    }
    BuildError::Empty(Box::new(explanation))
}

fn header(
    request: &BuildRequest,
    collections: &SearchedCollections,
    outputs: OutputCollections,
) -> GraphHeader {
    // The facts that the middleware's command records.
    let mut metadata = request.metadata.clone();
    let skip_existing = request.skip_existing || request.extend_run;
    for (name, value) in [
        ("data_query", serde_json::json!(request.data_query)),
        ("extend_run", request.extend_run.into()),
        ("skip_existing", skip_existing.into()),
        ("skip_existing_in", serde_json::json!(outputs.skip_existing_in)),
    ] {
        metadata.entry(name).or_insert(value);
    }
    GraphHeader {
        inputs: outputs.header_inputs.unwrap_or_else(|| collections.names()),
        output: request.output.clone(),
        output_run: outputs.run,
        user: request.user.clone(),
        timestamp: jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string(),
        command: request.command.clone(),
        metadata: serde_json::Value::Object(metadata).to_string(),
    }
}
