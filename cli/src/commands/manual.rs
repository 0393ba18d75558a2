//! Completions and manual pages, from the definition of the command line.

use camino::Utf8Path;
use clap::CommandFactory as _;

use crate::arguments::Arguments;
use crate::output::{ExitCode, Failure, Terminal};

/// Prints a completion script.
pub fn completions(shell: clap_complete::Shell, terminal: Terminal) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "qbb", &mut script);
    terminal.print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::Success)
}

/// Writes one page for the program and one for each command.
pub fn pages(folder: &Utf8Path, terminal: Terminal) -> Result<ExitCode, Failure> {
    fs_err::create_dir_all(folder).map_err(Failure::from_error)?;
    clap_mangen::generate_to(Arguments::command(), folder).map_err(Failure::from_error)?;
    terminal.note(&format!("manual pages written to {folder}"));
    Ok(ExitCode::Success)
}
