//! The page as a whole.

use std::fmt::Display;
use std::io::Write as _;

use camino::Utf8Path;
use qbb::journal::Timestamp;
use qbb_graph::QuantumGraph;

use super::axis::TimeAxis;
use super::distribution::{self, Quantity};
use super::markup::Markup;
use super::timeline::number_text;
use super::{progress, tables, timeline};
use crate::error::SubmitError;
use crate::report::Report;
use crate::statistics::ByTask;
use crate::units::{bytes, duration};
use crate::watch::History;

/// Units across a plot.
pub(super) const PLOT_WIDTH: f64 = 1000.0;
/// Colours that tasks have in turn; `style.css` has as many.
const N_COLOURS: usize = 12;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Writes the report as a page, which appears when it is whole. It holds everything it shows: no
/// other file and no network are needed to see it. Its size does not grow with the number of quanta
/// beyond some thousands.
///
/// # Errors
/// If the file cannot be written.
pub fn write_page(
    graph: &QuantumGraph,
    history: &History,
    report: &Report,
    now: Timestamp,
    path: &Utf8Path,
) -> Result<(), SubmitError> {
    let page = page(graph, history, report, now);
    crate::publish::write_whole(path, |out| out.write_all(page.as_bytes()))
}

/// The page as text.
pub(super) fn page(
    graph: &QuantumGraph,
    history: &History,
    report: &Report,
    now: Timestamp,
) -> String {
    let mut markup = Markup::default();
    markup.trusted("<!DOCTYPE html>\n");
    markup.element("html", &[("lang", &"en")], |markup| {
        markup.element("head", &[], |markup| head(markup, report));
        markup.element("body", &[], |markup| body(markup, graph, history, report, now));
    });
    markup.trusted("\n");
    markup.into_string()
}

fn head(markup: &mut Markup, report: &Report) {
    markup.empty("meta", &[("charset", &"utf-8")]);
    // Nothing is loaded, whatever a name in the run may look like.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
    let name = ("http-equiv", &"Content-Security-Policy" as &dyn Display);
    markup.empty("meta", &[name, ("content", &policy)]);
    let viewport = "width=device-width, initial-scale=1";
    markup.empty("meta", &[("name", &"viewport"), ("content", &viewport)]);
    markup.empty("meta", &[("name", &"color-scheme"), ("content", &"light dark")]);
    markup.leaf("title", &[], &format!("Run {}", report.output_run));
    markup.element("style", &[], |markup| markup.trusted(STYLE));
}

fn body(
    markup: &mut Markup,
    graph: &QuantumGraph,
    history: &History,
    report: &Report,
    now: Timestamp,
) {
    markup.element("header", &[], |markup| {
        markup.leaf("h1", &[], &format!("Run {}", report.output_run));
        markup.leaf("p", &[], &format!("As of {now}. {}", summary(report)));
        let attributes: &[(&str, &dyn Display)] =
            &[("type", &"button"), ("id", &"theme"), ("hidden", &"")];
        markup.leaf("button", attributes, "Light or dark");
    });
    markup.element("main", &[], |markup| {
        for warning in &report.warnings {
            markup.leaf("p", &[("class", &"warning"), ("role", &"alert")], warning);
        }
        tables::states(markup, report);
        tables::failures(markup, report);
        plots(markup, graph, history, now);
        tables::costs(markup, report);
        tables::longest(markup, report);
        tables::retries(markup, report);
        tables::left_running(markup, report);
        tables::caveats(markup, report);
        tables::datasets(markup, report);
    });
    markup.element("script", &[], |markup| markup.trusted(SCRIPT));
}

