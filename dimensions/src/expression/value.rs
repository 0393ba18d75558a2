//! Typed values: columns, literals and what is computed from them.

use std::sync::Arc;

use uuid::Uuid;

use crate::sphere::Region;
use crate::time::TaiNanos;
use crate::timespan::Timespan;
use crate::universe::ElementIx;

use super::operator::ArithmeticOperator;

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
    /// A field of the datasets of a type, which is given by its position in
    /// [`super::Context::datasets`].
    Dataset(u16, DatasetField),
}

impl Column {
    /// The element whose key or record it is; `None` for fields of datasets.
    #[must_use]
    pub fn element(self) -> Option<ElementIx> {
        match self {
            Self::Key(ix) | Self::Field(ix, _) | Self::Timespan(ix) | Self::Region(ix) => Some(ix),
            Self::Dataset(..) => None,
        }
    }
}

/// What a query knows of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DatasetField {
    /// Its UUID.
    Id,
    /// When it was ingested.
    IngestDate,
    /// Name of the RUN collection that owns it.
    Run,
    /// Name of the collection in which it was found.
    Collection,
    /// Its validity range there; unbounded in collections that are not CALIBRATION collections.
    Timespan,
}

impl DatasetField {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Id, Self::IngestDate, Self::Run, Self::Collection, Self::Timespan];

    /// Its name in expressions.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Id => "dataset_id",
            Self::IngestDate => "ingest_date",
            Self::Run => "run",
            Self::Collection => "collection",
            Self::Timespan => "timespan",
        }
    }

    /// The field of a name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// Its type.
    #[must_use]
    pub const fn value_type(self) -> ValueType {
        match self {
            Self::Id => ValueType::Uuid,
            Self::IngestDate => ValueType::IngestDate,
            Self::Run | Self::Collection => ValueType::Text,
            Self::Timespan => ValueType::Timespan,
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
    /// UUID of a dataset.
    Uuid,
    /// Instant.
    Time,
    /// When a dataset was ingested. Repositories differ in how they store it, so it may be compared
    /// with instants only.
    IngestDate,
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
            Self::Uuid => "a UUID",
            Self::Time => "a time",
            Self::IngestDate => "an ingest date",
            Self::Timespan => "a timespan",
            Self::Region => "a region",
        }
    }

    /// Whether it is a sort of number.
    #[must_use]
    pub const fn is_numeric(self) -> bool {
        matches!(self, Self::Int | Self::Float)
    }
}

/// A region that an expression names, with its encoding.
#[derive(Debug, Clone)]
pub struct RegionLiteral(Arc<(Region, Vec<u8>)>);

impl RegionLiteral {
    /// Of a region.
    #[must_use]
    pub fn new(region: Region) -> Self {
        let encoded = region.encode();
        Self(Arc::new((region, encoded)))
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.0.0
    }

    /// Its bytes, as repositories store regions.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.0.1
    }
}

/// Literals are equal if their encodings are.
impl PartialEq for RegionLiteral {
    fn eq(&self, other: &Self) -> bool {
        self.encoded() == other.encoded()
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
    /// A UUID.
    Uuid(Uuid),
    /// An instant.
    Time(TaiNanos),
    /// An interval of time.
    Timespan(Timespan),
    /// A region.
    Region(RegionLiteral),
    /// A number with the other sign.
    Negative(Box<Value>),
    /// Arithmetic of two numbers of one type.
    Arithmetic(ArithmeticOperator, Box<Value>, Box<Value>),
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
            Self::Uuid(_) => ValueType::Uuid,
            Self::Time(_) | Self::Begin(_) | Self::End(_) => ValueType::Time,
            Self::Timespan(_) => ValueType::Timespan,
            Self::Region(_) => ValueType::Region,
            Self::Negative(operand) => operand.value_type(),
            Self::Arithmetic(_, left, _) => left.value_type(),
        }
    }

    /// The column, if it is nothing else.
    #[must_use]
    pub fn as_column(&self) -> Option<Column> {
        match self {
            Self::Column(column, _) => Some(*column),
            _ => None,
        }
    }

    /// Calls `visit` for every column in it.
    pub fn visit(&self, visit: &mut dyn FnMut(Column)) {
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

    /// The same value with signs of literals worked out.
    pub(super) fn folded(self) -> Self {
        match self {
            Self::Negative(operand) => match operand.folded() {
                Self::Int(number) if number != i64::MIN => Self::Int(-number),
                Self::Float(number) => Self::Float(-number),
                operand => Self::Negative(Box::new(operand)),
            },
            Self::Arithmetic(operator, left, right) => {
                Self::Arithmetic(operator, Box::new(left.folded()), Box::new(right.folded()))
            }
            value => value,
        }
    }
}
