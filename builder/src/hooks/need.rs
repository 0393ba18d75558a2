//! Which tasks have methods that must be called.

use qbb_pipeline::{Hooks, PipelineDefinition, PipelineGraph, Task};
use qbb_query::engine::Relation;

use super::interface::{HookError, HookSession, TaskHooks};
use crate::error::BuildError;

/// Calls for each look-up function, for many quanta at once.
const LOOKUPS: &str = "look-up function";
const ADJUST_QUANTUM: &str = "adjustQuantum";
const ADJUST_ALL_QUANTA: &str = "adjust_all_quanta";

/// Overridden methods that do not matter, since their results are exported with the pipeline, or
/// they are called at execution only.
const SETTLED: [&str; 3] =
    ["buildDatasetRefs", "getSpatialBoundsConnections", "getTemporalBoundsConnections"];

/// Overridden methods that can be called.
const KNOWN: [&str; 2] = [ADJUST_QUANTUM, ADJUST_ALL_QUANTA];

/// A task's own code that the graph depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HookNeed {
    /// Label of the task.
    pub task: String,
    /// What must be called, for messages.
    pub hook: String,
}

impl HookNeed {
    /// The first task of a pipeline whose own code is needed to build its graphs.
    #[must_use]
    pub fn of(pipeline: &PipelineDefinition) -> Option<Self> {
        pipeline.tasks.iter().find_map(|task| {
            let function = (task.connections.iter())
                .find(|connection| connection.lookup_function)
                .map(|connection| connection.name.as_str());
            first_need(&task.label, &task.hooks, function)
        })
    }
}

/// The first need of a task.
fn first_need(label: &str, hooks: &Hooks, function: Option<&str>) -> Option<HookNeed> {
    let method = hooks.overridden.iter().find(|method| !SETTLED.contains(&method.as_str()));
    let hook = match (method, function) {
        (Some(method), _) => format!("its own `{method}`"),
        (None, Some(connection)) => format!("the {LOOKUPS} of `{connection}`"),
        (None, None) => return None,
    };
    Some(HookNeed { task: label.to_owned(), hook })
}

/// Needs of all tasks of a resolved pipeline, one for each task that has any.
pub(crate) fn needs(pipeline: &PipelineGraph) -> Vec<HookNeed> {
    let function = |task: &Task| {
        let connection = task.prerequisite_inputs.iter().find(|c| c.lookup_function)?;
        Some(connection.name.clone())
    };
    (pipeline.tasks.iter())
        .filter_map(|task| first_need(&task.label, &task.hooks, function(task).as_deref()))
        .collect()
}

/// Methods that are called during one build.
pub(crate) struct HookCalls<'h> {
    hooks: Option<&'h mut dyn TaskHooks>,
}

impl std::fmt::Debug for HookCalls<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HookCalls").field("started", &self.hooks.is_some()).finish()
    }
}

impl<'h> HookCalls<'h> {
    /// Begins, if a task has such methods.
    ///
    /// # Errors
    /// If one is needed and there is nobody to call it, or it is unknown.
    pub(crate) fn start(
        pipeline: &PipelineGraph,
        hooks: Option<&'h mut dyn TaskHooks>,
        inputs: &[String],
        output_run: &str,
    ) -> Result<Self, BuildError> {
        let needs = needs(pipeline);
        let Some(first) = needs.first() else { return Ok(Self { hooks: None }) };
        for task in &pipeline.tasks {
            let known = |method: &&str| SETTLED.contains(method) || KNOWN.contains(method);
            let mut methods = task.hooks.overridden.iter().map(String::as_str);
            if let Some(method) = methods.find(|method| !known(method)) {
                return Err(BuildError::NotSupported(format!(
                    "the method `{method}` that task `{}` overrides",
                    task.label
                )));
            }
        }
        let Some(hooks) = hooks else {
            let HookNeed { task, hook } = first.clone();
            return Err(BuildError::NeedsPython { task, hook });
        };
        let tasks: Vec<&str> = needs.iter().map(|need| need.task.as_str()).collect();
        let session = HookSession { pipeline, tasks: &tasks, inputs, output_run };
        hooks.start(&session).map_err(|error| failure(error, &first.task, &first.hook, None))?;
        Ok(Self { hooks: Some(hooks) })
    }

    /// Whoever calls methods, if any task has some.
    pub(crate) fn get(&mut self) -> Option<&mut (dyn TaskHooks + 'h)> {
        self.hooks.as_deref_mut()
    }

    /// As [`get`](Self::get), if the task overrides `adjustQuantum`.
    pub(crate) fn adjusting(&mut self, task: &Task) -> Option<&mut (dyn TaskHooks + 'h)> {
        self.overriding(task, ADJUST_QUANTUM)
    }

    /// As [`get`](Self::get), if the task overrides `adjust_all_quanta`.
    pub(crate) fn adjusting_all(&mut self, task: &Task) -> Option<&mut (dyn TaskHooks + 'h)> {
        self.overriding(task, ADJUST_ALL_QUANTA)
    }

    fn overriding(&mut self, task: &Task, method: &str) -> Option<&mut (dyn TaskHooks + 'h)> {
        let overrides = task.hooks.overridden.iter().any(|name| name == method);
        self.hooks.as_deref_mut().filter(|_| overrides)
    }
}

/// The build's error for a call's; `data_ids` describes quanta by their position in the batch.
pub(super) fn failure(
    error: HookError,
    task: &str,
    hook: &str,
    data_ids: Option<&dyn Fn(u32) -> Option<String>>,
) -> BuildError {
    match error {
        HookError::Raised { hook, type_name, message, quantum } => BuildError::HookRaised {
            task: task.to_owned(),
            hook,
            quantum: quantum.zip(data_ids).and_then(|(at, describe)| describe(at)),
            type_name,
            message,
        },
        HookError::NotCalled(source) => {
            BuildError::HookNotCalled { task: task.to_owned(), hook: hook.to_owned(), source }
        }
    }
}

/// Describes quanta by their position among chosen ones.
pub(super) fn describer<'a>(
    dictionary: &'a qbb_query::engine::Dictionary,
    rows: &'a Relation,
    chosen: &'a [u32],
) -> impl Fn(u32) -> Option<String> + 'a {
    move |at| Some(rows.describe(dictionary, *chosen.get(at as usize)? as usize))
}
