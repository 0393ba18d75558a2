//! What must be read before a graph can be built.

use std::collections::BTreeSet;

use qbb_dimensions::expression::{
    Column, Comparison, Condition, Conjunct, Context, Restriction, Span, Value, ValueType, bind,
    parse,
};
use qbb_dimensions::{DataValue, DimensionGroup, ElementIx, KeyType, Storage};
use qbb_pipeline::{DatasetTypeIx, PipelineGraph};
use qbb_registry::{CellRange, CellSet};

use crate::components::{Component, split};
use crate::data_id_table::PlannedTable;
use crate::error::BuildError;
use crate::narrowing::Restrictions;
use crate::request::BuildRequest;
use crate::row_limit::RowLimit;
use crate::spatial_plan::{
    PixelCondition, check_pixels, queryable, take_pixel_conditions, take_spatial_joins,
};
use crate::tree::DimensionTree;

/// A component with what its common data ID query needs.
#[derive(Debug)]
pub(crate) struct ComponentPlan {
    pub(crate) component: Component,
    /// Dimensions of the query: those of tasks and dataset types as far as they can be queried,
    /// and those that conditions name.
    pub(crate) dimensions: DimensionGroup,
    /// Where the data IDs of all groups come from.
    pub(crate) tree: DimensionTree,
    /// Dataset types that must exist.
    pub(crate) constraints: Vec<DatasetTypeIx>,
    /// Their names.
    pub(crate) constraint_names: Vec<String>,
    /// Dimensions of tables that bring joins of their own along.
    pub(crate) operands: Vec<DimensionGroup>,
    /// Conditions joined by AND, without those that only join by region.
    pub(crate) conditions: Vec<Conjunct>,
    /// Regions that conditions give as literals, as far as they restrict pixels.
    pub(crate) pixels: Vec<PixelCondition>,
    /// Elements that are joined by region, as conditions say or automatically.
    pub(crate) spatial: Vec<(ElementIx, ElementIx)>,
}

