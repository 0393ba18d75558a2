//! Standard output, as tables or as JSON.

use std::io::{IsTerminal as _, Write as _};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use super::failure::Failure;
use crate::arguments::Format;

/// Where results go and how they look.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    format: Format,
    quiet: bool,
}

impl Terminal {
    /// Results in a format; progress unless quiet or not watched by a person.
    pub fn new(format: Format, quiet: bool) -> Self {
        Self { format, quiet }
    }

    /// The format of results.
    pub fn format(self) -> Format {
        self.format
    }

    /// Whether progress should be drawn.
    pub fn shows_progress(self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// Prints a result: `value` as JSON, or the text of `text` for people.
    pub fn result<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let text = match self.format {
            Format::Json => serde_json::to_string_pretty(value).map_err(Failure::internal)?,
            Format::Text => text(value),
            Format::Csv => {
                return Err(Failure::usage("only the results of queries are written as CSV")
                    .with_hint("use --format json"));
            }
        };
        self.print(&text)
    }

    /// Writes a result that is too long to be put together first. A reader that went away is no
    /// failure.
    pub fn stream(
        self,
        write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>,
    ) -> Result<(), Failure> {
        let mut out = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
        match write(&mut out).and_then(|()| out.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Failure::system("standard output could not be written", error))
            }
            _ => Ok(()),
        }
    }

    /// Prints text as it is, with a newline at its end. A reader that went away is no failure.
    pub fn print(self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Failure::system("standard output could not be written", error))
            }
            _ => Ok(()),
        }
    }

    /// Says what even programs should find in their logs.
    pub fn warn(self, text: &str) {
        // Nothing sensible is left to do when standard error is gone.
        let _ = writeln!(std::io::stderr(), "warning: {text}");
    }

    /// Says something that is not a result, to people only.
    pub fn note(self, text: &str) {
        if !self.quiet && self.format == Format::Text {
            // Nothing sensible is left to do when standard error is gone.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

/// A table of text without lines, of any number of columns.
pub fn rows_table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// A table without lines: the first `left` columns are text, the others numbers.
pub fn table<const N: usize>(
    header: [&str; N],
    left: usize,
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if i >= left {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}
