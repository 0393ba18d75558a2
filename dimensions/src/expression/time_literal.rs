//! The inside of `T'…'` literals: `[format/]value[/scale]`.
//!
//! The text is read as `daf_butler` does it: a pattern tells numbers, ISO dates, FITS dates and
//! dates with a day of the year apart, and astropy's rules say what each format accepts.

use crate::time::{TaiNanos, TimeError};

use super::julian::{Julian, MJD_ZERO, Scale, leap_second};

const FORMATS: &str = "iso, isot, fits, yday, jd, mjd, decimalyear, jyear, byear, unix, unix_tai, \
                       cxcsec, gps, galexsec, plot_date and stardate";
const DAY_SECONDS: f64 = 86_400.0;

/// What the value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Number,
    Iso,
    Fits,
    DayOfYear,
}

/// Reads the text between the quotes of a time literal; times outside 1970..2100 become the
/// nearest bound.
pub(super) fn parse_time(text: &str) -> Result<TaiNanos, TimeError> {
    read(text).map_err(|reason| TimeError { text: text.to_owned(), reason })
}

fn read(text: &str) -> Result<TaiNanos, String> {
    let text = text.replace("+00:00", "");
    let Some((format, value, shape, scale)) = split(&text) else {
        return Err("expected [format/]value[/scale], where the value is a number with a decimal \
                    point, YYYY-MM-DD[Thh:mm[:ss]] or YYYY:DDD[:hh:mm[:ss]]"
            .to_owned());
    };
    let format = match format {
        Some(format) => format.to_lowercase(),
        None => match shape {
            Shape::Number => "mjd",
            Shape::Iso if value.contains(['T', 't']) => "isot",
            Shape::Iso => "iso",
            Shape::Fits => "fits",
            Shape::DayOfYear => "yday",
        }
        .to_owned(),
    };
    let default_scale = match format.as_str() {
        "iso" | "isot" | "fits" | "yday" | "unix" => "utc",
        "cxcsec" => "tt",
        _ => "tai",
    };
    let scale = match scale.unwrap_or(default_scale).to_lowercase().as_str() {
        "tai" => Scale::Tai,
        "utc" => Scale::Utc,
        "tt" => Scale::Tt,
        "tcg" => Scale::Tcg,
        other => return Err(format!("the scale `{other}` is not one of tai, utc, tt and tcg")),
    };
    let fields = match format.as_str() {
        "iso" => calendar(value, ' '),
        "isot" => calendar(value, 'T'),
        "fits" => fits(value),
        "yday" => day_of_year(value),
        _ => {
            let number = (shape == Shape::Number).then(|| value.parse().ok()).flatten();
            let number: f64 = number.ok_or_else(|| {
                format!("`{format}` is not one of {FORMATS}, or does not take such a value")
            })?;
            return numeric(&format, number, scale).map(Julian::nanos);
        }
    };
    let fields = fields.ok_or_else(|| format!("it is not a date in the format `{format}`"))?;
    Ok(fields.tai(scale).nanos())
}

/// Format, value, its shape and scale; `None` if the text is of no known form.
fn split(text: &str) -> Option<(Option<&str>, &str, Shape, Option<&str>)> {
    let is_word =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        [value] => Some((None, value, shape(value)?, None)),
        [format, value] if is_word(format) && shape(value).is_some() => {
            Some((Some(format), value, shape(value)?, None))
        }
        [value, scale] if is_word(scale) => Some((None, value, shape(value)?, Some(scale))),
        [format, value, scale] if is_word(format) && is_word(scale) => {
            Some((Some(format), value, shape(value)?, Some(scale)))
        }
        _ => None,
    }
}

fn shape(value: &str) -> Option<Shape> {
    if is_number(value) {
        Some(Shape::Number)
    } else if matches(value, "d-d-d")
        || matches(value, "d-d-d d:d")
        || matches(value, "d-d-d d:d:s")
    {
        Some(Shape::Iso)
    } else if matches(value, "+d-d-d") || matches(value, "+d-d-dTd:d:s") {
        Some(Shape::Fits)
    } else if ["d:d", "d:d:d:d", "d:d:d:d:s"].iter().any(|pattern| matches(value, pattern)) {
        Some(Shape::DayOfYear)
    } else {
        None
    }
}

/// `[-]1.`, `[-]1.5` or `[-].5`; whole numbers need their point.
fn is_number(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    digits.split_once('.').is_some_and(|(whole, part)| {
        !(whole.is_empty() && part.is_empty())
            && (whole.bytes().chain(part.bytes())).all(|byte| byte.is_ascii_digit())
    })
}

