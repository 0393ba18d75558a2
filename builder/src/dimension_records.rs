//! The dimension records that a graph carries: all that its data IDs need to be expanded.

use qbb_dimensions::{DimensionGroup, ElementIx, RecordTable, Storage};
use qbb_pipeline::PipelineGraph;

use crate::components::Component;
use crate::dictionary::Dictionary;
use crate::relation::Relation;
use crate::skeleton::{ComponentRows, Skeleton};

/// Which records of each element are needed.
#[derive(Debug, Clone)]
pub(crate) struct NeededRecords {
    /// By element: for each row of its record table, or each code of a view's value.
    needed: Vec<Vec<bool>>,
}

impl NeededRecords {
    pub(crate) fn new(dictionary: &Dictionary) -> Self {
        Self { needed: vec![Vec::new(); dictionary.universe().elements().len()] }
    }

    /// Records of all elements of a component's dimensions, for the data IDs of its initial query,
    /// whether or not their quanta stay; the middleware attaches the same.
    pub(crate) fn add_component(
        &mut self,
        pipeline: &PipelineGraph,
        dictionary: &Dictionary,
        component: &Component,
        rows: &ComponentRows,
    ) {
        let universe = dictionary.universe();
        for element in component.dimensions(pipeline).elements() {
            let group = DimensionGroup::of_elements(universe, [*element]);
            if let Some(relation) = rows.get(&group) {
                self.add(dictionary, *element, relation);
            }
        }
    }

    /// Records of all elements of the data IDs of prerequisites.
    pub(crate) fn add_prerequisites(
        &mut self,
        pipeline: &PipelineGraph,
        dictionary: &Dictionary,
        skeleton: &Skeleton,
    ) {
        for (node, datasets) in pipeline.dataset_types.iter().zip(&skeleton.datasets) {
            if node.is_prerequisite {
                for element in node.dataset_type.dimensions.elements() {
                    self.add(dictionary, *element, &datasets.rows);
                }
            }
        }
    }

    fn add(&mut self, dictionary: &Dictionary, element: ElementIx, relation: &Relation) {
        let needed = &mut self.needed[element.index()];
        if let Some(table) = dictionary.records(element) {
            needed.resize(table.len(), false);
            let view = relation.rows(dictionary);
            for row in 0..relation.len as u32 {
                if let Some(record) = view.record_row(element, row) {
                    needed[record as usize] = true;
                }
            }
        } else if let Storage::ViewOf(_) = dictionary.universe().element(element).storage
            && let Some(codes) = relation.code_column(dictionary, element)
        {
            needed.resize(dictionary.len(element), false);
            for row in 0..relation.len {
                needed[codes.get(row) as usize] = true;
            }
        }
    }

    /// Those that are needed here and not there.
    pub(crate) fn without(&self, other: &Self) -> Self {
        let needed = (self.needed.iter().zip(&other.needed))
            .map(|(here, there)| {
                let there = there.iter().copied().chain(std::iter::repeat(false));
                here.iter().zip(there).map(|(&here, there)| here && !there).collect()
            })
            .collect();
        Self { needed }
    }

    /// One table for each element of the pipeline's dimensions, prerequisites included, in universe
    /// order; the middleware too writes elements without records.
    pub(crate) fn tables(
        &self,
        pipeline: &PipelineGraph,
        dictionary: &Dictionary,
    ) -> Vec<RecordTable> {
        let universe = dictionary.universe();
        let tasks = pipeline.tasks.iter().map(|task| &task.dimensions);
        let types = pipeline.dataset_types.iter().map(|node| &node.dataset_type.dimensions);
        let all = (tasks.chain(types))
            .fold(DimensionGroup::empty(universe), |all, group| all.union(group));
        let mut tables = Vec::new();
        for element in all.iter_elements().filter(|element| element.skypix().is_none()) {
            let needed = &self.needed[element.ix.index()];
            let rows = (0..needed.len() as u32).filter(|&row| needed[row as usize]);
            let mut table = RecordTable::new(element);
            if let Some(records) = dictionary.records(element.ix) {
                rows.for_each(|row| table.push_from(records, row));
            } else if let Storage::ViewOf(_) = element.storage {
                let cells = dictionary.cells(element.ix, element.ix);
                let keys = vec![rows.map(|row| cells[row as usize]).collect()];
                let view =
                    RecordTable::from_columns(element, keys, Vec::new(), Vec::new(), None, None);
                table = view.unwrap_or(table);
            }
            tables.push(table);
        }
        tables
    }
}
