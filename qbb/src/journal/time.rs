//! Times of events.

use std::fmt;

use bincode::{Decode, Encode};

/// A moment, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The present.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_microsecond())
    }

    /// Seconds from an earlier moment to this one; negative if it is later.
    pub fn seconds_since(self, earlier: Self) -> f64 {
        self.0.wrapping_sub(earlier.0) as f64 / 1e6
    }
}

impl fmt::Display for Timestamp {
    /// ISO 8601 in UTC with microseconds; a moment outside years −9999 to 9999 shows as a number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time:.6}"),
            Err(_) => write!(f, "{} µs", self.0),
        }
    }
}