/// Whether a value has a form: `d` is digits, `s` is digits and perhaps a point and more digits, a
/// blank is a blank or a `T`, of either case as every letter is.
fn matches(value: &str, pattern: &str) -> bool {
    let mut rest = value;
    for symbol in pattern.chars() {
        let after = match symbol {
            'd' | 's' => {
                let end = rest.bytes().take_while(u8::is_ascii_digit).count();
                if end == 0 {
                    return false;
                }
                let (_, tail) = rest.split_at(end);
                match tail.strip_prefix('.') {
                    Some(more) if symbol == 's' => {
                        more.trim_start_matches(|c: char| c.is_ascii_digit())
                    }
                    _ => tail,
                }
            }
            ' ' => match rest.strip_prefix([' ', 'T', 't']) {
                Some(tail) => tail,
                None => return false,
            },
            'T' => match rest.strip_prefix(['T', 't']) {
                Some(tail) => tail,
                None => return false,
            },
            symbol => match rest.strip_prefix(symbol) {
                Some(tail) => tail,
                None => return false,
            },
        };
        rest = after;
    }
    rest.is_empty()
}

/// An instant by calendar and clock.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Fields {
    year: i64,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: f64,
}

impl Fields {
    /// TAI by clocks of a scale. Seconds beyond the end of the day run into the next one.
    fn tai(self, scale: Scale) -> Julian {
        let midnight = Julian::midnight(self.year, self.month, self.day);
        let seconds = f64::from(60 * (60 * self.hour + self.minute)) + self.second;
        match scale {
            Scale::Utc => {
                let day = DAY_SECONDS + leap_second(self.year, self.month, self.day);
                midnight.plus(Julian::new(0.0, seconds / day)).to_tai(scale)
            }
            _ => midnight.plus_seconds(seconds).to_tai(scale),
        }
    }

    fn is_valid(&self) -> bool {
        (1..=12).contains(&self.month)
            && self.day >= 1
            && self.day <= month_days(self.year, self.month)
            && self.hour < 24
            && self.minute < 60
    }
}

