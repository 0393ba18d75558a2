//! Whether an account may write a registry, told before anything is begun.

use super::connection::Server;
use super::rows::copy_rows;
use crate::error::RegistryError;
use crate::reading::{Dialect, Query, ResultRow as _};

/// What must be allowed for a registry to be written at all. More is asked for by what needs it:
/// UPDATE by chains, DELETE by whatever removes.
const NEEDED: [&str; 2] = ["SELECT", "INSERT"];
/// The table whose privileges stand for those of all.
const TABLE: &str = "dataset";

/// Checks that the account may write.
pub(super) fn check_privileges(server: &Server, schema: &str) -> Result<(), RegistryError> {
    server.begin_write()?;
    let found = missing(server, schema);
    server.end();
    match found? {
        Some(reason) => Err(RegistryError::ReadOnly { database: server.place.clone(), reason }),
        None => Ok(()),
    }
}

fn missing(server: &Server, schema: &str) -> Result<Option<String>, RegistryError> {
    let dialect = Dialect::Postgres { schema };
    let mut query = Query::statement(dialect, TABLE);
    query.columns = ["user", "read_only", "temporary", "privilege"].map(str::to_owned).to_vec();
    query.push(
        "SELECT current_user::text, pg_is_in_recovery(), \
         has_database_privilege(current_database(), 'TEMPORARY'), needed.privilege \
         FROM unnest('{",
    );
    query.push(&NEEDED.join(",")).push("}'::text[]) needed(privilege) WHERE pg_is_in_recovery() ");
    query.push("OR NOT has_database_privilege(current_database(), 'TEMPORARY') ");
    query.push("OR NOT has_table_privilege(").bind(dialect.table(TABLE));
    query.push(", needed.privilege)");
    let mut reason = None;
    copy_rows(server, schema, &query, |row| {
        let user = row.text(0)?;
        reason = Some(if row.optional_bool(1)? == Some(true) {
            "the server is a copy that only follows another one; name the primary server in \
             `registry.db`"
                .to_owned()
        } else if row.optional_bool(2)? == Some(false) {
            format!(
                "account `{user}` may not make temporary tables; ask for \
                 `GRANT TEMPORARY ON DATABASE`"
            )
        } else {
            format!(
                "account `{user}` has no {} on table `{TABLE}` of schema `{schema}`; to write, ask \
                 for USAGE of the schema, SELECT, INSERT, UPDATE and DELETE on all its tables and \
                 USAGE of all its sequences",
                row.text(3)?
            )
        });
        Ok(())
    })?;
    Ok(reason)
}
