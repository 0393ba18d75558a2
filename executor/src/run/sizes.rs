//! Amounts of bytes as people write them.

/// Reads a number of bytes: a number and a unit, `k`, `M`, `G` or `T` with an optional `B` for powers
/// of 1000, `Ki`, `Mi`, `Gi` or `Ti` for powers of 1024; without a unit it is megabytes, as for the
/// middleware.
///
/// # Errors
/// If it is none.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no amount of memory or disk space, such as 8G or 500MB");
    let text_only = text.trim();
    let digits =
        text_only.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text_only.len());
    let (number, unit) = text_only.split_at(digits);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let unit = unit.trim();
    let unit = unit.strip_suffix(['B', 'b']).unwrap_or(unit);
    let (letter, base) = match unit.strip_suffix('i') {
        Some(letter) => (letter, 1024f64),
        None => (unit, 1000f64),
    };
    let power = match letter.to_ascii_uppercase().as_str() {
        "" if text_only.ends_with(['B', 'b']) && base == 1000.0 => 0,
        "" if base == 1000.0 => 2,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return Err(wrong()),
    };
    let bytes = number * base.powi(power);
    if bytes.is_finite() && bytes < u64::MAX as f64 { Ok(bytes as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_or_are_megabytes() {
        for (text, bytes) in [
            ("2048", 2_048_000_000),
            ("8G", 8_000_000_000),
            ("1.5 GB", 1_500_000_000),
            ("4GiB", 4 << 30),
            ("512 Mi", 512 << 20),
            ("100kb", 100_000),
            ("2T", 2_000_000_000_000),
            ("77B", 77),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "G", "8X", "8GG", "-1", "1e400G", "8i", "1.2.3"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
