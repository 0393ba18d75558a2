//! Recording where the files of datasets are.

use super::known::{SIZE, TEXTS, texts};
use super::source::{BulkColumn, ROW, WriteSource, staged_row, statement};
use super::transaction::TableTransaction;
use super::value::{Value, uuid_name};
use crate::changes::{DatasetBatch, StoredFile};
use crate::error::{Conflict, ConflictKind, RegistryError};
use crate::reading::{NO_COMPONENT, Query, ResultRow as _, UNKNOWN_SIZE};
use crate::schema::ColumnType;

/// Files of the datasets of batches, as rows one behind the other.
pub(super) struct FileRows<'a> {
    batches: &'a [DatasetBatch<'a>],
    /// Number of the first dataset of each batch, as rows of datasets are numbered.
    begins: Vec<usize>,
    /// For each row its batch, and its position there.
    places: Vec<(u32, u32)>,
}

impl<'a> FileRows<'a> {
    /// Checks that files belong to datasets of their batches.
    pub(super) fn new(batches: &'a [DatasetBatch<'a>]) -> Result<Self, RegistryError> {
        let invalid = |file: &StoredFile, reason: String| RegistryError::Invalid {
            what: format!("file {}", file.path),
            reason,
        };
        let (mut begins, mut places, mut begin) =
            (Vec::with_capacity(batches.len()), Vec::new(), 0);
        for (number, batch) in batches.iter().enumerate() {
            for (at, (dataset, file)) in batch.files.iter().enumerate() {
                if *dataset as usize >= batch.id.len() {
                    let reason = format!("it belongs to dataset {dataset} of {}", batch.id.len());
                    return Err(invalid(file, reason));
                }
                if file.component.as_deref().is_some_and(str::is_empty) {
                    return Err(invalid(file, "its component has no name".to_owned()));
                }
                places.push((number as u32, at as u32));
            }
            begins.push(begin);
            begin += batch.id.len();
        }
        Ok(Self { batches, begins, places })
    }

    /// Number of files.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// A file with its batch.
    pub(super) fn get(&self, row: usize) -> (&'a DatasetBatch<'a>, &'a StoredFile) {
        let (batch, at) = self.places[row];
        let batch = &self.batches[batch as usize];
        (batch, &batch.files[at as usize].1)
    }

    /// Number of the dataset of a file.
    pub(super) fn dataset(&self, row: usize) -> usize {
        let (batch, at) = (self.places[row].0 as usize, self.places[row].1 as usize);
        self.begins[batch] + self.batches[batch].files[at].0 as usize
    }

    /// The dataset of a file.
    pub(super) fn id(&self, row: usize) -> [u8; 16] {
        let (batch, at) = self.places[row];
        let batch = &self.batches[batch as usize];
        batch.id[batch.files[at as usize].0 as usize]
    }

    /// The column of datasets.
    pub(super) fn ids(&self) -> BulkColumn<'_> {
        BulkColumn::new("dataset_id", ColumnType::Uuid, |row| Value::Uuid(self.id(row)))
    }

    /// Columns of the datastore's record table.
    pub(super) fn columns(&self) -> [BulkColumn<'_>; 7] {
        let text = |name: &'static str, at: usize| {
            BulkColumn::new(name, ColumnType::Text, move |row| {
                texts(self.get(row).1)[at].map_or(Value::Null, Value::Text)
            })
        };
        let [path, formatter, storage_class, checksum] = TEXTS;
        let component = |row| {
            let component = self.get(row).1.component.as_deref();
            Value::Text(component.unwrap_or(NO_COMPONENT))
        };
        let size = |row| Value::Int(self.get(row).1.file_size);
        [
            self.ids(),
            BulkColumn::new("component", ColumnType::Text, component),
            text(path, 0),
            text(formatter, 1),
            text(storage_class, 2),
            text(checksum, 3),
            BulkColumn::new(SIZE, ColumnType::BigInt, size),
        ]
    }
}

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

    /// Inserts rows of `dataset_location` and of the datastore's record table. What is there
    /// already must say the same as far as both know.
    pub(super) fn write_files(
        &self,
        files: &FileRows<'_>,
        wanted: &[usize],
    ) -> Result<(), RegistryError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let columns = files.columns();
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        let staged = self.source.stage(&columns, wanted.iter().copied())?;
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
        let inserted = inserted.map_err(|violation| {
            let mut types: Vec<&str> =
                wanted.iter().map(|&row| files.get(row).0.dataset_type).collect();
            types.dedup();
            RegistryError::Invalid {
                what: format!("files of datasets of type `{}`", types.join("`, `")),
                reason: violation.message,
            }
        })?;
        if inserted < staged.len() {
            self.check_stored(files, &staged.table())?;
        }
        Ok(())
    }

    /// Checks that staged files are recorded as they are given, as far as both are known.
    fn check_stored(&self, files: &FileRows<'_>, staged: &str) -> Result<(), RegistryError> {
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
            let row = staged_row(result, 0)?;
            let file = files.get(row).1;
            let mut difference = (SIZE, String::new(), file.file_size.to_string());
            difference.1 = result.optional_int(1 + TEXTS.len())?.unwrap_or_default().to_string();
            for (at, wanted) in texts(file).into_iter().enumerate() {
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
                key: format!("of dataset {}", uuid_name(&files.id(row))),
                existing: format!("{name} {existing}"),
                requested: format!("{name} {wanted}"),
            });
            Ok(())
        })?;
        conflict.map_or(Ok(()), |conflict| Err(conflict.into()))
    }
}
