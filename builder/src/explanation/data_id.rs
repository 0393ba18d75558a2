//! Why one data ID has quanta, or none.

use qbb_dimensions::expression::{Conjunct, RowSource};
use qbb_dimensions::{DataValue, ElementIx, KeyType, Universe};
use qbb_pipeline::{PipelineGraph, Task, TaskIx};
use qbb_query::engine::{Relation, equality, keep_satisfying, value_text};

use super::constraints::Constraints;
use super::fate::{Fate, fates, reason};
use super::report::DataIdExplanation;
use super::smallest::smallest;
use crate::contents::{Contents, Sources};
use crate::error::BuildError;
use crate::plan::ComponentPlan;
use crate::skeleton::Skeleton;

/// How far upstream the reasons for a missing quantum are followed.
const FOLLOWED: usize = 8;

/// A data ID whose quanta are asked for.
#[derive(Debug, Clone)]
pub(super) struct AskedDataId(Vec<(ElementIx, DataValue)>);

impl AskedDataId {
    /// Reads values as the dimensions need them.
    pub(super) fn new(
        universe: &Universe,
        values: &[(String, String)],
    ) -> Result<Self, BuildError> {
        let read = |(name, value): &(String, String)| {
            let dimension = universe.dimension(name)?;
            let value = match dimension.key_type() {
                Some(KeyType::Int) => value.parse().ok().map(DataValue::Int),
                _ => Some(DataValue::Text(value.clone())),
            };
            match value {
                Some(value) => Ok((dimension.ix, value)),
                None => Err(BuildError::AskedDataId { dimension: name.clone() }),
            }
        };
        values.iter().map(read).collect::<Result<_, BuildError>>().map(Self)
    }

    /// The tasks whose quanta the data ID says something about: those that have all of its
    /// dimensions, or if there are none, those that have one.
    pub(super) fn concerned<'p>(&self, pipeline: &'p PipelineGraph) -> Vec<(TaskIx, &'p Task)> {
        let has = |task: &Task, (dimension, _): &(ElementIx, DataValue)| {
            task.dimensions.contains(*dimension)
        };
        let tasks = || (0..).map(TaskIx).zip(&pipeline.tasks);
        let all: Vec<_> =
            tasks().filter(|(_, task)| self.0.iter().all(|value| has(task, value))).collect();
        match all.is_empty() {
            true => tasks().filter(|(_, t)| self.0.iter().any(|value| has(t, value))).collect(),
            false => all,
        }
    }

    fn conditions<'a>(&'a self, universe: &'a Universe) -> impl Iterator<Item = Conjunct> + 'a {
        self.0.iter().map(|(dimension, value)| {
            let text = format!("{} = {}", universe.element(*dimension).name, value_text(value));
            equality(*dimension, value, text)
        })
    }

    /// The quanta of a task that agree with the data ID.
    fn quanta(&self, contents: &Contents, skeleton: &Skeleton, ix: TaskIx) -> Vec<usize> {
        let dictionary = &contents.read.dictionary;
        let rows = &skeleton.quanta[ix.index()].rows;
        let view = rows.rows(dictionary);
        let wanted: Vec<(ElementIx, Option<i64>)> = (self.0.iter())
            .filter(|(dimension, _)| rows.group.contains(*dimension))
            .map(|(dimension, value)| match value {
                DataValue::Int(value) => (*dimension, Some(*value)),
                DataValue::Text(text) => {
                    (*dimension, dictionary.symbols.find(text).map(|symbol| i64::from(symbol.0)))
                }
            })
            .collect();
        let agrees = |&row: &usize| {
            wanted
                .iter()
                .all(|&(dimension, cell)| cell.is_some() && view.key(dimension, row as u32) == cell)
        };
        (0..rows.len).filter(agrees).collect()
    }
}

