//! `qbb top`.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use qbb_submit_dirs::Watch;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use signal_hook::consts::{SIGHUP, SIGTERM};

use crate::arguments::TopArguments;
use crate::output::{ExitCode, Failure, Terminal};
use crate::top::{Snapshot, View};

/// How long a key or a newer state waits at most for being shown.
const PATIENCE: Duration = Duration::from_millis(100);

/// Shows a run on the whole terminal until the user has seen enough.
pub fn execute(arguments: &TopArguments, _: Terminal) -> Result<ExitCode, Failure> {
    let here = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if !here {
        let dir = &arguments.submit_dir;
        return Err(Failure::usage("there is no terminal to draw on")
            .with_hint(format!("elsewhere, `qbb status --follow {dir}` prints lines")));
    }
    let seconds = arguments.interval;
    let interval = Duration::try_from_secs_f64(seconds)
        .map_err(|_| Failure::usage(format!("--interval {seconds} is no time")))?
        .max(PATIENCE);
    let watch = Watch::open(&arguments.submit_dir)?;
    let view = View::new(Snapshot::of(&watch), std::env::var_os("NO_COLOR").is_none());
    let listening = follow(watch, interval).map_err(failed)?;
    let asked_to_end = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, asked_to_end.clone()).map_err(failed)?;
    }
    let mut screen = Screen::open().map_err(failed)?;
    show(&mut screen.0, view, &listening, &asked_to_end).map_err(failed)?;
    Ok(ExitCode::Success)
}

fn failed(error: std::io::Error) -> Failure {
    Failure::system("the terminal cannot be used", error)
}

/// The terminal while it is ours. It is given back whatever happens: at the end, at an error, and
/// by the hook that comes with opening it, before the message of a panic.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> std::io::Result<Self> {
        ratatui::try_init().map(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// What comes from the thread that reads the journal.
type News = Result<Snapshot, String>;

/// Looks at the journal in a thread of its own, so that a slow file system does not keep keys
/// waiting. The thread ends when nobody listens any more.
fn follow(mut watch: Watch, interval: Duration) -> std::io::Result<Listening> {
    let (sender, news) = channel();
    let (stop, stopped) = channel::<()>();
    std::thread::Builder::new().name("journal".to_owned()).spawn(move || {
        while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
            let seen = watch.refresh().map_err(|error| error.to_string());
            if sender.send(seen.map(|_| Snapshot::of(&watch))).is_err() {
                return;
            }
        }
    })?;
    Ok(Listening { news, _stop: stop })
}

struct Listening {
    news: Receiver<News>,
    /// Dropping it ends the thread.
    _stop: Sender<()>,
}

fn show(
    terminal: &mut DefaultTerminal,
    mut view: View,
    listening: &Listening,
    asked_to_end: &AtomicBool,
) -> std::io::Result<()> {
    let mut changed = true;
    while !asked_to_end.load(Ordering::Relaxed) {
        if changed {
            terminal.draw(|frame| view.draw(frame))?;
        }
        changed = false;
        if event::poll(PATIENCE)? {
            changed = true;
            if let Event::Key(key) = event::read()?
                && !view.key(key)
            {
                return Ok(());
            }
        }
        for news in listening.news.try_iter() {
            changed = true;
            match news {
                Ok(snapshot) => view.update(snapshot),
                Err(trouble) => view.update_trouble(trouble),
            }
        }
    }
    Ok(())
}
