//! Which values of a dimension a condition leaves possible, so that databases need not send others.

use crate::universe::ElementIx;
use crate::value::DataValue;

use super::condition::Condition;
use super::operator::Comparison;
use super::value::{Column, Value};

/// Integers from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// First integer.
    pub first: i64,
    /// Last integer.
    pub last: i64,
}

/// Values that a dimension may have; perhaps more than satisfy the condition, never fewer.
#[derive(Debug, Clone, PartialEq)]
pub enum Restriction {
    /// One of these.
    Values(Vec<DataValue>),
    /// An integer in one of these intervals.
    Intervals(Vec<Interval>),
}

impl Condition {
    /// The dimension that this condition restricts by itself, and to what.
    #[must_use]
    pub fn restriction(&self) -> Option<(ElementIx, Restriction)> {
        match self {
            Self::Compare(Value::Column(Column::Key(dimension), _), comparison, value) => {
                Some((*dimension, restrict(*comparison, value)?))
            }
            Self::Compare(value, comparison, Value::Column(Column::Key(dimension), _)) => {
                Some((*dimension, restrict(comparison.mirrored(), value)?))
            }
            Self::OneOfInts(Value::Column(Column::Key(dimension), _), items) => Some((
                *dimension,
                Restriction::Values(items.iter().map(|&item| DataValue::Int(item)).collect()),
            )),
            Self::OneOfTexts(Value::Column(Column::Key(dimension), _), items) => Some((
                *dimension,
                Restriction::Values(items.iter().cloned().map(DataValue::Text).collect()),
            )),
            Self::InRange {
                value: Value::Column(Column::Key(dimension), _), first, last, ..
            } => {
                let interval = Interval { first: *first, last: *last };
                Some((*dimension, Restriction::Intervals(vec![interval])))
            }
            Self::InRanges(Value::Column(Column::Key(dimension), _), ranges) => {
                let ranges = ranges.iter().map(|&(first, last)| Interval { first, last });
                Some((*dimension, Restriction::Intervals(ranges.collect())))
            }
            Self::Any(parts) => {
                let mut parts = parts.iter().map(Self::restriction);
                let (dimension, mut union) = parts.next()??;
                for part in parts {
                    let (other, restriction) = part?;
                    if other != dimension {
                        return None;
                    }
                    union = unite(union, restriction)?;
                }
                Some((dimension, union))
            }
            _ => None,
        }
    }
}

fn restrict(comparison: Comparison, value: &Value) -> Option<Restriction> {
    let value = match (comparison, value) {
        (Comparison::Equal, Value::Text(text)) => {
            return Some(Restriction::Values(vec![DataValue::Text(text.clone())]));
        }
        (_, Value::Int(number)) => *number,
        _ => return None,
    };
    let (first, last) = match comparison {
        Comparison::Equal => return Some(Restriction::Values(vec![DataValue::Int(value)])),
        Comparison::NotEqual | Comparison::Overlaps => return None,
        Comparison::Less => (i64::MIN, value.checked_sub(1)?),
        Comparison::LessEqual => (i64::MIN, value),
        Comparison::Greater => (value.checked_add(1)?, i64::MAX),
        Comparison::GreaterEqual => (value, i64::MAX),
    };
    Some(Restriction::Intervals(vec![Interval { first, last }]))
}

/// Either restriction; `None` if one is of texts and the other of intervals.
fn unite(a: Restriction, b: Restriction) -> Option<Restriction> {
    match (a, b) {
        (Restriction::Values(mut a), Restriction::Values(b)) => {
            a.extend(b);
            Some(Restriction::Values(a))
        }
        (a, b) => {
            let mut intervals = intervals(a)?;
            intervals.extend(self::intervals(b)?);
            Some(Restriction::Intervals(intervals))
        }
    }
}

fn intervals(restriction: Restriction) -> Option<Vec<Interval>> {
    match restriction {
        Restriction::Intervals(intervals) => Some(intervals),
        Restriction::Values(values) => values
            .into_iter()
            .map(|value| match value {
                DataValue::Int(number) => Some(Interval { first: number, last: number }),
                DataValue::Text(_) => None,
            })
            .collect(),
    }
}
