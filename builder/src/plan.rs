//! What must be read before a graph can be built.

use std::collections::BTreeSet;

use qbb_dimensions::expression::{Conjunct, parse};
use qbb_dimensions::{DataValue, DatasetType, DimensionGroup, ElementIx, KeyType};
use qbb_pipeline::{DatasetTypeIx, PipelineGraph};
use qbb_query::QueryError;
use qbb_query::engine::{
    DimensionTree, PlannedTable, QueryPlan, Question, ReadingPlan, Restrictions, RowLimit,
    SearchIx, elements_with_tables, equality, restrictions, value_text,
};

use crate::components::{Component, split};
use crate::contents::search_ix;
use crate::error::BuildError;
use crate::request::BuildRequest;

/// A component with what its common data ID query needs.
#[derive(Debug)]
pub(crate) struct ComponentPlan {
    pub(crate) component: Component,
    /// Where the data IDs of all groups come from.
    pub(crate) tree: DimensionTree,
    /// The query.
    pub(crate) query: QueryPlan,
}

/// What is read, and with which restrictions.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) components: Vec<ComponentPlan>,
    /// Elements whose records are needed, in universe order.
    pub(crate) elements: Vec<ElementIx>,
    /// Spatial elements whose common pixels are needed.
    pub(crate) overlaps: Vec<ElementIx>,
    /// Dataset types that are not produced by the pipeline.
    pub(crate) overall_inputs: Vec<DatasetTypeIx>,
    /// What the conditions of all components leave possible for single dimensions.
    pub(crate) restrictions: Restrictions,
    /// Dimensions that prerequisites have beyond their tasks', to which conditions do not apply.
    pub(crate) unrestricted: BTreeSet<ElementIx>,
    pub(crate) row_limit: RowLimit,
    /// Tables of data IDs that all components are restricted to.
    pub(crate) tables: Vec<PlannedTable>,
    /// Whether less is read where conditions allow it.
    pub(crate) narrows: bool,
}

impl Plan {
    pub(crate) fn new(
        pipeline: &PipelineGraph,
        request: &BuildRequest,
        defaults: &[(ElementIx, DataValue)],
    ) -> Result<Self, BuildError> {
        let universe = &pipeline.universe;
        let expression = parse(&request.data_query)?;
        let fixed = pipeline_data_id(pipeline)?;
        let mut components = Vec::new();
        let table_groups: Vec<DimensionGroup> = (request.data_id_tables.iter())
            .map(|table| table.group(universe))
            .collect::<Result<_, _>>()
            .map_err(QueryError::from)?;
        let mut tables: Option<Vec<PlannedTable>> = None;
        for component in split(pipeline) {
            let constraints = component.constraints(pipeline, &request.constraint);
            let constraints: Vec<(SearchIx, &DatasetType)> = (constraints.iter())
                .map(|&ix| (search_ix(ix), &pipeline.dataset_type(ix).dataset_type))
                .collect();
            let question = Question {
                dimensions: &component.dimensions(pipeline),
                constraints: &constraints,
                expression: &expression,
                bindings: &request.bindings,
                fixed: &fixed,
                defaults,
                tables: &table_groups,
            };
            let groups = component.target_groups(pipeline);
            let tree = DimensionTree::new(universe, &groups, &question.queryable())?;
            let query = QueryPlan::new(&question)?;
            if tables.is_none() {
                let planned = request.data_id_tables.iter();
                let planned =
                    planned.map(|table| PlannedTable::new(universe, table, &query.single_values));
                tables = Some(planned.collect::<Result<_, _>>().map_err(QueryError::from)?);
            }
            components.push(ComponentPlan { component, tree, query });
        }
        let elements = elements(pipeline, &components);
        let overlaps = overlap_elements(pipeline, &components);
        let overall_inputs = (pipeline.dataset_types.iter().enumerate())
            .filter(|(_, node)| node.producer.is_none())
            .map(|(at, _)| DatasetTypeIx(at as u32))
            .filter(|&ix| is_used(pipeline, ix))
            .collect();
        let unrestricted = prerequisite_groups(pipeline)
            .flat_map(|(task, dataset)| {
                dataset.names().iter().copied().filter(|&ix| !task.contains(ix))
            })
            .collect();
        // The `where` expression does not apply to prerequisites, so dimensions that one has beyond
        // its task's are read without restriction. All components have the same conditions.
        let conditions = components.first().map_or(&[][..], |plan| &plan.query.conditions);
        let restrictions = restrictions(conditions, &unrestricted);
        let row_limit = request.max_rows.map_or_else(RowLimit::default, RowLimit);
        Ok(Self {
            components,
            elements,
            overlaps,
            overall_inputs,
            restrictions,
            unrestricted,
            row_limit,
            tables: tables.unwrap_or_default(),
            narrows: true,
        })
    }

