//! Tables in text: CSV, and ECSV, whose head of comments says the format of what follows.

use crate::engine::data_id_table::{DataIdTable, DataIdTableError, TableProblem};

/// A column of texts, one after another in one block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextColumn {
    text: String,
    ends: Vec<usize>,
}

impl TextColumn {
    /// Adds a value.
    pub fn push(&mut self, value: &str) {
        self.text.push_str(value);
        self.ends.push(self.text.len());
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// A value; panics if there is none, as indexing does.
    #[must_use]
    pub fn get(&self, row: usize) -> &str {
        let begin = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.text[begin..self.ends[row]]
    }
}

impl<S: AsRef<str>> FromIterator<S> for TextColumn {
    fn from_iter<I: IntoIterator<Item = S>>(values: I) -> Self {
        let mut column = Self::default();
        values.into_iter().for_each(|value| column.push(value.as_ref()));
        column
    }
}

impl DataIdTable {
    /// Reads a table with a head of column names: comma-separated values, with `"` around values
    /// that hold commas, quotes or line ends, and blank lines left out; or an ECSV file, whose
    /// delimiter is a space unless its head says otherwise.
    ///
    /// # Errors
    /// If rows do not have as many values as the head, or a quote is not closed.
    pub fn from_text(name: &str, text: &str) -> Result<Self, DataIdTableError> {
        let fail = |problem| DataIdTableError { table: name.to_owned(), problem };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let ecsv = text.starts_with("# %ECSV");
        let delimiter = if ecsv { ecsv_delimiter(text).map_err(fail)? } else { ',' };
        let mut rows = Rows { text, line: 1, begin: 1, delimiter, comments: ecsv };
        let mut fields = Vec::new();
        if !rows.next(&mut fields).map_err(fail)? {
            return Err(fail(TableProblem::Empty));
        }
        let mut columns: Vec<(String, TextColumn)> =
            fields.drain(..).map(|name| (name, TextColumn::default())).collect();
        loop {
            if !rows.next(&mut fields).map_err(fail)? {
                break;
            }
            let line = rows.begin;
            if fields.len() != columns.len() {
                let what = format!("{} values in {} columns", fields.len(), columns.len());
                return Err(fail(TableProblem::Format { line, what }));
            }
            for ((_, column), field) in columns.iter_mut().zip(&fields) {
                column.push(field);
            }
        }
        Ok(Self::new(name, columns))
    }
}

/// The delimiter that the head of an ECSV file declares.
fn ecsv_delimiter(text: &str) -> Result<char, TableProblem> {
    for (line, comment) in text.lines().take_while(|line| line.starts_with('#')).enumerate() {
        let Some((_, value)) = comment.split_once("delimiter:") else { continue };
        return match value.trim().trim_matches(['\'', '"']) {
            "," => Ok(','),
            "" | " " => Ok(' '),
            other => Err(TableProblem::Format {
                line: line + 1,
                what: format!("an ECSV delimiter is a space or a comma, not `{other}`"),
            }),
        };
    }
    Ok(' ')
}

/// Rows that are left to read.
struct Rows<'a> {
    text: &'a str,
    /// Number of the line that comes next.
    line: usize,
    /// Number of the line that the last row began in.
    begin: usize,
    delimiter: char,
    /// Whether lines that begin with `#` are comments.
    comments: bool,
}

