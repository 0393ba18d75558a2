//! How people and jobs name one quantum.

use std::fmt;
use std::str::FromStr;

use qbb_dimensions::{DimensionGroup, KeyType, nearest_name};
use qbb_pipeline::{PipelineGraph, TaskIx};
use uuid::Uuid;

use crate::error::{GraphError, Result};
use crate::model::{QuantumGraph, QuantumIx};

/// One quantum by its UUID, or by its task and data ID.
///
/// As text: the UUID, or `TASK,DIMENSION=VALUE,…` such as `calibrate,visit=12,detector=3`.
/// Dimensions may be left out as long as only one quantum of the task fits the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuantumName {
    /// By UUID.
    Id(Uuid),
    /// By task and data ID.
    DataId(DataIdFilter),
}

/// A task, and values of some of its dimensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataIdFilter {
    /// Label of the task.
    pub task: String,
    /// Dimensions and their values as text.
    pub values: Vec<(String, String)>,
}

impl FromStr for QuantumName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(id) = Uuid::parse_str(text) {
            return Ok(Self::Id(id));
        }
        let mut parts = text.split(',');
        let task = parts.next().unwrap_or_default().trim();
        if task.is_empty() || task.contains('=') {
            return Err(format!(
                "`{text}` is neither a UUID nor a task with a data ID, such as \
                 `calibrate,visit=12,detector=3`"
            ));
        }
        let values = parts.map(parse_value).collect::<Result<_, String>>()?;
        Ok(Self::DataId(DataIdFilter { task: task.to_owned(), values }))
    }
}

/// `DIMENSION=VALUE`.
///
/// # Errors
/// If it is not of this form.
pub fn parse_value(text: &str) -> Result<(String, String), String> {
    let (dimension, value) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is not of the form `dimension=value`"))?;
    Ok((dimension.trim().to_owned(), value.trim().to_owned()))
}

impl fmt::Display for QuantumName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::DataId(filter) => filter.fmt(f),
        }
    }
}

impl fmt::Display for DataIdFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.task)?;
        self.values.iter().try_for_each(|(dimension, value)| write!(f, ",{dimension}={value}"))
    }
}

/// A value that a key of a data ID must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    Int(i64),
    Text(String),
}

impl DataIdFilter {
    /// The task.
    ///
    /// # Errors
    /// If the pipeline has none of this label.
    pub(crate) fn task(&self, pipeline: &PipelineGraph) -> Result<TaskIx> {
        pipeline.find_task(&self.task).ok_or_else(|| {
            let labels = || pipeline.tasks.iter().map(|task| task.label.as_str());
            let likely = nearest_name(&self.task, labels());
            self.failed(match likely {
                Some(likely) => format!("there is no such task; is it `{likely}`?"),
                None => {
                    format!("there is no such task; there are {}", joined(labels()))
                }
            })
        })
    }

    /// Positions among the keys of a group and the values wanted there, ascending by position.
    ///
    /// # Errors
    /// If a dimension is not one of the group, or a value is not of its type.
    pub(crate) fn keys(&self, group: &DimensionGroup) -> Result<Vec<(usize, Wanted)>> {
        let universe = group.universe();
        let mut keys: Vec<(usize, Wanted)> = Vec::new();
        for (name, value) in &self.values {
            let position = group.iter_key_names().position(|key| key == name).ok_or_else(|| {
                let likely = nearest_name(name, group.iter_key_names());
                let likely = likely.map(|l| format!("; is it `{l}`?")).unwrap_or_default();
                let has = joined(group.iter_key_names());
                self.failed(format!("the task has no dimension `{name}`{likely} (it has {has})"))
            })?;
            let wanted = match universe.element(group.keys()[position]).key_type() {
                Some(KeyType::Text) => Wanted::Text(value.clone()),
                _ => Wanted::Int(value.parse().map_err(|_| {
                    self.failed(format!("`{value}` is no integer, as `{name}` needs"))
                })?),
            };
            if keys.iter().any(|(other, _)| *other == position) {
                return Err(self.failed(format!("`{name}` is given twice")));
            }
            keys.push((position, wanted));
        }
        keys.sort_by_key(|(position, _)| *position);
        Ok(keys)
    }

    pub(crate) fn failed(&self, reason: String) -> GraphError {
        GraphError::NoQuantum { name: self.to_string(), reason }
    }

    /// The only one of the quanta that fit; `group` is that of the task.
    ///
    /// # Errors
    /// If none or several do.
    pub(crate) fn single<T: Copy>(&self, found: &[T], group: &DimensionGroup) -> Result<T> {
        match found {
            [quantum] => Ok(*quantum),
            [] => Err(self.failed("the task has no quantum with this data ID".to_owned())),
            several => {
                let universe = group.universe();
                let names = group.required().iter().map(|&ix| &*universe.element(ix).name);
                let missing =
                    names.filter(|&name| self.values.iter().all(|(given, _)| given != name));
                let (n, missing) = (several.len(), joined(missing));
                Err(self.failed(format!("{n} quanta fit: give values of more of {missing}")))
            }
        }
    }
}

fn joined<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl QuantumGraph {
    /// The quantum of a name.
    ///
    /// # Errors
    /// If there is none, or several fit.
    pub fn find_named(&self, name: &QuantumName) -> Result<QuantumIx> {
        match name {
            QuantumName::Id(id) => self.find_quantum(*id).ok_or_else(|| no_such_id(*id)),
            QuantumName::DataId(filter) => {
                let found = self.filter_quanta(filter)?;
                let task = filter.task(&self.pipeline)?;
                filter.single(&found, self.task_data_ids(task).group())
            }
        }
    }

    /// All quanta of a task whose data IDs have the values of a filter.
    ///
    /// # Errors
    /// If there is no such task, or a dimension is not one of the task's.
    pub fn filter_quanta(&self, filter: &DataIdFilter) -> Result<Vec<QuantumIx>> {
        let task = filter.task(&self.pipeline)?;
        let data_ids = self.task_data_ids(task);
        let mut cells = Vec::new();
        for (position, wanted) in filter.keys(data_ids.group())? {
            let cell = match wanted {
                Wanted::Int(value) => value,
                // A text that no data ID has is that of no quantum.
                Wanted::Text(text) => match self.symbols.find(&text) {
                    Some(symbol) => symbol.cell(),
                    None => return Ok(Vec::new()),
                },
            };
            cells.push((&*data_ids.columns()[position], cell));
        }
        let (tasks, rows) = (&*self.quanta.task, &*self.quanta.data_id);
        Ok((self.quanta.iter())
            .filter(|quantum| {
                tasks[quantum.index()] == task.0
                    && cells.iter().all(|(column, cell)| {
                        column.get(rows[quantum.index()] as usize) == Some(cell)
                    })
            })
            .collect())
    }
}

pub(crate) fn no_such_id(id: Uuid) -> GraphError {
    GraphError::NoQuantum {
        name: id.to_string(),
        reason: "the graph has no quantum with this UUID".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_uuids_or_tasks_with_data_ids() {
        let text = "01a1f819-2191-7b78-8d7e-fc5cfb868fb9";
        assert_eq!(text.parse(), Ok(QuantumName::Id(Uuid::parse_str(text).unwrap())));
        let name: QuantumName = "calibrate, visit = 12,instrument=Cam".parse().unwrap();
        assert_eq!(name.to_string(), "calibrate,visit=12,instrument=Cam");
        assert!("visit=12".parse::<QuantumName>().unwrap_err().contains("such as"));
        assert!("calibrate,12".parse::<QuantumName>().unwrap_err().contains("`12`"));
    }
}
