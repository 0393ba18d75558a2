//! The inside of `T'…'` literals: `[format/]value[/scale]`.

use crate::time::{TaiNanos, TimeError};

/// TT runs this far ahead of TAI.
const TT_MINUS_TAI_NANOS: i64 = 32_184_000_000;
/// Modified Julian Date of 1970-01-01.
const UNIX_EPOCH_MJD: f64 = 40_587.0;
/// What a Julian Date has over the Modified one.
const JD_MINUS_MJD: f64 = 2_400_000.5;
const NANOS_PER_DAY: f64 = 86_400e9;

/// Reads the text between the quotes of a time literal.
///
/// Formats are `iso`, `isot`, `mjd`, `jd` and `unix`; without one, a number is an MJD and anything
/// else ISO. Scales are `utc`, `tai` and `tt`; the default is UTC for `iso`, `isot` and `unix` and
/// TAI otherwise, as in `daf_butler`.
pub(super) fn parse_time(text: &str) -> Result<TaiNanos, TimeError> {
    let fail = |reason: &str| TimeError { text: text.to_owned(), reason: reason.to_owned() };
    let is_word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let parts: Vec<&str> = text.split('/').map(str::trim).collect();
    let (format, value, scale) = match parts.as_slice() {
        [value] => (None, *value, None),
        [format, value] if is_word(format) => (Some(*format), *value, None),
        [value, scale] => (None, *value, Some(*scale)),
        [format, value, scale] => (Some(*format), *value, Some(*scale)),
        _ => return Err(fail("expected [format/]value[/scale]")),
    };
    let value = value.trim_end_matches("+00:00");
    let format = match format {
        Some(format) => format.to_ascii_lowercase(),
        None if value.parse::<f64>().is_ok() => "mjd".to_owned(),
        None => "iso".to_owned(),
    };
    let default_scale =
        if matches!(format.as_str(), "iso" | "isot" | "unix") { "utc" } else { "tai" };
    let scale = scale.map_or(default_scale.to_owned(), str::to_ascii_lowercase);
    let number = || value.parse::<f64>().map_err(|_| fail("expected a number"));
    match (format.as_str(), scale.as_str()) {
        ("iso" | "isot", "utc") => TaiNanos::parse_utc(value),
        ("iso" | "isot", "tai") => TaiNanos::parse_tai(value),
        ("iso" | "isot", "tt") => TaiNanos::parse_tai(value).map(before_tt),
        ("mjd", scale) => days(number()?, scale).ok_or_else(|| fail("unsupported scale")),
        ("jd", scale) => {
            days(number()? - JD_MINUS_MJD, scale).ok_or_else(|| fail("unsupported scale"))
        }
        ("unix", "utc") => {
            let seconds = number()?;
            Ok(TaiNanos::from_unix_nanos((seconds * 1e9).round() as i64))
        }
        ("iso" | "isot" | "unix", _) => Err(fail("unsupported scale; use utc, tai or tt")),
        _ => Err(fail("unsupported format; use iso, isot, mjd, jd or unix")),
    }
}

fn days(mjd: f64, scale: &str) -> Option<TaiNanos> {
    match scale {
        "tai" => Some(TaiNanos::from_mjd_tai(mjd)),
        "tt" => Some(before_tt(TaiNanos::from_mjd_tai(mjd))),
        "utc" => {
            let nanos = ((mjd - UNIX_EPOCH_MJD) * NANOS_PER_DAY).round();
            Some(TaiNanos::from_unix_nanos(nanos as i64))
        }
        _ => None,
    }
}

fn before_tt(time: TaiNanos) -> TaiNanos {
    TaiNanos(time.0.saturating_sub(TT_MINUS_TAI_NANOS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_defaults_follow_the_format() {
        let noon = TaiNanos(1_735_732_800_000_000_000);
        for text in ["2025-01-01T12:00:00/tai", "mjd/60676.5/tai", "60676.5", "jd/2460677.0"] {
            assert_eq!(parse_time(text).unwrap(), noon, "{text}");
        }
        let utc = TaiNanos(noon.0 + 37_000_000_000);
        for text in
            ["2025-01-01 12:00", "iso/2025-01-01 12:00:00", "unix/1735732800", "mjd/60676.5/utc"]
        {
            assert_eq!(parse_time(text).unwrap(), utc, "{text}");
        }
        assert_eq!(parse_time("2025-01-01T12:00:32.184/tt").unwrap(), noon);
    }

    #[test]
    fn unknown_formats_and_scales_are_named() {
        for text in ["fits/x", "2025-01-01/moon", "mjd/x", "", "a/b/c/d"] {
            assert_eq!(parse_time(text).unwrap_err().text, text);
        }
    }
}
