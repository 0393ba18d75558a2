//! Half-open intervals of time.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::TaiNanos;

/// A half-open interval of TAI nanoseconds, with the encodings of the repository database:
/// 0 is unbounded below, 2100-01-01 is unbounded above, and the empty timespan runs backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "(i64, i64)", into = "(i64, i64)")]
pub struct Timespan {
    /// First instant.
    pub begin: TaiNanos,
    /// First instant after.
    pub end: TaiNanos,
}

impl Timespan {
    /// Unbounded at both ends.
    pub const UNBOUNDED: Self = Self { begin: TaiNanos::MIN, end: TaiNanos::MAX };
    /// Contains nothing and overlaps nothing.
    pub const EMPTY: Self = Self { begin: TaiNanos::MAX, end: TaiNanos::MIN };

    /// The interval between two instants, clamped to 1970..2100; empty if it would contain
    /// nothing.
    pub fn new(begin: TaiNanos, end: TaiNanos) -> Self {
        let begin = begin.clamp(TaiNanos::MIN, TaiNanos::MAX);
        let end = end.clamp(TaiNanos::MIN, TaiNanos::MAX);
        if begin < end { Self { begin, end } } else { Self::EMPTY }
    }

    /// The interval that a pair of instants stands for in an expression; `None` is unbounded.
    ///
    /// An interval that would begin and end at the same instant gets a nanosecond, as in
    /// `daf_butler`. `None` if that instant is a bound of what can be stored.
    pub fn literal(begin: Option<TaiNanos>, end: Option<TaiNanos>) -> Option<Self> {
        let begin = begin.unwrap_or(TaiNanos::MIN).clamp(TaiNanos::MIN, TaiNanos::MAX);
        let end = end.unwrap_or(TaiNanos::MAX).clamp(TaiNanos::MIN, TaiNanos::MAX);
        if begin != end {
            return Some(Self::new(begin, end));
        }
        let padded = TaiNanos(end.0 + 1);
        (begin > TaiNanos::MIN && padded < TaiNanos::MAX).then_some(Self { begin, end: padded })
    }

    /// Whether it contains nothing.
    pub fn is_empty(self) -> bool {
        self.begin >= self.end
    }

    /// Whether the two have an instant in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.begin < other.end && other.begin < self.end
    }

    /// Whether the instant lies in it.
    pub fn contains(self, instant: TaiNanos) -> bool {
        self.begin <= instant && instant < self.end
    }
}

/// As the middleware writes it: `[begin, end)` in TAI, with `∞` for what is unbounded.
impl fmt::Display for Timespan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("(empty)");
        }
        match self.begin <= Self::UNBOUNDED.begin {
            true => f.write_str("(-∞, ")?,
            false => write!(f, "[{}, ", self.begin)?,
        }
        match self.end >= Self::UNBOUNDED.end {
            true => f.write_str("∞)"),
            false => write!(f, "{})", self.end),
        }
    }
}

impl From<(i64, i64)> for Timespan {
    fn from((begin, end): (i64, i64)) -> Self {
        Self { begin: TaiNanos(begin), end: TaiNanos(end) }
    }
}

impl From<Timespan> for (i64, i64) {
    fn from(timespan: Timespan) -> Self {
        (timespan.begin.0, timespan.end.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_exclusive_and_empty_overlaps_nothing() {
        let a = Timespan::from((10, 20));
        assert!(a.overlaps(Timespan::from((19, 30))));
        assert!(!a.overlaps(Timespan::from((20, 30))));
        assert!(a.overlaps(Timespan::UNBOUNDED));
        assert!(!Timespan::EMPTY.overlaps(Timespan::UNBOUNDED));
        assert!(Timespan::new(TaiNanos(5), TaiNanos(5)).is_empty());
        assert_eq!(Timespan::new(TaiNanos(-5), TaiNanos(5)).begin, TaiNanos::MIN);
    }
}
