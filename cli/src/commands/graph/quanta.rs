//! `qbb graph quanta`.

use qbb_dimensions::nearest_name;
use qbb_graph::{DataIdFilter, QuantumGraph, QuantumIx, parse_value};
use serde::Serialize;
use uuid::Uuid;

use crate::arguments::QuantaArguments;
use crate::commands::opened::open_graph;
use crate::output::{ExitCode, Failure, Terminal};

#[derive(Serialize)]
struct Listed {
    quanta: Vec<ListedQuantum>,
    /// How many fit, shown or not.
    total: usize,
}

#[derive(Serialize)]
struct ListedQuantum {
    quantum: Uuid,
    task: String,
    data_id: String,
    inputs: usize,
    outputs: usize,
}

/// Lists the quanta that the arguments select.
pub fn execute(arguments: &QuantaArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let graph = open_graph(&arguments.graph)?;
    let selected = select(&graph, arguments)?;
    let limit = arguments.limit.unwrap_or(usize::MAX);
    let listed = Listed {
        quanta: selected.iter().take(limit).map(|&quantum| list(&graph, quantum)).collect(),
        total: selected.len(),
    };
    terminal.result(&listed, describe)?;
    Ok(ExitCode::Success)
}

fn select(graph: &QuantumGraph, arguments: &QuantaArguments) -> Result<Vec<QuantumIx>, Failure> {
    let values = (arguments.data_id.iter())
        .map(|text| parse_value(text))
        .collect::<Result<Vec<_>, String>>()
        .map_err(Failure::usage)?;
    let tasks = &graph.pipeline.tasks;
    let labels = || tasks.iter().map(|task| task.label.as_str());
    for label in &arguments.task {
        if !labels().any(|known| known == label) {
            let failure = Failure::input(format!("the graph has no task `{label}`"));
            let hint = match nearest_name(label, labels()) {
                Some(likely) => format!("is it `{likely}`?"),
                None => format!("its tasks are {}", labels().collect::<Vec<_>>().join(", ")),
            };
            return Err(failure.with_hint(hint));
        }
    }
    let wanted =
        |label: &str| arguments.task.is_empty() || arguments.task.iter().any(|l| l == label);
    let wanted: Vec<_> = tasks.iter().filter(|task| wanted(&task.label)).collect();
    // A dimension that none of the tasks has is a slip; one that some have leaves out the others.
    for (name, _) in &values {
        let mut names = wanted.iter().flat_map(|task| task.dimensions.iter_key_names());
        if !names.any(|known| known == name) {
            let all = wanted.iter().flat_map(|task| task.dimensions.iter_key_names());
            let failure = Failure::input(format!("none of the tasks has the dimension `{name}`"));
            return Err(match nearest_name(name, all) {
                Some(likely) => failure.with_hint(format!("is it `{likely}`?")),
                None => failure,
            });
        }
    }
    let mut selected = Vec::new();
    for task in wanted {
        let has = |name: &str| task.dimensions.iter_key_names().any(|known| known == name);
        if values.iter().all(|(name, _)| has(name)) {
            let filter = DataIdFilter { task: task.label.clone(), values: values.clone() };
            selected.extend(graph.filter_quanta(&filter)?);
        }
    }
    Ok(selected)
}

fn list(graph: &QuantumGraph, quantum: QuantumIx) -> ListedQuantum {
    let task = graph.quanta.task(quantum);
    let row = graph.quanta.data_id[quantum.index()];
    ListedQuantum {
        quantum: graph.quanta.uuid(quantum),
        task: graph.pipeline.task(task).label.clone(),
        data_id: graph.task_data_ids(task).describe(row, &graph.symbols),
        inputs: graph.inputs.range(quantum).len(),
        outputs: graph.outputs.range(quantum).len(),
    }
}

/// One line for each quantum; graphs may have a million, so nothing is laid out.
fn describe(listed: &Listed) -> String {
    let width = listed.quanta.iter().map(|quantum| quantum.task.len()).max().unwrap_or(0);
    let mut text = String::new();
    for ListedQuantum { quantum, task, data_id, inputs, outputs } in &listed.quanta {
        text.push_str(&format!(
            "{quantum}  {task:width$}  {data_id}  {inputs} inputs, {outputs} outputs\n"
        ));
    }
    let hidden = listed.total - listed.quanta.len();
    match (listed.total, hidden) {
        (0, _) => text.push_str("no quantum fits"),
        (_, 0) => {}
        _ => text.push_str(&format!("… and {hidden} more")),
    }
    text
}