    /// What is to be read.
    pub(crate) fn reading<'a>(&'a self, pipeline: &'a PipelineGraph) -> ReadingPlan<'a> {
        ReadingPlan {
            queries: self.components.iter().map(|component| &component.query).collect(),
            searches: (self.overall_inputs.iter())
                .map(|&ix| (search_ix(ix), &pipeline.dataset_type(ix).dataset_type))
                .collect(),
            elements: &self.elements,
            overlaps: &self.overlaps,
            restrictions: &self.restrictions,
            unrestricted: &self.unrestricted,
            row_limit: self.row_limit,
            tables: &self.tables,
            narrows: self.narrows,
            fields: &[],
        }
    }

    /// The same plan without restrictions, to find out what they leave out.
    pub(crate) fn forget_restrictions(&mut self) {
        self.restrictions = Restrictions::default();
        self.narrows = false;
    }
}

fn is_used(pipeline: &PipelineGraph, dataset_type: DatasetTypeIx) -> bool {
    (pipeline.tasks.iter())
        .flat_map(|task| task.quantum_inputs().chain(&task.init_inputs))
        .any(|connection| connection.dataset_type == dataset_type)
}

/// The pipeline's own data ID as conditions.
fn pipeline_data_id(pipeline: &PipelineGraph) -> Result<Vec<Conjunct>, BuildError> {
    let universe = &pipeline.universe;
    let mut conditions = Vec::new();
    for (name, value) in &pipeline.data_id {
        let dimension = universe.dimension(name)?;
        let value = match (dimension.key_type(), value) {
            (Some(KeyType::Text), serde_json::Value::String(text)) => DataValue::Text(text.clone()),
            (Some(KeyType::Int), serde_json::Value::Number(number)) if number.is_i64() => {
                DataValue::Int(number.as_i64().unwrap_or_default())
            }
            _ => {
                return Err(BuildError::PipelineDataId {
                    dimension: name.clone(),
                    value: value.to_string(),
                });
            }
        };
        let text = format!("{name} = {} (data ID of the pipeline)", value_text(&value));
        conditions.push(equality(dimension.ix, &value, text));
    }
    Ok(conditions)
}

/// Groups of a task's dimensions together with those of one of its prerequisites.
fn prerequisite_groups(
    pipeline: &PipelineGraph,
) -> impl Iterator<Item = (&DimensionGroup, &DimensionGroup)> {
    pipeline.tasks.iter().flat_map(|task| {
        task.prerequisite_inputs.iter().map(|connection| {
            let node = pipeline.dataset_type(connection.dataset_type);
            (&task.dimensions, &node.dataset_type.dimensions)
        })
    })
}

/// Elements with tables that occur in the queries or whose records must be attached, and those
/// that others are views of.
fn elements(pipeline: &PipelineGraph, components: &[ComponentPlan]) -> Vec<ElementIx> {
    let universe = &pipeline.universe;
    let mut elements = BTreeSet::new();
    for plan in components {
        elements.extend(plan.query.dimensions.elements().iter().copied());
    }
    for (task, dataset) in prerequisite_groups(pipeline) {
        elements.extend(task.union(dataset).elements().iter().copied());
    }
    elements_with_tables(universe, elements)
}

fn overlap_elements(pipeline: &PipelineGraph, components: &[ComponentPlan]) -> Vec<ElementIx> {
    let universe = &pipeline.universe;
    let mut elements = BTreeSet::new();
    for &(a, b) in components.iter().flat_map(|plan| &plan.query.spatial) {
        elements.extend([a, b]);
    }
    let constrained = components.iter().flat_map(|plan| &plan.query.pixels);
    elements.extend(constrained.map(|condition| condition.element));
    for (task, dataset) in prerequisite_groups(pipeline) {
        let all = task.union(dataset);
        let families = all.spatial();
        if families.len() > 1 {
            elements.extend(families);
        }
    }
    elements.into_iter().filter(|&ix| universe.element(ix).has_table()).collect()
}
