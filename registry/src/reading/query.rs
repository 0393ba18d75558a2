//! Putting SELECT statements together.

use std::fmt::Write as _;

use qbb_dimensions::{DataValue, ElementIx, KeyType, Timespan, Universe};

use super::dialect::{Dialect, array_literal, quoted, text_literal};
use crate::filter::{CellRange, CellSet, Filter};

/// More ranges than this are joined, nearest neighbours first, so that statements stay small.
const MOST_RANGES: usize = 32;

/// A value that a statement is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parameter {
    Null,
    Int(i64),
    Text(String),
}

impl From<i64> for Parameter {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<String> for Parameter {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Option<String>> for Parameter {
    fn from(value: Option<String>) -> Self {
        value.map_or(Self::Null, Self::Text)
    }
}

/// A statement with its parameters and the names of what it selects.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    dialect: Dialect<'a>,
    pub(crate) sql: String,
    /// What the statement is bound to; nothing if values are part of its text.
    pub(crate) parameters: Vec<Parameter>,
    /// Main table and selected columns, for error messages.
    pub(crate) table: String,
    pub(crate) columns: Vec<String>,
}

impl<'a> Query<'a> {
    /// Begins `SELECT alias.column, …`; the caller adds FROM.
    pub(crate) fn select(dialect: Dialect<'a>, table: &str, columns: &[(&str, &str)]) -> Self {
        let list: Vec<String> =
            columns.iter().map(|(alias, column)| format!("{alias}.{}", quoted(column))).collect();
        Self {
            dialect,
            sql: format!("SELECT {}", list.join(", ")),
            parameters: Vec::new(),
            table: table.to_owned(),
            columns: columns.iter().map(|(_, column)| (*column).to_owned()).collect(),
        }
    }

    /// Begins a statement about a table, which is all the caller's. If it returns rows, their
    /// columns are to be named.
    pub(crate) fn statement(dialect: Dialect<'a>, table: &str) -> Self {
        let table = table.to_owned();
        Self { dialect, sql: String::new(), parameters: Vec::new(), table, columns: Vec::new() }
    }

    /// Adds text that has no parameters.
    pub(crate) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Adds the name of a table.
    pub(crate) fn push_table(&mut self, name: &str) -> &mut Self {
        self.sql.push_str(&self.dialect.table(name));
        self
    }

    /// Adds a value.
    pub(crate) fn bind(&mut self, value: impl Into<Parameter>) -> &mut Self {
        match (self.dialect, value.into()) {
            (Dialect::Sqlite, value) => {
                self.sql.push('?');
                self.parameters.push(value);
            }
            (Dialect::Postgres { .. }, Parameter::Null) => self.sql.push_str("NULL"),
            // Writing to a string cannot fail. The quotes keep the sign and the type together.
            (Dialect::Postgres { .. }, Parameter::Int(value)) => {
                let _ = write!(self.sql, "'{value}'::int8");
            }
            (Dialect::Postgres { .. }, Parameter::Text(value)) => {
                self.sql.push_str(&text_literal(&value));
            }
        }
        self
    }

    /// Adds ` = …` or ` IN (…)` for integers.
    pub(crate) fn in_integers(&mut self, values: &[i64]) -> &mut Self {
        let list = || values.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        match (values, self.dialect) {
            ([value], _) => self.push(" = ").bind(*value),
            (_, Dialect::Sqlite) => {
                self.push(" IN (SELECT value FROM json_each(");
                self.bind(format!("[{}]", list())).push("))")
            }
            (_, Dialect::Postgres { .. }) => {
                self.push(&format!(" = ANY('{{{}}}'::int8[])", list()))
            }
        }
    }

    /// Adds ` = …` or ` IN (…)` for texts.
    fn in_texts(&mut self, values: &[&str]) -> &mut Self {
        match (values, self.dialect) {
            (&[value], _) if !value.contains('\0') => self.push(" = ").bind(value.to_owned()),
            (_, Dialect::Sqlite) => {
                let list = serde_json::json!(values).to_string();
                self.push(" IN (SELECT value FROM json_each(").bind(list).push("))")
            }
            (_, Dialect::Postgres { .. }) => {
                // It stores no text with a NUL, nor lets one be asked for.
                let values = values.iter().filter(|value| !value.contains('\0'));
                let list = array_literal(values.copied());
                self.push(&format!(" = ANY({list}::text[])"))
            }
        }
    }