impl ComponentPlan {
    /// Name of one of the dataset types that must exist.
    pub(crate) fn dataset_type_name(&self, dataset_type: DatasetTypeIx) -> String {
        let at = self.constraints.iter().position(|&ix| ix == dataset_type);
        at.map_or_else(String::new, |at| self.constraint_names[at].clone())
    }
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
        let constrained: Vec<ElementIx> = (fixed.iter())
            .flat_map(|conjunct| conjunct.governors.iter().copied())
            .chain(defaults.iter().map(|(governor, _)| *governor))
            .collect();
        let mut components = Vec::new();
        let table_groups: Vec<DimensionGroup> = (request.data_id_tables.iter())
            .map(|table| table.group(universe))
            .collect::<Result<_, _>>()?;
        let mut tables: Option<Vec<PlannedTable>> = None;
        for component in split(pipeline) {
            let constraints = component.constraints(pipeline, &request.constraint);
            let definition = |&ix: &DatasetTypeIx| &pipeline.dataset_type(ix).dataset_type;
            let mut operands: Vec<DimensionGroup> =
                constraints.iter().map(|ix| definition(ix).dimensions.clone()).collect();
            // A table brings pixels into the query as a constraint does.
            let with_pixels = table_groups.iter().filter(|group| group.skypix().next().is_some());
            let bringing: Vec<DimensionGroup> =
                operands.iter().chain(with_pixels).cloned().collect();
            let queryable = queryable(&component.dimensions(pipeline), &bringing);
            let groups = component.target_groups(pipeline);
            let tree = DimensionTree::new(universe, &groups, &queryable)?;
            let constraint_names: Vec<String> =
                constraints.iter().map(|ix| definition(ix).name.clone()).collect();
            let context = Context {
                dimensions: &queryable,
                datasets: &constraint_names,
                bindings: &request.bindings,
                constrained: &constrained,
            };
            let mut conditions = fixed.clone();
            conditions.extend(bind(&expression, &context)?);
            let named = conditions.iter().flat_map(|conjunct| conjunct.dimensions(universe));
            let mut dimensions = queryable.union(&DimensionGroup::of_elements(universe, named));
            if tables.is_none() {
                let values = single_values(&conditions);
                let planned = request.data_id_tables.iter();
                let planned = planned.map(|table| PlannedTable::new(universe, table, &values));
                tables = Some(planned.collect::<Result<_, _>>()?);
            }
            for group in &table_groups {
                dimensions = dimensions.union(group);
            }
            operands.extend(table_groups.iter().cloned());
            add_defaults(&dimensions, defaults, &mut conditions);
            let pixels = take_pixel_conditions(&dimensions, &mut conditions)?;
            let spatial = take_spatial_joins(&dimensions, &operands, &mut conditions)?;
            check_pixels(&dimensions, &operands, &spatial)?;
            components.push(ComponentPlan {
                component,
                dimensions,
                tree,
                constraint_names,
                constraints,
                operands,
                conditions,
                pixels,
                spatial,
            });
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
        let restrictions = restrictions(&components, &unrestricted);
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

/// Governor dimensions of a query that no condition mentions have the value that all datasets in the
/// input collections have, if there is only one.
fn add_defaults(
    dimensions: &DimensionGroup,
    defaults: &[(ElementIx, DataValue)],
    conditions: &mut Vec<Conjunct>,
) {
    for (governor, value) in defaults {
        let mentioned = conditions.iter().any(|conjunct| conjunct.governors.contains(governor));
        if mentioned || !dimensions.contains(*governor) {
            continue;
        }
        let name = &dimensions.universe().element(*governor).name;
        let text = format!("{name} = {} (the only one in the inputs)", value_text(value));
        conditions.push(equality(*governor, value, text));
    }
}

/// The condition that a dimension has a value.
pub(crate) fn equality(dimension: ElementIx, value: &DataValue, text: String) -> Conjunct {
    let (column_type, literal) = match value {
        DataValue::Int(number) => (ValueType::Int, Value::Int(*number)),
        DataValue::Text(text) => (ValueType::Text, Value::Text(text.clone())),
    };
    let column = Value::Column(Column::Key(dimension), column_type);
    Conjunct {
        condition: Condition::Compare(column, Comparison::Equal, literal),
        text,
        span: Span::default(),
        governors: vec![dimension],
    }
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
        elements.extend(plan.dimensions.elements().iter().copied());
    }
    for (task, dataset) in prerequisite_groups(pipeline) {
        elements.extend(task.union(dataset).elements().iter().copied());
    }
    let views: Vec<ElementIx> = (elements.iter())
        .filter_map(|&ix| match universe.element(ix).storage {
            Storage::ViewOf(target) => Some(target),
            _ => None,
        })
        .collect();
    for target in views {
        elements.extend(DimensionGroup::of_elements(universe, [target]).names().iter().copied());
    }
    elements.into_iter().filter(|&ix| universe.element(ix).has_table()).collect()
}

fn overlap_elements(pipeline: &PipelineGraph, components: &[ComponentPlan]) -> Vec<ElementIx> {
    let universe = &pipeline.universe;
    let mut elements = BTreeSet::new();
    for &(a, b) in components.iter().flat_map(|plan| &plan.spatial) {
        elements.extend([a, b]);
    }
    let constrained = components.iter().flat_map(|plan| &plan.pixels);
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

/// What the conditions leave possible for single dimensions.
///
/// The `where` expression does not apply to prerequisites, so dimensions that one has beyond its
/// task's are read without restriction.
fn restrictions(components: &[ComponentPlan], unrestricted: &BTreeSet<ElementIx>) -> Restrictions {
    // All components have the same conditions.
    let conditions = components.first().map_or(&[][..], |plan| &plan.conditions);
    let mut restrictions = Restrictions::default();
    for (dimension, restriction) in conditions.iter().filter_map(|c| c.condition.restriction()) {
        if !restrictions.has(dimension) && !unrestricted.contains(&dimension) {
            restrictions.set(dimension, cell_set(restriction));
        }
    }
    restrictions
}

/// Dimensions that conditions leave a single value.
fn single_values(conditions: &[Conjunct]) -> Vec<(ElementIx, DataValue)> {
    (conditions.iter().filter_map(|conjunct| conjunct.condition.restriction()))
        .filter_map(|(dimension, restriction)| match restriction {
            Restriction::Values(mut values) if values.len() == 1 => {
                Some((dimension, values.pop()?))
            }
            _ => None,
        })
        .collect()
}

fn cell_set(restriction: Restriction) -> CellSet {
    match restriction {
        Restriction::Values(values) => CellSet::Values(values),
        Restriction::Intervals(intervals) => CellSet::Ranges(
            intervals.into_iter().map(|i| CellRange { first: i.first, last: i.last }).collect(),
        ),
    }
}

/// Text of what a restriction allows, for messages.
pub(crate) fn value_text(value: &DataValue) -> String {
    match value {
        DataValue::Int(number) => number.to_string(),
        DataValue::Text(text) => format!("'{text}'"),
    }
}
