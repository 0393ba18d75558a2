//! The most rows that a join may have, so that a query without restrictions ends with a message and
//! not with the machine's memory.

use std::fmt;

use qbb_dimensions::DimensionGroup;

use crate::error::QueryError;

/// The most rows that a join may have unless a build says otherwise: memory for them stays below
/// two gigabytes. Quanta that come of them need some 500 bytes each besides.
pub const DEFAULT_MAX_ROWS: usize = 20_000_000;

/// The most rows that one join may have.
#[derive(Debug, Clone, Copy)]
pub struct RowLimit(pub usize);

impl Default for RowLimit {
    fn default() -> Self {
        Self(DEFAULT_MAX_ROWS)
    }
}

impl RowLimit {
    /// Refuses a join of so many rows.
    pub fn check(self, rows: usize, sides: impl FnOnce() -> JoinSides) -> Result<(), QueryError> {
        if rows <= self.0 {
            return Ok(());
        }
        let sides = sides();
        let free = sides.free.clone();
        Err(QueryError::TooManyRows { join: sides.to_string(), rows, limit: self.0, free })
    }
}

/// What a join puts together, for messages.
#[derive(Debug)]
pub struct JoinSides {
    text: String,
    /// Dimensions that multiply each other.
    free: String,
}

impl JoinSides {
    /// A join of two sets of data IDs on the dimensions that they share.
    pub fn of(a: &DimensionGroup, b: &DimensionGroup, rows: [usize; 2]) -> Self {
        let shared = a.intersection(b);
        let shared = match shared.is_empty() {
            true => "nothing".to_owned(),
            false => format!("only {}", identifying(&shared)),
        };
        let text = format!(
            "{} data IDs {} and {} data IDs {}, which share {shared},",
            rows[0],
            identifying(a),
            rows[1],
            identifying(b)
        );
        Self { text, free: free(a, b) }
    }

    /// A join by regions, timespans or pixels.
    pub fn overlap(what: String, a: &DimensionGroup, b: &DimensionGroup) -> Self {
        Self { text: what, free: free(a, b) }
    }
}

/// The dimensions that identify a data ID.
fn identifying(group: &DimensionGroup) -> String {
    let universe = group.universe();
    let names: Vec<&str> =
        group.required().iter().map(|&ix| universe.element(ix).name.as_str()).collect();
    format!("{{{}}}", names.join(", "))
}

fn free(a: &DimensionGroup, b: &DimensionGroup) -> String {
    let universe = a.universe();
    let only = |of: &DimensionGroup, other: &DimensionGroup| -> Vec<String> {
        (of.required().iter().map(|&ix| (ix, universe.element(ix))))
            .filter(|(ix, element)| !other.contains(*ix) && !element.is_governor())
            .map(|(_, element)| element.name.clone())
            .collect()
    };
    [only(a, b), only(b, a)].concat().join(", ")
}

impl fmt::Display for JoinSides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
