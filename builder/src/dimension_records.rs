//! The dimension records that a graph holds.

use qbb_dimensions::{DimensionGroup, RecordTable};
use qbb_pipeline::PipelineGraph;
use qbb_query::engine::{Dictionary, GroupRows, NeededRecords};

use crate::components::Component;
use crate::skeleton::Skeleton;

/// Records of all elements of a component's dimensions, for the data IDs of its initial query,
/// whether or not their quanta stay; the middleware attaches the same.
pub(crate) fn add_component(
    needed: &mut NeededRecords,
    pipeline: &PipelineGraph,
    dictionary: &Dictionary,
    component: &Component,
    rows: &GroupRows,
) {
    let universe = dictionary.universe();
    for element in component.dimensions(pipeline).elements() {
        let group = DimensionGroup::of_elements(universe, [*element]);
        if let Some(relation) = rows.get(&group) {
            needed.add(dictionary, *element, relation);
        }
    }
}

/// Records of all elements of the data IDs of prerequisites.
pub(crate) fn add_prerequisites(
    needed: &mut NeededRecords,
    pipeline: &PipelineGraph,
    dictionary: &Dictionary,
    skeleton: &Skeleton,
) {
    for (node, datasets) in pipeline.dataset_types.iter().zip(&skeleton.datasets) {
        if node.is_prerequisite {
            for element in node.dataset_type.dimensions.elements() {
                needed.add(dictionary, *element, &datasets.rows);
            }
        }
    }
}

/// One table for each element of the pipeline's dimensions, prerequisites included.
pub(crate) fn tables(
    needed: &NeededRecords,
    pipeline: &PipelineGraph,
    dictionary: &Dictionary,
) -> Vec<RecordTable> {
    let tasks = pipeline.tasks.iter().map(|task| &task.dimensions);
    let types = pipeline.dataset_types.iter().map(|node| &node.dataset_type.dimensions);
    let all = (tasks.chain(types))
        .fold(DimensionGroup::empty(dictionary.universe()), |all, group| all.union(group));
    needed.tables(dictionary, &all)
}
