//! From arguments to what a run is about, what it may take, and what it repeats.

use std::collections::BTreeMap;

use camino::Utf8Path;
use qbb::GraphIdentity;
use qbb::journal::read_state;
use qbb_executor::scheduler::RetryPolicy;
use qbb_executor::{
    DeletedIntermediates, ResourceOptions, RunOptions, Selection, TaskPlan, TaskResources,
    parse_size,
};
use qbb_graph::QuantumGraph;
use serde::{Deserialize, Serialize};

use crate::arguments::{RunArguments, SchedulingArguments, SelectionArguments};
use crate::output::{ExitCode, Failure, Terminal, table};

/// Adds what the arguments say to the options of a run.
pub fn add_to(options: &mut RunOptions, arguments: &RunArguments) -> Result<(), Failure> {
    options.selection = selection(&arguments.selection);
    options.retries = retries(&arguments.scheduling);
    options.resources = resources(&arguments.scheduling)?;
    options.delete_intermediates = deleted(&arguments.scheduling.delete_intermediates);
    Ok(())
}

fn selection(arguments: &SelectionArguments) -> Selection {
    let SelectionArguments { only, select, until, rerun, dry_run: _ } = arguments;
    Selection {
        only: only.clone(),
        select: select.clone(),
        until: until.clone(),
        rerun: rerun.clone(),
    }
}

fn deleted(types: &[String]) -> DeletedIntermediates {
    match types {
        [] => DeletedIntermediates::None,
        [all] if all == "all" => DeletedIntermediates::All,
        types => DeletedIntermediates::Types(types.to_vec()),
    }
}

fn retries(arguments: &SchedulingArguments) -> RetryPolicy {
    RetryPolicy {
        retries: arguments.retries,
        delay: arguments.retry_delay,
        on: arguments.retry_on.clone(),
        ..RetryPolicy::default()
    }
}

fn resources(arguments: &SchedulingArguments) -> Result<ResourceOptions, Failure> {
    let tasks = match &arguments.resources {
        Some(path) => read_resources(path)?,
        None => BTreeMap::new(),
    };
    Ok(ResourceOptions {
        memory: arguments.memory,
        scratch: arguments.scratch,
        named: arguments.resource.iter().cloned().collect(),
        tasks,
    })
}

/// What a file says of a task.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskEntry {
    cores: Option<u64>,
    memory: Option<SizeEntry>,
    scratch: Option<SizeEntry>,
    #[serde(default)]
    resources: BTreeMap<String, u64>,
}

/// A number of megabytes, or text with a unit.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum SizeEntry {
    Megabytes(f64),
    Text(String),
}

impl SizeEntry {
    fn bytes(&self) -> Result<u64, String> {
        match self {
            Self::Megabytes(number) => parse_size(&number.to_string()),
            Self::Text(text) => parse_size(text),
        }
    }
}

fn read_resources(path: &Utf8Path) -> Result<BTreeMap<String, TaskResources>, Failure> {
    let option = |failure: Failure| failure.of_option("--resources");
    let text = fs_err::read_to_string(path).map_err(Failure::from_error).map_err(option)?;
    parse_resources(&text).map_err(|reason| {
        option(Failure::input(format!("{path}: {reason}"))).with_hint(
            "a file of resources looks like `isr: {cores: 1, memory: 2GB, scratch: 10GB, \
             resources: {gpu: 1}}`",
        )
    })
}

fn parse_resources(text: &str) -> Result<BTreeMap<String, TaskResources>, String> {
    let entries: BTreeMap<String, TaskEntry> =
        serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let mut tasks = BTreeMap::new();
    for (label, entry) in entries {
        let bytes = |what: &str, size: &Option<SizeEntry>| match size {
            Some(size) => size.bytes().map(Some).map_err(|e| format!("{what} of `{label}`: {e}")),
            None => Ok(None),
        };
        let needs = TaskResources {
            cores: entry.cores,
            memory: bytes("memory", &entry.memory)?,
            scratch: bytes("scratch", &entry.scratch)?,
            named: entry.resources,
        };
        tasks.insert(label, needs);
    }
    Ok(tasks)
}

/// What a run would do.
#[derive(Debug, Serialize)]
struct Forecast {
    tasks: Vec<TaskPlan>,
    run: u32,
}

/// Shows what a run would execute, and does nothing.
pub fn forecast(
    graph: &QuantumGraph,
    journal: &Utf8Path,
    arguments: &SelectionArguments,
    terminal: Terminal,
) -> Result<ExitCode, Failure> {
    let state = read_state(journal, graph, GraphIdentity::of(graph))?;
    let plan = selection(arguments).plan(graph, &state)?;
    let tasks = plan.by_task(graph, &state);
    let run = tasks.iter().map(|task| task.run).sum();
    terminal.result(&Forecast { tasks, run }, describe)?;
    Ok(ExitCode::Success)
}

fn describe(forecast: &Forecast) -> String {
    let header = ["task", "quanta", "done", "to run", "again", "left out"];
    let row = |task: &TaskPlan| {
        let numbers = [task.quanta, task.done, task.run, task.again, task.left_out];
        let [quanta, done, run, again, left_out] = numbers.map(|number| number.to_string());
        [task.task.clone(), quanta, done, run, again, left_out]
    };
    let mut text = table(header, 1, forecast.tasks.iter().map(row));
    let sum = |of: fn(&TaskPlan) -> u32| forecast.tasks.iter().map(of).sum::<u32>();
    text.push_str(&format!("{} quanta would be executed\n", forecast.run));
    let restored = sum(|task| task.restored);
    if restored != 0 {
        text.push_str(&format!(
            "{restored} of them only because what they wrote was deleted and is needed again\n"
        ));
    }
    let left_out = sum(|task| task.left_out);
    if left_out != 0 {
        text.push_str(&format!(
            "{left_out} that fit the selection are left out: they need quanta that are neither done \
             nor selected\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_read_by_task() {
        let text = "isr:\n  memory: 2 GiB\n  cores: 2\n\
                    calibrate: {memory: 1500, scratch: 10GB, resources: {gpu: 1}}\n";
        let tasks = parse_resources(text).unwrap();
        assert_eq!((tasks["isr"].memory, tasks["isr"].cores), (Some(2 << 30), Some(2)));
        let calibrate = &tasks["calibrate"];
        assert_eq!(calibrate.memory, Some(1_500_000_000));
        assert_eq!(calibrate.scratch, Some(10_000_000_000));
        assert_eq!(calibrate.named["gpu"], 1);
        assert!(parse_resources("isr: {memory: lots}").unwrap_err().contains("memory of `isr`"));
        assert!(parse_resources("isr: {memmory: 2GB}").is_err());
    }
}