fn summary(report: &Report) -> String {
    let totals = &report.totals;
    let mut text = format!("{} of {} quanta succeeded", totals.succeeded, totals.quanta);
    for (count, what) in [
        (totals.failed, "failed"),
        (totals.blocked, "are blocked by failures"),
        (totals.wonky, "are wonky"),
        (totals.unknown(), "have not ended"),
    ] {
        if count != 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text.push('.');
    text
}

fn plots(markup: &mut Markup, graph: &QuantumGraph, history: &History, now: Timestamp) {
    let attempts = history.attempts();
    let by_start = attempts.rows_by_start();
    let ends = history.ends(now);
    let Some(axis) = TimeAxis::of(attempts, &by_start, &ends) else { return };
    markup.element("section", &[], |markup| {
        markup.leaf("h2", &[], "Over time");
        timeline::draw(markup, graph, history, &by_start, &ends, &axis);
        legend(markup, graph);
        progress::draw(markup, attempts, &by_start, &ends, &axis, graph.quanta.len());
    });
    markup.element("section", &[], |markup| {
        markup.leaf("h2", &[], "By task");
        let mut memory = ByTask::gather(graph, attempts, |a| a.memory.map(|m| m as f64));
        let quantity = Quantity {
            caption: "Peak memory of attempts by task. Lines mark median, 95 % and most.",
            text: |value| bytes(value as u64),
            logarithmic: false,
        };
        distribution::draw(markup, graph, &mut memory, &quantity);
        let mut seconds = ByTask::gather(graph, attempts, |attempt| {
            attempt.seconds().filter(|_| attempt.did_work())
        });
        let quantity = Quantity {
            caption: "Time that attempts took by task, on a logarithmic scale. Lines mark median, \
                      95 % and longest.",
            text: duration,
            logarithmic: true,
        };
        distribution::draw(markup, graph, &mut seconds, &quantity);
    });
}

fn legend(markup: &mut Markup, graph: &QuantumGraph) {
    markup.element("ul", &[("class", &"legend")], |markup| {
        for (task, node) in graph.pipeline.tasks.iter().enumerate() {
            markup.element("li", &[], |markup| {
                let attributes: &[(&str, &dyn Display)] =
                    &[("viewBox", &"0 0 10 10"), ("aria-hidden", &"true")];
                markup.element("svg", attributes, |markup| {
                    let (side, class) = (10, colour(task));
                    markup.empty("rect", &[("width", &side), ("height", &side), ("class", &class)]);
                });
                markup.text(&node.label);
            });
        }
    });
}

/// Class of marks of a task.
pub(super) fn colour(task: usize) -> String {
    format!("c{}", task % N_COLOURS)
}

/// Labels of times, and pauses that are cut out, below a plot of some height.
pub(super) fn time_axis(markup: &mut Markup, axis: &TimeAxis, height: f64) {
    let below = height + 16.0;
    let mut day = String::new();
    let mut free = f64::NEG_INFINITY;
    for tick in axis.ticks(6) {
        let x = axis.place(tick) * PLOT_WIDTH;
        let line = format!("M{} 0V{}", number_text(x), number_text(height));
        markup.empty("path", &[("d", &line), ("class", &"grid")]);
        // Labels that would be on top of each other are left out.
        if x < free || x > PLOT_WIDTH - 40.0 {
            continue;
        }
        let text = tick.to_string();
        let (date, time) = text.split_once('T').unwrap_or((&text, ""));
        let time = time.split('.').next().unwrap_or(time);
        let label = if day == date { time.to_owned() } else { format!("{date} {time}") };
        date.clone_into(&mut day);
        free = x + 8.0 * label.len() as f64;
        let attributes: &[(&str, &dyn Display)] =
            &[("x", &number_text(x)), ("y", &number_text(below)), ("class", &"label")];
        markup.leaf("text", attributes, &label);
    }
    for pair in axis.stretches().windows(2) {
        let [left, right] = [pair[0].right, pair[1].left].map(|place| place * PLOT_WIDTH);
        let pause = (pair[1].from - pair[0].until) as f64 / 1e6;
        let attributes: &[(&str, &dyn Display)] = &[
            ("x", &number_text(left)),
            ("y", &0),
            ("width", &number_text(right - left)),
            ("height", &number_text(height)),
            ("class", &"pause"),
        ];
        markup.element("rect", attributes, |markup| {
            markup.leaf("title", &[], &format!("nothing ran for {}", duration(pause)));
        });
    }
}
