//! Reading what a question needs, whatever it is for.

use std::collections::BTreeSet;
use std::sync::Arc;

use qbb_dimensions::expression::{Column, Context, DatasetField, Expression, OrderKey, parse};
use qbb_dimensions::{DatasetType, DimensionGroup, ElementIx, ElementKind, Universe};
use qbb_registry::{RegisteredDatasetType, Snapshot};

use crate::engine::{
    Contents, QueryPlan, Question, ReadingPlan, RowLimit, SearchIx, SearchedCollections, Sources,
    elements_with_tables, restrictions,
};
use crate::error::QueryError;
use crate::question::Selection;

/// A planned query and the order of its results.
pub(crate) struct Planned {
    pub(crate) plan: QueryPlan,
    pub(crate) order: Vec<OrderKey>,
}

/// Plans queries of one selection.
pub(crate) struct Planner<'a> {
    pub(crate) universe: &'a Arc<Universe>,
    pub(crate) selection: &'a Selection,
    expression: Expression,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(
        universe: &'a Arc<Universe>,
        selection: &'a Selection,
    ) -> Result<Self, QueryError> {
        Ok(Self { universe, selection, expression: parse(&selection.restriction)? })
    }

    /// Plans a query for data IDs of a group for which datasets exist.
    pub(crate) fn plan(
        &self,
        dimensions: &DimensionGroup,
        constraints: &[(SearchIx, &DatasetType)],
    ) -> Result<Planned, QueryError> {
        let bindings = &self.selection.bindings;
        let plan = QueryPlan::new(&Question {
            dimensions,
            constraints,
            expression: &self.expression,
            bindings,
            fixed: &[],
            defaults: &[],
            tables: &[],
        })?;
        let missing = dimensions.names().iter().find(|&&ix| !plan.dimensions.contains(ix));
        if let Some(&ix) = missing {
            let dimension = self.universe.element(ix).name.clone();
            return Err(QueryError::NoPixels { dimension, hint: String::new() });
        }
        let names = &plan.constraint_names;
        let context = Context { dimensions, datasets: names, bindings, constrained: &[] };
        let order = (self.selection.order_by.iter())
            .map(|text| {
                let key = OrderKey::parse(text, &context)?;
                for element in key.columns().iter().filter_map(|column| column.element()) {
                    if !dimensions.elements().contains(&element) {
                        let key = text.clone();
                        let dimensions = dimensions.to_string();
                        return Err(QueryError::OrderBeyondResults { key, dimensions });
                    }
                }
                Ok(key)
            })
            .collect::<Result<_, QueryError>>()?;
        Ok(Planned { plan, order })
    }
}

/// Where datasets are looked for.
pub(crate) struct Search<'a> {
    pub(crate) collections: &'a SearchedCollections,
    pub(crate) registered: &'a [RegisteredDatasetType],
    pub(crate) summaries: Vec<Vec<String>>,
}

impl<'a> Search<'a> {
    pub(crate) fn new(
        snapshot: &mut dyn Snapshot,
        collections: &'a SearchedCollections,
        registered: &'a [RegisteredDatasetType],
    ) -> Result<Self, QueryError> {
        let summaries = match collections.flat.is_empty() {
            true => Vec::new(),
            false => snapshot.summaries(&collections.catalog, &collections.flat)?,
        };
        Ok(Self { collections, registered, summaries })
    }

    /// Whether a searched collection may hold a dataset type.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.summaries.iter().any(|names| names.iter().any(|held| held == name))
    }

    /// Reads the tables that queries need, each once: what they have in common is read for all of
    /// them together.
    pub(crate) fn read(
        &self,
        snapshot: &mut dyn Snapshot,
        planner: &Planner<'_>,
        planned: &[Planned],
        searches: &[(SearchIx, &DatasetType)],
    ) -> Result<Contents, QueryError> {
        let universe = planner.universe;
        let elements = needed_elements(universe, planned, planner.selection.with_records);
        let mut overlaps = BTreeSet::new();
        for plan in planned.iter().map(|planned| &planned.plan) {
            overlaps.extend(plan.spatial.iter().flat_map(|&(a, b)| [a, b]));
            overlaps.extend(plan.pixels.iter().map(|condition| condition.element));
        }
        let overlaps: Vec<ElementIx> =
            overlaps.into_iter().filter(|&ix| universe.element(ix).has_table()).collect();
        let unrestricted = BTreeSet::new();
        // All queries have the same conditions.
        let conditions = planned.first().map_or(&[][..], |first| &first.plan.conditions);
        let fields: Vec<(SearchIx, DatasetField)> = (planned.iter())
            .flat_map(|planned| {
                let columns = planned.order.iter().flat_map(OrderKey::columns);
                columns.filter_map(|column| match column {
                    Column::Dataset(at, field) => {
                        Some((planned.plan.constraints[usize::from(at)], field))
                    }
                    _ => None,
                })
            })
            .collect();
        let plan = ReadingPlan {
            queries: planned.iter().map(|planned| &planned.plan).collect(),
            searches: searches.to_vec(),
            elements: &elements_with_tables(universe, elements),
            overlaps: &overlaps,
            restrictions: &restrictions(conditions, &unrestricted),
            unrestricted: &unrestricted,
            row_limit: planner.selection.max_rows.map_or_else(RowLimit::default, RowLimit),
            tables: &[],
            narrows: true,
            fields: &fields,
        };
        let sources = Sources {
            collections: self.collections,
            registered: self.registered,
            summaries: &self.summaries,
        };
        Contents::read(snapshot, universe, &plan, &sources, &mut |_, _| {})
    }
}

/// Elements whose records say what data IDs there are, take part in joins or conditions, or are
/// wanted themselves. Other combinations of dimensions may have large tables.
fn needed_elements(
    universe: &Universe,
    planned: &[Planned],
    with_records: bool,
) -> BTreeSet<ElementIx> {
    let mut needed = BTreeSet::new();
    for Planned { plan, order } in planned {
        let mut named: BTreeSet<ElementIx> =
            plan.spatial.iter().flat_map(|&(a, b)| [a, b]).collect();
        named.extend(plan.pixels.iter().map(|condition| condition.element));
        named.extend(plan.dimensions.temporal());
        let columns = plan.conditions.iter().flat_map(|conjunct| conjunct.columns());
        let columns = columns.chain(order.iter().flat_map(OrderKey::columns));
        named.extend(columns.filter_map(Column::element));
        needed.extend(plan.dimensions.elements().iter().copied().filter(|ix| {
            let element = universe.element(*ix);
            let joined = matches!(element.kind, ElementKind::Combination { always_join: true, .. });
            element.is_dimension() || joined || with_records || named.contains(ix)
        }));
        needed.extend(named);
    }
    needed
}
