//! Evaluating conditions row by row over columns.

use std::cmp::Ordering;

use uuid::Uuid;

use crate::record::{FieldColumn, RecordTable};
use crate::sphere::Region;
use crate::symbols::Symbols;
use crate::time::TaiNanos;
use crate::timespan::Timespan;
use crate::universe::{ElementIx, KeyType, Universe};

use super::condition::Condition;
use super::operator::{ArithmeticOperator, Comparison};
use super::value::{Column, DatasetField, RegionLiteral, Value};

/// Rows that conditions can look at.
pub trait RowSource {
    /// The universe of all columns.
    fn universe(&self) -> &Universe;

    /// Text of symbols.
    fn symbols(&self) -> &Symbols;

    /// Cell of a dimension in a row; `None` if the rows do not have the dimension.
    fn key(&self, dimension: ElementIx, row: u32) -> Option<i64>;

    /// The record of an element that belongs to a row; `None` if there is none.
    fn record(&self, element: ElementIx, row: u32) -> Option<(&RecordTable, u32)>;

    /// A field of the dataset that belongs to a row; null in rows without datasets.
    fn dataset(&self, dataset: u16, field: DatasetField, row: u32) -> Cell<'_> {
        let _ = (dataset, field, row);
        Cell::Null
    }
}

/// One value of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// Integer.
    Int(i64),
    /// Number.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Truth value.
    Bool(bool),
    /// Bytes of a hash, or of a region.
    Bytes(&'a [u8]),
    /// UUID.
    Uuid(Uuid),
    /// Instant, nanoseconds.
    Time(i64),
    /// Interval of time.
    Timespan(Timespan),
    /// Region of an expression.
    Region(&'a RegionLiteral),
}

impl Condition {
    /// Whether it holds for a row; `None` is SQL's unknown.
    pub fn holds(&self, rows: &dyn RowSource, row: u32) -> Option<bool> {
        match self {
            Self::All(parts) => {
                let mut result = Some(true);
                for part in parts {
                    match part.holds(rows, row) {
                        Some(false) => return Some(false),
                        None => result = None,
                        Some(true) => {}
                    }
                }
                result
            }
            Self::Any(parts) => {
                let mut result = Some(false);
                for part in parts {
                    match part.holds(rows, row) {
                        Some(true) => return Some(true),
                        None => result = None,
                        Some(false) => {}
                    }
                }
                result
            }
            Self::Not(part) => part.holds(rows, row).map(|holds| !holds),
            Self::Truth(column) => match column_cell(rows, *column, row) {
                Cell::Bool(value) => Some(value),
                _ => None,
            },
            Self::IsNull(value) => Some(value.cell(rows, row) == Cell::Null),
            Self::Compare(left, Comparison::Overlaps, right) => {
                overlap(left.cell(rows, row), right.cell(rows, row), rows.universe())
            }
            Self::Compare(left, comparison, right) => {
                let order = compare(left.cell(rows, row), right.cell(rows, row))?;
                Some(match comparison {
                    Comparison::NotEqual => order.is_ne(),
                    Comparison::Less => order.is_lt(),
                    Comparison::LessEqual => order.is_le(),
                    Comparison::Greater => order.is_gt(),
                    Comparison::GreaterEqual => order.is_ge(),
                    _ => order.is_eq(),
                })
            }
            Self::OneOf(value, items) => {
                let cell = value.cell(rows, row);
                let mut result = Some(false);
                for item in items {
                    match compare(cell, item.cell(rows, row)) {
                        Some(Ordering::Equal) => return Some(true),
                        None => result = None,
                        Some(_) => {}
                    }
                }
                result
            }
            Self::OneOfInts(value, items) => match value.cell(rows, row) {
                Cell::Int(number) => Some(items.binary_search(&number).is_ok()),
                Cell::Float(number) => Some(items.iter().any(|&item| item as f64 == number)),
                _ => None,
            },
            Self::OneOfTexts(value, items) => match value.cell(rows, row) {
                Cell::Text(text) => {
                    Some(items.binary_search_by(|item| item.as_str().cmp(text)).is_ok())
                }
                _ => None,
            },
            Self::InRange { value, first, last, stride } => match value.cell(rows, row) {
                Cell::Int(number) => Some(in_range(number, *first, *last, *stride)),
                Cell::Float(number) => Some(in_float_range(number, *first, *last, *stride)),
                _ => None,
            },
            Self::InRanges(value, ranges) => match value.cell(rows, row) {
                Cell::Int(number) => {
                    let after = ranges.partition_point(|&(first, _)| first <= number);
                    Some(after > 0 && number <= ranges[after - 1].1)
                }
                _ => None,
            },
            // Everything matches a lone star, even null.
            Self::Glob(_, glob) if glob.is_everything() => Some(true),
            Self::Glob(value, glob) => match value.cell(rows, row) {
                Cell::Text(text) => Some(glob.matches(text)),
                _ => None,
            },
        }
    }
}

/// `first` plus a multiple of `stride`. The remainder of `first` is Python's, which is never
/// negative, and that of the number is SQL's, which has its sign; so strides find few negative
/// numbers.
fn in_range(number: i64, first: i64, last: i64, stride: u64) -> bool {
    let inside = first <= number && number <= last;
    match i64::try_from(stride) {
        _ if first == last => number == first,
        Ok(1) => inside,
        Ok(stride) => inside && number % stride == first.rem_euclid(stride),
        Err(_) => inside && number == first,
    }
}

/// The same for quotients: SQL compares the number and cuts it off for the remainder.
fn in_float_range(number: f64, first: i64, last: i64, stride: u64) -> bool {
    let inside = compare_with_float(first, number).is_some_and(Ordering::is_le)
        && compare_with_float(last, number).is_some_and(Ordering::is_ge);
    match i64::try_from(stride) {
        _ if first == last => compare_with_float(first, number) == Some(Ordering::Equal),
        Ok(1) => inside,
        Ok(stride) => inside && (number as i64) % stride == first.rem_euclid(stride),
        Err(_) => inside && number as i64 == first,
    }
}

impl Value {
    /// The value in a row.
    pub fn cell<'a>(&'a self, rows: &'a dyn RowSource, row: u32) -> Cell<'a> {
        match self {
            Self::Column(column, _) => column_cell(rows, *column, row),
            Self::Int(number) => Cell::Int(*number),
            Self::Float(number) => Cell::Float(*number),
            Self::Text(text) => Cell::Text(text),
            Self::Uuid(uuid) => Cell::Uuid(*uuid),
            Self::Time(time) => Cell::Time(time.0),
            Self::Timespan(timespan) => Cell::Timespan(*timespan),
            Self::Region(region) => Cell::Region(region),
            Self::Negative(operand) => match operand.cell(rows, row) {
                Cell::Int(i64::MIN) => Cell::Float(-(i64::MIN as f64)),
                Cell::Int(number) => Cell::Int(-number),
                Cell::Float(number) => Cell::Float(-number),
                _ => Cell::Null,
            },
            Self::Arithmetic(operator, left, right) => {
                arithmetic(*operator, left.cell(rows, row), right.cell(rows, row))
            }
            // Bounds of a timespan that is null are 0, not null.
            Self::Begin(operand) => match operand.cell(rows, row) {
                Cell::Timespan(timespan) => Cell::Time(timespan.begin.0),
                _ => Cell::Time(0),
            },
            Self::End(operand) => match operand.cell(rows, row) {
                Cell::Timespan(timespan) => Cell::Time(timespan.end.0),
                _ => Cell::Time(0),
            },
        }
    }
}

fn column_cell(rows: &dyn RowSource, column: Column, row: u32) -> Cell<'_> {
    let element = match column {
        Column::Key(dimension) => {
            let Some(cell) = rows.key(dimension, row) else { return Cell::Null };
            return match rows.universe().element(dimension).key_type() {
                Some(KeyType::Text) => rows.symbols().of_cell(cell).map_or(Cell::Null, Cell::Text),
                _ => Cell::Int(cell),
            };
        }
        Column::Dataset(dataset, field) => return rows.dataset(dataset, field, row),
        Column::Field(ix, _) | Column::Timespan(ix) | Column::Region(ix) => ix,
    };
    let Some((table, record)) = rows.record(element, row) else { return Cell::Null };
    let at = record as usize;
    match column {
        Column::Timespan(_) => table.timespan(record).map_or(Cell::Null, Cell::Timespan),
        Column::Region(_) => table.region(record).map_or(Cell::Null, Cell::Bytes),
        Column::Key(_) | Column::Dataset(..) => Cell::Null,
        Column::Field(_, position) => match &table.fields[usize::from(position)] {
            FieldColumn::Int(values) => values[at].map_or(Cell::Null, Cell::Int),
            FieldColumn::Float(values) => values[at].map_or(Cell::Null, Cell::Float),
            FieldColumn::Bool(values) => values[at].map_or(Cell::Null, Cell::Bool),
            FieldColumn::Text(values) => (values[at])
                .and_then(|symbol| rows.symbols().get(symbol))
                .map_or(Cell::Null, Cell::Text),
            FieldColumn::Bytes(values) => values[at].as_deref().map_or(Cell::Null, Cell::Bytes),
        },
    }
}

