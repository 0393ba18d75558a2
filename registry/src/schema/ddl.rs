//! Statements that create tables, in the words of each database.

use super::identifier::shortened;
use super::table::{Column, ColumnType, Table};
use crate::reading::{Dialect, quoted, sequence_name};

/// Encoding of the unbounded timespan; see [`qbb_dimensions::Timespan`].
const UNBOUNDED: [i64; 2] = [qbb_dimensions::TaiNanos::MIN.0, qbb_dimensions::TaiNanos::MAX.0];

/// Statements that create a table with its sequences and indexes.
pub(crate) fn create_statements(dialect: Dialect<'_>, table: &Table) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for column in &table.columns {
        parts.extend(column_definitions(dialect, column));
    }
    let list = |columns: &[String]| list(dialect, columns);
    parts.push(format!("PRIMARY KEY ({})", list(&table.primary_key)));
    if dialect == Dialect::Sqlite {
        parts.extend(table.columns.iter().filter_map(|column| length_check(table, column)));
    }
    for columns in &table.unique {
        let name = name(dialect, format!("{}_unq_{}", table.name, columns.join("_")));
        parts.push(format!("CONSTRAINT {name} UNIQUE ({})", list(columns)));
    }
    for key in &table.foreign_keys {
        let (targets, columns) = (key.targets.join("_"), key.columns.join("_"));
        let name = format!("fkey_{}_{}_{targets}_{columns}", table.name, key.table);
        parts.push(format!(
            "CONSTRAINT {} FOREIGN KEY({}) REFERENCES {} ({}){}",
            self::name(dialect, name),
            list(&key.columns),
            dialect.table(&key.table),
            list(&key.targets),
            if key.cascade { " ON DELETE CASCADE" } else { "" },
        ));
    }
    let mut statements = Vec::new();
    if dialect != Dialect::Sqlite {
        // Whoever inserts a row takes the next number; the column has no default.
        let serial = table.columns.iter().filter(|column| column.kind == ColumnType::Serial);
        statements.extend(serial.map(|column| {
            let sequence = sequence_name(&table.name, &column.name);
            format!("CREATE SEQUENCE {}", dialect.table(&sequence))
        }));
    }
    let own = dialect.table(&table.name);
    statements.push(format!("CREATE TABLE {own} (\n\t{}\n)", parts.join(",\n\t")));
    let index = |infix: &str, columns: &[String]| {
        let physical: Vec<&str> =
            columns.iter().flat_map(|name| dialect.physical_columns(name)).collect();
        let name = name(dialect, format!("{}_{infix}_{}", table.name, physical.join("_")));
        format!("CREATE INDEX {name} ON {own} ({})", list(columns))
    };
    statements.extend(table.indexes.iter().map(|columns| index("idx", columns)));
    statements.extend(table.foreign_key_indexes().map(|columns| index("fkidx", columns)));
    statements
}

/// The name of a constraint or an index.
fn name(dialect: Dialect<'_>, name: String) -> String {
    match dialect {
        Dialect::Sqlite => quoted(&name),
        Dialect::Postgres { .. } => quoted(&shortened(name)),
    }
}

fn column_definitions(dialect: Dialect<'_>, column: &Column) -> Vec<String> {
    let name = quoted(&column.name);
    let null = if column.nullable { "" } else { " NOT NULL" };
    let kind = match (column.kind, dialect) {
        // Only exactly this type makes a primary key count up by itself.
        (ColumnType::Serial, Dialect::Sqlite) => "INTEGER",
        (ColumnType::Serial | ColumnType::BigInt, _) => "BIGINT",
        (ColumnType::SmallInt, _) => "SMALLINT",
        (ColumnType::Text, _) => "TEXT",
        (ColumnType::ShortText(length), _) => {
            return vec![format!("{name} VARCHAR({length}){null}")];
        }
        (ColumnType::Uuid, Dialect::Sqlite) => "CHAR(32)",
        (ColumnType::Uuid, _) => "UUID",
        (ColumnType::Float, _) => "FLOAT",
        (ColumnType::Bool, _) => "BOOLEAN",
        (ColumnType::Timespan, Dialect::Sqlite) => {
            let names = dialect.physical_columns(&column.name);
            let definition = |(name, value): (&str, i64)| {
                let default = column.unbounded_by_default.then(|| format!(" DEFAULT {value}"));
                format!("{} BIGINT{}{null}", quoted(name), default.unwrap_or_default())
            };
            return names.into_iter().zip(UNBOUNDED).map(definition).collect();
        }
        (ColumnType::Timespan, _) => {
            let default =
                if column.unbounded_by_default { " DEFAULT '(,)'::int8range" } else { "" };
            return vec![format!("{name} INT8RANGE{default}{null}")];
        }
    };
    vec![format!("{name} {kind}{null}")]
}

