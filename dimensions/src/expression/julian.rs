//! Instants as Julian Dates in two parts, and the time scales that literals may name.
//!
//! `daf_butler` reads literals with astropy, which keeps an instant as the sum of a whole number of
//! days and a fraction. The same arithmetic on the same doubles gives the same nanoseconds; exact
//! arithmetic would sometimes not.

use crate::time::TaiNanos;

/// What a Julian Date has over the Modified one.
pub(super) const MJD_ZERO: f64 = 2_400_000.5;
const DAY_SECONDS: f64 = 86_400.0;
const DAY_NANOS: f64 = 86_400e9;
/// 1970-01-01 00:00.
const UNIX_EPOCH: Julian = Julian { day: 2_440_588.0, fraction: -0.5 };
/// TT runs this far ahead of TAI, seconds.
const TT_MINUS_TAI: f64 = 32.184;
/// Rate of TT relative to TCG below 1, and the date when they agreed (TT, MJD).
const TCG_RATE: f64 = 6.969_290_134e-10;
const TCG_EPOCH: f64 = 43_144.0;

/// First days (Modified Julian Dates) on which TAI − UTC is so many seconds.
const LEAP_SECONDS: [(u32, f64); 28] = [
    (41_317, 10.0),
    (41_499, 11.0),
    (41_683, 12.0),
    (42_048, 13.0),
    (42_413, 14.0),
    (42_778, 15.0),
    (43_144, 16.0),
    (43_509, 17.0),
    (43_874, 18.0),
    (44_239, 19.0),
    (44_786, 20.0),
    (45_151, 21.0),
    (45_516, 22.0),
    (46_247, 23.0),
    (47_161, 24.0),
    (47_892, 25.0),
    (48_257, 26.0),
    (48_804, 27.0),
    (49_169, 28.0),
    (49_534, 29.0),
    (50_083, 30.0),
    (50_630, 31.0),
    (51_179, 32.0),
    (53_736, 33.0),
    (54_832, 34.0),
    (56_109, 35.0),
    (57_204, 36.0),
    (57_754, 37.0),
];

/// From February 1968 until leap seconds came, TAI − UTC drifted: seconds at the day of reference,
/// that day, and seconds per day. Times before 1970 count as 1970, so that older rules do not
/// matter.
const DRIFT: (f64, f64, f64) = (4.213_170_0, 39_126.0, 0.002_592);

/// A sum whose rounding error is known: both parts together are exact.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// A product whose rounding error is known.
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, a.mul_add(b, -product))
}

/// A Julian Date: a whole number of days, and between -0.5 and 0.5 more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Julian {
    day: f64,
    fraction: f64,
}

impl Julian {
    /// The date that is the sum of two numbers.
    pub(super) fn new(a: f64, b: f64) -> Self {
        let (sum, error) = two_sum(a, b);
        Self::of_sum(sum, error)
    }

    fn of_sum(sum: f64, error: f64) -> Self {
        let mut day = sum.round_ties_even();
        let (extra, part) = two_sum(sum, -day);
        let mut fraction = part + (extra + error);
        let excess = fraction.round_ties_even();
        if excess != 0.0 {
            day += excess;
            let (extra, part) = two_sum(sum, -day);
            fraction = part + (extra + error);
        }
        Self { day, fraction }
    }

    /// Days in a number of units, of which `per_day` make a day.
    pub(super) fn of_units(units: f64, per_day: f64) -> Self {
        let quotient = units / per_day;
        let (product, product_error) = two_product(quotient, per_day);
        let (rest, rest_error) = two_sum(units, -product);
        let (sum, error) = two_sum(quotient, (rest + (rest_error - product_error)) / per_day);
        Self::of_sum(sum, error)
    }

    /// Midnight that begins a day of the Gregorian calendar.
    pub(super) fn midnight(year: i64, month: u32, day: u32) -> Self {
        Self::new(MJD_ZERO, modified_julian_day(year, month, day) as f64)
    }

    /// The sum of two numbers of days.
    pub(super) fn plus(self, days: Self) -> Self {
        Self::new(self.day + days.day, self.fraction + days.fraction)
    }

    /// The date a number of seconds later.
    pub(super) fn plus_seconds(self, seconds: f64) -> Self {
        Self::new(self.day, self.fraction + seconds / DAY_SECONDS)
    }

    /// From another date to this one, multiplied.
    pub(super) fn since_times(self, other: Self, factor: f64) -> Self {
        let (sum, error) = two_sum(self.day - other.day, self.fraction - other.fraction);
        let (product, carry) = two_product(sum, factor);
        let (product, error) = two_sum(product, carry + error * factor);
        Self::of_sum(product, error)
    }

