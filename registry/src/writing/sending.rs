//! Inserting datasets that are all new: their rows go straight into the tables.

use qbb_dimensions::KeyType;

use super::data_ids::DataIds;
use super::datasets::ingest_date;
use super::files::file_columns;
use super::members::MemberColumns;
use super::source::{BulkColumn, Violation, WriteSource, statement};
use super::transaction::TableTransaction;
use super::value::Value;
use crate::error::RegistryError;
use crate::reading::{Query, quoted};
use crate::schema::{ColumnType, dataset_key_columns, summary_table_name};
use crate::writer::DatasetBatch;

/// Of so many datasets of a batch it is asked whether they are there, before it is tried.
const ASKED: usize = 100;

/// What the database said of a step.
type Step = Result<Result<(), Violation>, RegistryError>;

impl<S: WriteSource> TableTransaction<'_, S> {
    /// Sends the rows of datasets that are new to their RUN. `None` if one of them turns out not to
    /// be, or refers to what is not there: nothing of it is left then, and staging tells which.
    pub(super) fn send_datasets(
        &self,
        given: MemberColumns<'_>,
        batch: &DatasetBatch<'_>,
    ) -> Result<Option<u64>, RegistryError> {
        let data_ids = given.data_ids()?;
        if given.id.is_empty() || self.is_known(given.id)? {
            return Ok(None);
        }
        self.source.expect_rows("dataset", given.id.len())?;
        self.source.expect_rows(&given.dataset_type.tags_table, given.id.len())?;
        self.source.expect_rows("dataset_location", batch.files.len())?;
        self.source.expect_rows(&self.datastore.records_table, batch.files.len())?;
        self.command("SAVEPOINT sending")?;
        let sent = self.send_rows(given, &data_ids, batch)?;
        if sent.is_err() {
            self.command("ROLLBACK TO SAVEPOINT sending")?;
        }
        self.command("RELEASE SAVEPOINT sending")?;
        Ok(sent.is_ok().then_some(given.id.len() as u64))
    }

    /// Whether some of these datasets are registered, as far as a few of them tell.
    fn is_known(&self, id: &[[u8; 16]]) -> Result<bool, RegistryError> {
        let step = id.len().div_ceil(ASKED).max(1);
        let asked: Vec<[u8; 16]> = id.iter().step_by(step).copied().collect();
        let mut query = Query::select(self.source.dialect(), "dataset", &[("d", "run_id")]);
        query.push(" FROM ").push_uuids("v", &asked).push(" JOIN ").push_table("dataset");
        query.push(" d ON d.id = v.value LIMIT 1");
        let mut known = false;
        crate::reading::RowSource::each(&self.source, &query, |_| {
            known = true;
            Ok(())
        })?;
        Ok(known)
    }

    fn command(&self, sql: &str) -> Result<(), RegistryError> {
        let mut command = statement(&self.source, "dataset");
        command.push(sql);
        self.source.run("insert datasets", &command).map(|_| ())
    }

    fn send_rows(
        &self,
        given: MemberColumns<'_>,
        data_ids: &DataIds<'_>,
        batch: &DatasetBatch<'_>,
    ) -> Step {
        // In the order of most primary keys, so that neighbours in them come one after another.
        let mut by_id: Vec<usize> = (0..given.id.len()).collect();
        by_id.sort_by_key(|&row| given.id[row]);
        let id = |name| {
            BulkColumn::new(name, ColumnType::Uuid, move |row: usize| Value::Uuid(given.id[row]))
        };
        let same =
            |name, value| BulkColumn::new(name, ColumnType::BigInt, move |_| Value::Int(value));
        let (dataset_type, collection) = (given.dataset_type.id, given.collection.1);
        let datasets = [
            id("id"),
            same("dataset_type_id", dataset_type),
            same("ingest_date", ingest_date()),
            same("run_id", collection),
        ];
        let action = "insert datasets";
        let sent = self.source.send_rows(action, "dataset", &datasets, by_id.iter().copied())?;
        if let Err(violation) = sent {
            return Ok(Err(violation));
        }
        if let Err(violation) = self.send_summaries(given, data_ids)? {
            return Ok(Err(violation));
        }
        let mut tags = vec![
            same("dataset_type_id", dataset_type),
            id("dataset_id").referring_to("dataset"),
            same("collection_id", collection),
        ];
        let names = dataset_key_columns(&given.dataset_type.dataset_type.dimensions);
        for (at, name) in names.into_iter().enumerate() {
            let kind = data_ids.column_type(at);
            tags.push(BulkColumn::new(name, kind, move |row| data_ids.value(at, row)));
        }
        let table = &given.dataset_type.tags_table;
        if let Err(violation) = self.source.send_rows(action, table, &tags, 0..given.id.len())? {
            return Ok(Err(violation));
        }
        self.send_files(batch)
    }

    /// Says in the summaries of the collection what it is about to contain.
    fn send_summaries(&self, given: MemberColumns<'_>, data_ids: &DataIds<'_>) -> Step {
        let collection = given.collection.1;
        let table = "collection_summary_dataset_type";
        let mut insertion = statement(&self.source, table);
        insertion.push("INSERT INTO ").push_table(table);
        insertion.push(" (collection_id, dataset_type_id) VALUES (").bind(collection);
        insertion.push(", ").bind(given.dataset_type.id).push(") ON CONFLICT DO NOTHING");
        let action = "update summaries of collections";
        self.source.run(action, &insertion)?;
        for (at, &ix) in data_ids.dimensions().iter().enumerate() {
            let governor = given.universe.element(ix);
            if !governor.is_governor() {
                continue;
            }
            let mut cells = given.keys[at].clone();
            cells.sort_unstable();
            cells.dedup();
            let table = summary_table_name(governor);
            let mut insertion = statement(&self.source, &table);
            insertion.push("INSERT INTO ").push_table(&table);
            insertion.push(&format!(" (collection_id, {}) VALUES ", quoted(&governor.name)));
            for (i, &cell) in cells.iter().enumerate() {
                insertion.push(if i == 0 { "(" } else { ", (" }).bind(collection).push(", ");
                match (governor.key_type(), given.symbols.of_cell(cell)) {
                    (Some(KeyType::Text), Some(text)) => insertion.bind(text.to_owned()),
                    _ => insertion.bind(cell),
                };
                insertion.push(")");
            }
            insertion.push(" ON CONFLICT DO NOTHING");
            if let Err(violation) = self.source.attempt(action, &insertion)? {
                return Ok(Err(violation));
            }
        }
        Ok(Ok(()))
    }

    fn send_files(&self, batch: &DatasetBatch<'_>) -> Step {
        let mut by_id: Vec<usize> = (0..batch.files.len()).collect();
        by_id.sort_by_key(|&at| batch.id[batch.files[at].0 as usize]);
        // The first file of each dataset stands for the dataset.
        let mut firsts = by_id.clone();
        firsts.dedup_by_key(|&mut at| batch.files[at].0);
        if firsts.is_empty() {
            return Ok(Ok(()));
        }
        let name = &self.datastore.name;
        let id = BulkColumn::new("dataset_id", ColumnType::Uuid, |row: usize| {
            Value::Uuid(batch.id[batch.files[row].0 as usize])
        });
        let locations = [
            BulkColumn::new("datastore_name", ColumnType::Text, move |_| Value::Text(name)),
            id.referring_to("dataset"),
        ];
        let (action, table) = ("record stored files", "dataset_location");
        let sent = self.source.send_rows(action, table, &locations, firsts.into_iter())?;
        if let Err(violation) = sent {
            return Ok(Err(violation));
        }
        let (table, rows) = (&self.datastore.records_table, by_id.into_iter());
        let sent = self.source.send_rows(action, table, &file_columns(batch), rows)?;
        Ok(sent.map(|_| ()))
    }
}