    /// Adds a table `alias` of UUIDs, whose only column is `value`.
    pub(crate) fn push_uuids(&mut self, alias: &str, values: &[[u8; 16]]) -> &mut Self {
        let mut list = String::with_capacity(2 + 35 * values.len());
        for id in values {
            let id = uuid::Uuid::from_bytes(*id);
            let comma = if list.is_empty() { "" } else { "," };
            let quote = if self.dialect == Dialect::Sqlite { "\"" } else { "" };
            // Writing to a string cannot fail.
            let _ = write!(list, "{comma}{quote}{}{quote}", id.simple());
        }
        match self.dialect {
            Dialect::Sqlite => {
                self.push("json_each(").bind(format!("[{list}]")).push(&format!(") {alias}"))
            }
            Dialect::Postgres { .. } => {
                self.push(&format!("unnest('{{{list}}}'::uuid[]) {alias}(value)"))
            }
        }
    }

    /// Adds a table `alias` of texts, whose only column is `value`.
    pub(crate) fn push_texts(&mut self, alias: &str, values: &[&str]) -> &mut Self {
        match self.dialect {
            Dialect::Sqlite => {
                let list = serde_json::json!(values).to_string();
                self.push("json_each(").bind(list).push(&format!(") {alias}"))
            }
            Dialect::Postgres { .. } => {
                let list = array_literal(values.iter().copied());
                self.push(&format!("unnest({list}::text[]) {alias}(value)"))
            }
        }
    }

    /// Adds the condition that the timespan of a table overlaps one that is not empty.
    pub(crate) fn push_overlap(&mut self, alias: &str, timespan: Timespan) -> &mut Self {
        let (begin, end) = (timespan.begin.0, timespan.end.0);
        match self.dialect {
            Dialect::Sqlite => {
                self.push(&format!("{alias}.timespan_begin < ")).bind(end);
                self.push(&format!(" AND {alias}.timespan_end > ")).bind(begin)
            }
            Dialect::Postgres { .. } => {
                self.push(&format!("{alias}.timespan && int8range(")).bind(begin).push(", ");
                self.bind(end).push(")")
            }
        }
    }

    /// Adds ` GROUP BY` columns of a table, so that each combination comes once.
    pub(crate) fn group_by(&mut self, columns: &[(&str, &str)]) -> &mut Self {
        for (i, (alias, name)) in columns.iter().enumerate() {
            self.push(if i == 0 { " GROUP BY " } else { ", " });
            self.push(&format!("{alias}.{}", quoted(name)));
        }
        self
    }

    /// Adds ` ORDER BY` columns, each given with its table's alias.
    pub(crate) fn order_by<'n>(
        &mut self,
        columns: impl IntoIterator<Item = (&'n str, &'n str, KeyType)>,
    ) -> &mut Self {
        for (i, (alias, name, key)) in columns.into_iter().enumerate() {
            let column = format!("{alias}.{}", quoted(name));
            self.push(if i == 0 { " ORDER BY " } else { ", " });
            self.push(&self.dialect.sort_key(&column, key));
        }
        self
    }

