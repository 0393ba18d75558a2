//! What the view shows at a moment, and where its user has gone in it.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, LineGauge, Paragraph};

use super::palette::Palette;
use super::panes;
use super::snapshot::Snapshot;
use crate::output::{bytes, pace};

/// Parts of the screen that keys go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    Tasks,
    Running,
    Failures,
    Slowest,
    Memory,
}

impl Pane {
    /// In the order in which the tabulator goes through them.
    const ALL: [Self; 5] =
        [Self::Tasks, Self::Running, Self::Failures, Self::Slowest, Self::Memory];

    fn title(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Running => "running",
            Self::Failures => "failures",
            Self::Slowest => "slowest",
            Self::Memory => "memory",
        }
    }
}

/// The view.
#[derive(Debug)]
pub struct View {
    snapshot: Snapshot,
    focus: Pane,
    /// What the lower part shows; never the tasks.
    lower: Pane,
    /// First lines shown, by pane.
    scrolled: [usize; Pane::ALL.len()],
    help: bool,
    palette: Palette,
}

impl View {
    /// A view in colours or without.
    pub fn new(snapshot: Snapshot, coloured: bool) -> Self {
        Self {
            snapshot,
            focus: Pane::Running,
            lower: Pane::Running,
            scrolled: [0; Pane::ALL.len()],
            help: false,
            palette: Palette { coloured },
        }
    }

    /// Shows something newer.
    pub fn update(&mut self, snapshot: Snapshot) {
        self.snapshot = snapshot;
    }

    /// Says that nothing newer could be read.
    pub fn update_trouble(&mut self, trouble: String) {
        self.snapshot.trouble = Some(trouble);
    }

    /// Reacts to a key; `false` if the user wants to leave.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        if key.kind == KeyEventKind::Release {
            return true;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return false,
            KeyCode::Char('q') => return false,
            KeyCode::Esc if self.help => self.help = false,
            KeyCode::Esc => return false,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.help = !self.help,
            KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => self.go(1),
            KeyCode::BackTab | KeyCode::Left => self.go(Pane::ALL.len() - 1),
            KeyCode::Down | KeyCode::Char('j') => self.scroll(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll(-1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.scroll(10),
            KeyCode::PageUp => self.scroll(-10),
            KeyCode::Home | KeyCode::Char('g') => self.scroll(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.scroll(isize::MAX),
            _ => {}
        }
        true
    }

    fn go(&mut self, by: usize) {
        let here = Pane::ALL.iter().position(|pane| *pane == self.focus).unwrap_or(0);
        self.focus = Pane::ALL[(here + by) % Pane::ALL.len()];
        if self.focus != Pane::Tasks {
            self.lower = self.focus;
        }
    }

    fn scroll(&mut self, by: isize) {
        let last = self.n_lines(self.focus).saturating_sub(1);
        let scrolled = &mut self.scrolled[self.focus as usize];
        *scrolled = scrolled.saturating_add_signed(by).min(last);
    }

    fn n_lines(&self, pane: Pane) -> usize {
        let status = &self.snapshot.status;
        match pane {
            Pane::Tasks => status.tasks.len(),
            Pane::Running => status.running_quanta.len(),
            Pane::Failures => status.newest_failures.len(),
            Pane::Slowest => status.slowest.len(),
            Pane::Memory => self.snapshot.costs.len(),
        }
    }

    /// Draws everything.
    pub fn draw(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let n_tasks = self.snapshot.status.tasks.len() as u16;
        // Header of a table, its rows, a total and a frame.
        let wanted = n_tasks.saturating_add(4);
        let upper = wanted.min(area.height.saturating_sub(4) / 2).max(5);
        let [header, tasks, lower, footer] = Layout::vertical([
            Constraint::Length(3),
            Constraint::Length(upper),
            Constraint::Min(3),
            Constraint::Length(1),
        ])
        .areas(area);
        self.header(frame, header);
        let block = self.block(&[Pane::Tasks]);
        panes::tasks(frame, tasks, block, self);
        let block = self.block(&Pane::ALL[1..]);
        match self.lower {
            Pane::Failures => panes::failures(frame, lower, block, self),
            Pane::Slowest => panes::slowest(frame, lower, block, self),
            Pane::Memory => panes::memory(frame, lower, block, self),
            Pane::Running | Pane::Tasks => panes::running(frame, lower, block, self),
        }
        self.footer(frame, footer);
        if self.help {
            self.draw_help(frame, area);
        }
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    pub(super) fn palette(&self) -> Palette {
        self.palette
    }

    pub(super) fn scrolled(&self, pane: Pane) -> usize {
        self.scrolled[pane as usize].min(self.n_lines(pane).saturating_sub(1))
    }

    /// A frame that names panes, the one that is shown in bold and the one with the keys reversed.
    fn block(&self, panes: &[Pane]) -> Block<'static> {
        let mut title = Vec::new();
        for &pane in panes {
            let mut style = Style::new();
            if pane == self.focus {
                style = style.add_modifier(Modifier::REVERSED | Modifier::BOLD);
            } else if pane == self.lower {
                style = style.add_modifier(Modifier::BOLD);
            }
            let count = match pane {
                Pane::Running => Some(self.snapshot.status.running_quanta_count),
                Pane::Failures => Some(self.snapshot.status.totals.failed),
                _ => None,
            };
            let text = match count {
                Some(count) => format!(" {} {count} ", pane.title()),
                None => format!(" {} ", pane.title()),
            };
            title.push(Span::styled(text, style));
        }
        Block::bordered().title(Line::from(title)).border_style(self.palette.dim())
    }

    fn header(&self, frame: &mut Frame<'_>, area: Rect) {
        let status = &self.snapshot.status;
        let totals = &status.totals;
        let [name, gauge, numbers] = Layout::vertical([Constraint::Length(1); 3]).areas(area);
        let bold = Style::new().add_modifier(Modifier::BOLD);
        frame.render_widget(
            Line::from(vec![Span::raw("run "), Span::styled(status.output_run.clone(), bold)]),
            name,
        );
        let ratio = match totals.quanta {
            0 => 1.0,
            quanta => totals.ended() as f64 / quanta as f64,
        };
        // Not all done is never 100 %.
        let percent = if totals.unknown() > 0 { (ratio * 100.0).min(99.0) } else { 100.0 };
        let label = format!("{:>3.0} % of {} quanta", percent.floor(), totals.quanta);
        let style = if totals.failed > 0 { self.palette.bad() } else { self.palette.good() };
        let line = LineGauge::default().ratio(ratio.clamp(0.0, 1.0)).label(label);
        let line = line.filled_symbol("━").unfilled_symbol("╌");
        frame.render_widget(line.filled_style(style).unfilled_style(self.palette.dim()), gauge);
        let mut text = pace(status);
        if status.running {
            text.push_str(&format!("; {} of {} slots", status.running_quanta_count, status.slots));
        }
        if let Some(memory) = status.peak_memory {
            text.push_str(&format!("; memory up to {}", bytes(memory)));
        }
        frame.render_widget(Line::from(text), numbers);
    }

    fn footer(&self, frame: &mut Frame<'_>, area: Rect) {
        let status = &self.snapshot.status;
        let line = match (&self.snapshot.trouble, status.warnings.first()) {
            (Some(trouble), _) => Line::styled(trouble.clone(), self.palette.bad()),
            (None, Some(warning)) => Line::styled(warning.clone(), self.palette.bad()),
            (None, None) => {
                Line::styled("q leave   tab next   ↑↓ scroll   ? help", self.palette.dim())
            }
        };
        frame.render_widget(line, area);
    }

    fn draw_help(&self, frame: &mut Frame<'_>, area: Rect) {
        let lines = [
            "q, Esc, Ctrl-C    leave; the run goes on",
            "Tab, →            next part of the screen",
            "Shift-Tab, ←      previous part",
            "↑ ↓, k j          scroll by a line",
            "PageUp, PageDown  scroll by ten lines",
            "Home, End, g G    to the first and the last line",
            "?, h              this help",
        ];
        let width = area.width.min(56);
        let height = area.height.min(lines.len() as u16 + 2);
        let place = Rect {
            x: area.x + (area.width - width) / 2,
            y: area.y + (area.height - height) / 2,
            width,
            height,
        };
        frame.render_widget(Clear, place);
        let text: Vec<Line<'_>> = lines.into_iter().map(Line::from).collect();
        frame.render_widget(Paragraph::new(text).block(Block::bordered().title(" keys ")), place);
    }
}

#[cfg(test)]
mod tests {
    use qbb_submit_dirs::Status;
    use qbb_submit_dirs::synthetic::{Story, viewpoint};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::style::Color;

