//! Lengths of texts of many rows at once.
//!
//! SQLite ignores declared lengths, so the schema checks them with a function. Such a check makes it
//! note down each page that a statement of several rows changes, which for indexes in another order
//! than the rows costs more than the rows. So lengths are looked at here, and SQLite does not look
//! meanwhile. Which checks there are is asked of the database itself; if one of them is of a kind
//! that is not known here, SQLite looks as ever.

use rusqlite::{Connection, OptionalExtension as _};

use crate::writing::{BulkColumn, Value};

/// A check that a text has from one to so many characters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LengthCheck {
    /// Position of the column among those that are inserted.
    column: usize,
    longest: usize,
}

/// Checks of a table into which rows of columns are to go. `None` if SQLite must look.
pub(super) fn length_checks(
    connection: &Connection,
    table: &str,
    columns: &[BulkColumn<'_>],
) -> rusqlite::Result<Option<Vec<LengthCheck>>> {
    let mut statement = connection
        .prepare_cached("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?")?;
    let definition: Option<String> = statement.query_row([table], |row| row.get(0)).optional()?;
    let find = |name: &str| columns.iter().position(|column| column.name == name);
    Ok(definition.and_then(|definition| checks_of(&definition, find)))
}

/// Checks in the definition of a table, whose columns `find` knows.
fn checks_of(definition: &str, find: impl Fn(&str) -> Option<usize>) -> Option<Vec<LengthCheck>> {
    const WORD: &str = "CHECK";
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let capitals = definition.to_ascii_uppercase();
    let mut checks = Vec::new();
    for (at, _) in capitals.match_indices(WORD) {
        let after = &definition[at + WORD.len()..];
        if definition[..at].ends_with(is_name) || after.starts_with(is_name) {
            continue;
        }
        checks.push(length_check(after.trim_start(), &find)?);
    }
    Some(checks)
}

/// Reads `(length("NAME")<=LONGEST AND length("NAME")>=1)`, as the middleware writes it.
fn length_check(text: &str, find: impl Fn(&str) -> Option<usize>) -> Option<LengthCheck> {
    let (name, rest) = text.strip_prefix("(length(\"")?.split_once("\")<=")?;
    let (longest, rest) = rest.split_once(" AND ")?;
    let end = rest.strip_prefix("length(\"")?.strip_prefix(name)?;
    end.strip_prefix("\")>=1)")?;
    Some(LengthCheck { column: find(name)?, longest: longest.parse().ok()? })
}

impl LengthCheck {
    /// Whether all rows pass. `None` if a value is not of a kind that has a length here.
    pub(super) fn holds(
        &self,
        columns: &[BulkColumn<'_>],
        rows: impl Iterator<Item = usize>,
    ) -> Option<bool> {
        let value = &columns[self.column].value;
        let mut last: &str = "x";
        for row in rows {
            let text = match value(row) {
                Value::Text(text) => text,
                // Of what is not known, no check fails.
                Value::Null => continue,
                _ => return None,
            };
            if std::ptr::eq(text, last) {
                continue;
            }
            // To SQLite a text ends there.
            if text.contains('\0') {
                return None;
            }
            // Few have more bytes than they may have characters.
            if text.is_empty() || (text.len() > self.longest && text.chars().count() > self.longest)
            {
                return Some(false);
            }
            last = text;
        }
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Dialect;
    use crate::schema::{ColumnType, Table, create_statements};

    fn find(name: &str) -> Option<usize> {
        ["checksum", "component", "band"].iter().position(|known| *known == name)
    }

    #[test]
    fn checks_of_the_schema_are_known_and_others_are_not() {
        let table = Table::new("t")
            .key("checksum", ColumnType::Text)
            .column("component", ColumnType::ShortText(32))
            .column("band", ColumnType::ShortText(8));
        let definition = create_statements(Dialect::Sqlite, &table).remove(0);
        let check = |column, longest| LengthCheck { column, longest };
        assert_eq!(checks_of(&definition, find), Some(vec![check(1, 32), check(2, 8)]));
        assert_eq!(checks_of(&definition, |_| None), None, "of a column that is not given");
        assert_eq!(checks_of("CREATE TABLE t (checksum TEXT, my_check TEXT)", find), Some(vec![]));
        for other in [
            "band <> ''",
            "length(\"band\")<=8",
            "length(\"band\")<=8 AND length(\"component\")>=1",
            "length(\"band\")<=8 AND length(\"band\")>=2",
            "length(\"band\")<=x AND length(\"band\")>=1",
            "length(\"band\")<=8 AND length(\"band\")>=1 AND band <> 'b'",
        ] {
            let definition = format!("CREATE TABLE t (band TEXT, check ({other}))");
            assert_eq!(checks_of(&definition, find), None, "{other}");
        }
    }

    #[test]
    fn characters_are_counted_as_sqlite_counts_them() {
        let connection = Connection::open_in_memory().unwrap();
        let sql = "CREATE TABLE t (band TEXT, CHECK (length(\"band\")<=3 AND length(\"band\")>=1))";
        connection.execute_batch(sql).unwrap();
        for text in ["", "a", "abc", "abcd", "äöü", "äöüß", "😀😀😀", "a\0bcdef"] {
            let column = BulkColumn::new("band", ColumnType::Text, move |_| Value::Text(text));
            let columns = [column];
            let checks = length_checks(&connection, "t", &columns).unwrap().unwrap();
            let passes = connection.execute("INSERT INTO t VALUES (?)", [text]).is_ok();
            let found = checks[0].holds(&columns, 0..2);
            assert!(found.is_none_or(|found| found == passes), "{text:?}");
            assert_eq!(found.is_none(), text.contains('\0'), "{text:?}");
        }
        let null = [BulkColumn::new("band", ColumnType::Text, |_| Value::Null)];
        let checks = length_checks(&connection, "t", &null).unwrap().unwrap();
        assert_eq!(checks[0].holds(&null, 0..2), Some(true));
        let number = [BulkColumn::new("band", ColumnType::Text, |_| Value::Int(1))];
        assert_eq!(checks[0].holds(&number, 0..2), None);
        assert!(length_checks(&connection, "nowhere", &null).unwrap().is_none());
    }
}
