//! Recording where the files of datasets are.

use super::source::{BulkColumn, ROW, WriteSource, staged_row, statement};
use super::transaction::TableTransaction;
use super::value::{Value, uuid_name};
use crate::error::{Conflict, ConflictKind, RegistryError};
use crate::reading::{NO_COMPONENT, Query, ResultRow as _, UNKNOWN_SIZE};
use crate::schema::ColumnType;
use crate::writer::{DatasetBatch, StoredFile};

/// Columns with text that says something about a file.
const TEXTS: [&str; 4] = ["path", "formatter", "storage_class", "checksum"];
const SIZE: &str = "file_size";

impl<S: WriteSource> TableTransaction<'_, S> {
    /// Deletes the rows of datasets from the datastore's record table. Their rows of
    /// `dataset_location` stay, as other files are to be recorded.
    pub(super) fn delete_files(&self, id: &[[u8; 16]]) -> Result<u64, RegistryError> {
        let column =
            BulkColumn::new("dataset_id", ColumnType::Uuid, |row: usize| Value::Uuid(id[row]));
        let staged = self.source.stage(&[column], 0..id.len())?;
        let table = &self.datastore.records_table;
        let mut deletion = statement(&self.source, table);
        deletion.push("DELETE FROM ").push_table(table);
        deletion.push(&format!(" WHERE dataset_id IN (SELECT dataset_id FROM {})", staged.table()));
        self.source.run("forget stored files", &deletion)
    }

    /// Makes the size in all rows of a path unknown.
    pub(super) fn unset_file_size(&self, path: &str) -> Result<u64, RegistryError> {
        let table = &self.datastore.records_table;
        let mut update = statement(&self.source, table);
        update.push("UPDATE ").push_table(table);
        update.push(&format!(" SET {SIZE} = {UNKNOWN_SIZE} WHERE path = ")).bind(path.to_owned());
        update.push(&format!(" AND {SIZE} <> {UNKNOWN_SIZE}"));
        self.source.run("forget the size of a file", &update)
    }

    /// Checks that files belong to datasets of the batch.
    pub(super) fn check_files(&self, batch: &DatasetBatch<'_>) -> Result<(), RegistryError> {
        let invalid = |file: &StoredFile, reason: String| RegistryError::Invalid {
            what: format!("file {}", file.path),
            reason,
        };
        for (dataset, file) in batch.files {
            if *dataset as usize >= batch.id.len() {
                let reason = format!("it belongs to dataset {dataset} of {}", batch.id.len());
                return Err(invalid(file, reason));
            }
            if file.component.as_deref().is_some_and(str::is_empty) {
                return Err(invalid(file, "its component has no name".to_owned()));
            }
        }
        Ok(())
    }

    /// Inserts rows of `dataset_location` and of the datastore's record table. What is there
    /// already must say the same as far as both know.
    pub(super) fn write_files(&self, batch: &DatasetBatch<'_>) -> Result<(), RegistryError> {
        let files = batch.files;
        if files.is_empty() {
            return Ok(());
        }
        let columns = file_columns(batch);
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        let staged = self.source.stage(&columns, 0..files.len())?;
        let action = "record stored files";
        let mut locations = statement(&self.source, "dataset_location");
        locations.push("INSERT INTO ").push_table("dataset_location");
        locations.push(" (datastore_name, dataset_id) SELECT DISTINCT ");
        locations.bind(self.datastore.name.clone());
        locations.push(&format!(", s.dataset_id FROM {} s WHERE TRUE", staged.table()));
        locations.push(" ON CONFLICT DO NOTHING");
        self.source.run(action, &locations)?;
        let table = &self.datastore.records_table;
        let inserted = self.source.attempt(action, &staged.insertion(table, &names))?;
        let inserted = inserted.map_err(|violation| RegistryError::Invalid {
            what: format!("files of datasets of type `{}`", batch.dataset_type),
            reason: violation.message,
        })?;
        if inserted < staged.len() {
            self.check_stored(batch, &staged.table())?;
        }
        Ok(())
    }

    /// Checks that staged files are recorded as they are given, as far as both are known.
    fn check_stored(&self, batch: &DatasetBatch<'_>, staged: &str) -> Result<(), RegistryError> {
        let table = &self.datastore.records_table;
        let dialect = self.source.dialect();
        let columns: Vec<_> = [("s", ROW)]
            .into_iter()
            .chain(TEXTS.into_iter().chain([SIZE]).map(|name| ("r", name)))
            .collect();
        let mut query = Query::select(dialect, table, &columns);
        query.push(&format!(" FROM {staged} s {} ", dialect.ordered_join())).push_table(table);
        query.push(" r ON r.dataset_id = s.dataset_id AND r.component = s.component WHERE (");
        for name in TEXTS {
            query.push(&format!("r.{name} <> s.{name} OR "));
        }
        query.push(&format!("(r.{SIZE} <> s.{SIZE} AND r.{SIZE} <> {UNKNOWN_SIZE} AND "));
        query.push(&format!("s.{SIZE} <> {UNKNOWN_SIZE})) ORDER BY s.{ROW} LIMIT 1"));
        let mut conflict = None;
        self.source.each(&query, |result| {
            let (dataset, file) = batch
                .files
                .get(staged_row(result, 0)?)
                .ok_or_else(|| result.corrupt(0, "row out of range"))?;
            let wanted = [
                Some(file.path.as_str()),
                Some(file.formatter.as_str()),
                Some(file.storage_class.as_str()),
                file.checksum.as_deref(),
            ];
            let mut difference = (SIZE, String::new(), file.file_size.to_string());
            difference.1 = result.optional_int(1 + TEXTS.len())?.unwrap_or_default().to_string();
            for (at, wanted) in wanted.into_iter().enumerate() {
                if let (Some(existing), Some(wanted)) = (result.optional_text(1 + at)?, wanted)
                    && existing != wanted
                {
                    difference = (TEXTS[at], format!("'{existing}'"), format!("'{wanted}'"));
                    break;
                }
            }
            let (name, existing, wanted) = difference;
            conflict = Some(Conflict {
                kind: ConflictKind::DatastoreRecord,
                key: format!("of dataset {}", uuid_name(&batch.id[*dataset as usize])),
                existing: format!("{name} {existing}"),
                requested: format!("{name} {wanted}"),
            });
            Ok(())
        })?;
        conflict.map_or(Ok(()), |conflict| Err(conflict.into()))
    }
}

/// Columns of the datastore's record table, with a row for each file.
pub(super) fn file_columns<'a>(batch: &'a DatasetBatch<'_>) -> [BulkColumn<'a>; 7] {
    let files = batch.files;
    let text = |name: &'static str, value: fn(&StoredFile) -> Option<&str>| {
        BulkColumn::new(name, ColumnType::Text, move |row: usize| {
            value(&files[row].1).map_or(Value::Null, Value::Text)
        })
    };
    let [path, formatter, storage_class, checksum] = TEXTS;
    [
        BulkColumn::new("dataset_id", ColumnType::Uuid, |row: usize| {
            Value::Uuid(batch.id[files[row].0 as usize])
        }),
        text("component", |file| Some(file.component.as_deref().unwrap_or(NO_COMPONENT))),
        text(path, |file| Some(&file.path)),
        text(formatter, |file| Some(&file.formatter)),
        text(storage_class, |file| Some(&file.storage_class)),
        text(checksum, |file| file.checksum.as_deref()),
        BulkColumn::new(SIZE, ColumnType::BigInt, |row: usize| Value::Int(files[row].1.file_size)),
    ]
}
