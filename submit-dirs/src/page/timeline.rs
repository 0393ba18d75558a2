//! What each lane did, over time.

use std::fmt::Write as _;

use qbb::journal::{QuantumEnd, Timestamp};
use qbb_graph::QuantumGraph;

use super::axis::TimeAxis;
use super::document::{PLOT_WIDTH, colour, time_axis};
use super::markup::Markup;
use crate::attempts::Ends;
use crate::failures::{data_id, task_label};
use crate::lanes::Lanes;
use crate::units::duration;
use crate::watch::History;

/// Up to so many attempts each has a mark of its own that says what it is.
const EACH: usize = 3000;
/// Beyond that, marks in the whole plot; what is drawn must not grow with the run.
const CELLS: usize = 24_000;
/// Most lanes that are drawn.
const MOST_LANES: usize = 256;
/// Space above for nothing, and below for labels.
const BELOW: f64 = 24.0;

/// Draws the timeline.
pub(super) fn draw(
    markup: &mut Markup,
    graph: &QuantumGraph,
    history: &History,
    by_start: &[u32],
    ends: &Ends,
    axis: &TimeAxis,
) {
    let lanes = Lanes::assign(history.attempts(), by_start, ends);
    let shown = lanes.len().min(MOST_LANES);
    let step = (420.0 / shown as f64).clamp(4.0, 18.0);
    let height = step * shown as f64;
    let lines = Lines { graph, history, by_start, ends, axis, lanes: &lanes, shown, step };
    let caption = "What each worker did, over time. Rows are workers, colours are tasks, \
                   attempts that failed have a mark.";
    markup.element("figure", &[], |markup| {
        let size = format!("0 0 {PLOT_WIDTH} {}", height + BELOW);
        let attributes: &[(&str, &dyn std::fmt::Display)] =
            &[("viewBox", &size), ("role", &"img"), ("aria-label", &caption)];
        markup.element("svg", attributes, |markup| {
            lines.stripes(markup);
            if history.attempts().len() <= EACH {
                lines.each(markup);
            } else {
                lines.sampled(markup);
            }
            time_axis(markup, axis, height);
        });
        markup.leaf("figcaption", &[], caption);
        if lanes.len() > shown {
            let text = format!("The first {shown} of {} workers are shown.", lanes.len());
            markup.leaf("p", &[("class", &"note")], &text);
        }
        if history.attempts().len() > EACH {
            let text = "Where several attempts are closer than can be drawn, the longest is shown.";
            markup.leaf("p", &[("class", &"note")], text);
        }
    });
}

struct Lines<'a> {
    graph: &'a QuantumGraph,
    history: &'a History,
    by_start: &'a [u32],
    ends: &'a Ends,
    axis: &'a TimeAxis,
    lanes: &'a Lanes,
    shown: usize,
    step: f64,
}

