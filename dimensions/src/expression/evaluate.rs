//! Evaluating conditions row by row over columns.

use std::cmp::Ordering;

use crate::record::{FieldColumn, RecordTable};
use crate::symbols::Symbols;
use crate::timespan::Timespan;
use crate::universe::{ElementIx, KeyType, Universe};

use super::condition::{Column, Comparison, Condition, Value};
use super::syntax::BinaryOperator;

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
    /// Bytes.
    Bytes(&'a [u8]),
    /// Instant, nanoseconds.
    Time(i64),
    /// Interval of time.
    Timespan(Timespan),
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
            Self::Compare(left, comparison, right) => {
                let order = compare(left.cell(rows, row), right.cell(rows, row))?;
                Some(match comparison {
                    Comparison::Equal => order.is_eq(),
                    Comparison::NotEqual => order.is_ne(),
                    Comparison::Less => order.is_lt(),
                    Comparison::LessEqual => order.is_le(),
                    Comparison::Greater => order.is_gt(),
                    Comparison::GreaterEqual => order.is_ge(),
                })
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
                Cell::Null => None,
                _ => Some(false),
            },
            Self::Overlap(left, right) => match (left.cell(rows, row), right.cell(rows, row)) {
                (Cell::Timespan(a), Cell::Timespan(b)) => Some(a.overlaps(b)),
                _ => None,
            },
            Self::Contains(timespan, time) => {
                match (timespan.cell(rows, row), time.cell(rows, row)) {
                    (Cell::Timespan(timespan), Cell::Time(time)) => {
                        Some(timespan.contains(crate::TaiNanos(time)))
                    }
                    _ => None,
                }
            }
            Self::Glob(value, pattern) => match value.cell(rows, row) {
                Cell::Text(text) => Some(matches_glob(pattern.as_bytes(), text.as_bytes())),
                _ => None,
            },
        }
    }
}

/// `first` plus a multiple of `stride`; the remainder is SQL's, which has the sign of the number.
fn in_range(number: i64, first: i64, last: i64, stride: u64) -> bool {
    let inside = first <= number && number <= last;
    match i64::try_from(stride) {
        Ok(1) => inside,
        Ok(stride) => inside && number % stride == first.rem_euclid(stride),
        Err(_) => inside && number == first,
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
            Self::Time(time) => Cell::Time(time.0),
            Self::Timespan(timespan) => Cell::Timespan(*timespan),
            Self::Negative(operand) => match operand.cell(rows, row) {
                Cell::Int(number) => number.checked_neg().map_or(Cell::Null, Cell::Int),
                Cell::Float(number) => Cell::Float(-number),
                _ => Cell::Null,
            },
            Self::Arithmetic(operator, left, right) => {
                arithmetic(*operator, left.cell(rows, row), right.cell(rows, row))
            }
            Self::Begin(operand) => match operand.cell(rows, row) {
                Cell::Timespan(timespan) => Cell::Time(timespan.begin.0),
                _ => Cell::Null,
            },
            Self::End(operand) => match operand.cell(rows, row) {
                Cell::Timespan(timespan) => Cell::Time(timespan.end.0),
                _ => Cell::Null,
            },
        }
    }
}

fn column_cell(rows: &dyn RowSource, column: Column, row: u32) -> Cell<'_> {
    if let Column::Key(dimension) = column {
        let Some(cell) = rows.key(dimension, row) else { return Cell::Null };
        return match rows.universe().element(dimension).key_type() {
            Some(KeyType::Text) => rows.symbols().of_cell(cell).map_or(Cell::Null, Cell::Text),
            _ => Cell::Int(cell),
        };
    }
    let Some((table, record)) = rows.record(column.element(), row) else { return Cell::Null };
    let at = record as usize;
    match column {
        Column::Timespan(_) => table.timespan(record).map_or(Cell::Null, Cell::Timespan),
        Column::Region(_) => table.region(record).map_or(Cell::Null, Cell::Bytes),
        Column::Key(_) => Cell::Null,
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

fn compare(left: Cell<'_>, right: Cell<'_>) -> Option<Ordering> {
    match (left, right) {
        (Cell::Int(a), Cell::Int(b)) => Some(a.cmp(&b)),
        (Cell::Float(a), Cell::Float(b)) => a.partial_cmp(&b),
        (Cell::Int(a), Cell::Float(b)) => (a as f64).partial_cmp(&b),
        (Cell::Float(a), Cell::Int(b)) => a.partial_cmp(&(b as f64)),
        (Cell::Text(a), Cell::Text(b)) => Some(a.cmp(b)),
        (Cell::Bool(a), Cell::Bool(b)) => Some(a.cmp(&b)),
        (Cell::Bytes(a), Cell::Bytes(b)) => Some(a.cmp(b)),
        (Cell::Time(a), Cell::Time(b)) => Some(a.cmp(&b)),
        _ => None,
    }
}

/// Integers stay integers except in division; what overflows continues as a number, and division
/// by zero is null, as in SQL.
fn arithmetic<'a>(operator: BinaryOperator, left: Cell<'a>, right: Cell<'a>) -> Cell<'a> {
    use BinaryOperator as B;
    if let (Cell::Int(a), Cell::Int(b)) = (left, right) {
        let whole = match operator {
            B::Add => a.checked_add(b),
            B::Subtract => a.checked_sub(b),
            B::Multiply => a.checked_mul(b),
            B::Remainder => return a.checked_rem(b).map_or(Cell::Null, Cell::Int),
            _ => None,
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
    match operator {
        B::Add => Cell::Float(a + b),
        B::Subtract => Cell::Float(a - b),
        B::Multiply => Cell::Float(a * b),
        B::Divide if b != 0.0 => Cell::Float(a / b),
        _ => Cell::Null,
    }
}

/// Shell matching of `*` (anything) and `?` (one byte of ASCII text), without sets.
fn matches_glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    t = from + 1;
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_step_from_their_first_number() {
        assert!(in_range(5, 1, 9, 2) && !in_range(4, 1, 9, 2) && !in_range(11, 1, 9, 2));
        assert!(in_range(3, 3, 3, u64::MAX) && in_range(1000, 0, 2000, 1000));
    }

    #[test]
    fn globs_match_whole_texts() {
        for (pattern, text, expected) in [
            ("f*d", "field", true),
            ("f*d", "fields", false),
            ("*", "", true),
            ("?", "", false),
            ("a*b*c", "aXbYbZc", true),
            ("", "", true),
        ] {
            assert_eq!(matches_glob(pattern.as_bytes(), text.as_bytes()), expected, "{pattern}");
        }
    }

    #[test]
    fn integer_division_is_true_and_by_zero_null() {
        use BinaryOperator as B;
        assert_eq!(arithmetic(B::Divide, Cell::Int(1), Cell::Int(2)), Cell::Float(0.5));
        assert_eq!(arithmetic(B::Divide, Cell::Int(1), Cell::Int(0)), Cell::Null);
        assert_eq!(arithmetic(B::Remainder, Cell::Int(-3), Cell::Int(2)), Cell::Int(-1));
        assert_eq!(
            arithmetic(B::Add, Cell::Int(i64::MAX), Cell::Int(1)),
            Cell::Float(i64::MAX as f64 + 1.0)
        );
    }
}
