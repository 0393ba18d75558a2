//! Instants as nanoseconds of International Atomic Time.

use std::fmt;
use std::str::FromStr;

use hifitime::{Epoch, TimeScale, Unit};
use serde::{Deserialize, Serialize};

/// Nanoseconds since 1970-01-01 00:00:00 TAI, without leap seconds in the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaiNanos(pub i64);

/// A text that is not an instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a time: {reason}")]
pub struct TimeError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl TaiNanos {
    /// 1970-01-01 TAI, which stands for unbounded below.
    pub const MIN: Self = Self(0);
    /// 2100-01-01 TAI, which stands for unbounded above.
    pub const MAX: Self = Self(4_102_444_800_000_000_000);

    /// The instant `nanoseconds` after the Unix epoch by a UTC clock.
    pub fn from_unix_nanos(nanoseconds: i64) -> Self {
        let epoch =
            Epoch::from_unix_duration(hifitime::Duration::from_truncated_nanoseconds(nanoseconds));
        Self::from_epoch(epoch)
    }

    /// Reads `YYYY-MM-DD[Thh:mm:ss[.fff]]` in UTC.
    ///
    /// # Errors
    /// If the text is not of that form.
    pub fn parse_utc(text: &str) -> Result<Self, TimeError> {
        Self::parse(text, TimeScale::UTC)
    }

    /// Reads `YYYY-MM-DD[Thh:mm:ss[.fff]]` in TAI.
    ///
    /// # Errors
    /// If the text is not of that form.
    pub fn parse_tai(text: &str) -> Result<Self, TimeError> {
        Self::parse(text, TimeScale::TAI)
    }

    /// An instant given as a Modified Julian Date in TAI.
    pub fn from_mjd_tai(days: f64) -> Self {
        Self::from_epoch(Epoch::from_mjd_tai(days))
    }

    fn parse(text: &str, scale: TimeScale) -> Result<Self, TimeError> {
        let fail = |reason: &str| TimeError { text: text.to_owned(), reason: reason.to_owned() };
        let trimmed = text.trim().trim_end_matches('Z').replace(' ', "T");
        let full = match trimmed.matches(':').count() {
            0 if !trimmed.contains('T') => format!("{trimmed}T00:00:00"),
            1 => format!("{trimmed}:00"),
            2 => trimmed,
            _ => return Err(fail("expected YYYY-MM-DDThh:mm:ss")),
        };
        Epoch::from_str(&format!("{full} {scale}"))
            .map(Self::from_epoch)
            .map_err(|_| fail("expected YYYY-MM-DD or YYYY-MM-DDThh:mm:ss, with values that exist"))
    }

    fn from_epoch(epoch: Epoch) -> Self {
        let since = epoch.to_tai_duration() - tai_1970();
        Self(i64::try_from(since.total_nanoseconds()).unwrap_or(i64::MAX))
    }

    fn epoch(self) -> Epoch {
        Epoch::from_tai_duration(tai_1970() + self.0 * Unit::Nanosecond)
    }

    /// `YYYY-MM-DDThh:mm:ss.nnnnnnnnn` by a UTC clock.
    pub fn to_utc_string(self) -> String {
        let (y, mo, d, h, mi, s, ns) = self.epoch().to_gregorian_utc();
        format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}.{ns:09}")
    }
}

/// From hifitime's reference, 1900-01-01 TAI, to 1970-01-01 TAI.
fn tai_1970() -> hifitime::Duration {
    25_567 * Unit::Day
}

impl fmt::Display for TaiNanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (y, mo, d, h, mi, s, ns) = self.epoch().to_gregorian(TimeScale::TAI);
        write!(f, "{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}")?;
        if ns != 0 { write!(f, ".{ns:09}") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tai_has_no_leap_seconds_in_the_count() {
        let noon = TaiNanos::parse_tai("2025-01-01T12:00:00").unwrap();
        assert_eq!(noon.0, 1_735_732_800_000_000_000);
        assert_eq!(noon.to_string(), "2025-01-01T12:00:00");
    }

    #[test]
    fn utc_is_37_seconds_behind_tai_since_2017() {
        let tai = TaiNanos::parse_tai("2025-01-01T12:00:37").unwrap();
        assert_eq!(TaiNanos::parse_utc("2025-01-01 12:00").unwrap(), tai);
        assert_eq!(tai.to_utc_string(), "2025-01-01T12:00:00.000000000");
        assert_eq!(TaiNanos::from_unix_nanos(1_735_732_800_000_000_000), tai);
    }

    #[test]
    fn bounds_are_whole_years() {
        assert_eq!(TaiNanos::parse_tai("1970-01-01").unwrap(), TaiNanos::MIN);
        assert_eq!(TaiNanos::parse_tai("2100-01-01").unwrap(), TaiNanos::MAX);
    }

    #[test]
    fn nonsense_is_an_error_with_the_text() {
        for text in ["", "yesterday", "2025-13-01", "2025-01-01T1:2:3:4"] {
            assert_eq!(TaiNanos::parse_utc(text).unwrap_err().text, text);
        }
    }
}
