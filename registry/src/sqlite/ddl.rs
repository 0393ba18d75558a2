//! Tables in SQLite's own words.

use crate::reading::quoted;
use crate::schema::{Column, ColumnType, Table};

/// Encoding of the unbounded timespan; see [`qbb_dimensions::Timespan`].
const UNBOUNDED: [i64; 2] = [qbb_dimensions::TaiNanos::MIN.0, qbb_dimensions::TaiNanos::MAX.0];

/// Statements that create a table and its indexes.
pub(super) fn create_statements(table: &Table) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for column in &table.columns {
        parts.extend(column_definitions(column));
    }
    parts.push(format!("PRIMARY KEY ({})", list(table, &table.primary_key)));
    for column in &table.columns {
        parts.extend(length_check(table, column));
    }
    for columns in &table.unique {
        let name = quoted(&format!("{}_unq_{}", table.name, columns.join("_")));
        parts.push(format!("CONSTRAINT {name} UNIQUE ({})", list(table, columns)));
    }
    for key in &table.foreign_keys {
        let name = format!(
            "fkey_{}_{}_{}_{}",
            table.name,
            key.table,
            key.targets.join("_"),
            key.columns.join("_")
        );
        parts.push(format!(
            "CONSTRAINT {} FOREIGN KEY({}) REFERENCES {} ({}){}",
            quoted(&name),
            list(table, &key.columns),
            quoted(&key.table),
            key.targets.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", "),
            if key.cascade { " ON DELETE CASCADE" } else { "" },
        ));
    }
    let mut statements =
        vec![format!("CREATE TABLE {} (\n\t{}\n)", quoted(&table.name), parts.join(",\n\t"))];
    let index = |infix: &str, columns: &[String]| {
        let physical = columns.iter().flat_map(|name| physical_names(table, name));
        let name = format!("{}_{infix}_{}", table.name, physical.collect::<Vec<_>>().join("_"));
        format!(
            "CREATE INDEX {} ON {} ({})",
            quoted(&name),
            quoted(&table.name),
            list(table, columns)
        )
    };
    statements.extend(table.indexes.iter().map(|columns| index("idx", columns)));
    statements.extend(table.foreign_key_indexes().map(|columns| index("fkidx", columns)));
    statements
}

fn column_definitions(column: &Column) -> Vec<String> {
    let name = &column.name;
    let null = if column.nullable { "" } else { " NOT NULL" };
    let kind = match column.kind {
        // Only exactly this type makes a primary key count up by itself.
        ColumnType::Serial => "INTEGER",
        ColumnType::SmallInt => "SMALLINT",
        ColumnType::BigInt => "BIGINT",
        ColumnType::Text => "TEXT",
        ColumnType::ShortText(length) => {
            return vec![format!("{} VARCHAR({length}){null}", quoted(name))];
        }
        ColumnType::Uuid => "CHAR(32)",
        ColumnType::Float => "FLOAT",
        ColumnType::Bool => "BOOLEAN",
        ColumnType::Timespan => {
            return ["begin", "end"]
                .iter()
                .zip(UNBOUNDED)
                .map(|(end, value)| {
                    let name = quoted(&format!("{name}_{end}"));
                    let default = column.unbounded_by_default.then(|| format!(" DEFAULT {value}"));
                    format!("{name} BIGINT{}{null}", default.unwrap_or_default())
                })
                .collect();
        }
    };
    vec![format!("{} {kind}{null}", quoted(name))]
}

/// SQLite ignores declared lengths, so they are checked.
fn length_check(table: &Table, column: &Column) -> Option<String> {
    let ColumnType::ShortText(length) = column.kind else { return None };
    let constraint = quoted(&format!("{}_len_{}", table.name, column.name));
    let name = quoted(&column.name);
    Some(format!("CONSTRAINT {constraint} CHECK (length({name})<={length} AND length({name})>=1)"))
}

fn physical_names(table: &Table, name: &str) -> Vec<String> {
    let column = table.columns.iter().find(|column| column.name == name);
    match column.map(|column| column.kind) {
        Some(ColumnType::Timespan) => vec![format!("{name}_begin"), format!("{name}_end")],
        _ => vec![name.to_owned()],
    }
}

fn list(table: &Table, columns: &[String]) -> String {
    let physical = columns.iter().flat_map(|name| physical_names(table, name));
    physical.map(|name| quoted(&name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_timespans_are_two_columns() {
        let mut table = Table::new("group")
            .key("id", ColumnType::Serial)
            .column("name", ColumnType::ShortText(8))
            .nullable("timespan", ColumnType::Timespan)
            .refers(&["name"], "other", &["key"], true);
        table.indexes.push(vec!["name".to_owned(), "timespan".to_owned()]);
        let statements = create_statements(&table);
        assert_eq!(
            statements,
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
}