    /// Nanoseconds of a TAI date, in the range that the repository database has.
    pub(super) fn nanos(self) -> TaiNanos {
        let since = Self::new(self.day - UNIX_EPOCH.day, self.fraction - UNIX_EPOCH.fraction);
        if !since.day.is_finite() {
            return if since.day == f64::INFINITY { TaiNanos::MAX } else { TaiNanos::MIN };
        }
        // Beyond these days everything is clamped; within them the product is exact.
        let days = since.day.clamp(-1.0, 50_000.0) as i64;
        let nanos = days * DAY_NANOS as i64 + (since.fraction * DAY_NANOS).round_ties_even() as i64;
        TaiNanos(nanos).clamp(TaiNanos::MIN, TaiNanos::MAX)
    }

    /// This date, read as one of a scale, in TAI.
    pub(super) fn to_tai(self, scale: Scale) -> Self {
        match scale {
            Scale::Tai => self,
            Scale::Tt => self.plus_seconds(-TT_MINUS_TAI),
            Scale::Utc => self.utc_to_tai(),
            Scale::Tcg => {
                let epoch = TCG_EPOCH + TT_MINUS_TAI / DAY_SECONDS;
                let elapsed = (self.day - MJD_ZERO) + (self.fraction - epoch);
                Self::new(self.day, self.fraction - elapsed * TCG_RATE).to_tai(Scale::Tt)
            }
        }
    }

    /// UTC days have 86,400 seconds and, at their end, a leap second or a part of one; the fraction
    /// of a date is a fraction of that.
    fn utc_to_tai(self) -> Self {
        // Days begin at midnight, half a day before Julian Dates turn.
        let (day, rest) = match self.fraction {
            rest if rest >= 0.5 => (self.day + 1.0, rest - 1.0),
            rest => (self.day, rest),
        };
        let (mjd, fraction) = (day - 2_400_001.0, rest + 0.5);
        let (now, noon, next) =
            (tai_minus_utc(mjd, 0.0), tai_minus_utc(mjd, 0.5), tai_minus_utc(mjd + 1.0, 0.0));
        let drift = 2.0 * (noon - now);
        let leap = next - (now + drift);
        let scaled =
            fraction * (DAY_SECONDS + leap) / DAY_SECONDS * (DAY_SECONDS + drift) / DAY_SECONDS;
        let rest = if leap == 0.0 && drift == 0.0 { rest } else { scaled - 0.5 };
        Self::new(day, rest + now / DAY_SECONDS)
    }
}

/// Seconds that TAI is ahead of UTC on a day (MJD), and a fraction of it.
fn tai_minus_utc(mjd: f64, fraction: f64) -> f64 {
    let at = LEAP_SECONDS.partition_point(|&(day, _)| f64::from(day) <= mjd);
    match at.checked_sub(1) {
        Some(last) => LEAP_SECONDS[last].1,
        None => {
            let (seconds, reference, rate) = DRIFT;
            seconds + (mjd + fraction - reference) * rate
        }
    }
}

/// Number of seconds by which a UTC day of the calendar is longer than others, drift aside.
pub(super) fn leap_second(year: i64, month: u32, day: u32) -> f64 {
    let mjd = modified_julian_day(year, month, day) as f64;
    let (now, noon, next) =
        (tai_minus_utc(mjd, 0.0), tai_minus_utc(mjd, 0.5), tai_minus_utc(mjd + 1.0, 0.0));
    next - (2.0 * noon - now)
}

/// Modified Julian Date of a day of the proleptic Gregorian calendar.
pub(super) fn modified_julian_day(year: i64, month: u32, day: u32) -> i64 {
    // Years that begin in March have their leap day at the end.
    let (year, month) =
        if month > 2 { (year, i64::from(month) - 3) } else { (year - 1, i64::from(month) + 9) };
    let days_before_month = (153 * month + 2) / 5;
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + days_before_month + i64::from(day)
        - 678_882
}

/// Time scales whose relation to TAI is known for all times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Tai,
    Utc,
    Tt,
    Tcg,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_days_are_counted_from_november_1858() {
        for (year, month, day, mjd) in
            [(1858, 11, 17, 0), (1970, 1, 1, 40_587), (2000, 2, 29, 51_603), (2025, 1, 1, 60_676)]
        {
            assert_eq!(modified_julian_day(year, month, day), mjd, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn a_day_with_a_leap_second_is_longer() {
        assert_eq!((leap_second(2016, 12, 31), leap_second(2016, 12, 30)), (1.0, 0.0));
        let day = |fraction| Julian::new(MJD_ZERO + 57_753.0, fraction).to_tai(Scale::Utc).nanos();
        assert_eq!(day(0.0).0, 1_483_142_436_000_000_000);
        assert_eq!(day(0.5).0 - day(0.0).0, 43_200_500_000_000);
    }

    #[test]
    fn before_leap_seconds_utc_drifted() {
        let noon = Julian::midnight(1970, 6, 1).to_tai(Scale::Utc);
        assert_eq!(noon.nanos().0, 13_046_408_391_474_000);
    }
}
