//! What databases say differently.

use std::fmt::Write as _;

use qbb_dimensions::KeyType;

use crate::schema::shortened;

/// The words of a database for what every statement needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect<'a> {
    /// Values are bound, lists travel as JSON, and a timespan is two columns.
    Sqlite,
    /// Tables lie in a schema, values are part of the statement's text, and a timespan is a range.
    /// Statements are copied out, and `COPY` takes no parameters.
    #[cfg_attr(not(any(test, feature = "postgres")), expect(dead_code))]
    Postgres {
        /// The schema.
        schema: &'a str,
    },
}

impl Dialect<'_> {
    /// A table, with the schema that it is in.
    pub(crate) fn table(self, name: &str) -> String {
        match self {
            Self::Sqlite => quoted(name),
            Self::Postgres { schema } => format!("{}.{}", quoted(schema), quoted(name)),
        }
    }

    /// Columns that hold a timespan.
    pub(crate) fn timespan_columns(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &["timespan_begin", "timespan_end"],
            Self::Postgres { .. } => &["timespan"],
        }
    }

    /// Columns of a table that hold what the schema has in one.
    pub(crate) fn physical_columns(self, name: &str) -> Vec<&str> {
        if name == "timespan" { self.timespan_columns().to_vec() } else { vec![name] }
    }

    /// The condition that the timespans of two tables have an instant in common.
    pub(crate) fn overlap(self, a: &str, b: &str) -> String {
        match self {
            Self::Sqlite => format!(
                "{a}.timespan_begin < {b}.timespan_end AND {a}.timespan_end > {b}.timespan_begin"
            ),
            Self::Postgres { .. } => format!("{a}.timespan && {b}.timespan"),
        }
    }

    /// The value of a key that the database counts up, in a new row.
    pub(crate) fn next_key(self, table: &str, column: &str) -> String {
        match self {
            // Null where a key is expected takes the next one.
            Self::Sqlite => "NULL".to_owned(),
            Self::Postgres { .. } => {
                let sequence = self.table(&sequence_name(table, column));
                format!("nextval({}::regclass)", text_literal(&sequence))
            }
        }
    }

    /// A temporary table.
    pub(crate) fn temporary(self, name: &str) -> String {
        match self {
            Self::Sqlite => format!("temp.{}", quoted(name)),
            Self::Postgres { .. } => format!("pg_temp.{}", quoted(name)),
        }
    }

    /// Whether rows come in the order of an index for nothing, so that sorting is asked for.
    pub(super) fn sorts_by_index(self) -> bool {
        self == Self::Sqlite
    }

    /// What sorts by a column as Rust sorts: text by its bytes, whatever the database's locale.
    pub(crate) fn sort_key(self, column: &str, key: KeyType) -> String {
        match (self, key) {
            (Self::Postgres { .. }, KeyType::Text) => format!("{column} COLLATE \"C\""),
            _ => column.to_owned(),
        }
    }

    /// An inner join whose left side is to be gone through first, where the planner can be told.
    pub(crate) fn ordered_join(self) -> &'static str {
        match self {
            Self::Sqlite => "CROSS JOIN",
            Self::Postgres { .. } => "JOIN",
        }
    }
}

/// Quotes an identifier; some dimensions are named like keywords.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The sequence of PostgreSQL that counts a key up.
pub(crate) fn sequence_name(table: &str, column: &str) -> String {
    shortened(format!("{table}_seq_{column}"))
}

/// Text as a literal. Backslashes mean themselves in PostgreSQL, as connections make sure.
pub(crate) fn text_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Texts as a literal of a PostgreSQL array.
pub(super) fn array_literal<'v>(values: impl IntoIterator<Item = &'v str>) -> String {
    let mut list = String::from("{");
    for (i, value) in values.into_iter().enumerate() {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        // Writing to a string cannot fail.
        let _ = write!(list, "{}\"{value}\"", if i == 0 { "" } else { "," });
    }
    list.push('}');
    text_literal(&list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_mean_themselves() {
        let postgres = Dialect::Postgres { schema: "re\"po" };
        assert_eq!(postgres.table("Tab.le"), r#""re""po"."Tab.le""#);
        assert_eq!(Dialect::Sqlite.table("group"), r#""group""#);
        assert_eq!(text_literal(r"it's \ 'x'"), r"'it''s \ ''x'''");
        assert_eq!(array_literal(["a'b", "c\"d", "e\\f,", ""]), r#"'{"a''b","c\"d","e\\f,",""}'"#);
        assert_eq!(array_literal([]), "'{}'");
    }
}
