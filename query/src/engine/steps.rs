//! The common data ID query of a component: which data IDs there can be.

use crate::engine::plan::SearchIx;
use qbb_dimensions::expression::Conjunct;
use qbb_dimensions::{DimensionGroup, ElementIx};
use rayon::prelude::*;

use crate::engine::contents::Contents;
use crate::engine::dataset_conditions::{condition_groups, satisfying_datasets};
use crate::engine::dictionary::Dictionary;
use crate::engine::families::Endpoint;
use crate::engine::join::JoinTree;
use crate::engine::plan::QueryPlan;
use crate::engine::relation::Relation;
use crate::engine::spatial::{pixels_within, spatial_relations};
use crate::engine::validity::temporal_steps;
use crate::error::QueryError;

/// Fewer rows than this are not worth a task of their own.
const PARALLEL_ROWS: usize = 1024;

/// A relation that all data IDs must be consistent with, and where it came from.
#[derive(Debug)]
pub struct Step {
    /// Where it came from.
    pub source: StepSource,
    /// The data IDs.
    pub relation: Relation,
}

/// Where a relation came from.
#[derive(Debug, Clone)]
pub enum StepSource {
    /// Datasets that must exist.
    Datasets(SearchIx),
    /// The values of a dimension.
    Dimension(ElementIx),
    /// Records that relate dimensions.
    Relationship(ElementIx),
    /// Overlapping regions.
    Overlap(ElementIx, ElementIx),
    /// Overlapping validity ranges and timespans.
    Validity(Vec<Endpoint>),
    /// A condition.
    Condition,
    /// A table of data IDs, by position.
    Table(usize),
}

/// The join of everything that constrains a component's data IDs.
pub fn join(contents: &Contents, plan: &QueryPlan) -> Result<JoinTree, QueryError> {
    let dictionary = &contents.dictionary;
    let mut relations: Vec<Relation> = Vec::new();
    for step in independent_steps(contents, plan)? {
        relations.push(step.relation);
    }
    for step in temporal_steps(contents, plan, &relations)? {
        relations.push(step.relation);
    }
    for step in spatial_steps(contents, plan, &relations)? {
        relations.push(step.relation);
    }
    let mut tree = JoinTree::new(dictionary, relations)?;
    for group in condition_groups(plan) {
        if !group.iter().all(|condition| unary_dimension(dictionary, condition).is_some()) {
            let satisfied = satisfying(contents, plan, &tree, &group)?;
            let mut relations = tree.into_relations();
            relations.push(satisfied);
            tree = JoinTree::new(dictionary, relations)?;
        }
    }
    Ok(tree)
}

/// What each constraint allows by itself: datasets, dimensions and their relationships, and
/// conditions on one dimension.
pub fn independent_steps(contents: &Contents, plan: &QueryPlan) -> Result<Vec<Step>, QueryError> {
    let dictionary = &contents.dictionary;
    let universe = dictionary.universe();
    let mut steps = Vec::new();
    for &constraint in &plan.constraints {
        let Some(search) = contents.datasets.get(&constraint) else { continue };
        let source = StepSource::Datasets(constraint);
        steps.push(Step { source, relation: search.data_ids(dictionary) });
    }
    for (at, table) in contents.tables.iter().enumerate() {
        steps.push(Step { source: StepSource::Table(at), relation: table.1.clone() });
    }
    for &dimension in &dictionary.generators(&plan.dimensions) {
        if !dictionary.has(dimension) {
            let name = &universe.element(dimension).name;
            return Err(QueryError::NotSupported(format!(
                "skypix dimension `{name}` without datasets that constrain it"
            )));
        }
        let relation = Relation::all(dictionary, dimension);
        steps.push(Step { source: StepSource::Dimension(dimension), relation });
    }
    for &element in plan.dimensions.elements() {
        if let Some(relation) = dictionary.relationship(element) {
            steps.push(Step { source: StepSource::Relationship(element), relation });
        }
    }
    for condition in &plan.conditions {
        if let Some(dimension) = unary_dimension(dictionary, condition) {
            let mut relation = Relation::all(dictionary, dimension);
            keep_satisfying(dictionary, &mut relation, condition);
            steps.push(Step { source: StepSource::Condition, relation });
        }
    }
    Ok(steps)
}

/// The spatial joins of a component's query, looking only at records that `others` can use.
pub fn spatial_steps(
    contents: &Contents,
    plan: &QueryPlan,
    others: &[Relation],
) -> Result<Vec<Step>, QueryError> {
    let mut steps = Vec::new();
    for condition in &plan.pixels {
        let source = StepSource::Overlap(condition.element, condition.skypix);
        steps.push(Step { source, relation: pixels_within(contents, condition) });
    }
    for &(a, b) in &plan.spatial {
        for relation in spatial_relations(contents, (a, b), &plan.dimensions, others)? {
            steps.push(Step { source: StepSource::Overlap(a, b), relation });
        }
    }
    Ok(steps)
}

/// The dimension that a condition is about, if it and what follows from it are all.
fn unary_dimension(dictionary: &Dictionary, condition: &Conjunct) -> Option<ElementIx> {
    if !condition.datasets().is_empty() {
        return None;
    }
    let dimensions = condition.dimensions(dictionary.universe());
    let group = DimensionGroup::of_elements(dictionary.universe(), dimensions);
    match dictionary.generators(&group).as_slice() {
        [dimension] => Some(*dimension),
        _ => None,
    }
}

/// Rows of the join for the dimensions of a condition, or of several that look at datasets of the
/// same types, as far as they satisfy it.
pub fn satisfying(
    contents: &Contents,
    plan: &QueryPlan,
    tree: &JoinTree,
    group: &[&Conjunct],
) -> Result<Relation, QueryError> {
    let dictionary = &contents.dictionary;
    let [condition] = group else { return satisfying_datasets(contents, plan, tree, group) };
    if !condition.datasets().is_empty() {
        return satisfying_datasets(contents, plan, tree, group);
    }
    let dimensions = condition.dimensions(dictionary.universe());
    let group = DimensionGroup::of_elements(dictionary.universe(), dimensions);
    let mut relation = tree.project(dictionary, &group)?;
    keep_satisfying(dictionary, &mut relation, condition);
    Ok(relation)
}

/// Keeps the rows that satisfy a condition.
pub fn keep_satisfying(dictionary: &Dictionary, relation: &mut Relation, condition: &Conjunct) {
    let rows = relation.rows(dictionary);
    let keep: Vec<bool> = (0..relation.len as u32)
        .into_par_iter()
        .with_min_len(PARALLEL_ROWS)
        .map(|row| condition.condition.holds(&rows, row) == Some(true))
        .collect();
    relation.retain(&keep);
}
