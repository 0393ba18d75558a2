//! The `qbb` command: arguments, rendering and exit codes; knows no algorithms.

mod arguments;
mod commands;
mod output;
mod top;

use std::io::Write as _;
use std::process;

use clap::Parser as _;

use crate::arguments::{Arguments, Command, Format};
use crate::output::{ExitCode, Failure, Terminal};

fn main() -> process::ExitCode {
    let mut arguments = Arguments::parse();
    if let Command::Run(run) = &mut arguments.command {
        run.python_log_levels = output::python_levels(&arguments.log.log_level);
    }
    let terminal = Terminal::new(arguments.format, arguments.quiet);
    let started = output::start_logging(&arguments.log);
    match started.and_then(|()| commands::execute(arguments.command, terminal)) {
        Ok(code) => process::ExitCode::from(code as u8),
        Err(failure) => {
            let failure = match qbb_transfer::is_interrupted() {
                true => failure.with_code(ExitCode::Interrupted),
                false => failure,
            };
            let code = failure.code();
            report(failure, arguments.format);
            process::ExitCode::from(code as u8)
        }
    }
}

/// Errors go to standard error in either format, so that standard output holds results only.
fn report(failure: Failure, format: Format) {
    let mut err = std::io::stderr().lock();
    // Nothing sensible is left to do when standard error is gone.
    let _ = match format {
        Format::Json => writeln!(err, "{}", failure.to_json()),
        Format::Text | Format::Csv | Format::Parquet => {
            // A handler is installed once in a process, and this is the only place that does.
            let _ = miette::set_hook(Box::new(|_| {
                // A path that is folded cannot be copied; terminals fold by themselves.
                Box::new(miette::MietteHandlerOpts::new().wrap_lines(false).build())
            }));
            write!(err, "{:?}", miette::Report::new(failure))
        }
    };
}
