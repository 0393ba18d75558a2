//! What rows are sorted by.

use std::cmp::Ordering;

use super::bind::Context;
use super::error::{ExpressionError, ExpressionErrorKind, Span};
use super::evaluate::{Cell, RowSource, compare};
use super::identifier::interpret;
use super::value::{Column, Value, ValueType};

/// A column, or the begin or end of a timespan, that rows are sorted by.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderKey {
    /// What is compared.
    pub value: Value,
    /// Whether large values come first.
    pub descending: bool,
}

impl OrderKey {
    /// Reads a name of the `where` language, with `-` before it for descending order.
    ///
    /// # Errors
    /// If the name means nothing in the query, is ambiguous, or its values have no order.
    pub fn parse(text: &str, context: &Context<'_>) -> Result<Self, ExpressionError> {
        let (name, descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let span = Span { begin: text.len() - name.len(), end: text.len() };
        let error = |kind| ExpressionError::new(text, span, kind);
        let value = interpret(context, name).map_err(error)?;
        let unordered = match value.value_type() {
            ValueType::Timespan => Some(format!(
                "sorting by a timespan (its bounds have an order: `{name}.begin`, `{name}.end`)"
            )),
            ValueType::Region => Some("sorting by a region".to_owned()),
            _ => None,
        };
        match unordered {
            Some(what) => Err(error(ExpressionErrorKind::NotSupported(what))),
            None => Ok(Self { value, descending }),
        }
    }

    /// The columns that are looked at.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        let mut columns = Vec::new();
        self.value.visit(&mut |column| columns.push(column));
        columns
    }

    /// Compares two rows. Null comes before everything, as in SQLite.
    pub fn compare(&self, rows: &dyn RowSource, a: u32, b: u32) -> Ordering {
        let order = match (self.value.cell(rows, a), self.value.cell(rows, b)) {
            (Cell::Null, Cell::Null) => Ordering::Equal,
            (Cell::Null, _) => Ordering::Less,
            (_, Cell::Null) => Ordering::Greater,
            (a, b) => compare(a, b).unwrap_or(Ordering::Equal),
        };
        if self.descending { order.reverse() } else { order }
    }
}
