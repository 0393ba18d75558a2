//! Results of queries as aligned text, JSON or CSV.

use std::io::{self, Write};

use serde_json::Value;

use crate::arguments::Format;
use crate::output::{Failure, Terminal};

/// A column of results: its name, and its value in each row.
pub struct ResultColumn<'a> {
    name: String,
    value: Box<dyn Fn(usize) -> Value + 'a>,
}

/// A table of results; values are made when they are written.
pub struct ResultTable<'a> {
    len: usize,
    columns: Vec<ResultColumn<'a>>,
}

impl<'a> ResultTable<'a> {
    /// A table of so many rows, without columns.
    pub fn new(len: usize) -> Self {
        Self { len, columns: Vec::new() }
    }

    /// Adds a column.
    pub fn column(&mut self, name: impl Into<String>, value: impl Fn(usize) -> Value + 'a) {
        self.columns.push(ResultColumn { name: name.into(), value: Box::new(value) });
    }

    fn object(&self, row: usize) -> Value {
        let fields = self.columns.iter().map(|column| (column.name.clone(), (column.value)(row)));
        Value::Object(fields.collect())
    }
}

/// Writes tables: one after another as text, as a list of objects below `name` as JSON, and as one
/// table with the columns of all of them as CSV.
pub fn write(terminal: Terminal, name: &str, tables: &[ResultTable<'_>]) -> Result<(), Failure> {
    terminal.stream(|out| match terminal.format() {
        Format::Json => write_json(out, name, tables),
        Format::Csv => write_csv(out, tables),
        Format::Text => write_text(out, tables),
    })
}

fn write_json(out: &mut dyn Write, name: &str, tables: &[ResultTable<'_>]) -> io::Result<()> {
    write!(out, "{{{}: [", Value::from(name))?;
    let mut separator = "\n";
    for table in tables {
        for row in 0..table.len {
            out.write_all(separator.as_bytes())?;
            serde_json::to_writer(&mut *out, &table.object(row))?;
            separator = ",\n";
        }
    }
    writeln!(out, "\n]}}")
}

fn write_csv(out: &mut dyn Write, tables: &[ResultTable<'_>]) -> io::Result<()> {
    let mut names: Vec<&str> = Vec::new();
    for column in tables.iter().flat_map(|table| &table.columns) {
        if !names.contains(&column.name.as_str()) {
            names.push(&column.name);
        }
    }
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(&names)?;
    for table in tables {
        let order: Vec<Option<&ResultColumn<'_>>> = (names.iter())
            .map(|name| table.columns.iter().find(|column| column.name == *name))
            .collect();
        for row in 0..table.len {
            for column in &order {
                writer.write_field(column.map_or_else(String::new, |c| text(&(c.value)(row))))?;
            }
            writer.write_record(None::<&[u8]>)?;
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
                let value = (column.value)(row);
                is_number[at] &= value.is_number();
                widths[at] = widths[at].max(text(&value).chars().count());
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
            line(&mut table.columns.iter().map(|column| text(&(column.value)(row))))?;
        }
    }
    Ok(())
}

/// A value in a cell; null shows as nothing.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> [ResultTable<'static>; 2] {
        let mut first = ResultTable::new(2);
        first.column("type", |_| "raw".into());
        first.column("visit", |row| (row + 9).into());
        first.column("note", |row| if row == 0 { "a, \"b\"".into() } else { Value::Null });
        let mut second = ResultTable::new(1);
        second.column("type", |_| "map".into());
        second.column("tract", |_| 3.into());
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
        let nothing: Value =
            serde_json::from_str(&written(|out| write_json(out, "rows", &[]))).unwrap();
        assert_eq!(nothing, serde_json::json!({"rows": []}));
    }
}
