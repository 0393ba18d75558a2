//! What the node has for a run, and what its tasks ask for.

use std::collections::BTreeMap;

use qbb_dimensions::nearest_name;
use qbb_pipeline::{PipelineGraph, Runner, Task};

use super::error::RunError;
use super::learned::LearnedResources;
use super::memory_events::memory_limit;
use super::request::RunRequest;
use crate::scheduler::{Amounts, MemoryRequest, Request, with_margin};

/// The part of the memory that is left to others: one tenth, and no more than this.
const MOST_RESERVE: u64 = 4 << 30;

/// What quanta of a task need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskResources {
    /// Cores; 1 if not given.
    pub cores: Option<u64>,
    /// Memory in bytes; learned if not given.
    pub memory: Option<u64>,
    /// Scratch space in bytes; none if not given.
    pub scratch: Option<u64>,
    /// Named resources.
    pub named: BTreeMap<String, u64>,
}

/// What a run may take of its node, and what is known of its tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceOptions {
    /// Memory in bytes for all quanta that run at the same time. By default what the machine has or
    /// the control group allows, less a tenth (at most 4 GiB).
    pub memory: Option<u64>,
    /// Scratch space in bytes; unlimited if not given.
    pub scratch: Option<u64>,
    /// Named resources and how much there is of each.
    pub named: BTreeMap<String, u64>,
    /// What tasks need, by label.
    pub tasks: BTreeMap<String, TaskResources>,
}

impl ResourceOptions {
    /// Memory for all quanta that run at the same time; `None` if it cannot be found out.
    pub(super) fn memory_budget(&self) -> Option<u64> {
        self.memory.or_else(|| memory_limit().map(|all| all - reserve(all)))
    }
}

/// Budget and requests of a run.
#[derive(Debug)]
pub(super) struct Needed {
    pub budget: Amounts,
    /// One for each task.
    pub requests: Vec<Request>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl Needed {
    /// Puts together what was said, what was learned, and what has to be assumed.
    pub fn of(request: &RunRequest<'_>, learned: &LearnedResources) -> Result<Self, RunError> {
        let options = &request.options.resources;
        let pipeline = &request.graph.pipeline;
        check_names(pipeline, options)?;
        let memory = options.memory_budget().unwrap_or(u64::MAX);
        let jobs = request.jobs.get() as u64;
        let scratch = options.scratch.unwrap_or(u64::MAX);
        let budget = Amounts::new(jobs, memory, scratch, options.named.values().copied());
        let share = if memory == u64::MAX { 0 } else { memory / jobs };
        let mut requests = Vec::with_capacity(pipeline.tasks.len());
        let mut warnings = Vec::new();
        let nothing = TaskResources::default();
        for task in &pipeline.tasks {
            let said = options.tasks.get(&task.label).unwrap_or(&nothing);
            let (memory, known) = match request.options.memory_said(&task.label) {
                Some(memory) => (memory, MemoryRequest::Declared),
                // Functions share our own process, so that nothing can be measured.
                None if shares_process(task) => (0, MemoryRequest::Declared),
                None => match learned.peak(&task.label) {
                    Some(peak) => (with_margin(peak), MemoryRequest::Learned),
                    None => (share, MemoryRequest::Assumed),
                },
            };
            let named = options.named.keys().map(|name| said.named.get(name).copied().unwrap_or(0));
            let cores = said.cores.unwrap_or(1).max(1);
            let amounts = Amounts::new(cores, memory, said.scratch.unwrap_or(0), named);
            warnings.extend(too_much(task, &amounts, &budget, options));
            requests.push(Request { amounts, memory: known });
        }
        Ok(Self { budget, requests, warnings })
    }
}

/// Whether quanta of a task run in our own process.
pub(super) fn shares_process(task: &Task) -> bool {
    matches!(task.runner, Runner::Function(_))
}

fn reserve(all: u64) -> u64 {
    (all / 10).min(MOST_RESERVE)
}

fn check_names(pipeline: &PipelineGraph, options: &ResourceOptions) -> Result<(), RunError> {
    for (label, said) in &options.tasks {
        if pipeline.find_task(label).is_none() {
            let labels = pipeline.tasks.iter().map(|task| task.label.as_str());
            let likely = nearest_name(label, labels);
            let likely = likely.map(|likely| format!("; is it `{likely}`?")).unwrap_or_default();
            let reason = format!("the pipeline has no task `{label}`{likely}");
            return Err(RunError::Resources { reason });
        }
        for (name, amount) in &said.named {
            let there = options.named.get(name).copied().unwrap_or(0);
            if *amount > there {
                let reason = format!(
                    "task `{label}` needs {amount} of the resource `{name}`, of which there are \
                     {there}; say how many there are with --resource {name}=N"
                );
                return Err(RunError::Resources { reason });
            }
        }
    }
    Ok(())
}

/// What a task asks for that the node does not have.
fn too_much(
    task: &Task,
    wants: &Amounts,
    budget: &Amounts,
    options: &ResourceOptions,
) -> Option<String> {
    let what = if wants.cores() > budget.cores() {
        format!("{} cores of {}", wants.cores(), budget.cores())
    } else if wants.memory() > budget.memory() {
        format!("{} MiB of memory of {}", wants.memory() >> 20, budget.memory() >> 20)
    } else if options.scratch.is_some_and(|scratch| wants.scratch() > scratch) {
        format!("{} MiB of scratch space of {}", wants.scratch() >> 20, budget.scratch() >> 20)
    } else {
        return None;
    };
    Some(format!("quanta of `{}` need {what}: each of them runs alone", task.label))
}