impl Lines<'_> {
    /// Names of lanes, as titles of stripes behind the marks.
    fn stripes(&self, markup: &mut Markup) {
        for lane in 0..self.shown as u32 {
            let (writer, number) = self.lanes.place(lane);
            let name = format!("{}, lane {}", self.history.writer_name(writer), number + 1);
            let (y, height) = (self.y(lane), self.step);
            let class = if lane % 2 == 0 { "even" } else { "odd" };
            let attributes: &[(&str, &dyn std::fmt::Display)] = &[
                ("x", &0),
                ("y", &number_text(y)),
                ("width", &PLOT_WIDTH),
                ("height", &number_text(height)),
                ("class", &class),
            ];
            markup.element("rect", attributes, |markup| markup.leaf("title", &[], &name));
        }
    }

    fn y(&self, lane: u32) -> f64 {
        f64::from(lane) * self.step
    }

    /// A mark for each attempt.
    fn each(&self, markup: &mut Markup) {
        for &row in self.by_start {
            let lane = self.lanes.of(row);
            if lane as usize >= self.shown {
                continue;
            }
            let attempt = self.history.attempts().get(row);
            let ended = self.ends.of(&attempt);
            let left = self.axis.place(attempt.started) * PLOT_WIDTH;
            let width = (self.axis.place(ended) * PLOT_WIDTH - left).max(0.5);
            let failed = attempt.ended.is_some_and(|(end, _)| end == QuantumEnd::Failed);
            let how = match attempt.ended {
                None => " (no end recorded)",
                Some(_) if failed => " (failed)",
                Some(_) => "",
            };
            let title = format!(
                "{} {} attempt {}, {}{how}",
                task_label(self.graph, attempt.quantum),
                data_id(self.graph, attempt.quantum),
                attempt.attempt + 1,
                duration(ended.seconds_since(attempt.started)),
            );
            let mut class = colour(self.graph.quanta.task(attempt.quantum).index());
            if failed {
                class.push_str(" failed");
            } else if attempt.ended.is_none() {
                class.push_str(" open");
            }
            let attributes: &[(&str, &dyn std::fmt::Display)] = &[
                ("x", &number_text(left)),
                ("y", &number_text(self.y(lane) + 0.5)),
                ("width", &number_text(width)),
                ("height", &number_text(self.step - 1.0)),
                ("class", &class),
            ];
            markup.element("rect", attributes, |markup| markup.leaf("title", &[], &title));
        }
    }

    /// A mark for what was longest in each cell; neighbours that are alike are one mark.
    fn sampled(&self, markup: &mut Markup) {
        let columns = (CELLS / self.shown.max(1)).clamp(60, PLOT_WIDTH as usize);
        let mut cells = vec![Cell::default(); columns * self.shown];
        let place = |time: Timestamp| self.axis.place(time) * columns as f64;
        for &row in self.by_start {
            let lane = self.lanes.of(row) as usize;
            if lane >= self.shown {
                continue;
            }
            let attempt = self.history.attempts().get(row);
            let (left, right) = (place(attempt.started), place(self.ends.of(&attempt)));
            let task = self.graph.quanta.task(attempt.quantum).0;
            let failed = attempt.ended.is_some_and(|(end, _)| end == QuantumEnd::Failed);
            let last = (right.ceil() as usize).clamp(left as usize + 1, columns.max(1));
            for column in (left as usize).min(columns - 1)..last {
                let covered = right.min(column as f64 + 1.0) - left.max(column as f64);
                cells[lane * columns + column].add(task, covered.max(0.0) as f32, failed);
            }
        }
        self.paths(markup, &cells, columns);
    }

    fn paths(&self, markup: &mut Markup, cells: &[Cell], columns: usize) {
        let n_tasks = self.graph.pipeline.tasks.len();
        let mut paths = vec![String::new(); n_tasks];
        let mut failed = String::new();
        let width = PLOT_WIDTH / columns as f64;
        for lane in 0..self.shown {
            let row = &cells[lane * columns..][..columns];
            let mut column = 0;
            while column < columns {
                let cell = row[column];
                let alike = |other: &Cell| other.task == cell.task && other.busy() == cell.busy();
                let n = row[column..].iter().take_while(|other| alike(other)).count();
                if let Some(path) = cell.task.and_then(|task| paths.get_mut(task as usize)) {
                    // Half as high where the lane was idle for more than half of the time.
                    let height = if cell.busy() { self.step - 1.0 } else { self.step / 2.0 - 0.5 };
                    let (left, length) = (column as f64 * width, n as f64 * width);
                    rectangle(path, left, self.y(lane as u32) + 0.5, length, height);
                }
                column += n;
            }
            for (column, _) in row.iter().enumerate().filter(|(_, cell)| cell.failed) {
                let left = column as f64 * width;
                rectangle(&mut failed, left, self.y(lane as u32) + 0.5, width, 2.0);
            }
        }
        for (task, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            let label = &self.graph.pipeline.tasks[task].label;
            let class = colour(task);
            markup.element("path", &[("d", path), ("class", &class)], |markup| {
                markup.leaf("title", &[], label);
            });
        }
        if !failed.is_empty() {
            markup.element("path", &[("d", &failed), ("class", &"failures")], |markup| {
                markup.leaf("title", &[], "failed");
            });
        }
    }
}

/// What is drawn of a lane in a column.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    /// Task of the attempt that covers most of it.
    task: Option<u32>,
    longest: f32,
    /// Part that any attempt covers.
    covered: f32,
    failed: bool,
}

impl Cell {
    fn add(&mut self, task: u32, covered: f32, failed: bool) {
        if self.task.is_none() || covered > self.longest {
            (self.task, self.longest) = (Some(task), covered);
        }
        self.covered += covered;
        self.failed |= failed;
    }

    fn busy(&self) -> bool {
        self.covered >= 0.5
    }
}

fn rectangle(path: &mut String, x: f64, y: f64, width: f64, height: f64) {
    let [x, y, width, height] = [x, y, width, height].map(number_text);
    let _ = write!(path, "M{x} {y}h{width}v{height}h-{width}z");
}

/// A number with no more digits than can be seen.
pub(super) fn number_text(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}