    /// Adds ` AND …` for those restrictions whose dimension has a column.
    pub(crate) fn restrict<'n>(
        &mut self,
        universe: &Universe,
        filter: &Filter,
        alias: &str,
        column_of: impl Fn(ElementIx) -> Option<&'n str>,
    ) {
        for (dimension, cells) in &filter.restrictions {
            let Some(column) = column_of(*dimension) else { continue };
            let Some(key) = universe.element(*dimension).key_type() else { continue };
            self.push(" AND ");
            self.restrict_column(&format!("{alias}.{}", quoted(column)), key, cells);
        }
    }

    fn restrict_column(&mut self, column: &str, key: KeyType, cells: &CellSet) {
        match (cells, key) {
            (CellSet::Values(values), KeyType::Int) => {
                let values: Vec<i64> = (values.iter())
                    .filter_map(|value| match value {
                        DataValue::Int(value) => Some(*value),
                        DataValue::Text(_) => None,
                    })
                    .collect();
                self.push(column).in_integers(&values);
            }
            (CellSet::Values(values), KeyType::Text) => {
                let values: Vec<&str> = (values.iter())
                    .filter_map(|value| match value {
                        DataValue::Int(_) => None,
                        DataValue::Text(value) => Some(value.as_str()),
                    })
                    .collect();
                self.push(column).in_texts(&values);
            }
            (CellSet::Ranges(ranges), KeyType::Int) => {
                let ranges = few_ranges(ranges);
                self.push(if ranges.is_empty() { "(FALSE" } else { "(" });
                for (i, range) in ranges.iter().enumerate() {
                    self.push(if i == 0 { "" } else { " OR " }).push(column);
                    self.push(" BETWEEN ").bind(range.first).push(" AND ").bind(range.last);
                }
                self.push(")");
            }
            // No text lies in a range of integers.
            (CellSet::Ranges(_), KeyType::Text) => {
                self.push("FALSE");
            }
        }
    }
}

/// Ascending ranges that cover all given ones and are not too many.
fn few_ranges(ranges: &[CellRange]) -> Vec<CellRange> {
    let mut sorted: Vec<CellRange> =
        ranges.iter().copied().filter(|range| range.first <= range.last).collect();
    sorted.sort_unstable_by_key(|range| range.first);
    let mut joined: Vec<CellRange> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match joined.last_mut() {
            Some(last) if range.first <= last.last.saturating_add(1) => {
                last.last = last.last.max(range.last);
            }
            _ => joined.push(range),
        }
    }
    if joined.len() > MOST_RANGES {
        // Gaps narrower than the narrowest that may stay are closed.
        let gap = |pair: &[CellRange]| pair[0].last.abs_diff(pair[1].first);
        let mut gaps: Vec<u64> = joined.windows(2).map(gap).collect();
        gaps.sort_unstable_by(|a, b| b.cmp(a));
        let narrowest = gaps[MOST_RANGES - 1];
        let mut few: Vec<CellRange> = Vec::with_capacity(MOST_RANGES);
        for range in joined {
            match few.last_mut() {
                Some(last) if last.last.abs_diff(range.first) <= narrowest => {
                    last.last = range.last;
                }
                _ => few.push(range),
            }
        }
        return few;
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range((first, length): (i64, i64)) -> CellRange {
        CellRange { first, last: first + length }
    }

    #[test]
    fn adjacent_ranges_join() {
        let ranges = [(5, 1), (0, 2), (7, 0), (3, -1)].map(range);
        assert_eq!(few_ranges(&ranges), [range((0, 2)), range((5, 2))]);
        let edge = CellRange { first: i64::MIN, last: i64::MAX };
        assert_eq!(few_ranges(&[edge, edge]), [edge]);
    }

    proptest! {
        #[test]
        fn few_ranges_cover_all(given in prop::collection::vec((0i64..5_000, 0i64..9), 0..90)) {
            let ranges: Vec<CellRange> = given.into_iter().map(range).collect();
            let few = few_ranges(&ranges);
            prop_assert!(few.len() <= MOST_RANGES);
            prop_assert!(few.windows(2).all(|pair| pair[0].last < pair[1].first));
            for range in &ranges {
                prop_assert!(few.iter().any(|f| f.first <= range.first && range.last <= f.last));
            }
            if ranges.len() <= MOST_RANGES {
                let covered: i64 = few.iter().map(|range| range.last - range.first + 1).sum();
                let exact: std::collections::BTreeSet<i64> =
                    ranges.iter().flat_map(|range| range.first..=range.last).collect();
                prop_assert_eq!(covered, exact.len() as i64);
            }
        }
    }
}
