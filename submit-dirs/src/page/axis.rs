//! Time as a place in a plot.

use qbb::journal::Timestamp;

use crate::attempts::{AttemptTable, Ends};

/// A pause is left out if it is longer than this part of the time in which something ran.
const LONG_PAUSE: f64 = 0.05;
/// Width of a pause that is left out, as a part of the plot.
const PAUSE_WIDTH: f64 = 0.015;
/// Most pauses that are left out.
const MOST_PAUSES: usize = 20;

/// A stretch of time in which something ran, with the part of the plot that shows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    /// Microseconds.
    pub from: i64,
    pub until: i64,
    /// From 0 to 1.
    pub left: f64,
    pub right: f64,
}

/// Time from the first start to the last end; long pauses, as between a run and the one that
/// continues it, are cut out.
#[derive(Debug)]
pub(super) struct TimeAxis {
    stretches: Vec<Stretch>,
}

impl TimeAxis {
    /// An axis for attempts in order of their starts; `None` if there are none.
    pub fn of(attempts: &AttemptTable, by_start: &[u32], ends: &Ends) -> Option<Self> {
        let first = attempts.get(*by_start.first()?);
        let mut pauses: Vec<(i64, i64)> = Vec::new();
        let mut until = ends.of(&first);
        for &row in by_start {
            let attempt = attempts.get(row);
            if attempt.started > until {
                pauses.push((until.0, attempt.started.0));
            }
            until = until.max(ends.of(&attempt));
        }
        let span = (until.0 - first.started.0) as f64;
        let idle: i64 = pauses.iter().map(|(from, until)| until - from).sum();
        let busy = (span - idle as f64).max(1.0);
        pauses.retain(|(from, until)| (until - from) as f64 > busy * LONG_PAUSE);
        pauses.sort_unstable_by_key(|(from, until)| from - until);
        pauses.truncate(MOST_PAUSES);
        pauses.sort_unstable();
        Some(Self { stretches: stretches(first.started.0, until.0, &pauses) })
    }

    /// What is shown of the time.
    pub fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// Where a moment is, from 0 to 1.
    pub fn place(&self, time: Timestamp) -> f64 {
        let number = self.stretches.partition_point(|stretch| stretch.until < time.0);
        match self.stretches.get(number) {
            None => 1.0,
            Some(stretch) => {
                let length = (stretch.until - stretch.from).max(1) as f64;
                let part = (time.0 - stretch.from).max(0) as f64 / length;
                stretch.left + part * (stretch.right - stretch.left)
            }
        }
    }

    /// Moments worth a label, about `n` of them, and the begin of each stretch.
    pub fn ticks(&self, n: usize) -> Vec<Timestamp> {
        let shown: i64 = self.stretches.iter().map(|s| s.until - s.from).sum();
        let step = nice_step(shown / n.max(1) as i64);
        let mut ticks = Vec::new();
        for stretch in &self.stretches {
            ticks.push(Timestamp(stretch.from));
            let mut tick = stretch.from - stretch.from.rem_euclid(step) + step;
            while tick <= stretch.until {
                // Labels must not touch.
                let close = (tick - stretch.from) < step / 2 && ticks.len() > 1;
                if !close {
                    ticks.push(Timestamp(tick));
                }
                tick += step;
            }
        }
        ticks
    }
}

fn stretches(first: i64, last: i64, pauses: &[(i64, i64)]) -> Vec<Stretch> {
    let cut: i64 = pauses.iter().map(|(from, until)| until - from).sum();
    let shown = (last - first - cut).max(1) as f64;
    let width = 1.0 - PAUSE_WIDTH * pauses.len() as f64;
    let (mut from, mut left) = (first, 0.0);
    let mut stretches = Vec::with_capacity(pauses.len() + 1);
    for (until, next) in pauses.iter().copied().chain([(last, last)]) {
        let right = left + (until - from) as f64 / shown * width;
        stretches.push(Stretch { from, until, left, right });
        (from, left) = (next, right + PAUSE_WIDTH);
    }
    stretches
}

/// The next length of time that people count in, in microseconds.
fn nice_step(least: i64) -> i64 {
    const SECOND: i64 = 1_000_000;
    let seconds = [
        1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200,
        86_400,
    ];
    let nice = seconds.into_iter().map(|seconds| seconds * SECOND).find(|&step| step >= least);
    nice.unwrap_or_else(|| (least / (86_400 * SECOND) + 1) * 86_400 * SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_pauses_are_narrow_and_everything_else_is_to_scale() {
        let stretches = stretches(0, 1100, &[(50, 1050)]);
        let axis = TimeAxis { stretches };
        let place = |time| axis.place(Timestamp(time));
        assert_eq!(place(0), 0.0);
        assert!((place(50) - 0.4925).abs() < 1e-9);
        assert!((place(1050) - 0.5075).abs() < 1e-9);
        assert_eq!(place(600), place(1050), "inside of the pause");
        assert_eq!(place(1100), 1.0);
        assert_eq!((place(-5), place(5000)), (0.0, 1.0));
        assert!((place(25) - 0.24625).abs() < 1e-9);
    }

    #[test]
    fn a_moment_is_an_axis_too() {
        let axis = TimeAxis { stretches: stretches(5, 5, &[]) };
        assert!(axis.place(Timestamp(5)).is_finite());
        assert_eq!(axis.ticks(6), [Timestamp(5)]);
    }

    #[test]
    fn ticks_are_at_round_times() {
        let second = 1_000_000;
        let axis = TimeAxis { stretches: stretches(3 * second, 65 * second, &[]) };
        let ticks: Vec<i64> = axis.ticks(6).iter().map(|tick| tick.0 / second).collect();
        assert_eq!(ticks, [3, 15, 30, 45, 60]);
    }
}
