//! `qbb trace`.

use qbb::journal::Timestamp;
use qbb_submit_dirs::{Watch, write_trace};

use crate::arguments::TraceArguments;
use crate::output::{ExitCode, Failure, Terminal, bytes, check_destination};

/// Writes what happened as a trace.
pub fn execute(arguments: &TraceArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let output = &arguments.output;
    check_destination(output)?;
    let watch = Watch::open(&arguments.submit_dir)?;
    let summary = write_trace(watch.graph(), watch.history(), Timestamp::now(), output)?;
    terminal.result(&summary, |summary| {
        format!(
            "{} attempts in {} lanes: {output}, {}; open it with https://ui.perfetto.dev",
            summary.attempts,
            summary.lanes,
            bytes(summary.bytes)
        )
    })?;
    Ok(ExitCode::Success)
}