/// SQLite ignores declared lengths, so they are checked.
fn length_check(table: &Table, column: &Column) -> Option<String> {
    let ColumnType::ShortText(length) = column.kind else { return None };
    let constraint = quoted(&format!("{}_len_{}", table.name, column.name));
    let name = quoted(&column.name);
    Some(format!("CONSTRAINT {constraint} CHECK (length({name})<={length} AND length({name})>=1)"))
}

fn list(dialect: Dialect<'_>, columns: &[String]) -> String {
    let physical = columns.iter().flat_map(|name| dialect.physical_columns(name));
    physical.map(quoted).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("group")
            .key("id", ColumnType::Serial)
            .column("name", ColumnType::ShortText(8))
            .nullable("timespan", ColumnType::Timespan)
            .refers(&["name"], "other", &["key"], true);
        table.indexes.push(vec!["name".to_owned(), "timespan".to_owned()]);
        table
    }

    #[test]
    fn in_sqlite_names_are_quoted_and_timespans_are_two_columns() {
        assert_eq!(
            create_statements(Dialect::Sqlite, &table()),
            [
                "CREATE TABLE \"group\" (\n\t\"id\" INTEGER NOT NULL,\n\t\
                 \"name\" VARCHAR(8) NOT NULL,\n\t\"timespan_begin\" BIGINT,\n\t\
                 \"timespan_end\" BIGINT,\n\tPRIMARY KEY (\"id\"),\n\t\
                 CONSTRAINT \"group_len_name\" CHECK (length(\"name\")<=8 AND \
                 length(\"name\")>=1),\n\t\
                 CONSTRAINT \"fkey_group_other_key_name\" FOREIGN KEY(\"name\") REFERENCES \
                 \"other\" (\"key\") ON DELETE CASCADE\n)",
                "CREATE INDEX \"group_idx_name_timespan_begin_timespan_end\" ON \"group\" \
                 (\"name\", \"timespan_begin\", \"timespan_end\")",
                "CREATE INDEX \"group_fkidx_name\" ON \"group\" (\"name\")",
            ]
        );
    }

    #[test]
    fn in_postgresql_sequences_come_first_and_timespans_are_ranges() {
        assert_eq!(
            create_statements(Dialect::Postgres { schema: "me" }, &table()),
            [
                "CREATE SEQUENCE \"me\".\"group_seq_id\"",
                "CREATE TABLE \"me\".\"group\" (\n\t\"id\" BIGINT NOT NULL,\n\t\
                 \"name\" VARCHAR(8) NOT NULL,\n\t\"timespan\" INT8RANGE,\n\t\
                 PRIMARY KEY (\"id\"),\n\tCONSTRAINT \"fkey_group_other_key_name\" \
                 FOREIGN KEY(\"name\") REFERENCES \"me\".\"other\" (\"key\") \
                 ON DELETE CASCADE\n)",
                "CREATE INDEX \"group_idx_name_timespan\" ON \"me\".\"group\" \
                 (\"name\", \"timespan\")",
                "CREATE INDEX \"group_fkidx_name\" ON \"me\".\"group\" (\"name\")",
            ]
        );
    }
}