pub(super) fn compare(left: Cell<'_>, right: Cell<'_>) -> Option<Ordering> {
    match (left, right) {
        (Cell::Int(a), Cell::Int(b)) => Some(a.cmp(&b)),
        (Cell::Float(a), Cell::Float(b)) => a.partial_cmp(&b),
        (Cell::Int(a), Cell::Float(b)) => compare_with_float(a, b),
        (Cell::Float(a), Cell::Int(b)) => compare_with_float(b, a).map(Ordering::reverse),
        (Cell::Text(a), Cell::Text(b)) => Some(a.cmp(b)),
        (Cell::Bool(a), Cell::Bool(b)) => Some(a.cmp(&b)),
        (Cell::Bytes(a), Cell::Bytes(b)) => Some(a.cmp(b)),
        (Cell::Bytes(a), Cell::Region(b)) => Some(a.cmp(b.encoded())),
        (Cell::Region(a), Cell::Bytes(b)) => Some(a.encoded().cmp(b)),
        (Cell::Region(a), Cell::Region(b)) => Some(a.encoded().cmp(b.encoded())),
        (Cell::Uuid(a), Cell::Uuid(b)) => Some(a.cmp(&b)),
        (Cell::Time(a), Cell::Time(b)) => Some(a.cmp(&b)),
        _ => None,
    }
}

