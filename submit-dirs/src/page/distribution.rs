//! How values of attempts are distributed, by task.

use std::fmt::Write as _;

use qbb_graph::QuantumGraph;

use super::document::{PLOT_WIDTH, colour};
use super::markup::Markup;
use super::timeline::number_text;
use crate::statistics::{ByTask, Distribution};

/// Columns of a histogram.
const BINS: usize = 80;
/// Height of a task's row, of which the histogram takes most.
const ROW: f64 = 46.0;
/// Space for labels of tasks.
const LEFT: f64 = 220.0;
const WIDTH: f64 = PLOT_WIDTH - LEFT - 10.0;

/// What is shown.
pub(super) struct Quantity<'a> {
    /// What the plot shows, for its caption.
    pub caption: &'a str,
    /// A value for people.
    pub text: fn(f64) -> String,
    /// Whether equal distances mean equal factors.
    pub logarithmic: bool,
}

/// Draws a histogram for each task that has values, on one common scale.
pub(super) fn draw(
    markup: &mut Markup,
    graph: &QuantumGraph,
    values: &mut ByTask<f64>,
    quantity: &Quantity<'_>,
) {
    let tasks: Vec<usize> =
        (0..graph.pipeline.tasks.len()).filter(|&task| !values.of(task).is_empty()).collect();
    let Some(scale) = Scale::of(tasks.iter().flat_map(|&task| values.of(task).to_vec()), quantity)
    else {
        return;
    };
    let height = ROW * tasks.len() as f64;
    markup.element("figure", &[], |markup| {
        let size = format!("0 0 {PLOT_WIDTH} {}", height + 24.0);
        let attributes: &[(&str, &dyn std::fmt::Display)] =
            &[("viewBox", &size), ("role", &"img"), ("aria-label", &quantity.caption)];
        markup.element("svg", attributes, |markup| {
            for (row, &task) in tasks.iter().enumerate() {
                let label = &graph.pipeline.tasks[task].label;
                let bottom = ROW * (row + 1) as f64 - 6.0;
                draw_task(markup, values.of(task), &scale, quantity, label, (task, bottom));
            }
            scale.draw(markup, quantity, height);
        });
        markup.leaf("figcaption", &[], quantity.caption);
    });
}

fn draw_task(
    markup: &mut Markup,
    values: &mut [f64],
    scale: &Scale,
    quantity: &Quantity<'_>,
    label: &str,
    (task, bottom): (usize, f64),
) {
    let mut bins = [0u64; BINS];
    for &value in values.iter() {
        bins[((scale.place(value) * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    let most = bins.iter().copied().max().unwrap_or(1).max(1);
    let mut path = format!("M{LEFT} {}", number_text(bottom));
    let width = WIDTH / BINS as f64;
    for &count in &bins {
        let top = bottom - count as f64 / most as f64 * (ROW - 14.0);
        let _ = write!(path, "V{}h{}", number_text(top), number_text(width));
    }
    let _ = write!(path, "V{}z", number_text(bottom));
    let Some(d) = Distribution::of(values) else { return };
    let title = format!(
        "{label}: {} values, median {}, 95 % {}, most {}",
        d.count,
        (quantity.text)(d.median),
        (quantity.text)(d.percentile95),
        (quantity.text)(d.max)
    );
    markup.element("g", &[], |markup| {
        markup.leaf("title", &[], &title);
        let attributes: &[(&str, &dyn std::fmt::Display)] =
            &[("x", &(LEFT - 8.0)), ("y", &bottom), ("class", &"label end")];
        markup.leaf("text", attributes, &shortened(label));
        markup.empty("path", &[("d", &path), ("class", &colour(task))]);
        for (value, class) in [(d.median, "median"), (d.percentile95, "tail"), (d.max, "most")] {
            let x = number_text(LEFT + scale.place(value) * WIDTH);
            let line = format!("M{x} {}v{}", number_text(bottom + 3.0), number_text(8.0 - ROW));
            markup.empty("path", &[("d", &line), ("class", &class)]);
        }
    });
}

/// A label that fits beside a plot; the whole is in the title.
fn shortened(label: &str) -> String {
    match label.char_indices().nth(28) {
        Some((end, _)) => format!("{}…", &label[..end]),
        None => label.to_owned(),
    }
}

/// Where values are, from 0 to 1.
struct Scale {
    from: f64,
    until: f64,
    logarithmic: bool,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64>, quantity: &Quantity<'_>) -> Option<Self> {
        let logarithmic = quantity.logarithmic;
        let (mut least, mut most, mut any) = (f64::INFINITY, 0.0f64, false);
        for value in values {
            any = true;
            // A logarithm needs something above zero; less than a millisecond is not told apart.
            least = least.min(value.max(1e-3));
            most = most.max(value);
        }
        if !any {
            return None;
        }
        let from = if logarithmic { least } else { 0.0 };
        Some(Self { from, until: most.max(from * 1.01).max(1e-3), logarithmic })
    }

    fn place(&self, value: f64) -> f64 {
        let place = if self.logarithmic {
            (value.max(self.from) / self.from).ln() / (self.until / self.from).ln()
        } else {
            value / self.until
        };
        place.clamp(0.0, 1.0)
    }

    fn value(&self, place: f64) -> f64 {
        if self.logarithmic {
            self.from * (self.until / self.from).powf(place)
        } else {
            self.until * place
        }
    }

    fn draw(&self, markup: &mut Markup, quantity: &Quantity<'_>, height: f64) {
        for part in 0..=4 {
            let place = f64::from(part) / 4.0;
            let x = number_text(LEFT + place * WIDTH);
            let line = format!("M{x} 0V{height}");
            markup.empty("path", &[("d", &line), ("class", &"grid")]);
            let class = if part == 4 { "label end" } else { "label middle" };
            let attributes: &[(&str, &dyn std::fmt::Display)] =
                &[("x", &x), ("y", &(height + 16.0)), ("class", &class)];
            markup.leaf("text", attributes, &(quantity.text)(self.value(place)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn quantity(logarithmic: bool) -> Quantity<'static> {
        Quantity { caption: "", text: |value| value.to_string(), logarithmic }
    }

    #[test]
    fn scales_hold_all_values() {
        for logarithmic in [false, true] {
            let values = [0.0, 2.0, 50.0, 100.0];
            let scale = Scale::of(values.into_iter(), &quantity(logarithmic)).unwrap();
            assert_eq!(scale.place(100.0), 1.0);
            assert_eq!(scale.place(0.0), 0.0);
            assert!((scale.place(scale.value(0.25)) - 0.25).abs() < 1e-9);
        }
        let one = Scale::of([7.0].into_iter(), &quantity(true)).unwrap();
        assert!(one.place(7.0).is_finite());
        assert!(Scale::of(std::iter::empty(), &quantity(true)).is_none());
    }
}
