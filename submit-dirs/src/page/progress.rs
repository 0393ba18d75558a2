//! How many quanta had ended, over time, and how many ran.

use std::fmt::Write as _;

use qbb::journal::QuantumEnd;

use super::axis::TimeAxis;
use super::document::{PLOT_WIDTH, time_axis};
use super::markup::Markup;
use super::timeline::number_text;
use crate::attempts::{AttemptTable, Ends};
use crate::load::sweep;

/// Points of a line.
const POINTS: usize = 500;
const HEIGHT: f64 = 200.0;

/// Draws ended attempts as a line, failed ones below it, and running ones as an area.
pub(super) fn draw(
    markup: &mut Markup,
    attempts: &AttemptTable,
    by_start: &[u32],
    ends: &Ends,
    axis: &TimeAxis,
    n_quanta: usize,
) {
    let mut ended = vec![0u64; POINTS + 1];
    let mut failed = vec![0u64; POINTS + 1];
    for attempt in attempts.iter() {
        if let Some((end, time)) = attempt.ended {
            let point = (axis.place(time) * POINTS as f64).ceil() as usize;
            let counts = if end == QuantumEnd::Failed { &mut failed } else { &mut ended };
            counts[point.min(POINTS)] += 1;
        }
    }
    let (ended, failed) = (running_sum(&ended), running_sum(&failed));
    let mut running = vec![0u64; POINTS + 1];
    let (mut last, mut ran) = (0, 0);
    sweep(attempts, by_start, ends, |load| {
        let point = ((axis.place(load.time) * POINTS as f64) as usize).min(POINTS);
        // What ran goes on running until that changes.
        for value in &mut running[(last + 1).min(point)..point] {
            *value = ran;
        }
        running[point] = running[point].max(load.running).max(if point > last { ran } else { 0 });
        (last, ran) = (point, load.running);
    });
    let most = ended.last().copied().unwrap_or(0).max(n_quanta as u64).max(1);
    let most_running = running.iter().copied().max().unwrap_or(0).max(1);
    let caption = format!(
        "Progress: attempts that succeeded (line) and failed (dashed) of {n_quanta} quanta, and \
         how many ran at a time (area, at most {most_running})."
    );
    markup.element("figure", &[], |markup| {
        let size = format!("0 0 {PLOT_WIDTH} {}", HEIGHT + 24.0);
        let attributes: &[(&str, &dyn std::fmt::Display)] =
            &[("viewBox", &size), ("role", &"img"), ("aria-label", &caption)];
        markup.element("svg", attributes, |markup| {
            // The area takes the lower third.
            let area = points(&running, most_running, HEIGHT / 3.0);
            let area = format!("M0 {HEIGHT}L{area}L{PLOT_WIDTH} {HEIGHT}z");
            markup.empty("path", &[("d", &area), ("class", &"running")]);
            for (counts, class) in [(&ended, "done"), (&failed, "broken")] {
                let line = format!("M{}", points(counts, most, HEIGHT - 4.0));
                markup.empty("path", &[("d", &line), ("class", &class)]);
            }
            time_axis(markup, axis, HEIGHT);
        });
        markup.leaf("figcaption", &[], &caption);
    });
}

fn running_sum(counts: &[u64]) -> Vec<u64> {
    let sum = |sum: &mut u64, &count: &u64| {
        *sum += count;
        Some(*sum)
    };
    counts.iter().scan(0, sum).collect()
}

fn points(values: &[u64], most: u64, height: f64) -> String {
    let mut text = String::new();
    for (i, &value) in values.iter().enumerate() {
        let x = i as f64 / POINTS as f64 * PLOT_WIDTH;
        let y = HEIGHT - value as f64 / most as f64 * height;
        let separator = if i == 0 { "" } else { "L" };
        let _ = write!(text, "{separator}{} {}", number_text(x), number_text(y));
    }
    text
}
