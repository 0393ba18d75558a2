//! Quantities for people.

/// A number of bytes.
pub fn bytes(number: u64) -> String {
    let mut value = number as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return if unit == "B" { format!("{number} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

/// A time, with as many digits as matter.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    if seconds < 0.0995 {
        format!("{:.0} ms", seconds.max(0.0) * 1e3)
    } else if seconds < 9.95 {
        format!("{seconds:.1} s")
    } else if whole < 60 {
        format!("{whole} s")
    } else if whole < 3600 {
        format!("{minutes} min {:02} s", whole % 60)
    } else if days == 0 {
        format!("{hours} h {minutes:02} min")
    } else {
        format!("{days} d {hours} h")
    }
}

/// How many a second, minute or hour.
pub fn rate(per_second: f64) -> String {
    if per_second >= 9.95 {
        format!("{per_second:.0}/s")
    } else if per_second >= 0.5 {
        format!("{per_second:.1}/s")
    } else if per_second * 60.0 >= 0.5 {
        format!("{:.1}/min", per_second * 60.0)
    } else {
        format!("{:.1}/h", per_second * 3600.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_decimal_units() {
        for (number, text) in [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_550_000, "2.5 MB")]
        {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn times_have_the_digits_that_matter() {
        for (seconds, text) in [
            (-1.0, "0 ms"),
            (0.0424, "42 ms"),
            (0.0999, "0.1 s"),
            (9.94, "9.9 s"),
            (9.96, "10 s"),
            (59.6, "1 min 00 s"),
            (3599.9, "1 h 00 min"),
            (7384.0, "2 h 03 min"),
            (86_400.0 * 3.5, "3 d 12 h"),
        ] {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn rates_have_a_unit_in_which_they_are_not_small() {
        for (per_second, text) in
            [(123.4, "123/s"), (2.5, "2.5/s"), (0.1, "6.0/min"), (0.001, "3.6/h"), (0.0, "0.0/h")]
        {
            assert_eq!(rate(per_second), text);
        }
    }
}