    use super::*;
    use crate::top::snapshot::LISTED;

    fn view(over: bool, coloured: bool) -> View {
        let story = Story::told(over);
        let history = story.history();
        let status = Status::of(&story.graph, &history, &viewpoint(30.0), LISTED);
        View::new(Snapshot::new(status, &story.graph, &history), coloured)
    }

    fn drawn(view: &View, width: u16, height: u16) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| view.draw(frame)).unwrap();
        terminal
    }

    fn press(view: &mut View, code: KeyCode) -> bool {
        view.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn a_run_that_goes_on() {
        insta::assert_snapshot!(drawn(&view(false, true), 80, 24).backend());
    }

    #[test]
    fn failures_come_after_running_quanta() {
        let mut view = view(true, true);
        press(&mut view, KeyCode::Tab);
        insta::assert_snapshot!(drawn(&view, 100, 24).backend());
    }

    #[test]
    fn memory_by_task() {
        let mut view = view(true, true);
        press(&mut view, KeyCode::BackTab);
        press(&mut view, KeyCode::BackTab);
        insta::assert_snapshot!(drawn(&view, 80, 24).backend());
    }

    #[test]
    fn help_is_above_everything() {
        let mut view = view(true, true);
        press(&mut view, KeyCode::Char('?'));
        let shown = drawn(&view, 80, 24).backend().to_string();
        assert!(shown.contains("this help"), "{shown}");
        assert!(press(&mut view, KeyCode::Esc), "closes the help");
        assert!(!drawn(&view, 80, 24).backend().to_string().contains("this help"));
        assert!(!press(&mut view, KeyCode::Esc), "leaves");
    }

    #[test]
    fn keys_that_leave() {
        let mut view = view(true, true);
        assert!(!press(&mut view, KeyCode::Char('q')));
        assert!(!view.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
        assert!(press(&mut view, KeyCode::Char('c')));
    }

    #[test]
    fn every_size_and_every_pane_can_be_drawn() {
        let mut view = view(false, true);
        for _ in 0..Pane::ALL.len() {
            press(&mut view, KeyCode::Tab);
            press(&mut view, KeyCode::End);
            press(&mut view, KeyCode::Down);
            for (width, height) in [(1, 1), (10, 3), (40, 10), (80, 24), (300, 100)] {
                drawn(&view, width, height);
            }
            press(&mut view, KeyCode::Char('?'));
            drawn(&view, 5, 5);
            press(&mut view, KeyCode::Char('?'));
        }
    }

    #[test]
    fn without_colour_there_is_none() {
        let coloured = |coloured| {
            let terminal = drawn(&view(true, coloured), 80, 24);
            let buffer = terminal.backend().buffer();
            buffer.content().iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
        };
        assert!(coloured(true));
        assert!(!coloured(false));
    }
}
