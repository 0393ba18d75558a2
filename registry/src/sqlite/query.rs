//! Putting SELECT statements together.

use qbb_dimensions::{DataValue, ElementIx, KeyType, Universe};
use rusqlite::types::Value;

use super::ddl::quoted;
use crate::filter::{CellRange, CellSet, Filter};

/// More ranges than this are joined, nearest neighbours first, so that statements stay small.
const MOST_RANGES: usize = 32;

/// A statement with its parameters and the names of what it selects.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) sql: String,
    pub(super) parameters: Vec<Value>,
    /// Main table and selected columns, for error messages.
    pub(super) table: String,
    pub(super) columns: Vec<String>,
}

impl Query {
    /// Begins `SELECT alias.column, …`; the caller adds FROM.
    pub(super) fn select(table: &str, columns: &[(&str, &str)]) -> Self {
        let list: Vec<String> =
            columns.iter().map(|(alias, column)| format!("{alias}.{}", quoted(column))).collect();
        Self {
            sql: format!("SELECT {}", list.join(", ")),
            parameters: Vec::new(),
            table: table.to_owned(),
            columns: columns.iter().map(|(_, column)| (*column).to_owned()).collect(),
        }
    }

    /// Adds text that has no parameters.
    pub(super) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Adds a parameter.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.sql.push('?');
        self.parameters.push(value.into());
        self
    }

    /// Adds `IN (…)` for integers.
    pub(super) fn in_integers(&mut self, values: &[i64]) -> &mut Self {
        match values {
            [value] => self.push(" = ").bind(*value),
            values => {
                let list = values.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
                self.push(" IN (SELECT value FROM json_each(").bind(format!("[{list}]")).push("))")
            }
        }
    }

    /// Adds ` AND …` for those restrictions whose dimension has a column.
    pub(super) fn restrict<'a>(
        &mut self,
        universe: &Universe,
        filter: &Filter,
        alias: &str,
        column_of: impl Fn(ElementIx) -> Option<&'a str>,
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
                self.push(column);
                if let [value] = values.as_slice() {
                    self.push(" = ").bind((*value).to_owned());
                } else {
                    let list = serde_json::json!(values).to_string();
                    self.push(" IN (SELECT value FROM json_each(").bind(list).push("))");
                }
            }
            (CellSet::Ranges(ranges), KeyType::Int) => {
                let ranges = few_ranges(ranges);
                self.push(if ranges.is_empty() { "(0" } else { "(" });
                for (i, range) in ranges.iter().enumerate() {
                    self.push(if i == 0 { "" } else { " OR " }).push(column);
                    self.push(" BETWEEN ").bind(range.first).push(" AND ").bind(range.last);
                }
                self.push(")");
            }
            // No text lies in a range of integers.
            (CellSet::Ranges(_), KeyType::Text) => {
                self.push("0");
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
