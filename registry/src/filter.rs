//! Restrictions that a query may push into the database.

use qbb_dimensions::{DataValue, ElementIx};

/// A conjunction of restrictions on dimension values.
///
/// It is an offer: a registry leaves out rows that it can tell apart cheaply, and may return more.
/// Whoever asks applies the full condition again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Each dimension may appear once.
    pub restrictions: Vec<(ElementIx, CellSet)>,
}

/// Values that a dimension may take.
#[derive(Debug, Clone, PartialEq)]
pub enum CellSet {
    /// One of these.
    Values(Vec<DataValue>),
    /// An integer in one of these ranges.
    Ranges(Vec<CellRange>),
}

/// Integers from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellRange {
    /// First value.
    pub first: i64,
    /// Last value.
    pub last: i64,
}
