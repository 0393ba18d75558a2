//! The common data ID query of a component: which data IDs there can be.

use qbb_dimensions::expression::Conjunct;
use qbb_dimensions::{DimensionGroup, ElementIx};
use qbb_pipeline::DatasetTypeIx;

use crate::contents::Contents;
use crate::datasets::DatasetSearch;
use crate::dictionary::Dictionary;
use crate::error::BuildError;
use crate::join::JoinTree;
use crate::key_index::KeyGroups;
use crate::layout::Layout;
use crate::plan::ComponentPlan;
use crate::relation::Relation;
use crate::row_limit::JoinSides;
use crate::spatial::{overlapping, pixel_relation};

/// A relation that all data IDs must be consistent with, and where it came from.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) source: StepSource,
    pub(crate) relation: Relation,
}

/// Where a relation came from.
#[derive(Debug, Clone)]
pub(crate) enum StepSource {
    /// Datasets that must exist.
    Datasets(DatasetTypeIx),
    /// The values of a dimension.
    Dimension(ElementIx),
    /// Records that relate dimensions.
    Relationship(ElementIx),
    /// Overlapping regions.
    Overlap(ElementIx, ElementIx),
    /// A condition.
    Condition,
}

/// The join of everything that constrains a component's data IDs.
pub(crate) fn join(contents: &Contents, plan: &ComponentPlan) -> Result<JoinTree, BuildError> {
    let dictionary = &contents.dictionary;
    let mut relations: Vec<Relation> = Vec::new();
    for step in independent_steps(contents, plan)? {
        relations.push(step.relation);
    }
    if let Some(step) = spatial_step(contents, plan, &relations)? {
        relations.push(step.relation);
    }
    let mut tree = JoinTree::new(dictionary, relations)?;
    for condition in &plan.conditions {
        if unary_dimension(dictionary, condition).is_none() {
            let satisfied = satisfying(dictionary, &tree, condition)?;
            let mut relations = tree.into_relations();
            relations.push(satisfied);
            tree = JoinTree::new(dictionary, relations)?;
        }
    }
    Ok(tree)
}

/// What each constraint allows by itself: datasets, dimensions and their relationships, and
/// conditions on one dimension.
pub(crate) fn independent_steps(
    contents: &Contents,
    plan: &ComponentPlan,
) -> Result<Vec<Step>, BuildError> {
    let dictionary = &contents.dictionary;
    let universe = dictionary.universe();
    let mut steps = Vec::new();
    for &constraint in &plan.constraints {
        let Some(search) = contents.inputs.get(&constraint) else { continue };
        let source = StepSource::Datasets(constraint);
        let relation = match plan.dimensions.temporal().first() {
            Some(&element) if search.is_calibration => valid_data_ids(dictionary, search, element)?,
            _ => search.data_ids(dictionary),
        };
        steps.push(Step { source, relation });
    }
    for &dimension in &dictionary.generators(&plan.dimensions) {
        if !dictionary.has(dimension) {
            let name = &universe.element(dimension).name;
            return Err(BuildError::NotSupported(format!(
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

/// Data IDs of datasets together with those of the temporal element whose timespans overlap their
/// validity ranges; datasets of RUN and TAGGED collections are always valid.
fn valid_data_ids(
    dictionary: &Dictionary,
    search: &DatasetSearch,
    element: ElementIx,
) -> Result<Relation, BuildError> {
    let times = Relation::all(dictionary, element);
    let Some(table) = dictionary.records(element) else {
        return Ok(search.data_ids(dictionary));
    };
    let shared = search.relation.group.intersection(&times.group);
    let layout = Layout::new(dictionary, &shared);
    let groups = KeyGroups::new(&times.keys(dictionary, &layout), layout.total_bits());
    let (mut rows, mut matches) = (Vec::new(), Vec::new());
    for (row, &key) in search.relation.keys(dictionary, &layout).iter().enumerate() {
        for &time in groups.rows(key) {
            let record = dictionary.record_of_code(element, time);
            let Some(timespan) = record.and_then(|record| table.timespan(record)) else { continue };
            if search.validity[row].is_none_or(|validity| validity.overlaps(timespan)) {
                rows.push(row as u32);
                matches.push(time);
            }
        }
        dictionary.row_limit.check(rows.len(), || {
            let what = format!(
                "validity ranges of {} data IDs {} with the timespans of `{}`",
                search.relation.len,
                search.relation.group,
                dictionary.universe().element(element).name
            );
            JoinSides::overlap(what, &search.relation.group, &times.group)
        })?;
    }
    let mut relation =
        Relation::of_pairs(dictionary, [&search.relation, &times], [&rows, &matches]);
    if let Some(keep) = relation.consistent_rows(dictionary) {
        relation.retain(&keep);
    }
    Ok(relation.project(dictionary, &relation.group))
}

/// The automatic spatial join, looking only at records that `others` can use.
pub(crate) fn spatial_step(
    contents: &Contents,
    plan: &ComponentPlan,
    others: &[Relation],
) -> Result<Option<Step>, BuildError> {
    let Some((a, b)) = plan.spatial else { return Ok(None) };
    let relation = spatial_relation(contents, a, b, others)?;
    Ok(Some(Step { source: StepSource::Overlap(a, b), relation }))
}

/// Pairs of data IDs of two spatial elements that overlap.
pub(crate) fn spatial_relation(
    contents: &Contents,
    a: ElementIx,
    b: ElementIx,
    others: &[Relation],
) -> Result<Relation, BuildError> {
    let dictionary = &contents.dictionary;
    let universe = dictionary.universe();
    let common = universe.common_skypix().ix;
    match (contents.footprints(a), contents.footprints(b)) {
        (Some(a), Some(b)) => overlapping(dictionary, a, b, others),
        (Some(footprints), None) if b == common => Ok(pixel_relation(dictionary, footprints)),
        (None, Some(footprints)) if a == common => Ok(pixel_relation(dictionary, footprints)),
        _ => Err(BuildError::NotSupported(format!(
            "a spatial join of `{}` and `{}`",
            universe.element(a).name,
            universe.element(b).name
        ))),
    }
}

/// The dimension that a condition is about, if it and what follows from it are all.
fn unary_dimension(dictionary: &Dictionary, condition: &Conjunct) -> Option<ElementIx> {
    let dimensions = condition.dimensions(dictionary.universe());
    let group = DimensionGroup::of_elements(dictionary.universe(), dimensions);
    match dictionary.generators(&group).as_slice() {
        [dimension] => Some(*dimension),
        _ => None,
    }
}

/// Rows of the join for the dimensions of a condition, as far as they satisfy it.
pub(crate) fn satisfying(
    dictionary: &Dictionary,
    tree: &JoinTree,
    condition: &Conjunct,
) -> Result<Relation, BuildError> {
    let dimensions = condition.dimensions(dictionary.universe());
    let group = DimensionGroup::of_elements(dictionary.universe(), dimensions);
    let mut relation = tree.project(dictionary, &group)?;
    keep_satisfying(dictionary, &mut relation, condition);
    Ok(relation)
}

fn keep_satisfying(dictionary: &Dictionary, relation: &mut Relation, condition: &Conjunct) {
    let rows = relation.rows(dictionary);
    let keep: Vec<bool> = (0..relation.len as u32)
        .map(|row| condition.condition.holds(&rows, row) == Some(true))
        .collect();
    relation.retain(&keep);
}
