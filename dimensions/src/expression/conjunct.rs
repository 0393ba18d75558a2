//! What a `where` expression joins with AND at its top, and what a query must know about it.

use crate::universe::{DimensionElement, ElementIx, Universe};

use super::bind::{Binder, Context};
use super::condition::Condition;
use super::error::{ExpressionError, ExpressionErrorKind, Span};
use super::operator::Comparison;
use super::syntax::{Expression, Node};
use super::value::{Column, DatasetField, Value, ValueType};

/// One of the conditions that a `where` expression joins with AND at its top.
#[derive(Debug, Clone, PartialEq)]
pub struct Conjunct {
    /// The condition.
    pub condition: Condition,
    /// Its text.
    pub text: String,
    /// Its place in the expression.
    pub span: Span,
    /// Governor dimensions that it compares with something, which is enough to constrain them.
    /// Lists given for bind names and tests for NULL do not count.
    pub governors: Vec<ElementIx>,
}

/// One side of an OVERLAPS between timespans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemporalOperand {
    /// The timespan of a dimension element.
    Element(ElementIx),
    /// The validity range of datasets of a type of [`Context::datasets`].
    Dataset(u16),
}

/// Gives the names of an expression their meaning and splits it where AND joins it at the top;
/// a negated OR is such a place too.
///
/// # Errors
/// If a name is unknown or ambiguous, if types do not go together, if the expression refers to what
/// depends on a governor dimension that nothing constrains, or if it compares regions in a way that
/// is not supported.
pub fn bind(
    expression: &Expression,
    context: &Context<'_>,
) -> Result<Vec<Conjunct>, ExpressionError> {
    let Some(root) = &expression.root else { return Ok(Vec::new()) };
    let binder = Binder { text: &expression.text, context };
    let universe = context.dimensions.universe();
    let mut nodes = Vec::new();
    split(root, false, &mut nodes);
    let mut conjuncts = Vec::with_capacity(nodes.len());
    let mut governors = Governors::default();
    for (node, negated) in nodes {
        let span = node.span();
        let bound = binder.condition(node)?;
        let bound = if negated { Condition::Not(Box::new(bound)) } else { bound };
        let bound = without_double_negation(bound);
        check_regions(universe, &bound).map_err(|kind| binder.error(span, kind))?;
        check_timespans(universe, &bound).map_err(|kind| binder.error(span, kind))?;
        let mentioned = mentioned_governors(universe, &bound);
        governors.add(universe, &bound, &mentioned, span);
        let text = if negated { format!("NOT ({node})") } else { node.to_string() };
        let condition = bound.simplified(universe);
        conjuncts.push(Conjunct { condition, text, span, governors: mentioned });
    }
    if let Some((needed, governor, span)) = governors.missing(context.constrained) {
        let kind = ExpressionErrorKind::Governor {
            dimension: universe.element(needed).name.clone(),
            governor: universe.element(governor).name.clone(),
        };
        return Err(binder.error(span, kind));
    }
    Ok(conjuncts)
}

/// The nodes that AND joins, each with whether it is negated.
fn split<'a>(node: &'a Node, negated: bool, nodes: &mut Vec<(&'a Node, bool)>) {
    match (node.inside(), negated) {
        (Node::All(parts), false) | (Node::Any(parts), true) => {
            parts.iter().for_each(|part| split(part, negated, nodes));
        }
        (Node::Not(part, _), _) => split(part, !negated, nodes),
        (node, _) => nodes.push((node, negated)),
    }
}

fn without_double_negation(condition: Condition) -> Condition {
    match condition {
        Condition::Not(inner) => match *inner {
            Condition::Not(condition) => without_double_negation(*condition),
            inner => Condition::Not(Box::new(inner)),
        },
        other => other,
    }
}

/// Governor dimensions that an expression needs, and those that it mentions.
#[derive(Debug, Default)]
struct Governors {
    /// What needs a governor, the governor, and where.
    needed: Vec<(ElementIx, ElementIx, Span)>,
    mentioned: Vec<ElementIx>,
}

