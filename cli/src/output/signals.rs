//! Ending at a signal without leaving half a file.

use std::io;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::failure::Failure;

/// From now on, Ctrl-C or a request to terminate removes the graph file that is being written, and
/// then ends the process as the shell expects of that signal.
pub fn remove_unfinished_at_signals() -> Result<(), Failure> {
    remove_at_signals(qbb_graph::remove_unfinished)
        .map_err(|error| Failure::system("signals cannot be waited for", error))
}

/// From now on, Ctrl-C or a request to terminate has a transfer remove what it has placed and not
/// registered; if there is nothing of the kind, or if it comes again, it ends the process as the
/// shell expects of that signal.
pub fn end_transfers_at_signals() -> Result<(), Failure> {
    let watch = |mut signals: Signals| {
        for (earlier, signal) in signals.forever().enumerate() {
            if earlier > 0 || !qbb_transfer::interrupt() {
                qbb_graph::remove_unfinished();
                std::process::exit(128 + signal);
            }
        }
    };
    Signals::new([SIGINT, SIGTERM])
        .and_then(|signals| {
            let thread = std::thread::Builder::new().name("signals".to_owned());
            thread.spawn(move || watch(signals)).map(drop)
        })
        .map_err(|error| Failure::system("signals cannot be waited for", error))
}

/// From now on, Ctrl-C or a request to terminate removes what is unfinished, and then ends the
/// process as the shell expects of that signal.
pub fn remove_at_signals(remove: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                remove();
                std::process::exit(128 + signal);
            }
        })
        .map(drop)
}