impl Rows<'_> {
    /// Reads a row into `fields`; false at the end.
    fn next(&mut self, fields: &mut Vec<String>) -> Result<bool, TableProblem> {
        loop {
            if self.text.is_empty() {
                return Ok(false);
            }
            let line = self.text.lines().next().unwrap_or_default();
            if line.trim().is_empty() || self.comments && line.starts_with('#') {
                self.text = self.text[line.len()..].trim_start_matches('\r');
                self.text = self.text.strip_prefix('\n').unwrap_or(self.text);
                self.line += 1;
                continue;
            }
            return self.row(fields).map(|()| true);
        }
    }

    fn row(&mut self, fields: &mut Vec<String>) -> Result<(), TableProblem> {
        fields.clear();
        let begin = self.line;
        self.begin = begin;
        loop {
            let text = self.text.trim_start_matches([' ', '\t']);
            let (field, rest) = match text.strip_prefix('"') {
                Some(quoted) => {
                    let (field, rest) = unquote(quoted).ok_or_else(|| TableProblem::Format {
                        line: begin,
                        what: "a quote is not closed".to_owned(),
                    })?;
                    self.line += field.matches('\n').count();
                    (field, rest)
                }
                None => {
                    let end = text.find([self.delimiter, '\n']).unwrap_or(text.len());
                    (text[..end].trim().to_owned(), &text[end..])
                }
            };
            fields.push(field);
            let rest = rest.trim_start_matches(if self.delimiter == ' ' { "\r" } else { " " });
            let rest = rest.trim_start_matches('\r');
            if let Some(rest) = rest.strip_prefix(self.delimiter) {
                self.text = rest;
                // Spaces before the end of a line separate nothing.
                if self.delimiter != ' ' || !rest.trim_start_matches([' ', '\r']).starts_with('\n')
                {
                    continue;
                }
                self.text = rest.trim_start_matches([' ', '\r']);
            } else {
                self.text = rest;
            }
            return match (self.text.strip_prefix('\n'), self.text.is_empty()) {
                (Some(rest), _) => {
                    self.text = rest;
                    self.line += 1;
                    Ok(())
                }
                (None, true) => Ok(()),
                (None, false) => Err(TableProblem::Format {
                    line: begin,
                    what: format!("text after the quoted value `{}`", fields[fields.len() - 1]),
                }),
            };
        }
    }
}

/// The value up to the closing quote, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let quote = rest.find('"')?;
        value.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                value.push('"');
                rest = after;
            }
            None => return Some((value, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Result<Vec<Vec<String>>, String> {
        let table = DataIdTable::from_text("t.csv", text).map_err(|error| error.to_string())?;
        let columns = table.columns.iter().map(|(name, column)| {
            let values = (0..column.len()).map(|row| column.get(row).to_owned());
            [name.clone()].into_iter().chain(values).collect()
        });
        Ok(columns.collect())
    }

    #[test]
    fn comma_separated_values() {
        let expected = [["visit", "1", "2"], ["physical_filter", "r, \"x\"", "g"]];
        for text in [
            "visit,physical_filter\n1,\"r, \"\"x\"\"\"\n2,g\n",
            "visit, physical_filter\r\n\r\n 1 , \"r, \"\"x\"\"\" \r\n2,g",
            "\u{feff}\"visit\",physical_filter\n\n1,\"r, \"\"x\"\"\"\n\n2,g\n\n",
        ] {
            assert_eq!(cells(text).unwrap(), expected, "{text:?}");
        }
        assert_eq!(cells("a,b\n,x\ny,\n").unwrap(), [["a", "", "y"], ["b", "x", ""]]);
        assert_eq!(cells("a\n\"x\ny\"\nz\n").unwrap(), [["a", "x\ny", "z"]]);
    }

    #[test]
    fn enhanced_character_separated_values() {
        let head = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: visit, datatype: int64}\n";
        let spaces =
            format!("{head}# schema: astropy-2.0\nvisit instrument\n1 \"My Cam\"\n2 Cam \n");
        assert_eq!(cells(&spaces).unwrap(), [["visit", "1", "2"], ["instrument", "My Cam", "Cam"]]);
        let commas = format!("{head}# delimiter: ','\nvisit,instrument\n1,My Cam\n2,\"Cam\"\n");
        assert_eq!(cells(&commas).unwrap(), cells(&spaces).unwrap());
    }

    #[test]
    fn broken_tables_name_the_line() {
        let errors: Vec<String> = [
            "",
            "visit,detector\n1,2\n\n3\n",
            "visit\n1,2\n",
            "visit\n\"1\n2",
            "visit\n\"1\"2\n",
            "# %ECSV 1.0\n# delimiter: ;\nvisit\n1\n",
        ]
        .iter()
        .map(|text| cells(text).unwrap_err())
        .collect();
        insta::assert_snapshot!(errors.join("\n"));
    }
}
