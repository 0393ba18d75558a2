//! Releases larger than the middleware can make in reasonable time.

use std::path::Path;

use rusqlite::Connection;

use super::Result;

/// What is added to identifiers of exposures and visits for each copy.
const SHIFT: i64 = 1_000_000_000_000_000;

/// Columns that hold identifiers of exposures and visits.
const SHIFTED: [&str; 2] = ["exposure", "visit"];

/// Multiplies a release in place: every exposure and visit with everything that belongs to it
/// (records, regions, pixels, datasets, their locations) is there `factor` times afterwards, at the
/// same time and place. Files are not copied; graphs are built without looking at them.
pub fn multiply(release: &Path, factor: u32) -> Result<()> {
    let mut connection = Connection::open(release.join("gen3.sqlite3"))?;
    // Foreign keys hold by construction, and checking them would take most of the time.
    connection.execute_batch(
        "PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000;",
    )?;
    let transaction = connection.transaction()?;
    let tables = tables(&transaction)?;
    let tagged: Vec<String> = (tables.iter())
        .filter(|table| table.name.starts_with("dataset_tags_") && table.shifted().is_some())
        .map(|table| format!("SELECT dataset_id FROM {}", table.name))
        .collect();
    transaction.execute_batch(&format!(
        "CREATE TEMP TABLE original_exposure AS SELECT id FROM exposure; \
         CREATE TEMP TABLE original_visit AS SELECT id FROM visit; \
         CREATE TEMP TABLE original_group AS SELECT name FROM \"group\"; \
         CREATE TEMP TABLE original_dataset AS {}; \
         CREATE TEMP TABLE copied (old TEXT PRIMARY KEY, new TEXT);",
        tagged.join(" UNION "),
    ))?;
    for copy in 1..factor {
        transaction.execute_batch(
            "DELETE FROM copied; \
             INSERT INTO copied SELECT dataset_id, lower(hex(randomblob(16))) FROM original_dataset",
        )?;
        for statement in tables.iter().filter_map(|table| table.copy(copy)) {
            transaction.execute_batch(&statement)?;
        }
    }
    transaction.commit()?;
    connection.execute_batch("ANALYZE")?;
    Ok(())
}

struct Table {
    name: String,
    columns: Vec<String>,
}

fn tables(connection: &Connection) -> Result<Vec<Table>> {
    let names = texts(connection, "SELECT name FROM sqlite_master WHERE type = 'table'", [])?;
    let columns = "SELECT name FROM pragma_table_info(?1)";
    let table =
        |name: String| texts(connection, columns, [&name]).map(|columns| Table { columns, name });
    names.into_iter().map(table).collect()
}

fn texts(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<String>> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map(parameters, |row| row.get(0))?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

impl Table {
    /// The column of identifiers of exposures or visits that it has.
    fn shifted(&self) -> Option<&str> {
        SHIFTED.into_iter().find(|column| self.columns.iter().any(|other| other == column))
    }

    /// The statement that adds one copy of what is to be copied.
    fn copy(&self, copy: u32) -> Option<String> {
        let source = match (self.name.as_str(), self.shifted()) {
            ("exposure" | "visit", _) => format!("WHERE id IN original_{}", self.name),
            ("group", _) => "WHERE name IN original_group".to_owned(),
            ("dataset", _) => "JOIN copied ON copied.old = id".to_owned(),
            ("dataset_location" | "file_datastore_records", _) => {
                "JOIN copied ON copied.old = dataset_id".to_owned()
            }
            (name, Some(_)) if name.starts_with("dataset_tags_") => {
                "JOIN copied ON copied.old = dataset_id".to_owned()
            }
            (_, Some(column)) => format!("WHERE {column} IN original_{column}"),
            (_, None) => return None,
        };
        let shift = i64::from(copy) * SHIFT;
        let values: Vec<String> = (self.columns.iter())
            .map(|column| match (self.name.as_str(), column.as_str()) {
                ("exposure" | "visit", "id") => format!("id + {shift}"),
                ("exposure", "obs_id" | "group") | ("visit" | "group", "name") => {
                    format!("\"{column}\" || '+{copy}'")
                }
                ("dataset", "id") | (_, "dataset_id") => "copied.new".to_owned(),
                (_, column) if SHIFTED.contains(&column) => format!("{column} + {shift}"),
                (_, column) => format!("\"{column}\""),
            })
            .collect();
        let (name, values) = (&self.name, values.join(", "));
        Some(format!("INSERT INTO \"{name}\" SELECT {values} FROM \"{name}\" {source}"))
    }
}
