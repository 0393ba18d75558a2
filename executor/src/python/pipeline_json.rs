//! The part of a pipeline that Python is told of.

use std::collections::BTreeSet;

use qbb_pipeline::{PipelineGraph, Runner, Task};
use serde_json::{Value, json};

/// The serialised pipeline graph with those `PipelineTask`s that are wanted; Python cannot read
/// other tasks. What others write is an input from outside then.
pub fn pipeline_json(pipeline: &PipelineGraph, wanted: impl Fn(&Task) -> bool) -> Value {
    let mut json = pipeline.to_json();
    let is_python = |task: &&Task| matches!(task.runner, Runner::PipelineTask(_)) && wanted(task);
    if pipeline.tasks.iter().all(|task| is_python(&task)) {
        return json;
    }
    let labels: BTreeSet<&str> =
        pipeline.tasks.iter().filter(is_python).map(|task| task.label.as_str()).collect();
    let dataset_types: BTreeSet<&str> = (pipeline.tasks.iter().filter(is_python))
        .flat_map(Task::all_connections)
        .map(|c| pipeline.dataset_type(c.dataset_type).dataset_type.name.as_str())
        .collect();
    retain(&mut json, "tasks", &labels);
    retain(&mut json, "dataset_types", &dataset_types);
    renumber(&mut json);
    // Subsets and steps may only name tasks that there are, and matter to building graphs only.
    if let Some(json) = json.as_object_mut() {
        json.insert("task_subsets".to_owned(), json!({}));
        json.insert("step_labels".to_owned(), json!([]));
        json.insert("steps_verified".to_owned(), true.into());
    }
    json
}

fn members<'j>(
    json: &'j mut Value,
    section: &str,
) -> Option<&'j mut serde_json::Map<String, Value>> {
    json.get_mut(section).and_then(Value::as_object_mut)
}

fn retain(json: &mut Value, section: &str, names: &BTreeSet<&str>) {
    if let Some(members) = members(json, section) {
        members.retain(|name, _| names.contains(name.as_str()));
    }
}

/// Gives the nodes that are left numbers without gaps, in the order of those they had, which is a
/// topological one. Python takes a graph without numbers for an unresolved one.
fn renumber(json: &mut Value) {
    let mut numbers: Vec<&mut Value> = Vec::new();
    let Some(json) = json.as_object_mut() else { return };
    for (section, nodes) in json {
        if !["tasks", "dataset_types"].contains(&section.as_str()) {
            continue;
        }
        for (_, node) in nodes.as_object_mut().into_iter().flatten() {
            for (name, member) in node.as_object_mut().into_iter().flatten() {
                match name.as_str() {
                    "index" => numbers.push(member),
                    "init" => numbers.extend(member.get_mut("index")),
                    _ => {}
                }
            }
        }
    }
    numbers.sort_by_key(|number| number.as_u64());
    for (number, index) in numbers.into_iter().zip(0u64..) {
        *number = index.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_order_and_lose_their_gaps() {
        let mut json = json!({
            "tasks": {"b": {"index": 9, "init": {"index": 7, "outputs": {}}}},
            "dataset_types": {"x": {"index": 12}, "a": {"index": 3}},
            "index": 5,
        });
        renumber(&mut json);
        assert_eq!(
            json,
            json!({
                "tasks": {"b": {"index": 2, "init": {"index": 1, "outputs": {}}}},
                "dataset_types": {"x": {"index": 3}, "a": {"index": 0}},
                "index": 5,
            })
        );
    }
}
