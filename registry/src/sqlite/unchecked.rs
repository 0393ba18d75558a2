//! Constraints of many rows, looked at before the rows are inserted, so that SQLite need not look
//! at each.

use rusqlite::Connection;
use rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY;

use super::foreign_keys::foreign_keys;
use super::length_checks::length_checks;
use crate::writing::{BulkColumn, Violation, ViolationKind};

/// Fewest rows for which it pays: statements are prepared anew when enforcement changes. Tests have
/// it for nearly all rows.
const WORTH: usize = if cfg!(test) { 2 } else { 1_000 };

/// What is known of rows before they are inserted.
pub(super) enum Foreseen<'c> {
    /// They violate no foreign key and no check, and SQLite looks at neither as long as this lives.
    Valid(Unchecked<'c>),
    /// One of them violates a constraint.
    Violated(Violation),
    /// SQLite must look.
    Unknown,
}

/// Looks at foreign keys and checks of rows of columns that are to go into a table.
pub(super) fn foreseen<'c>(
    connection: &'c Connection,
    table: &str,
    columns: &[BulkColumn<'_>],
    rows: impl ExactSizeIterator<Item = usize> + Clone,
) -> rusqlite::Result<Foreseen<'c>> {
    if rows.len() < WORTH {
        return Ok(Foreseen::Unknown);
    }
    let violated = |kind, name| {
        let message = format!("{name} constraint failed");
        Ok(Foreseen::Violated(Violation { kind, message }))
    };
    let Some(checks) = length_checks(connection, table, columns)? else {
        return Ok(Foreseen::Unknown);
    };
    for check in checks {
        match check.holds(columns, rows.clone()) {
            Some(true) => {}
            Some(false) => return violated(ViolationKind::Value, "CHECK"),
            None => return Ok(Foreseen::Unknown),
        }
    }
    let Some(keys) = foreign_keys(connection, table, columns)? else {
        return Ok(Foreseen::Unknown);
    };
    for key in keys {
        match key.holds(connection, columns, rows.clone())? {
            Some(true) => {}
            Some(false) => return violated(ViolationKind::ForeignKey, "FOREIGN KEY"),
            None => return Ok(Foreseen::Unknown),
        }
    }
    Ok(Foreseen::Valid(Unchecked::new(connection)?))
}

/// What makes SQLite look at no foreign keys and no checks as long as it lives.
pub(super) struct Unchecked<'c>(&'c Connection);

impl<'c> Unchecked<'c> {
    /// To be used only for rows that violate none. Unlike the pragma for foreign keys it works
    /// within a transaction, too.
    fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        let unchecked = Self(connection);
        unchecked.enforce(false)?;
        Ok(unchecked)
    }

    fn enforce(&self, enforced: bool) -> rusqlite::Result<()> {
        self.0.set_db_config(SQLITE_DBCONFIG_ENABLE_FKEY, enforced)?;
        self.0.pragma_update(None, "ignore_check_constraints", !enforced)
    }
}

impl Drop for Unchecked<'_> {
    fn drop(&mut self) {
        // It can only fail for options that SQLite does not know.
        let _ = self.enforce(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_looks_again_afterwards() {
        let connection = Connection::open_in_memory().unwrap();
        let sql = "PRAGMA foreign_keys = ON; CREATE TABLE a (id INTEGER PRIMARY KEY); \
                   CREATE TABLE b (a INTEGER REFERENCES a, c TEXT CHECK (length(c) > 1));";
        connection.execute_batch(sql).unwrap();
        let transaction = connection.unchecked_transaction().unwrap();
        let insert = |sql| transaction.prepare_cached(sql).unwrap().execute([]);
        for sql in ["INSERT INTO b (a) VALUES (1)", "INSERT INTO b (c) VALUES ('x')"] {
            insert(sql).unwrap_err();
            let unchecked = Unchecked::new(&transaction).unwrap();
            insert(sql).unwrap();
            drop(unchecked);
            insert(sql).unwrap_err();
        }
    }
}
