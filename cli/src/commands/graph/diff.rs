//! `qbb graph diff`.

use qbb_graph::{Difference, DifferentValue, Edge, QuantumDifference};

use crate::arguments::DiffArguments;
use crate::commands::opened::open_graph;
use crate::output::{ExitCode, Failure, Terminal};

/// Compares two graphs; as `diff` does, it exits with 1 if they differ.
pub fn execute(arguments: &DiffArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let (a, b) = (open_graph(&arguments.a)?, open_graph(&arguments.b)?);
    let difference = qbb_graph::difference(&a, &b)?;
    terminal.result(&difference, |difference| describe(difference, arguments.limit))?;
    Ok(if difference.is_empty() { ExitCode::Success } else { ExitCode::Incomplete })
}

fn describe(difference: &Difference, limit: usize) -> String {
    if difference.is_empty() {
        return "the graphs do not differ".to_owned();
    }
    let mut text = String::new();
    values("header", &difference.header, limit, &mut text);
    values("pipeline", &difference.pipeline, limit, &mut text);
    for task in &difference.tasks {
        let (a, b) = (task.quanta_in_a, task.quanta_in_b);
        text.push_str(&format!("task {}: {a} quanta in A, {b} in B\n", task.task));
        let only = |sign: char, data_ids: &[String], text: &mut String| {
            limited(data_ids, limit, text, |data_id, text| {
                text.push_str(&format!("  {sign} {data_id}\n"));
            });
        };
        only('-', &task.only_in_a, &mut text);
        only('+', &task.only_in_b, &mut text);
        limited(&task.different, limit, &mut text, |quantum, text| {
            quantum_lines(quantum, limit, text);
        });
    }
    for init in &difference.init {
        match init.task.as_str() {
            "" => text.push_str("initialisation\n"),
            task => text.push_str(&format!("initialisation of {task}\n")),
        }
        edges("  - ", &init.only_in_a, limit, &mut text);
        edges("  + ", &init.only_in_b, limit, &mut text);
    }
    values("datastore records", &difference.records, limit, &mut text);
    text.push_str("\n- is in A only, + in B only");
    text
}

fn values(what: &str, values: &[DifferentValue], limit: usize, text: &mut String) {
    if values.is_empty() {
        return;
    }
    text.push_str(&format!("{what}\n"));
    limited(values, limit, text, |value, text| {
        text.push_str(&format!("  {}\n", value.name));
        for (sign, value) in [('-', &value.a), ('+', &value.b)] {
            if let Some(value) = value {
                text.push_str(&format!("    {sign} {value}\n"));
            }
        }
    });
}

fn quantum_lines(quantum: &QuantumDifference, limit: usize, text: &mut String) {
    text.push_str(&format!("  {}\n", quantum.data_id));
    edges("    - input  ", &quantum.inputs_only_in_a, limit, text);
    edges("    + input  ", &quantum.inputs_only_in_b, limit, text);
    edges("    - output ", &quantum.outputs_only_in_a, limit, text);
    edges("    + output ", &quantum.outputs_only_in_b, limit, text);
}

fn edges(begin: &str, edges: &[Edge], limit: usize, text: &mut String) {
    limited(edges, limit, text, |edge, text| {
        text.push_str(&format!("{begin}{}: {}\n", edge.connection, edge.dataset));
    });
}

/// Shows some of many things and tells how many are not shown.
fn limited<T>(items: &[T], limit: usize, text: &mut String, show: impl Fn(&T, &mut String)) {
    items.iter().take(limit).for_each(|item| show(item, text));
    if items.len() > limit {
        text.push_str(&format!("  … and {} more\n", items.len() - limit));
    }
}
