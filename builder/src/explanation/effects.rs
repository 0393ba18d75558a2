//! What constraints take away, and which of them leave nothing.

use qbb_dimensions::expression::Column;
use qbb_dimensions::{DataValue, DimensionGroup, KeyType};
use qbb_pipeline::PipelineGraph;
use qbb_query::engine::{JoinTree, Layout, Relation, value_text};
use rustc_hash::FxHashSet;

use super::constraints::Constraints;
use super::report::{ConstraintEffect, PartExplanation};
use super::smallest::smallest;
use crate::error::BuildError;

/// Joins of more rows than this are not tried in all pairs.
const SMALL: usize = 1_000_000;
/// How many values a message lists.
const EXAMPLES: usize = 6;

/// Applies the constraints of a component one after another and says what each took away.
pub(super) fn explain_component(
    pipeline: &PipelineGraph,
    constraints: &Constraints<'_>,
) -> Result<PartExplanation, BuildError> {
    let plan = constraints.plan;
    let labels = plan.component.tasks.iter().map(|&task| pipeline.task(task).label.clone());
    let mut part = PartExplanation { tasks: labels.collect(), ..PartExplanation::default() };
    if let Some(first) = constraints.without_records.first() {
        part.remark =
            Some(format!("the repository has no records of `{first}` that could be used"));
    }
    let n = constraints.list.len();
    let mut before = State::new(pipeline, constraints, constraints.join(&[])?)?;
    if before.tree.is_empty() {
        part.smallest = Some(Vec::new());
        return Ok(part);
    }
    for at in 0..n {
        let applied: Vec<usize> = (0..=at).collect();
        let after = State::new(pipeline, constraints, constraints.join(&applied)?)?;
        let left_nothing = after.possible() == 0 && before.possible() > 0;
        part.constraints.push(ConstraintEffect {
            constraint: constraints.text(at),
            before: before.possible(),
            after: after.possible(),
            example: before.first_missing_from(&after, constraints),
            instead: if left_nothing { existing(constraints, &before.tree, at)? } else { None },
        });
        before = after;
    }
    if before.tree.is_empty() {
        let pairs = constraints.size() <= SMALL;
        let found = smallest(n, pairs, |set| constraints.join(set).map(|tree| tree.is_empty()))?;
        part.smallest = Some(found);
    }
    Ok(part)
}

/// What is left, and the possible quanta of each task.
struct State {
    tree: JoinTree,
    quanta: Vec<(String, Relation)>,
}

impl State {
    fn new(
        pipeline: &PipelineGraph,
        constraints: &Constraints<'_>,
        tree: JoinTree,
    ) -> Result<Self, BuildError> {
        let mut quanta = Vec::new();
        if !tree.is_empty() {
            for &task in &constraints.plan.component.tasks {
                let task = pipeline.task(task);
                let group = task.dimensions.intersection(&constraints.plan.query.dimensions);
                let rows = tree.project(constraints.dictionary(), &group)?;
                quanta.push((task.label.clone(), rows));
            }
        }
        Ok(Self { tree, quanta })
    }

    fn possible(&self) -> usize {
        self.quanta.iter().map(|(_, rows)| rows.len).sum()
    }

    /// A quantum that is possible here and not in `after`.
    fn first_missing_from(&self, after: &Self, constraints: &Constraints<'_>) -> Option<String> {
        let dictionary = constraints.dictionary();
        for (at, (label, rows)) in self.quanta.iter().enumerate() {
            let layout = Layout::new(dictionary, &rows.group);
            let left: FxHashSet<u64> = match after.quanta.get(at) {
                Some((_, left)) if left.len == rows.len => continue,
                Some((_, left)) => left.keys(dictionary, &layout).into_iter().collect(),
                None => FxHashSet::default(),
            };
            let keys = rows.keys(dictionary, &layout);
            if let Some(row) = keys.iter().position(|key| !left.contains(key)) {
                return Some(format!("{label} {}", rows.describe(dictionary, row)));
            }
        }
        None
    }
}

/// Which values the dimensions of a condition had before it.
fn existing(
    constraints: &Constraints<'_>,
    tree: &JoinTree,
    at: usize,
) -> Result<Option<String>, BuildError> {
    let Some(condition) = constraints.condition(at) else { return Ok(None) };
    let dictionary = constraints.dictionary();
    let universe = dictionary.universe();
    let mut texts = Vec::new();
    for column in condition.columns() {
        let Column::Key(dimension) = column else { continue };
        let group = DimensionGroup::of_elements(universe, [dimension]);
        let rows = tree.project(dictionary, &group)?;
        let view = rows.rows(dictionary);
        let mut values: Vec<DataValue> = (0..rows.len as u32)
            .filter_map(|row| qbb_dimensions::expression::RowSource::key(&view, dimension, row))
            .map(|cell| universe.value(dimension, cell, &dictionary.symbols))
            .collect();
        values.sort_unstable();
        values.dedup();
        let name = &universe.element(dimension).name;
        let (Some(first), Some(last)) = (values.first(), values.last()) else { continue };
        let whole = universe.element(dimension).key_type() == Some(KeyType::Int);
        texts.push(if values.len() <= EXAMPLES {
            let list: Vec<String> = values.iter().map(value_text).collect();
            format!("values of `{name}` before it: {}", list.join(", "))
        } else if whole {
            format!(
                "{} values of `{name}` before it, from {} to {}",
                values.len(),
                value_text(first),
                value_text(last)
            )
        } else {
            let list: Vec<String> = values[..EXAMPLES].iter().map(value_text).collect();
            format!("{} values of `{name}` before it: {}, …", values.len(), list.join(", "))
        });
    }
    Ok((!texts.is_empty()).then(|| texts.join("; ")))
}