/// Compares an integer with a number without rounding the integer.
fn compare_with_float(a: i64, b: f64) -> Option<Ordering> {
    /// 2⁶³, the first number above all integers.
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    if b.is_nan() {
        None
    } else if b >= BOUND {
        Some(Ordering::Less)
    } else if b < -BOUND {
        Some(Ordering::Greater)
    } else {
        let whole = a.cmp(&(b.trunc() as i64));
        Some(whole.then(if b.fract() > 0.0 {
            Ordering::Less
        } else if b.fract() < 0.0 {
            Ordering::Greater
        } else {
            Ordering::Equal
        }))
    }
}

fn overlap(left: Cell<'_>, right: Cell<'_>, universe: &Universe) -> Option<bool> {
    match (left, right) {
        (Cell::Timespan(a), Cell::Timespan(b)) => Some(a.overlaps(b)),
        (Cell::Timespan(timespan), Cell::Time(time))
        | (Cell::Time(time), Cell::Timespan(timespan)) => Some(timespan.contains(TaiNanos(time))),
        (Cell::Bytes(bytes), Cell::Region(literal))
        | (Cell::Region(literal), Cell::Bytes(bytes)) => {
            let region = Region::decode(bytes).ok()?;
            Some(regions_overlap(&region, literal.region(), universe))
        }
        (Cell::Bytes(a), Cell::Bytes(b)) => {
            let (a, b) = (Region::decode(a).ok()?, Region::decode(b).ok()?);
            Some(regions_overlap(&a, &b, universe))
        }
        _ => None,
    }
}

