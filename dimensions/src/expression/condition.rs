//! Typed conditions: expressions whose names mean columns of a universe.

use crate::time::TaiNanos;
use crate::timespan::Timespan;
use crate::universe::{ElementIx, Universe};

use super::error::Span;
use super::syntax::BinaryOperator;

/// A column that a condition looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Column {
    /// The primary key of a dimension.
    Key(ElementIx),
    /// An alternate key or metadata field, by its position among alternate keys and then metadata.
    Field(ElementIx, u16),
    /// The timespan of a temporal element.
    Timespan(ElementIx),
    /// The region of a spatial element.
    Region(ElementIx),
}

impl Column {
    /// The element whose key or record it is.
    #[must_use]
    pub fn element(self) -> ElementIx {
        match self {
            Self::Key(ix) | Self::Field(ix, _) | Self::Timespan(ix) | Self::Region(ix) => ix,
        }
    }
}

/// Type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// Integer.
    Int,
    /// Floating point number.
    Float,
    /// Text.
    Text,
    /// Truth value.
    Bool,
    /// Bytes.
    Hash,
    /// Instant.
    Time,
    /// Interval of time.
    Timespan,
    /// Region of the sky.
    Region,
}

impl ValueType {
    /// The type in a message.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int => "an integer",
            Self::Float => "a number",
            Self::Text => "text",
            Self::Bool => "a truth value",
            Self::Hash => "a hash",
            Self::Time => "a time",
            Self::Timespan => "a timespan",
            Self::Region => "a region",
        }
    }
}

/// A value computed for each row; null if any part of it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A column.
    Column(Column, ValueType),
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// An instant.
    Time(TaiNanos),
    /// An interval of time.
    Timespan(Timespan),
    /// A number with the other sign.
    Negative(Box<Value>),
    /// Arithmetic of two numbers of one type.
    Arithmetic(BinaryOperator, Box<Value>, Box<Value>),
    /// Begin of a timespan.
    Begin(Box<Value>),
    /// End of a timespan.
    End(Box<Value>),
}

impl Value {
    /// Its type. Division of integers counts as an integer, as in `daf_butler`, though its value
    /// need not be whole.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Column(_, value_type) => *value_type,
            Self::Int(_) => ValueType::Int,
            Self::Float(_) => ValueType::Float,
            Self::Text(_) => ValueType::Text,
            Self::Time(_) | Self::Begin(_) | Self::End(_) => ValueType::Time,
            Self::Timespan(_) => ValueType::Timespan,
            Self::Negative(operand) => operand.value_type(),
            Self::Arithmetic(_, left, _) => left.value_type(),
        }
    }

    fn visit(&self, visit: &mut dyn FnMut(Column)) {
        match self {
            Self::Column(column, _) => visit(*column),
            Self::Negative(operand) | Self::Begin(operand) | Self::End(operand) => {
                operand.visit(visit);
            }
            Self::Arithmetic(_, left, right) => {
                left.visit(visit);
                right.visit(visit);
            }
            _ => {}
        }
    }
}

/// The six comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// Less.
    Less,
    /// Less or equal.
    LessEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterEqual,
}

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
    /// Two timespans have an instant in common.
    Overlap(Value, Value),
    /// The timespan contains the instant.
    Contains(Value, Value),
    /// Text matches a shell pattern of `*` and `?`.
    Glob(Value, String),
}

impl Condition {
    /// Calls `visit` for every column that is looked at.
    pub fn visit(&self, visit: &mut dyn FnMut(Column)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.visit(visit)),
            Self::Not(part) => part.visit(visit),
            Self::Truth(column) => visit(*column),
            Self::IsNull(value)
            | Self::OneOfInts(value, _)
            | Self::OneOfTexts(value, _)
            | Self::InRange { value, .. }
            | Self::Glob(value, _) => value.visit(visit),
            Self::Compare(left, _, right)
            | Self::Overlap(left, right)
            | Self::Contains(left, right) => {
                left.visit(visit);
                right.visit(visit);
            }
        }
    }
}

/// One of the conditions that a `where` expression joins with AND at its top.
#[derive(Debug, Clone, PartialEq)]
pub struct Conjunct {
    /// The condition.
    pub condition: Condition,
    /// Its text.
    pub text: String,
    /// Its place in the expression.
    pub span: Span,
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
    /// for records those that identify the record.
    #[must_use]
    pub fn dimensions(&self, universe: &Universe) -> Vec<ElementIx> {
        let mut dimensions: Vec<ElementIx> = (self.columns().into_iter())
            .flat_map(|column| match column {
                Column::Key(dimension) => vec![dimension],
                _ => universe.element(column.element()).required.clone(),
            })
            .collect();
        dimensions.sort_unstable();
        dimensions.dedup();
        dimensions
    }
}
