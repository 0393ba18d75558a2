//! What a query asks, and what must be read for it.

use std::collections::BTreeSet;

use qbb_dimensions::expression::{
    Bindings, Column, Comparison, Condition, Conjunct, Context, DatasetField, Expression,
    Restriction, Span, Value, ValueType, bind,
};
use qbb_dimensions::{DataValue, DatasetType, DimensionGroup, ElementIx, Storage, Universe};
use qbb_registry::{CellRange, CellSet};

use crate::engine::data_id_table::PlannedTable;
use crate::engine::narrowing::Restrictions;
use crate::engine::row_limit::RowLimit;
use crate::engine::spatial_plan::{
    PixelCondition, check_pixels, queryable, take_pixel_conditions, take_spatial_joins,
};
use crate::error::QueryError;

/// Which of the dataset types that are looked for; whoever asks chooses the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SearchIx(pub u32);

/// What data IDs are asked for.
#[derive(Debug)]
pub struct Question<'a> {
    /// Dimensions that are wanted, as far as a query can give them.
    pub dimensions: &'a DimensionGroup,
    /// Dataset types that must exist for a data ID.
    pub constraints: &'a [(SearchIx, &'a DatasetType)],
    /// The parsed `where` expression.
    pub expression: &'a Expression,
    /// Values of its bind names.
    pub bindings: &'a Bindings,
    /// Conditions besides those of the expression.
    pub fixed: &'a [Conjunct],
    /// Values of governor dimensions that no condition mentions.
    pub defaults: &'a [(ElementIx, DataValue)],
    /// Dimensions of the tables that data IDs are restricted to.
    pub tables: &'a [DimensionGroup],
}

/// A common data ID query, taken apart.
#[derive(Debug)]
pub struct QueryPlan {
    /// Dimensions of the query: those that are wanted as far as they can be queried, and those
    /// that conditions name.
    pub dimensions: DimensionGroup,
    /// Dataset types that must exist.
    pub constraints: Vec<SearchIx>,
    /// Their names.
    pub constraint_names: Vec<String>,
    /// Dimensions of tables that bring joins of their own along.
    pub operands: Vec<DimensionGroup>,
    /// Conditions joined by AND, without those that only join by region.
    pub conditions: Vec<Conjunct>,
    /// Dimensions that conditions, without defaults, leave one value.
    pub single_values: Vec<(ElementIx, DataValue)>,
    /// Regions that conditions give as literals, as far as they restrict pixels.
    pub pixels: Vec<PixelCondition>,
    /// Elements that are joined by region, as conditions say or automatically.
    pub spatial: Vec<(ElementIx, ElementIx)>,
}

impl QueryPlan {
    /// Plans a query.
    ///
    /// # Errors
    /// If the expression does not fit the universe, it is ambiguous how regions are to be joined,
    /// or nothing gives values of a skypix dimension.
    pub fn new(question: &Question<'_>) -> Result<Self, QueryError> {
        let own = question.dimensions;
        let universe = own.universe();
        let mut operands: Vec<DimensionGroup> = question
            .constraints
            .iter()
            .map(|(_, definition)| definition.dimensions.clone())
            .collect();
        let queryable = question.queryable();
        let constraint_names: Vec<String> =
            question.constraints.iter().map(|(_, definition)| definition.name.clone()).collect();
        let constrained: Vec<ElementIx> = (question.fixed.iter())
            .flat_map(|conjunct| conjunct.governors.iter().copied())
            .chain(question.defaults.iter().map(|(governor, _)| *governor))
            .collect();
        let context = Context {
            dimensions: &queryable,
            datasets: &constraint_names,
            bindings: question.bindings,
            constrained: &constrained,
        };
        let mut conditions = question.fixed.to_vec();
        conditions.extend(bind(question.expression, &context)?);
        let named = conditions.iter().flat_map(|conjunct| conjunct.dimensions(universe));
        let mut dimensions = queryable.union(&DimensionGroup::of_elements(universe, named));
        let single_values = single_values(&conditions);
        for group in question.tables {
            dimensions = dimensions.union(group);
        }
        operands.extend(question.tables.iter().cloned());
        add_defaults(&dimensions, question.defaults, &mut conditions);
        let pixels = take_pixel_conditions(&dimensions, &mut conditions)?;
        let spatial = take_spatial_joins(&dimensions, &operands, &mut conditions)?;
        check_pixels(&dimensions, &operands, &spatial)?;
        Ok(Self {
            dimensions,
            constraints: question.constraints.iter().map(|(ix, _)| *ix).collect(),
            constraint_names,
            operands,
            conditions,
            single_values,
            pixels,
            spatial,
        })
    }

    /// Name of one of the dataset types that must exist.
    pub fn dataset_type_name(&self, dataset_type: SearchIx) -> String {
        let at = self.constraints.iter().position(|&ix| ix == dataset_type);
        at.map_or_else(String::new, |at| self.constraint_names[at].clone())
    }
}

impl Question<'_> {
    /// The wanted dimensions that the query can give. A table brings pixels into the query as a
    /// dataset type does.
    pub fn queryable(&self) -> DimensionGroup {
        let with_pixels = self.tables.iter().filter(|group| group.skypix().next().is_some());
        let bringing: Vec<DimensionGroup> = (self.constraints.iter())
            .map(|(_, definition)| &definition.dimensions)
            .chain(with_pixels)
            .cloned()
            .collect();
        queryable(self.dimensions, &bringing)
    }
}

/// What is read for some queries that share their conditions.
#[derive(Debug)]
pub struct ReadingPlan<'a> {
    /// The queries.
    pub queries: Vec<&'a QueryPlan>,
    /// Dataset types that are looked for.
    pub searches: Vec<(SearchIx, &'a DatasetType)>,
    /// Elements whose records are needed, in universe order.
    pub elements: &'a [ElementIx],
    /// Spatial elements whose common pixels are needed.
    pub overlaps: &'a [ElementIx],
    /// What conditions leave possible for single dimensions.
    pub restrictions: &'a Restrictions,
    /// Dimensions that are also looked at without the conditions.
    pub unrestricted: &'a BTreeSet<ElementIx>,
    /// The most rows of a join.
    pub row_limit: RowLimit,
    /// Tables of data IDs that all queries are restricted to.
    pub tables: &'a [PlannedTable],
    /// Whether less is read where conditions allow it.
    pub narrows: bool,
    /// Fields of datasets that are looked at besides those in conditions.
    pub fields: &'a [(SearchIx, DatasetField)],
}

/// Elements with tables among these, and those that others of them are views of, in universe order.
pub fn elements_with_tables(
    universe: &std::sync::Arc<Universe>,
    mut elements: BTreeSet<ElementIx>,
) -> Vec<ElementIx> {
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
pub fn equality(dimension: ElementIx, value: &DataValue, text: String) -> Conjunct {
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

/// What conditions leave possible for single dimensions other than those that are also looked at
/// without them.
pub fn restrictions(conditions: &[Conjunct], unrestricted: &BTreeSet<ElementIx>) -> Restrictions {
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
pub fn value_text(value: &DataValue) -> String {
    match value {
        DataValue::Int(number) => number.to_string(),
        DataValue::Text(text) => format!("'{text}'"),
    }
}