/// Regions overlap in a query if they share a common pixel and are not certainly disjoint.
fn regions_overlap(a: &Region, b: &Region, universe: &Universe) -> bool {
    match a.overlaps(b) {
        Some(overlaps) => overlaps,
        None => {
            let Some(level) = universe.common_skypix().skypix() else { return true };
            let Ok(pixels) = level.pixelization() else { return true };
            pixels.envelope(a, None).intersects(&pixels.envelope(b, None))
        }
    }
}

/// Integers stay integers except in division; what overflows continues as a number, and division
/// by zero is null, as in SQLite.
fn arithmetic<'a>(operator: ArithmeticOperator, left: Cell<'a>, right: Cell<'a>) -> Cell<'a> {
    use ArithmeticOperator as A;
    if let (Cell::Int(a), Cell::Int(b)) = (left, right) {
        let whole = match operator {
            A::Add => a.checked_add(b),
            A::Subtract => a.checked_sub(b),
            A::Multiply => a.checked_mul(b),
            A::Remainder if b == 0 => return Cell::Null,
            A::Remainder => Some(a.wrapping_rem(b)),
            A::Divide => None,
        };
        if let Some(whole) = whole {
            return Cell::Int(whole);
        }
    }
    let number = |cell: Cell<'_>| match cell {
        Cell::Int(number) => Some(number as f64),
        Cell::Float(number) => Some(number),
        _ => None,
    };
    let (Some(a), Some(b)) = (number(left), number(right)) else { return Cell::Null };
    let result = match operator {
        A::Add => a + b,
        A::Subtract => a - b,
        A::Multiply => a * b,
        A::Divide if b != 0.0 => a / b,
        // Quotients are cut off for the remainder.
        A::Remainder if b as i64 != 0 => (a as i64).wrapping_rem(b as i64) as f64,
        A::Divide | A::Remainder => return Cell::Null,
    };
    if result.is_nan() { Cell::Null } else { Cell::Float(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_step_from_their_first_number() {
        assert!(in_range(5, 1, 9, 2) && !in_range(4, 1, 9, 2) && !in_range(11, 1, 9, 2));
        assert!(in_range(3, 3, 3, u64::MAX) && in_range(1000, 0, 2000, 1000));
        assert!(in_range(-3, -3, -3, 2), "a single number needs no remainder");
        assert!(!in_range(-3, -5, 0, 2) && in_range(-4, -6, 0, 2));
    }

    #[test]
    fn integer_division_is_true_and_by_zero_null() {
        use ArithmeticOperator as A;
        assert_eq!(arithmetic(A::Divide, Cell::Int(1), Cell::Int(2)), Cell::Float(0.5));
        assert_eq!(arithmetic(A::Divide, Cell::Int(1), Cell::Int(0)), Cell::Null);
        assert_eq!(arithmetic(A::Remainder, Cell::Int(-3), Cell::Int(2)), Cell::Int(-1));
        assert_eq!(arithmetic(A::Remainder, Cell::Int(i64::MIN), Cell::Int(-1)), Cell::Int(0));
        assert_eq!(
            arithmetic(A::Add, Cell::Int(i64::MAX), Cell::Int(1)),
            Cell::Float(i64::MAX as f64 + 1.0)
        );
    }

    #[test]
    fn large_integers_are_not_rounded_to_be_compared() {
        let big = (1 << 53) + 1;
        assert_eq!(compare_with_float(big, 9_007_199_254_740_992.0), Some(Ordering::Greater));
        assert_eq!(compare_with_float(1, 1.5), Some(Ordering::Less));
        assert_eq!(compare_with_float(-1, -1.5), Some(Ordering::Greater));
        assert_eq!(compare_with_float(i64::MAX, 1e300), Some(Ordering::Less));
        assert_eq!(compare_with_float(0, f64::NAN), None);
    }
}
