//! Typed conditions: expressions whose names mean columns of a universe.

use crate::universe::Universe;

use super::glob::Glob;
use super::operator::Comparison;
use super::value::{Column, Value};

/// Something that holds, does not hold, or is unknown for a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// All of these.
    All(Vec<Condition>),
    /// Any of these.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// A column of truth values.
    Truth(Column),
    /// The value is null; never unknown.
    IsNull(Value),
    /// Comparison of two values.
    Compare(Value, Comparison, Value),
    /// The value is one of these, which were given together for a bind name.
    OneOf(Value, Vec<Value>),
    /// The value is one of these integers, which ascend.
    OneOfInts(Value, Vec<i64>),
    /// The value is one of these texts, which ascend.
    OneOfTexts(Value, Vec<String>),
    /// The integer is `first` plus a multiple of `stride` and at most `last`.
    InRange {
        /// The value.
        value: Value,
        /// First integer.
        first: i64,
        /// Last integer.
        last: i64,
        /// Distance, at least 1.
        stride: u64,
    },
    /// The integer lies in one of these ranges, which ascend; ends are included.
    InRanges(Value, Vec<(i64, i64)>),
    /// Text matches a shell pattern.
    Glob(Value, Glob),
}

impl Condition {
    /// Calls `visit` for this condition and all in it.
    pub fn visit_conditions<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        visit(self);
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().for_each(|part| part.visit_conditions(visit));
            }
            Self::Not(part) => part.visit_conditions(visit),
            _ => {}
        }
    }

    /// Calls `visit` for every column that is looked at.
    pub fn visit(&self, visit: &mut dyn FnMut(Column)) {
        self.visit_conditions(&mut |condition| match condition {
            Self::All(_) | Self::Any(_) | Self::Not(_) => {}
            Self::Truth(column) => visit(*column),
            Self::IsNull(value)
            | Self::OneOfInts(value, _)
            | Self::OneOfTexts(value, _)
            | Self::InRange { value, .. }
            | Self::InRanges(value, _)
            | Self::Glob(value, _) => value.visit(visit),
            Self::Compare(left, _, right) => {
                left.visit(visit);
                right.visit(visit);
            }
            Self::OneOf(value, items) => {
                value.visit(visit);
                items.iter().for_each(|item| item.visit(visit));
            }
        });
    }

    /// The same condition in the form that is evaluated and pushed down best: signs are worked out,
    /// equalities with many literals become one membership, and regions of pixels become ranges of
    /// their indices.
    pub(super) fn simplified(self, universe: &Universe) -> Self {
        match self {
            Self::All(parts) => {
                let mut flat = Vec::with_capacity(parts.len());
                for part in parts {
                    match part.simplified(universe) {
                        Self::All(inner) => flat.extend(inner),
                        part => flat.push(part),
                    }
                }
                Self::All(flat)
            }
            Self::Any(parts) => {
                let mut flat = Vec::with_capacity(parts.len());
                for part in parts {
                    match part.simplified(universe) {
                        Self::Any(inner) => flat.extend(inner),
                        part => flat.push(part),
                    }
                }
                any_of_memberships(flat)
            }
            Self::Not(part) => match part.simplified(universe) {
                Self::Not(inner) => *inner,
                part => Self::Not(Box::new(part)),
            },
            Self::IsNull(value) => Self::IsNull(value.folded()),
            Self::Compare(left, comparison, right) => {
                compare(left.folded(), comparison, right.folded(), universe)
            }
            Self::OneOf(value, items) => {
                let parts = items
                    .into_iter()
                    .map(|item| compare(value.clone().folded(), Comparison::Equal, item, universe));
                any_of_memberships(parts.collect())
            }
            Self::InRange { value, first, last, stride } => {
                Self::InRange { value: value.folded(), first, last, stride }
            }
            other => other,
        }
    }
}

fn compare(left: Value, comparison: Comparison, right: Value, universe: &Universe) -> Condition {
    if comparison == Comparison::Overlaps
        && let (Value::Column(Column::Region(element), _), Value::Region(literal))
        | (Value::Region(literal), Value::Column(Column::Region(element), _)) = (&left, &right)
        && let Some(level) = universe.element(*element).skypix()
        && let Ok(pixelization) = level.pixelization()
    {
        // The middleware asks only whether the pixel is in the region's envelope.
        let ranges = pixelization.envelope(literal.region(), None);
        let ranges =
            ranges.as_slice().iter().map(|range| (range.begin as i64, range.end as i64 - 1));
        let key = Value::Column(Column::Key(*element), super::value::ValueType::Int);
        return Condition::InRanges(key, ranges.collect());
    }
    Condition::Compare(left, comparison, right)
}

/// Any of some conditions, where equalities of one value with literals are joined.
fn any_of_memberships(parts: Vec<Condition>) -> Condition {
    let mut joined: Vec<Condition> = Vec::with_capacity(parts.len());
    for part in parts {
        let part = match part {
            Condition::Compare(value, Comparison::Equal, Value::Int(item)) => {
                Condition::OneOfInts(value, vec![item])
            }
            Condition::Compare(value, Comparison::Equal, Value::Text(item)) => {
                Condition::OneOfTexts(value, vec![item])
            }
            other => other,
        };
        // Lists of the same value are near each other, if there are any.
        let near = joined.iter_mut().rev().take(4);
        let mut same = near.filter_map(|other| match (other, &part) {
            (Condition::OneOfInts(a, to), Condition::OneOfInts(b, from)) if a == b => {
                to.extend(from);
                Some(())
            }
            (Condition::OneOfTexts(a, to), Condition::OneOfTexts(b, from)) if a == b => {
                to.extend_from_slice(from);
                Some(())
            }
            _ => None,
        });
        if same.next().is_none() {
            joined.push(part);
        }
    }
    for part in &mut joined {
        match part {
            Condition::OneOfInts(_, items) => {
                items.sort_unstable();
                items.dedup();
            }
            Condition::OneOfTexts(_, items) => {
                items.sort_unstable();
                items.dedup();
            }
            _ => {}
        }
    }
    if joined.len() == 1 { joined.remove(0) } else { Condition::Any(joined) }
}