/// What the initial query says about a data ID: nothing if it gives quanta, else why not.
/// `contents` were read without restrictions.
pub(super) fn explain_absence(
    contents: &Contents,
    plan: &ComponentPlan,
    sources: &Sources<'_>,
    asked: &AskedDataId,
) -> Result<Option<Vec<String>>, BuildError> {
    let dictionary = &contents.read.dictionary;
    let universe = dictionary.universe();
    let mut within = Vec::new();
    for condition in asked.conditions(universe) {
        let Some(dimension) = condition.dimensions(universe).into_iter().next_back() else {
            continue;
        };
        if !plan.query.dimensions.contains(dimension) || !dictionary.has(dimension) {
            continue;
        }
        let mut relation = Relation::all(dictionary, dimension);
        keep_satisfying(dictionary, &mut relation, &condition);
        if relation.len == 0 {
            return Ok(Some(vec![format!("the repository has no record with {}", condition.text)]));
        }
        within.push(relation);
    }
    let constraints = Constraints::new(contents, plan, sources, within)?;
    let all: Vec<usize> = (0..constraints.list.len()).collect();
    if !constraints.join(&all)?.is_empty() {
        return Ok(None);
    }
    if constraints.join(&[])?.is_empty() {
        return Ok(Some(vec!["no records of the repository agree with it".to_owned()]));
    }
    let found = smallest(all.len(), true, |set| constraints.join(set).map(|tree| tree.is_empty()))?;
    Ok(Some(found.into_iter().map(|at| constraints.text(at)).collect()))
}

/// What became of the quanta of a task that agree with a data ID.
pub(super) fn explain_quanta(
    pipeline: &PipelineGraph,
    contents: &Contents,
    skeleton: &Skeleton,
    asked: &AskedDataId,
    ix: TaskIx,
) -> DataIdExplanation {
    let quanta = asked.quanta(contents, skeleton, ix);
    let fates = fates(pipeline, skeleton, ix);
    let kept = quanta.iter().filter(|&&quantum| fates[quantum] == Fate::Kept).count();
    let mut because = Vec::new();
    if let Some(&first) = quanta.iter().find(|&&quantum| fates[quantum] != Fate::Kept) {
        follow(pipeline, contents, skeleton, (ix, first), &mut because);
    }
    DataIdExplanation {
        task: pipeline.task(ix).label.clone(),
        possible: quanta.len(),
        kept,
        because,
    }
}

/// Adds why a quantum is not in the graph, and why what it lacks was not made.
fn follow(
    pipeline: &PipelineGraph,
    contents: &Contents,
    skeleton: &Skeleton,
    (ix, quantum): (TaskIx, usize),
    because: &mut Vec<String>,
) {
    let task = pipeline.task(ix);
    let quanta = &skeleton.quanta[ix.index()];
    let fate = fates(pipeline, skeleton, ix).get(quantum).copied().unwrap_or(Fate::Kept);
    let data_id = quanta.rows.describe(&contents.read.dictionary, quantum);
    because.push(format!(
        "quanta of `{}` such as {data_id} {}",
        task.label,
        reason(pipeline, ix, fate)
    ));
    let Fate::TooFew(position) = fate else { return };
    let Some(connection) = task.quantum_inputs().nth(position) else { return };
    let nodes = &skeleton.datasets[connection.dataset_type.index()];
    let Some(edges) = quanta.inputs.get(position) else { return };
    let Some(&missing) = edges.of(quantum).iter().find(|&&node| !nodes.alive[node as usize]) else {
        return;
    };
    let node = pipeline.dataset_type(connection.dataset_type);
    let dataset = nodes.rows.describe(&contents.read.dictionary, missing as usize);
    because.push(format!("`{}` {dataset} is not there", node.dataset_type.name));
    let Some(producer) = node.producer else { return };
    let outputs = &skeleton.quanta[producer.index()].outputs;
    let made_by = (pipeline.task(producer).quantum_outputs().zip(outputs))
        .filter(|(output, _)| output.dataset_type == connection.dataset_type)
        .find_map(|(_, edges)| {
            let n = skeleton.quanta[producer.index()].rows.len;
            (0..n).find(|&quantum| edges.of(quantum).contains(&missing))
        });
    match made_by {
        Some(made_by) if because.len() < FOLLOWED => {
            follow(pipeline, contents, skeleton, (producer, made_by), because);
        }
        Some(_) => {}
        None => because.push(format!(
            "no quantum of `{}` would make it: the initial query does not give its data ID",
            pipeline.task(producer).label
        )),
    }
}
