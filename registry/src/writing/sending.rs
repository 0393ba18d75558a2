//! Inserting datasets that are all new: their rows go straight into the tables.

use super::datasets::ingest_date;
use super::files::FileRows;
use super::known::Wanted;
use super::member_rows::MemberRows;
use super::source::{BulkColumn, Violation, WriteSource, statement};
use super::summaries::insert_summaries;
use super::transaction::TableTransaction;
use super::value::Value;
use crate::error::RegistryError;
use crate::schema::ColumnType;

/// What the database said of a step.
type Step = Result<Result<(), Violation>, RegistryError>;

impl<S: WriteSource> TableTransaction<'_, S> {
    /// Sends rows of datasets that are new, and of their files. `None` if one of them turns out not
    /// to be, or refers to what is not there: nothing of it is left then, and staging tells which.
    pub(super) fn send_datasets(
        &self,
        rows: &MemberRows<'_>,
        files: &FileRows<'_>,
        wanted: &Wanted,
    ) -> Result<Option<u64>, RegistryError> {
        if wanted.rows.is_empty() || wanted.of_known {
            return Ok(None);
        }
        self.source.expect_rows("dataset", wanted.rows.len())?;
        for table in rows.by_table(&wanted.rows) {
            self.source.expect_rows(&table.dataset_type.tags_table, table.rows.len())?;
        }
        self.source.expect_rows("dataset_location", wanted.files.len())?;
        self.source.expect_rows(&self.datastore.records_table, wanted.files.len())?;
        self.command("SAVEPOINT sending")?;
        let sent = self.send_rows(rows, files, wanted)?;
        if sent.is_err() {
            self.command("ROLLBACK TO SAVEPOINT sending")?;
        }
        self.command("RELEASE SAVEPOINT sending")?;
        Ok(sent.is_ok().then_some(wanted.rows.len() as u64))
    }

    fn command(&self, sql: &str) -> Result<(), RegistryError> {
        let mut command = statement(&self.source, "dataset");
        command.push(sql);
        self.source.run("insert datasets", &command).map(|_| ())
    }

    fn send_rows(&self, rows: &MemberRows<'_>, files: &FileRows<'_>, wanted: &Wanted) -> Step {
        // In the order of most primary keys, so that neighbours in them come one after another.
        let mut by_id = wanted.rows.clone();
        by_id.sort_by_key(|&row| rows.id(row));
        let ingested = Value::Int(ingest_date());
        let datasets = [
            rows.ids("id"),
            rows.dataset_types(),
            BulkColumn::new("ingest_date", ColumnType::BigInt, move |_| ingested),
            rows.collections("run_id"),
        ];
        let action = "insert datasets";
        let sent = self.source.send_rows(action, "dataset", &datasets, by_id.iter().copied())?;
        if let Err(violation) = sent {
            return Ok(Err(violation));
        }
        let tables = rows.by_table(&wanted.rows);
        if let Err(violation) = insert_summaries(&self.source, rows, &tables)? {
            return Ok(Err(violation));
        }
        for table in &tables {
            let mut tags = vec![
                rows.dataset_types(),
                rows.ids("dataset_id").referring_to("dataset"),
                rows.collections("collection_id"),
            ];
            tags.extend(rows.keys(table));
            let name = &table.dataset_type.tags_table;
            let sent = self.source.send_rows(action, name, &tags, table.rows.iter().copied())?;
            if let Err(violation) = sent {
                return Ok(Err(violation));
            }
        }
        self.send_files(files, &wanted.files)
    }

    fn send_files(&self, files: &FileRows<'_>, wanted: &[usize]) -> Step {
        let mut by_id = wanted.to_vec();
        by_id.sort_by_key(|&at| files.id(at));
        // The first file of each dataset stands for the dataset.
        let mut firsts = by_id.clone();
        firsts.dedup_by_key(|&mut at| files.dataset(at));
        if firsts.is_empty() {
            return Ok(Ok(()));
        }
        let name = &self.datastore.name;
        let locations = [
            BulkColumn::new("datastore_name", ColumnType::Text, move |_| Value::Text(name)),
            files.ids().referring_to("dataset"),
        ];
        let (action, table) = ("record stored files", "dataset_location");
        let sent = self.source.send_rows(action, table, &locations, firsts.into_iter())?;
        if let Err(violation) = sent {
            return Ok(Err(violation));
        }
        let (table, rows) = (&self.datastore.records_table, by_id.into_iter());
        let sent = self.source.send_rows(action, table, &files.columns(), rows)?;
        Ok(sent.map(|_| ()))
    }
}
