//! Checks of steps: subsets that divide the whole pipeline and run one after the other.

use std::collections::{BTreeMap, BTreeSet};

use qbb_dimensions::{DimensionGroup, split_component};

use crate::definition::PipelineDefinition;
use crate::error::ResolveError;
use crate::graph::PipelineGraph;

fn wrong(step: &str, reason: String) -> ResolveError {
    ResolveError::Step { step: step.to_owned(), reason }
}

/// Checks that the steps divide the tasks and stand in the order in which data flow; gives the
/// labels of each step's tasks.
pub(crate) fn check_step_flow(
    pipeline: &PipelineDefinition,
) -> Result<Vec<&[String]>, ResolveError> {
    let tasks: BTreeMap<&str, _> =
        pipeline.tasks.iter().map(|task| (task.label.as_str(), task)).collect();
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    let mut read: BTreeMap<&str, &str> = BTreeMap::new();
    let mut steps = Vec::with_capacity(pipeline.step_labels.len());
    for step in &pipeline.step_labels {
        let Some(subset) = pipeline.subsets.get(step) else {
            return Err(wrong(step, "is not one of the pipeline's subsets".to_owned()));
        };
        let mut read_here = Vec::new();
        for label in &subset.tasks {
            if !placed.insert(label) {
                return Err(wrong(step, format!("repeats task `{label}` of an earlier step")));
            }
            let Some(task) = tasks.get(label.as_str()) else {
                return Err(wrong(step, format!("has task `{label}`, which does not exist")));
            };
            for connection in task.connections.iter().filter(|c| !c.kind.is_init()) {
                let (name, _) = split_component(&connection.dataset_type);
                if connection.kind.is_input() {
                    read_here.push((name, label.as_str()));
                } else if let Some(reader) = read.get(name) {
                    return Err(wrong(
                        step,
                        format!(
                            "writes `{name}` (task `{label}`), but task `{reader}` of an earlier \
                             step reads it: reorder the steps"
                        ),
                    ));
                }
            }
        }
        read.extend(read_here);
        steps.push(subset.tasks.as_slice());
    }
    let outside: Vec<String> = (tasks.keys())
        .filter(|label| !placed.contains(*label))
        .map(|label| (*label).to_owned())
        .collect();
    if outside.is_empty() { Ok(steps) } else { Err(ResolveError::OutsideSteps { tasks: outside }) }
}

/// Checks that the quanta and outputs of each step can be divided by the step's dimensions.
pub(crate) fn check_step_dimensions(graph: &PipelineGraph) -> Result<(), ResolveError> {
    for step in &graph.step_labels {
        let Some(subset) = graph.subsets.get(step) else { continue };
        let dimensions = graph
            .universe
            .conform(subset.dimensions.iter().map(String::as_str))
            .map_err(|source| wrong(step, format!("has wrong dimensions: {source}")))?;
        let members = graph.tasks.iter().filter(|task| subset.tasks.contains(&task.label));
        for task in members {
            if !divides(&dimensions, &task.dimensions) {
                return Err(wrong(
                    step,
                    format!(
                        "is divided by {dimensions}, which the dimensions {} of task `{}` do not \
                         allow",
                        task.dimensions, task.label
                    ),
                ));
            }
            for output in task.quantum_outputs() {
                let dataset_type = &graph.dataset_type(output.dataset_type).dataset_type;
                if !divides(&dimensions, &dataset_type.dimensions) {
                    return Err(wrong(
                        step,
                        format!(
                            "is divided by {dimensions}, which the dimensions {} of dataset type \
                             `{}` (written by task `{}`) do not allow",
                            dataset_type.dimensions, dataset_type.name, task.label
                        ),
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Whether things with some dimensions fall into groups by others: those are among them, or a
/// relation such as that of visits and exposures connects the ones that are not.
fn divides(step: &DimensionGroup, things: &DimensionGroup) -> bool {
    if step.is_subset(things) {
        return true;
    }
    let unmatched = |a: &DimensionGroup, b: &DimensionGroup| {
        let others: BTreeSet<_> = b.required().iter().copied().collect();
        a.required().iter().copied().filter(|ix| !others.contains(ix)).collect::<BTreeSet<_>>()
    };
    let (of_step, of_things) = (unmatched(step, things), unmatched(things, step));
    let universe = step.universe();
    step.union(things).iter_elements().any(|element| {
        let mut related = DimensionGroup::of_elements(universe, [element.ix]).names().to_vec();
        related.extend(&element.implied);
        element.defines_relationships()
            && related.iter().any(|ix| of_step.contains(ix))
            && related.iter().any(|ix| of_things.contains(ix))
    })
}