impl Governors {
    fn add(
        &mut self,
        universe: &Universe,
        condition: &Condition,
        mentioned: &[ElementIx],
        span: Span,
    ) {
        condition.visit(&mut |column| {
            let element = match column {
                Column::Key(ix) => universe.element(ix),
                Column::Field(ix, at) if is_alternate_key(universe, ix, at) => universe.element(ix),
                _ => return,
            };
            if let Some(governor) = governor_of(universe, element)
                && !(matches!(column, Column::Key(_)) && governor == element.ix)
            {
                self.needed.push((element.ix, governor, span));
            }
        });
        self.mentioned.extend(mentioned);
    }

    fn missing(&self, constrained: &[ElementIx]) -> Option<(ElementIx, ElementIx, Span)> {
        let known = |governor| self.mentioned.contains(governor) || constrained.contains(governor);
        self.needed.iter().find(|(_, governor, _)| !known(governor)).copied()
    }
}

/// Governor dimensions that a condition, not simplified yet, compares with something.
fn mentioned_governors(universe: &Universe, condition: &Condition) -> Vec<ElementIx> {
    let mut mentioned = Vec::new();
    let mut add = |column: Column| match column {
        Column::Key(ix) if universe.element(ix).is_governor() => mentioned.push(ix),
        Column::Field(ix, at)
            if universe.element(ix).is_governor() && is_alternate_key(universe, ix, at) =>
        {
            mentioned.push(ix);
        }
        _ => {}
    };
    condition.visit_conditions(&mut |condition| match condition {
        Condition::Compare(left, _, right) => {
            left.visit(&mut add);
            right.visit(&mut add);
        }
        Condition::Glob(value, _) => value.visit(&mut add),
        _ => {}
    });
    mentioned
}

fn is_alternate_key(universe: &Universe, element: ElementIx, position: u16) -> bool {
    let element = universe.element(element);
    element.is_dimension() && usize::from(position) < element.alternate_keys.len()
}

/// The governor that an element depends on, or is.
fn governor_of(universe: &Universe, element: &DimensionElement) -> Option<ElementIx> {
    element.required.iter().copied().find(|&ix| universe.element(ix).is_governor())
}

/// Regions may overlap in a conjunct by itself only, and elements of one family need no join.
fn check_regions(universe: &Universe, condition: &Condition) -> Result<(), ExpressionErrorKind> {
    let not_supported = |what: &str| Err(ExpressionErrorKind::NotSupported(what.to_owned()));
    let is_overlap = |condition: &Condition| match condition {
        Condition::Compare(left, Comparison::Overlaps, _) => left.value_type() == ValueType::Region,
        _ => false,
    };
    if !is_overlap(condition) {
        let mut inside = false;
        condition.visit_conditions(&mut |part| inside |= is_overlap(part));
        return if inside { not_supported("OVERLAPS of regions inside OR or NOT") } else { Ok(()) };
    }
    let mut elements = Vec::new();
    condition.visit(&mut |column| elements.extend(column.element()));
    let skypix = |ix: ElementIx| universe.element(ix).skypix();
    match *elements.as_slice() {
        [element] => match skypix(element) {
            Some(level) if level.pixelization().is_err() => {
                not_supported(&format!("OVERLAPS of a region and pixels of `{}`", level.system))
            }
            _ => Ok(()),
        },
        [a, b] => {
            let (a, b) = (universe.element(a), universe.element(b));
            if a.spatial == b.spatial {
                return Err(ExpressionErrorKind::NeedlessJoin(
                    a.name.clone(),
                    b.name.clone(),
                    "regions",
                ));
            }
            let common = universe.common_skypix().ix;
            let joins = |one: &DimensionElement, other: &DimensionElement| {
                one.has_table() && (other.has_table() || other.ix == common)
            };
            if joins(a, b) || joins(b, a) {
                Ok(())
            } else {
                not_supported(&format!("OVERLAPS of `{}` and `{}`", a.name, b.name))
            }
        }
        _ => Ok(()),
    }
}

