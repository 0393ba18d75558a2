//! Repeated measurements of one quantity, and how quantities are written.

use std::fmt::Write as _;

/// Repeated measurements of one quantity, ascending.
#[derive(Debug, Clone)]
pub struct Samples(Vec<f64>);

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }
}

impl From<f64> for Samples {
    fn from(value: f64) -> Self {
        Self(vec![value])
    }
}

impl Samples {
    /// The value in the middle; not a number if there are none.
    pub fn median(&self) -> f64 {
        let (low, high) = (self.0.get((self.0.len().max(1) - 1) / 2), self.0.get(self.0.len() / 2));
        low.zip(high).map_or(f64::NAN, |(low, high)| (low + high) / 2.0)
    }

    /// All values divided by a number.
    pub fn per(&self, divisor: f64) -> Self {
        self.0.iter().map(|value| value / divisor).collect()
    }

    /// Median, and from where to where the values go if they differ.
    pub fn text(&self, unit: Unit) -> String {
        let mut text = unit.text(self.median());
        if let [low, .., high] = *self.0 {
            let _ = write!(text, " ({}–{})", unit.text(low), unit.text(high));
        }
        text
    }
}

/// What a number is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Time; written in the unit that suits it.
    Seconds,
    /// Memory.
    Mebibytes,
    /// Sizes of files.
    Bytes,
}

impl Unit {
    fn text(self, value: f64) -> String {
        let (value, unit) = match self {
            Self::Seconds if value < 1e-3 => (value * 1e6, "µs"),
            Self::Seconds if value < 1.0 => (value * 1e3, "ms"),
            Self::Seconds => (value, "s"),
            Self::Mebibytes => (value, "MiB"),
            Self::Bytes => (value / 1024.0, "KiB"),
        };
        // Three digits say all that such measurements know.
        let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        format!("{value:.digits$} {unit}")
    }
}
