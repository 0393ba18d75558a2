//! Results of queries as aligned text, JSON, CSV or Parquet.

use std::io::{self, IsTerminal as _, Write};

use camino::Utf8Path;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::parquet::write_parquet;
use super::results::{Cell, ResultTable, united};
use crate::arguments::Format;
use crate::output::{Failure, Terminal};

/// Where results go.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    terminal: Terminal,
    file: Option<&'a Utf8Path>,
}

impl<'a> Destination<'a> {
    /// A file that is replaced when all results are in it, or standard output.
    ///
    /// # Errors
    /// If bytes would be written to a terminal.
    pub fn new(terminal: Terminal, file: Option<&'a Utf8Path>) -> Result<Self, Failure> {
        if terminal.format() == Format::Parquet && file.is_none() && io::stdout().is_terminal() {
            return Err(Failure::usage("Parquet is not for terminals")
                .with_hint("give a file with --output, or pipe it into a program"));
        }
        Ok(Self { terminal, file })
    }

    /// Writes tables: one after another as text, as a list of objects below `name` as JSON, and as
    /// one table with the columns of all of them as CSV and Parquet.
    pub fn write(self, name: &str, tables: &[ResultTable<'_>]) -> Result<(), Failure> {
        self.terminal.stream_to(self.file, |out| match self.terminal.format() {
            Format::Json => write_json(out, name, tables),
            Format::Csv => write_csv(out, tables),
            Format::Parquet => write_parquet(out, tables),
            Format::Text => write_text(out, tables),
        })
    }
}

/// A row as an object.
struct Row<'t, 'a>(&'t ResultTable<'a>, usize);

impl Serialize for Row<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.columns.len()))?;
        for column in &self.0.columns {
            object.serialize_entry(&column.name, &column.cell(self.1))?;
        }
        object.end()
    }
}

fn write_json(out: &mut dyn Write, name: &str, tables: &[ResultTable<'_>]) -> io::Result<()> {
    write!(out, "{{{}: [", serde_json::Value::from(name))?;
    let mut separator = "\n";
    for table in tables {
        for row in 0..table.len {
            out.write_all(separator.as_bytes())?;
            serde_json::to_writer(&mut *out, &Row(table, row))?;
            separator = ",\n";
        }
    }
    writeln!(out, "\n]}}")
}

fn write_csv(out: &mut dyn Write, tables: &[ResultTable<'_>]) -> io::Result<()> {
    // Whether a reader went away must be seen.
    let failed = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    };
    let columns = united(tables);
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(columns.iter().map(|column| column.name)).map_err(failed)?;
    for (at, table) in tables.iter().enumerate() {
        for row in 0..table.len {
            for column in &columns {
                match column.cell(at, row) {
                    Cell::Text(text) => writer.write_field(text.as_bytes()),
                    other => writer.write_field(other.to_string()),
                }
                .map_err(failed)?;
            }
            writer.write_record(None::<&[u8]>).map_err(failed)?;
        }
    }
    writer.flush()
}

fn write_text(out: &mut dyn Write, tables: &[ResultTable<'_>]) -> io::Result<()> {
    for (at, table) in tables.iter().filter(|table| table.len > 0).enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        let mut widths: Vec<usize> =
            table.columns.iter().map(|column| column.name.chars().count()).collect();
        let mut is_number = vec![true; widths.len()];
        for row in 0..table.len {
            for (at, column) in table.columns.iter().enumerate() {
                let value = column.cell(row);
                is_number[at] &= value.is_number();
                widths[at] = widths[at].max(width(&value));
            }
        }
        let mut line = |cells: &mut dyn Iterator<Item = String>| {
            let mut line = String::new();
            for (at, cell) in cells.enumerate() {
                let padding = " ".repeat(widths[at].saturating_sub(cell.chars().count()));
                let (before, after) = match is_number[at] {
                    true => (padding.as_str(), ""),
                    false => ("", padding.as_str()),
                };
                line.extend([before, &cell, after, "  "]);
            }
            writeln!(out, "{}", line.trim_end())
        };
        line(&mut table.columns.iter().map(|column| column.name.clone()))?;
        line(&mut widths.clone().iter().map(|&width| "-".repeat(width)))?;
        for row in 0..table.len {
            line(&mut table.columns.iter().map(|column| column.cell(row).to_string()))?;
        }
    }
    Ok(())
}

/// Characters that a value takes.
fn width(cell: &Cell<'_>) -> usize {
    match cell {
        Cell::Text(text) => text.chars().count(),
        Cell::Uuid(_) => 36,
        other => other.to_string().chars().count(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::results::ColumnType;
    use super::*;

    fn tables() -> [ResultTable<'static>; 2] {
        let mut first = ResultTable::new(2);
        first.text("type", |_| "raw".into());
        first.column("visit", ColumnType::Int, |row| Cell::Int(row as i64 + 9));
        first.column("note", ColumnType::Text, |row| match row {
            0 => Cell::text("a, \"b\""),
            _ => Cell::Null,
        });
        let mut second = ResultTable::new(1);
        second.text("type", |_| "map".into());
        second.column("tract", ColumnType::Int, |_| Cell::Int(3));
        [first, second]
    }

    fn written(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn text_is_aligned_table_by_table() {
        let expected = "type  visit  note\n----  -----  ------\nraw       9  a, \"b\"\nraw      10\n\n\
            type  tract\n----  -----\nmap       3\n";
        assert_eq!(written(|out| write_text(out, &tables())), expected);
    }

    #[test]
    fn csv_has_the_columns_of_all_tables() {
        let expected = "type,visit,note,tract\nraw,9,\"a, \"\"b\"\"\",\nraw,10,,\nmap,,,3\n";
        assert_eq!(written(|out| write_csv(out, &tables())), expected);
    }

    #[test]
    fn json_is_one_document_even_of_nothing() {
        let text = written(|out| write_json(out, "rows", &tables()));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["rows"].as_array().unwrap().len(), 3);
        assert_eq!(value["rows"][2], serde_json::json!({"type": "map", "tract": 3}));
        assert!(text.contains(r#"{"type":"raw","visit":10,"note":null}"#), "{text}");
        let nothing: Value =
            serde_json::from_str(&written(|out| write_json(out, "rows", &[]))).unwrap();
        assert_eq!(nothing, serde_json::json!({"rows": []}));
    }

    #[test]
    fn a_reader_that_went_away_is_seen_in_every_format() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let tables = tables();
        let ends = [
            write_text(&mut Gone, &tables),
            write_json(&mut Gone, "rows", &tables),
            write_csv(&mut Gone, &tables),
            write_parquet(&mut Gone, &tables),
        ];
        for end in ends {
            assert_eq!(end.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        }
    }
}
