//! Numbers of what a pipeline names.

use qbb_dimensions::DimensionGroup;
use qbb_pipeline::{Connection, PipelineGraph};
use rustc_hash::FxHashMap;

use crate::model::DataIdGroupIx;

/// Numbers of the connections of a task by name.
struct Connections {
    inputs: FxHashMap<String, u16>,
    outputs: FxHashMap<String, u16>,
}

/// Numbers of tasks and connections by name, and of the dimension groups in use.
pub(super) struct PipelineNumbers {
    /// Groups by task.
    pub(super) task_groups: Vec<DataIdGroupIx>,
    /// Groups by dataset type.
    pub(super) dataset_type_groups: Vec<DataIdGroupIx>,
    connections: Vec<Connections>,
    tasks: FxHashMap<String, u32>,
}

impl PipelineNumbers {
    /// Numbers what a pipeline has; returns the dimension groups in their order, too.
    pub(super) fn new(pipeline: &PipelineGraph) -> Result<(Self, Vec<DimensionGroup>), String> {
        let mut groups: Vec<DimensionGroup> = Vec::new();
        let mut numbers: FxHashMap<DimensionGroup, u16> = FxHashMap::default();
        let mut number = |group: &DimensionGroup| -> Result<DataIdGroupIx, String> {
            if let Some(&number) = numbers.get(group) {
                return Ok(DataIdGroupIx(number));
            }
            let number = u16::try_from(groups.len()).map_err(|_| "too many dimension groups")?;
            numbers.insert(group.clone(), number);
            groups.push(group.clone());
            Ok(DataIdGroupIx(number))
        };
        let task_groups = (pipeline.tasks.iter())
            .map(|task| number(&task.dimensions))
            .collect::<Result<_, _>>()?;
        let dataset_type_groups = (pipeline.dataset_types.iter())
            .map(|node| number(&node.dataset_type.dimensions))
            .collect::<Result<_, _>>()?;
        let numbered =
            |(number, connection): (usize, &Connection)| (connection.name.clone(), number as u16);
        let connections = (pipeline.tasks.iter())
            .map(|task| Connections {
                inputs: task.quantum_inputs().enumerate().map(numbered).collect(),
                outputs: task.quantum_outputs().enumerate().map(numbered).collect(),
            })
            .collect();
        let tasks = (pipeline.tasks.iter().enumerate())
            .map(|(position, task)| (task.label.clone(), position as u32))
            .collect();
        Ok((Self { task_groups, dataset_type_groups, connections, tasks }, groups))
    }

    /// The number of a task.
    pub(super) fn task(&self, label: &str) -> Result<u32, String> {
        let found = self.tasks.get(label).copied();
        found.ok_or_else(|| format!("the pipeline graph has no task `{label}`"))
    }

    /// The number of a task's connection among those of its kind.
    pub(super) fn connection(&self, task: u32, is_input: bool, name: &str) -> Result<u16, String> {
        let connections = &self.connections[task as usize];
        let numbers = if is_input { &connections.inputs } else { &connections.outputs };
        numbers.get(name).copied().ok_or_else(|| {
            let label = self.tasks.iter().find(|&(_, &number)| number == task);
            let label = label.map_or("", |(label, _)| label.as_str());
            format!("task `{label}` has no connection `{name}`")
        })
    }
}