fn is_leap_year(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_days(year: i64, month: u32) -> u32 {
    match month {
        2 if is_leap_year(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// At least one and at most so many digits.
fn digits(text: &str, most: usize) -> Option<u32> {
    (!text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Hours, minutes and seconds of one or two digits each, and whether all have two.
fn clock(text: Option<&str>) -> Option<(u32, u32, f64, bool)> {
    let Some(text) = text else { return Some((0, 0, 0.0, true)) };
    let mut parts = text.split(':');
    let (hour, minute) = (parts.next()?, parts.next()?);
    let mut two = hour.len() == 2 && minute.len() == 2;
    let second = match parts.next() {
        None => 0.0,
        Some(text) => {
            let whole = text.split('.').next().unwrap_or_default();
            two &= whole.len() == 2;
            let fraction: f64 = match &text[whole.len()..] {
                "" | "." => 0.0,
                fraction => fraction.parse().ok()?,
            };
            f64::from(digits(whole, 2)?) + fraction
        }
    };
    let fields = (digits(hour, 2)?, digits(minute, 2)?, second, two);
    parts.next().is_none().then_some(fields)
}

/// `YYYY-MM-DD[ hh:mm[:ss[.fff]]]`, with the separator of the format. Seconds may be any two
/// digits; only where all fields are complete may a point stand at the end.
fn calendar(value: &str, separator: char) -> Option<Fields> {
    let (date, time) = match value.split_once(separator) {
        Some((date, time)) => (date, Some(time)),
        None => (value, None),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let (hour, minute, second, two) = clock(time)?;
    let complete = two && month.len() == 2 && day.len() == 2;
    let fields = Fields {
        year: i64::from(digits(year, 4).filter(|_| year.len() == 4)?),
        month: digits(month, 2)?,
        day: digits(day, 2)?,
        hour,
        minute,
        second,
    };
    ((complete || !value.ends_with('.')) && fields.is_valid()).then_some(fields)
}

/// `[±Y]YYYY-MM-DD[Thh:mm:ss[.fff]]`.
fn fits(value: &str) -> Option<Fields> {
    let (unsigned, width) = match value.strip_prefix('+') {
        Some(rest) => (rest, 5),
        None => (value, 4),
    };
    let (date, time) = match unsigned.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (unsigned, None),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let lengths = [year.len(), month.len(), day.len()];
    let (hour, minute, second, two) = clock(time)?;
    let with_seconds = time.is_none_or(|time| time.matches(':').count() == 2);
    if lengths != [width, 2, 2] || !two || !with_seconds {
        return None;
    }
    let (month, day) = (digits(month, 2)?, digits(day, 2)?);
    let year = i64::from(digits(year, 5)?);
    let fields = Fields { year, month, day, hour, minute, second };
    fields.is_valid().then_some(fields)
}

/// `YYYY:DDD[:hh:mm[:ss[.fff]]]`. Astropy has two readers: the quick one wants all digits, the
/// other one wants no more than 61 seconds and no point at the end.
fn day_of_year(value: &str) -> Option<Fields> {
    let mut parts = value.splitn(3, ':');
    let (year_text, day_text, time) = (parts.next()?, parts.next()?, parts.next());
    let (hour, minute, second, two) = clock(time)?;
    let quick = two && day_text.len() == 3;
    let year = i64::from(digits(year_text, 4).filter(|_| year_text.len() == 4)?);
    let mut left = digits(day_text, 3).filter(|&day| (1..=366).contains(&day))?;
    let mut fields = Fields { year, month: 1, day: 1, hour, minute, second };
    let slow = year > 0 && second < 62.0 && !value.ends_with('.');
    let exists = left <= 365 || is_leap_year(year);
    if !(quick && exists || slow) {
        return None;
    }
    // The slower reader takes day 366 of a common year for the first day of the next.
    while left > month_days(fields.year, fields.month) {
        left -= month_days(fields.year, fields.month);
        fields.month += 1;
        if fields.month > 12 {
            (fields.year, fields.month) = (fields.year + 1, 1);
        }
    }
    fields.day = left;
    fields.is_valid().then_some(fields)
}

/// Formats whose values are numbers.
fn numeric(format: &str, number: f64, scale: Scale) -> Result<Julian, String> {
    // Counts of seconds say by themselves which clock counted them.
    let seconds = |epoch: Julian, clock: Scale| {
        Ok(epoch.plus(Julian::of_units(number, DAY_SECONDS)).to_tai(clock))
    };
    let midnight = Julian::midnight;
    match format {
        "jd" => Ok(Julian::new(number, 0.0).to_tai(scale)),
        "mjd" => Ok(Julian::new(number, MJD_ZERO).to_tai(scale)),
        "jyear" => {
            let days = 51_544.5 + (number - 2000.0) * 365.25;
            Ok(Julian::new(MJD_ZERO, days).to_tai(scale))
        }
        "byear" => {
            let days = 15_019.813_52 + (number - 1900.0) * 365.242_198_781;
            Ok(Julian::new(MJD_ZERO, days).to_tai(scale))
        }
        "decimalyear" => {
            // From here on the result is clamped in any case.
            let number = number.clamp(-4000.0, 10_000.0);
            let year = number.trunc();
            let begin = midnight(year as i64, 1, 1).to_tai(scale);
            let end = midnight(year as i64 + 1, 1, 1).to_tai(scale);
            Ok(begin.plus(end.since_times(begin, number - year)))
        }
        "unix" => seconds(midnight(1970, 1, 1), Scale::Utc),
        "unix_tai" => seconds(midnight(1970, 1, 1), Scale::Tai),
        // The butler's own format counts by the clock of the scale.
        "unix_tai_fast" => seconds(midnight(1970, 1, 1), scale),
        "cxcsec" => seconds(midnight(1998, 1, 1), Scale::Tt),
        "gps" => seconds(midnight(1980, 1, 6).plus_seconds(19.0), Scale::Tai),
        "galexsec" => seconds(midnight(1980, 1, 6), Scale::Utc),
        "plot_date" => Ok(Julian::new(number, 1_721_424.5).to_tai(Scale::Utc)),
        "stardate" => {
            let epoch = midnight(2318, 7, 5).plus_seconds(11.0 * 3600.0);
            Ok(epoch.plus(Julian::of_units(number, 1.0 / 0.397_766_856)))
        }
        other => Err(format!("`{other}` is not one of {FORMATS}")),
    }
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
            ["2025-01-01 12:00", "iso/2025-01-01 12:00:00", "unix/1735732800.", "mjd/60676.5/utc"]
        {
            assert_eq!(parse_time(text).unwrap(), utc, "{text}");
        }
        assert_eq!(parse_time("2025-01-01T12:00:32.184/tt").unwrap(), noon);
    }

    #[test]
    fn all_formats_give_the_instants_of_astropy() {
        for line in include_str!("../../tests/data/time_literals.txt").lines() {
            let (text, expected) = line.rsplit_once('\t').unwrap();
            let found = match parse_time(text) {
                Ok(time) => time.0.to_string(),
                Err(_) => "refused".to_owned(),
            };
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn unknown_formats_and_scales_are_named() {
        for text in ["fits/x", "2025-01-01/moon", "mjd/x", "", "a/b/c/d", "2025-01-01/tdb", "1"] {
            assert_eq!(parse_time(text).unwrap_err().text, text);
        }
        let reason = parse_time("2025-01-01/tdb").unwrap_err().reason;
        assert_eq!(reason, "the scale `tdb` is not one of tai, utc, tt and tcg");
    }
}
