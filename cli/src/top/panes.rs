//! The parts of the screen.

use qbb_submit_dirs::QuantumCounts;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table};

use super::palette::Palette;
use super::view::{Pane, View};
use crate::output::{bytes, duration, ended_with};

/// Quanta by state and task.
pub(super) fn tasks(frame: &mut Frame<'_>, area: Rect, block: Block<'_>, view: &View) {
    let status = &view.snapshot().status;
    let palette = view.palette();
    let in_flight = if status.running { "running" } else { "cut off" };
    let header =
        ["task", "quanta", "success", "caveats", "failed", "blocked", in_flight, "waiting"];
    let header = Row::new(header.into_iter().enumerate().map(|(i, name)| match i {
        0 => Cell::new(name),
        _ => right(name.to_owned(), Style::new()),
    }))
    .style(palette.dim());
    let mut rows = vec![counts_row("total", &status.totals, palette)];
    let skipped = view.scrolled(Pane::Tasks);
    let tasks = status.tasks.iter().skip(skipped);
    rows.extend(tasks.map(|task| counts_row(&task.task, &task.counts, palette)));
    let mut widths = vec![Constraint::Min(12)];
    widths.extend([Constraint::Length(7); 7]);
    frame.render_widget(Table::new(rows, widths).header(header).block(block), area);
}

fn counts_row(name: &str, counts: &QuantumCounts, palette: Palette) -> Row<'static> {
    let some = |count: u64, style: Style| match count {
        0 => right("·".to_owned(), palette.dim()),
        _ => right(count.to_string(), style),
    };
    let plain = Style::new();
    let name = match name {
        "total" => Span::styled("total", Style::new().add_modifier(Modifier::BOLD)),
        name => Span::raw(name.to_owned()),
    };
    Row::new([
        Cell::new(name),
        some(counts.quanta, plain),
        some(counts.succeeded, palette.good()),
        some(counts.with_caveats, plain),
        some(counts.failed + counts.wonky, palette.bad()),
        some(counts.blocked, palette.bad()),
        some(counts.in_flight, palette.busy()),
        some(counts.waiting, plain),
    ])
}

fn right(text: String, style: Style) -> Cell<'static> {
    Cell::new(Line::styled(text, style).alignment(Alignment::Right))
}

/// Lines of a pane from where it is scrolled to.
fn list<'a, T>(
    frame: &mut Frame<'_>,
    area: Rect,
    block: Block<'_>,
    items: &'a [T],
    (skipped, nothing): (usize, &'a str),
    lines: impl Fn(&'a T) -> Vec<Line<'a>>,
) {
    let height = usize::from(area.height);
    let mut shown: Vec<Line<'_>> = Vec::new();
    for item in items.iter().skip(skipped) {
        if shown.len() >= height {
            break;
        }
        shown.extend(lines(item));
    }
    if items.is_empty() {
        shown.push(Line::from(nothing));
    }
    frame.render_widget(Paragraph::new(shown).block(block), area);
}

/// What runs now.
pub(super) fn running(frame: &mut Frame<'_>, area: Rect, block: Block<'_>, view: &View) {
    let palette = view.palette();
    let quanta = &view.snapshot().status.running_quanta;
    let scrolled = (view.scrolled(Pane::Running), "nothing runs");
    list(frame, area, block, quanta, scrolled, |quantum| {
        let again = match quantum.attempt {
            1 => String::new(),
            attempt => format!(" attempt {attempt}"),
        };
        vec![Line::from(vec![
            Span::raw(format!("{:>10}  ", duration(quantum.seconds))),
            Span::styled(quantum.task.as_str(), palette.busy()),
            Span::raw(format!(" {}", quantum.data_id)),
            Span::styled(again, palette.bad()),
            Span::styled(format!("  {}", quantum.host), palette.dim()),
        ])]
    });
}

/// The newest failures.
pub(super) fn failures(frame: &mut Frame<'_>, area: Rect, block: Block<'_>, view: &View) {
    let palette = view.palette();
    let failures = &view.snapshot().status.newest_failures;
    let scrolled = (view.scrolled(Pane::Failures), "nothing failed");
    list(frame, area, block, failures, scrolled, |failure| {
        let why = match (&failure.exception, failure.exit_code) {
            (Some(exception), _) => {
                format!("{exception}: {}", failure.message.as_deref().unwrap_or_default())
            }
            (None, Some(code)) => ended_with(code),
            (None, None) => "failed".to_owned(),
        };
        vec![
            Line::from(vec![
                Span::raw(format!("{:>10} ago  ", duration(failure.seconds_ago))),
                Span::raw(format!("{} {}", failure.task, failure.data_id)),
            ]),
            Line::from(vec![Span::raw("    "), Span::styled(why, palette.bad())]),
        ]
    });
}

/// What took longest.
pub(super) fn slowest(frame: &mut Frame<'_>, area: Rect, block: Block<'_>, view: &View) {
    let quanta = &view.snapshot().status.slowest;
    let scrolled = (view.scrolled(Pane::Slowest), "nothing has ended");
    list(frame, area, block, quanta, scrolled, |quantum| {
        let memory = quantum.memory.map(bytes).unwrap_or_default();
        vec![Line::from(format!(
            "{:>10}  {memory:>9}  {} {}",
            duration(quantum.seconds),
            quantum.task,
            quantum.data_id
        ))]
    });
}

/// Peak memory by task, with bars.
pub(super) fn memory(frame: &mut Frame<'_>, area: Rect, block: Block<'_>, view: &View) {
    let palette = view.palette();
    let costs = &view.snapshot().costs;
    let most = costs.iter().filter_map(|costs| Some(costs.memory?.max)).max().unwrap_or(1).max(1);
    // Name, three numbers and the frame take this much.
    let room = usize::from(area.width).saturating_sub(56).max(4);
    let scrolled = (view.scrolled(Pane::Memory), "nothing was measured");
    list(frame, area, block, costs, scrolled, |costs| {
        let name: String = costs.task.chars().take(18).collect();
        let Some(memory) = costs.memory else {
            return vec![Line::from(format!("{name:<18}  not measured"))];
        };
        let filled = |value: u64| (value as f64 / most as f64 * room as f64).round() as usize;
        let bar = "█".repeat(filled(memory.median));
        let tail = "░".repeat(filled(memory.max).saturating_sub(filled(memory.median)));
        let numbers = [memory.median, memory.percentile95, memory.max].map(bytes);
        vec![Line::from(vec![
            Span::raw(format!("{name:<18} {:>9} {:>9} {:>9} ", numbers[0], numbers[1], numbers[2])),
            Span::styled(bar, palette.busy()),
            Span::styled(tail, palette.dim()),
        ])]
    });
}
