//! Progress of long work, for people who watch.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, WeakProgressBar};

use super::terminal::Terminal;

/// The line that is drawn now, which other output must not run into.
static DRAWN: Mutex<Option<WeakProgressBar>> = Mutex::new(None);

/// Lets something write to standard error, above the line that shows progress if there is one.
pub fn above_bars<T>(write: impl FnOnce() -> T) -> T {
    let drawn = DRAWN
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .as_ref()
        .and_then(WeakProgressBar::upgrade);
    match drawn {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// One line that says what is being done and how far it is.
#[derive(Debug)]
pub struct ProgressBars {
    bar: ProgressBar,
    terminal: Terminal,
}

impl ProgressBars {
    /// A line on standard error, or nothing where nobody watches.
    pub fn new(terminal: Terminal) -> Self {
        let target = if terminal.shows_progress() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.enable_steady_tick(Duration::from_millis(120));
        *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.downgrade());
        Self { bar, terminal }
    }

    /// No bar, only lines, for when something else uses the terminal.
    pub fn without_bar(terminal: Terminal) -> Self {
        Self { bar: ProgressBar::hidden(), terminal }
    }

    /// Begins work of unknown length.
    pub fn stage(&self, what: &str) {
        self.bar.set_style(ProgressStyle::default_spinner());
        self.bar.set_message(what.to_owned());
    }

    /// Begins work of known length, of which some is done.
    pub fn count(&self, what: &str, done: u64, total: u64) {
        if let Ok(style) = ProgressStyle::with_template(
            "{msg} {wide_bar:.cyan/dim} {pos}/{len} {per_sec:.dim} {eta:.dim}",
        ) {
            self.bar.set_style(style);
        }
        self.bar.set_message(what.to_owned());
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.bar.reset_eta();
    }

    /// What is being done, without a change of how far it is.
    pub fn message(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// How much is done.
    pub fn position(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// A line above the bar, such as a failure, for people only.
    pub fn line(&self, text: &str) {
        self.bar.suspend(|| self.terminal.note(text));
    }
}

impl Drop for ProgressBars {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
