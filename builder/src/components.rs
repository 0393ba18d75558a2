//! Parts of a pipeline that depend on each other only through overall inputs.

use qbb_dimensions::DimensionGroup;
use qbb_pipeline::{Connection, DatasetTypeIx, PipelineGraph, TaskIx};

use crate::request::DatasetConstraint;

/// Tasks that are connected through datasets that one writes and another reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Component {
    /// The tasks, in topological order.
    pub(crate) tasks: Vec<TaskIx>,
    /// Dataset types of the quanta's connections, prerequisites excepted, ascending.
    pub(crate) dataset_types: Vec<DatasetTypeIx>,
}

/// Splits a pipeline. Datasets of task construction do not connect tasks.
pub(crate) fn split(pipeline: &PipelineGraph) -> Vec<Component> {
    let mut part: Vec<usize> = (0..pipeline.tasks.len()).collect();
    for (consumer, task) in pipeline.tasks.iter().enumerate() {
        for connection in &task.inputs {
            let producer = pipeline.dataset_type(connection.dataset_type).producer;
            if let Some(producer) = producer {
                let (a, b) = (part[producer.index()], part[consumer]);
                let (keep, replace) = (a.min(b), a.max(b));
                part.iter_mut().filter(|p| **p == replace).for_each(|p| *p = keep);
            }
        }
    }
    let mut components: Vec<Component> = Vec::new();
    let mut position = vec![None; part.len()];
    for (task, &part) in part.iter().enumerate() {
        let at = *position[part].get_or_insert_with(|| {
            components.push(Component { tasks: Vec::new(), dataset_types: Vec::new() });
            components.len() - 1
        });
        let component = &mut components[at];
        component.tasks.push(TaskIx(task as u32));
        component.dataset_types.extend(
            regular_connections(pipeline, TaskIx(task as u32))
                .map(|(_, connection)| connection.dataset_type),
        );
    }
    for component in &mut components {
        component.dataset_types.sort_unstable();
        component.dataset_types.dedup();
    }
    components
}

/// Regular inputs and outputs of a task's quanta; true for inputs.
pub(crate) fn regular_connections(
    pipeline: &PipelineGraph,
    task: TaskIx,
) -> impl Iterator<Item = (bool, &Connection)> {
    let task = pipeline.task(task);
    let inputs = task.inputs.iter().map(|connection| (true, connection));
    inputs.chain(task.quantum_outputs().map(|connection| (false, connection)))
}

impl Component {
    /// All dimensions of its tasks and dataset types.
    pub(crate) fn dimensions(&self, pipeline: &PipelineGraph) -> DimensionGroup {
        let tasks = self.tasks.iter().map(|&task| &pipeline.task(task).dimensions);
        let types =
            self.dataset_types.iter().map(|&ix| &pipeline.dataset_type(ix).dataset_type.dimensions);
        tasks
            .chain(types)
            .fold(DimensionGroup::empty(&pipeline.universe), |all, group| all.union(group))
    }

    /// The overall inputs whose existence constrains the data IDs.
    pub(crate) fn constraints(
        &self,
        pipeline: &PipelineGraph,
        constraint: &DatasetConstraint,
    ) -> Vec<DatasetTypeIx> {
        let overall = self.dataset_types.iter().copied().filter(|&ix| {
            let node = pipeline.dataset_type(ix);
            let is_input = node.producer.is_none() && !node.is_prerequisite;
            is_input && !node.dataset_type.dimensions.is_empty()
        });
        overall
            .filter(|&ix| {
                let node = pipeline.dataset_type(ix);
                match constraint {
                    DatasetConstraint::All => node.is_initial_query_constraint,
                    DatasetConstraint::Off => false,
                    DatasetConstraint::Names(names) => names.contains(&node.dataset_type.name),
                }
            })
            .collect()
    }

    /// All groups of dimensions in which data IDs are needed: of tasks, of dataset types, of the
    /// two ends of each connection together, and of elements whose records must be attached.
    /// Larger groups come first.
    pub(crate) fn target_groups(&self, pipeline: &PipelineGraph) -> Vec<DimensionGroup> {
        let mut groups: Vec<DimensionGroup> = Vec::new();
        let mut add = |group: DimensionGroup| {
            if !groups.contains(&group) {
                groups.push(group);
            }
        };
        for &task in &self.tasks {
            let dimensions = &pipeline.task(task).dimensions;
            add(dimensions.clone());
            for (_, connection) in regular_connections(pipeline, task) {
                let other = &pipeline.dataset_type(connection.dataset_type).dataset_type.dimensions;
                add(other.clone());
                add(dimensions.union(other));
            }
        }
        let all = self.dimensions(pipeline);
        for element in all.iter_elements() {
            add(DimensionGroup::of_elements(&pipeline.universe, [element.ix]));
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.names().len()));
        groups
    }
}

#[cfg(test)]
mod tests {
    use qbb_dimensions::Universe;
    use qbb_pipeline::ConnectionKind as Kind;

    use super::*;
    use crate::testing::{connection, pipeline, task, with};

    fn labels(tasks: Vec<qbb_pipeline::TaskDefinition>) -> Vec<Vec<String>> {
        let universe =
            Universe::from_json(include_str!("../../dimensions/tests/data/universe8.json"))
                .unwrap();
        let graph = pipeline(tasks).resolve(&universe, &[]).unwrap();
        (split(&graph).iter())
            .map(|component| {
                component.tasks.iter().map(|&task| graph.task(task).label.clone()).collect()
            })
            .collect()
    }

    #[test]
    fn tasks_are_connected_by_what_one_writes_and_another_reads() {
        let visit = ["instrument", "visit"];
        let read = |name: &str| connection(Kind::Input, name, &visit);
        let write = |name: &str| connection(Kind::Output, name, &visit);
        let tasks = vec![
            with(task("a", &visit), vec![read("raw"), write("x")]),
            with(task("b", &visit), vec![read("raw"), write("y")]),
            with(task("c", &visit), vec![read("x"), write("z")]),
            with(task("d", &visit), vec![read("y"), read("raw")]),
        ];
        assert_eq!(labels(tasks.clone()), [["a", "c"], ["b", "d"]]);
        let joining = with(task("e", &visit), vec![read("z"), read("d_metadata")]);
        assert_eq!(labels([tasks, vec![joining]].concat()), [["a", "b", "c", "d", "e"]]);
    }

    #[test]
    fn datasets_of_construction_do_not_connect() {
        let visit = ["instrument", "visit"];
        let tasks = vec![
            with(task("a", &visit), vec![connection(Kind::InitOutput, "schema", &[])]),
            with(task("b", &visit), vec![connection(Kind::InitInput, "schema", &[])]),
        ];
        assert_eq!(labels(tasks), [["a"], ["b"]]);
    }
}
