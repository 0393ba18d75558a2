//! Ending at a signal without leaving half a file.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::failure::Failure;

/// From now on, Ctrl-C or a request to terminate removes the graph file that is being written, and
/// then ends the process as the shell expects of that signal.
pub fn remove_unfinished_at_signals() -> Result<(), Failure> {
    let failed = |error| Failure::system("signals cannot be waited for", error);
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                qbb_graph::remove_unfinished();
                std::process::exit(128 + signal);
            }
        })
        .map_err(failed)?;
    Ok(())
}
