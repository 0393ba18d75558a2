//! Which tasks come before and after which.

use std::collections::BTreeSet;

use qbb_dimensions::nearest_name;

use super::problem::TaskExpressionProblem;
use crate::connection::ConnectionKind;
use crate::definition::PipelineDefinition;

/// What a name means.
pub(super) enum Meaning<'a> {
    Task(usize),
    DatasetType(&'a str),
    Subset(&'a str),
}

/// Who writes and reads what.
pub(super) struct Flow<'a> {
    pipeline: &'a PipelineDefinition,
    /// Task, whether it is done at its construction, and dataset type without component.
    writes: Vec<(usize, bool, &'a str)>,
    reads: Vec<(usize, bool, &'a str)>,
    dataset_types: BTreeSet<&'a str>,
}

impl<'a> Flow<'a> {
    pub(super) fn new(pipeline: &'a PipelineDefinition) -> Self {
        let (mut writes, mut reads) = (Vec::new(), Vec::new());
        for (task, definition) in pipeline.tasks.iter().enumerate() {
            for connection in &definition.connections {
                let name = connection.dataset_type.as_str();
                let name = name.split_once('.').map_or(name, |(parent, _)| parent);
                match connection.kind {
                    ConnectionKind::InitOutput => writes.push((task, true, name)),
                    ConnectionKind::Output => writes.push((task, false, name)),
                    ConnectionKind::InitInput => reads.push((task, true, name)),
                    _ => reads.push((task, false, name)),
                }
            }
        }
        let dataset_types = writes.iter().chain(&reads).map(|&(_, _, name)| name).collect();
        Self { pipeline, writes, reads, dataset_types }
    }

    /// What a name means, with or without a letter that says so.
    pub(super) fn meaning(
        &self,
        qualifier: Option<char>,
        name: &str,
    ) -> Result<Meaning<'a>, TaskExpressionProblem> {
        let task = self.pipeline.tasks.iter().position(|task| task.label == name);
        let dataset_type = self.dataset_types.get(name).copied();
        let subset = self.pipeline.subsets.get_key_value(name).map(|(name, _)| name.as_str());
        let ambiguous = |prefix| TaskExpressionProblem::Ambiguous { name: name.to_owned(), prefix };
        match qualifier {
            Some('T') => task.map(Meaning::Task),
            Some('D') => dataset_type.map(Meaning::DatasetType),
            Some(_) => subset.map(Meaning::Subset),
            None => match (task, dataset_type, subset) {
                (Some(_), Some(_), _) => return Err(ambiguous('T')),
                (None, Some(_), Some(_)) => return Err(ambiguous('S')),
                (Some(task), None, _) => Some(Meaning::Task(task)),
                (None, Some(name), None) => Some(Meaning::DatasetType(name)),
                (None, None, subset) => subset.map(Meaning::Subset),
            },
        }
        .ok_or_else(|| self.unknown(qualifier, name))
    }

    fn unknown(&self, qualifier: Option<char>, name: &str) -> TaskExpressionProblem {
        let tasks = || self.pipeline.tasks.iter().map(|task| task.label.as_str());
        let subsets = || self.pipeline.subsets.keys().map(String::as_str);
        let types = || self.dataset_types.iter().copied();
        let (what, similar) = match qualifier {
            Some('T') => ("task", nearest_name(name, tasks())),
            Some('D') => ("dataset type", nearest_name(name, types())),
            Some(_) => ("subset", nearest_name(name, subsets())),
            None => (
                "task, subset or dataset type",
                nearest_name(name, tasks().chain(subsets()).chain(types())),
            ),
        };
        let (name, similar) = (name.to_owned(), similar.map(str::to_owned));
        TaskExpressionProblem::Unknown { what, name, similar }
    }

    fn none(&self) -> Vec<bool> {
        vec![false; self.pipeline.tasks.len()]
    }

    /// The tasks that a name stands for by itself.
    pub(super) fn tasks(&self, meaning: Meaning<'_>) -> Result<Vec<bool>, TaskExpressionProblem> {
        let mut selected = self.none();
        match meaning {
            Meaning::Task(task) => selected[task] = true,
            Meaning::DatasetType(name) => {
                if let Some(task) = self.producer(name)? {
                    selected[task] = true;
                }
            }
            Meaning::Subset(name) => {
                let subset = &self.pipeline.subsets[name];
                for (selected, task) in selected.iter_mut().zip(&self.pipeline.tasks) {
                    *selected = subset.tasks.contains(&task.label);
                }
            }
        }
        Ok(selected)
    }

    /// The task whose quanta write a dataset type.
    fn producer(&self, name: &str) -> Result<Option<usize>, TaskExpressionProblem> {
        match self.writes.iter().find(|(_, _, other)| *other == name) {
            Some((_, true, _)) => Err(TaskExpressionProblem::InitOutput { name: name.to_owned() }),
            Some((task, false, _)) => Ok(Some(*task)),
            None => Ok(None),
        }
    }

    /// What the start depends on.
    pub(super) fn upstream(
        &self,
        start: Meaning<'_>,
        inclusive: bool,
    ) -> Result<Vec<bool>, TaskExpressionProblem> {
        let task = match start {
            Meaning::Task(task) => Some(task),
            Meaning::DatasetType(name) => self.producer(name)?,
            Meaning::Subset(name) => {
                return Err(TaskExpressionProblem::Subset { name: name.to_owned() });
            }
        };
        let mut selected = self.none();
        let mut queue: Vec<usize> = task.into_iter().collect();
        while let Some(task) = queue.pop() {
            for (_, _, read) in self.reads.iter().filter(|read| read.0 == task && !read.1) {
                for write in self.writes.iter().filter(|write| write.2 == *read && !write.1) {
                    if !std::mem::replace(&mut selected[write.0], true) {
                        queue.push(write.0);
                    }
                }
            }
        }
        if let (true, Some(task)) = (inclusive, task) {
            selected[task] = true;
        }
        Ok(selected)
    }

    /// What depends on the start.
    pub(super) fn downstream(
        &self,
        start: Meaning<'_>,
        inclusive: bool,
    ) -> Result<Vec<bool>, TaskExpressionProblem> {
        let mut selected = self.none();
        let mut queue = Vec::new();
        match start {
            Meaning::Task(task) => {
                self.add_readers(task, &mut selected, &mut queue);
                selected[task] = inclusive;
            }
            Meaning::DatasetType(name) => {
                if let (true, Some(task)) = (inclusive, self.producer_if(name, inclusive)?) {
                    selected[task] = true;
                }
                // What is read at construction decides what a task does, too.
                for (task, ..) in self.reads.iter().filter(|read| read.2 == name) {
                    selected[*task] = true;
                    queue.push(*task);
                }
            }
            Meaning::Subset(name) => {
                return Err(TaskExpressionProblem::Subset { name: name.to_owned() });
            }
        }
        while let Some(task) = queue.pop() {
            self.add_readers(task, &mut selected, &mut queue);
        }
        Ok(selected)
    }

    fn producer_if(
        &self,
        name: &str,
        wanted: bool,
    ) -> Result<Option<usize>, TaskExpressionProblem> {
        if wanted { self.producer(name) } else { Ok(None) }
    }

    /// Adds the tasks whose quanta read what those of a task write.
    fn add_readers(&self, task: usize, selected: &mut [bool], queue: &mut Vec<usize>) {
        for (_, _, write) in self.writes.iter().filter(|write| write.0 == task && !write.1) {
            for read in self.reads.iter().filter(|read| read.2 == *write && !read.1) {
                if !std::mem::replace(&mut selected[read.0], true) {
                    queue.push(read.0);
                }
            }
        }
    }
}