/// Elements of one temporal family need no join, and timespans are not compared otherwise.
fn check_timespans(universe: &Universe, condition: &Condition) -> Result<(), ExpressionErrorKind> {
    let mut result = Ok(());
    condition.visit_conditions(&mut |part| {
        let equality = match part {
            Condition::Compare(left, comparison, _) => {
                *comparison != Comparison::Overlaps && left.value_type() == ValueType::Timespan
            }
            _ => false,
        };
        if equality {
            let what = "equality of timespans".to_owned();
            result = Err(ExpressionErrorKind::NotSupported(what));
        }
        if let Some((TemporalOperand::Element(a), TemporalOperand::Element(b))) =
            temporal_operands(part)
        {
            let (a, b) = (universe.element(a), universe.element(b));
            if a.temporal == b.temporal {
                let (a, b) = (a.name.clone(), b.name.clone());
                result = Err(ExpressionErrorKind::NeedlessJoin(a, b, "timespans"));
            }
        }
    });
    result
}

fn temporal_operands(condition: &Condition) -> Option<(TemporalOperand, TemporalOperand)> {
    let operand = |value: &Value| match value.as_column()? {
        Column::Timespan(ix) => Some(TemporalOperand::Element(ix)),
        Column::Dataset(dataset, DatasetField::Timespan) => Some(TemporalOperand::Dataset(dataset)),
        _ => None,
    };
    match condition {
        Condition::Compare(a, Comparison::Overlaps, b) => Some((operand(a)?, operand(b)?)),
        _ => None,
    }
}

impl Conjunct {
    /// All columns looked at, each once.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        let mut columns = Vec::new();
        self.condition.visit(&mut |column| columns.push(column));
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Dimensions that a row must have for the condition to be evaluated: each column's own, and
    /// for records those that identify the record. Dimensions of dataset types are not among them.
    #[must_use]
    pub fn dimensions(&self, universe: &Universe) -> Vec<ElementIx> {
        let mut dimensions: Vec<ElementIx> = (self.columns().into_iter())
            .flat_map(|column| match column {
                Column::Key(dimension) => vec![dimension],
                Column::Dataset(..) => Vec::new(),
                Column::Field(ix, _) | Column::Timespan(ix) | Column::Region(ix) => {
                    universe.element(ix).required.clone()
                }
            })
            .collect();
        dimensions.sort_unstable();
        dimensions.dedup();
        dimensions
    }

    /// Positions in [`Context::datasets`] of the dataset types whose fields are looked at.
    #[must_use]
    pub fn datasets(&self) -> Vec<u16> {
        let mut datasets: Vec<u16> = (self.columns().into_iter())
            .filter_map(|column| match column {
                Column::Dataset(dataset, _) => Some(dataset),
                _ => None,
            })
            .collect();
        datasets.dedup();
        datasets
    }

    /// The two elements, if it is `a.region OVERLAPS b.region`. Such a conjunct stands for a join
    /// of the two and replaces the one that a query would have had of itself.
    #[must_use]
    pub fn spatial_join(&self) -> Option<(ElementIx, ElementIx)> {
        match &self.condition {
            Condition::Compare(a, Comparison::Overlaps, b) => {
                match (a.as_column()?, b.as_column()?) {
                    (Column::Region(a), Column::Region(b)) => Some((a, b)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The element and the region, if it is an OVERLAPS of an element's region and a literal.
    #[must_use]
    pub fn spatial_constraint(&self) -> Option<(ElementIx, &super::value::RegionLiteral)> {
        match &self.condition {
            Condition::Compare(
                Value::Column(Column::Region(element), _),
                Comparison::Overlaps,
                Value::Region(region),
            )
            | Condition::Compare(
                Value::Region(region),
                Comparison::Overlaps,
                Value::Column(Column::Region(element), _),
            ) => Some((*element, region)),
            _ => None,
        }
    }

    /// Pairs whose timespans it relates by OVERLAPS, anywhere in it. Such pairs count as joined,
    /// so that a query does not join them of itself.
    #[must_use]
    pub fn temporal_joins(&self) -> Vec<(TemporalOperand, TemporalOperand)> {
        let mut joins = Vec::new();
        self.condition.visit_conditions(&mut |part| joins.extend(temporal_operands(part)));
        joins
    }
}
