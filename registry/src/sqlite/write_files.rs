//! Recording where the files of datasets are.

use rusqlite::types::{ToSqlOutput, ValueRef};

use super::data_ids::{CHUNK, describe_value, json_list, push_json_value, uuid_text};
use super::rows::select;
use super::write_datasets::Datasets;
use crate::error::{Conflict, ConflictKind, RegistryError};
use crate::reading::{NO_COMPONENT, ResultRow as _, RowSource as _, UNKNOWN_SIZE, quoted};
use crate::writer::StoredFile;
use crate::writing::uuid_name;

/// Columns that say something about a file, after those that identify it.
const FACTS: [&str; 5] = ["path", "formatter", "storage_class", "checksum", "file_size"];

impl Datasets<'_> {
    /// Checks that files belong to datasets of the batch.
    pub(super) fn check_files(&self, files: &[(u32, StoredFile)]) -> Result<(), RegistryError> {
        match files.iter().find(|(dataset, _)| *dataset as usize >= self.id.len()) {
            Some((dataset, file)) => Err(RegistryError::Invalid {
                what: format!("file {}", file.path),
                reason: format!("it belongs to dataset {dataset} of {}", self.id.len()),
            }),
            None => Ok(()),
        }
    }

    /// Inserts rows of `dataset_location` and of the datastore's record table. What is there
    /// already must say the same as far as both know.
    pub(super) fn insert_files(&self, files: &[(u32, StoredFile)]) -> Result<(), RegistryError> {
        if files.is_empty() {
            return Ok(());
        }
        let fail = |error| self.transaction.database.failure("record stored files", error);
        let connection = self.transaction.connection();
        let mut buffer = [0; 32];
        let mut stored = vec![false; self.id.len()];
        // In the order of primary keys.
        let mut order: Vec<usize> = (0..files.len()).collect();
        order.sort_by_key(|&at| self.id[files[at].0 as usize]);
        let mut location = connection
            .prepare_cached(
                "INSERT INTO dataset_location (datastore_name, dataset_id) VALUES (?, ?) \
                 ON CONFLICT DO NOTHING",
            )
            .map_err(fail)?;
        location.raw_bind_parameter(1, &self.transaction.datastore.name).map_err(fail)?;
        for &at in &order {
            let dataset = files[at].0 as usize;
            if !std::mem::replace(&mut stored[dataset], true) {
                let id = uuid_text(&self.id[dataset], &mut buffer);
                location.raw_bind_parameter(2, id).map_err(fail)?;
                location.raw_execute().map_err(fail)?;
            }
        }
        let table = &self.transaction.datastore.records_table;
        let sql = format!(
            "INSERT INTO {} (dataset_id, component, {}) VALUES (?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (dataset_id, component) DO NOTHING",
            quoted(table),
            FACTS.join(", ")
        );
        let mut statement = connection.prepare_cached(&sql).map_err(fail)?;
        let mut known = Vec::new();
        for at in order {
            let (dataset, file) = &files[at];
            let id = uuid_text(&self.id[*dataset as usize], &mut buffer);
            statement.raw_bind_parameter(1, id).map_err(fail)?;
            statement.raw_bind_parameter(2, component(file)).map_err(fail)?;
            for (fact, value) in facts(file).into_iter().enumerate() {
                let value = ToSqlOutput::Borrowed(value);
                statement.raw_bind_parameter(3 + fact, value).map_err(fail)?;
            }
            let changed =
                statement.raw_execute().map_err(|error| self.file_failure(error, file))?;
            if changed == 0 {
                known.push(at);
            }
        }
        known.sort_unstable();
        for rows in known.chunks(CHUNK) {
            self.verify_files(files, rows)?;
        }
        Ok(())
    }

    fn file_failure(&self, error: rusqlite::Error, file: &StoredFile) -> RegistryError {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => RegistryError::Invalid {
                what: format!("record of file {}", file.path),
                reason: error.to_string(),
            },
            _ => self.transaction.database.failure("record stored files", error),
        }
    }

    fn verify_files(
        &self,
        files: &[(u32, StoredFile)],
        rows: &[usize],
    ) -> Result<(), RegistryError> {
        let mut buffer = [0; 32];
        let json = json_list(rows, |json, row| {
            let (dataset, file) = &files[row];
            json.push_str("[\"");
            json.push_str(uuid_text(&self.id[*dataset as usize], &mut buffer));
            json.push_str("\",");
            push_json_value(json, ValueRef::Text(component(file).as_bytes()));
            json.push(']');
        });
        let table = &self.transaction.datastore.records_table;
        let columns: Vec<_> =
            [("j", "key")].into_iter().chain(FACTS.map(|name| ("r", name))).collect();
        let mut query = select(table, &columns);
        query.push(" FROM json_each(").bind(json);
        query.push(&format!(
            ") j CROSS JOIN {} r ON r.dataset_id = j.value ->> 0 AND r.component = j.value ->> 1",
            quoted(table)
        ));
        self.transaction.each(&query, |result| {
            let (dataset, file) = usize::try_from(result.int(0)?)
                .ok()
                .and_then(|key| files.get(*rows.get(key)?))
                .ok_or_else(|| result.corrupt(0, "row out of range"))?;
            for (at, wanted) in facts(file).into_iter().enumerate() {
                let existing = result.value(1 + at)?;
                if existing == wanted || is_unknown(existing) || is_unknown(wanted) {
                    continue;
                }
                let conflict = Conflict {
                    kind: ConflictKind::DatastoreRecord,
                    key: format!("of dataset {}", uuid_name(&self.id[*dataset as usize])),
                    existing: format!("{} {}", FACTS[at], describe_value(existing)),
                    requested: format!("{} {}", FACTS[at], describe_value(wanted)),
                };
                return Err(conflict.into());
            }
            Ok(())
        })
    }
}

fn component(file: &StoredFile) -> &str {
    file.component.as_deref().unwrap_or(NO_COMPONENT)
}

/// Values of [`FACTS`].
fn facts(file: &StoredFile) -> [ValueRef<'_>; 5] {
    let text = |text| ValueRef::Text(str::as_bytes(text));
    [
        text(&file.path),
        text(&file.formatter),
        text(&file.storage_class),
        file.checksum.as_deref().map_or(ValueRef::Null, text),
        ValueRef::Integer(file.file_size),
    ]
}

/// Whether a checksum or a size was never determined.
fn is_unknown(value: ValueRef<'_>) -> bool {
    matches!(value, ValueRef::Null | ValueRef::Integer(UNKNOWN_SIZE))
}
