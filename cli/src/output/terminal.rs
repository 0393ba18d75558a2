//! Standard output, as tables or as JSON.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use super::failure::Failure;
use super::signals::remove_at_signals;
use crate::arguments::Format;

/// Bytes that are written at once.
const BUFFER: usize = 1 << 16;

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
        !self.quiet && io::stderr().is_terminal()
    }

    /// Prints a result: `value` as JSON, or the text of `text` for people.
    pub fn result<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let text = match self.format {
            Format::Json => serde_json::to_string_pretty(value).map_err(Failure::internal)?,
            // Tables are asked for of queries alone.
            Format::Text | Format::Csv | Format::Parquet => text(value),
        };
        self.print(&text)
    }

    /// Writes a result that is too long to be put together first, to standard output or a file.
    /// A reader that went away is no failure; a file is replaced when all is in it.
    pub fn stream_to(
        self,
        file: Option<&Utf8Path>,
        write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let Some(path) = file else {
            let mut out = BufWriter::with_capacity(BUFFER, io::stdout());
            return match write(&mut out).and_then(|()| out.flush()) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    Err(Failure::system("standard output could not be written", error))
                }
                _ => Ok(()),
            };
        };
        write_file(path, write).map_err(|error| Failure::unwritable(path, error))
    }

    /// Prints text as it is, with a newline at its end. A reader that went away is no failure.
    pub fn print(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::system("standard output could not be written", error))
            }
            _ => Ok(()),
        }
    }

    /// Says what even programs should find in their logs.
    pub fn warn(self, text: &str) {
        // Nothing sensible is left to do when standard error is gone.
        let _ = writeln!(io::stderr(), "warning: {text}");
    }

    /// Says something that is not a result, to people only.
    pub fn note(self, text: &str) {
        if !self.quiet && self.format == Format::Text {
            // Nothing sensible is left to do when standard error is gone.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}

/// Writes a file that appears whole or not at all; devices and pipes are written as they are.
fn write_file(
    path: &Utf8Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        let mut out = BufWriter::with_capacity(BUFFER, File::options().write(true).open(path)?);
        return write(&mut out).and_then(|()| out.flush());
    }
    let target = path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().filter(|folder| !folder.as_str().is_empty());
    let unfinished = tempfile::Builder::new()
        .prefix(&format!(".{}.", target.file_name().unwrap_or("output")))
        // As other files that programs make; the user's mask takes away what it takes away.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(Utf8Path::new(".")))?;
    let leftover = unfinished.path().to_owned();
    remove_at_signals(move || {
        // It may be finished by now.
        let _ = std::fs::remove_file(&leftover);
    })?;
    let mut out = BufWriter::with_capacity(BUFFER, unfinished.as_file());
    write(&mut out).and_then(|()| out.flush())?;
    drop(out);
    unfinished.as_file().sync_all()?;
    unfinished.persist(&target).map_err(|error| error.error)?;
    Ok(())
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
