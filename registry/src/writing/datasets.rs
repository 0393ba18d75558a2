//! Inserting datasets into RUN collections.

use qbb_dimensions::{Symbols, TaiNanos};
use rustc_hash::FxHashMap;

use super::files::FileRows;
use super::known::Wanted;
use super::member_rows::MemberRows;
use super::members::Members;
use super::source::{WriteSource, statement};
use super::transaction::TableTransaction;
use crate::changes::DatasetBatch;
use crate::collection::CollectionKind;
use crate::error::RegistryError;
use crate::reader::RegisteredDatasetType;
use crate::reading::{Query, ResultRow as _};

impl<S: WriteSource> TableTransaction<'_, S> {
    pub(super) fn write_datasets(
        &mut self,
        batches: &[DatasetBatch<'_>],
        symbols: &Symbols,
    ) -> Result<u64, RegistryError> {
        let dataset_types =
            self.dataset_types_of(batches.iter().map(|batch| batch.dataset_type))?;
        let runs = self.collections_of(batches.iter().map(|batch| batch.run))?;
        let mut rows = MemberRows::new(self.universe, symbols);
        for (batch, dataset_type) in batches.iter().zip(&dataset_types) {
            let (run, kind) = runs[batch.run];
            if kind != CollectionKind::Run {
                return Err(RegistryError::WrongCollectionKind {
                    name: batch.run.to_owned(),
                    found: kind,
                    action: "inserting datasets",
                    needed: "RUN",
                });
            }
            rows.push(dataset_type, (batch.run, run), (batch.keys, batch.id), None)?;
        }
        let files = FileRows::new(batches)?;
        let mut wanted = Wanted::all(&rows, &files);
        if self.is_known(&rows)? {
            self.leave_out_known(&rows, &files, &mut wanted)?;
        }
        if wanted.is_empty() {
            return Ok(0);
        }
        if let Some(new) = self.send_datasets(&rows, &files, &wanted)? {
            return Ok(new);
        }
        let mut new = 0;
        for table in &rows.by_table(&wanted.rows) {
            let members = Members::new(&self.source, &rows, table, false)?;
            let inserted = members.insert_datasets()?;
            members.insert_summaries()?;
            let tagged = members.insert_tags()?;
            if inserted < members.staged.len() || tagged < members.staged.len() {
                members.check_registered(true)?;
            }
            new += inserted;
        }
        self.write_files(&files, &wanted.files)?;
        Ok(new)
    }

    /// Dataset types by their names, in that order.
    pub(super) fn dataset_types_of<'n>(
        &mut self,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<Vec<RegisteredDatasetType>, RegistryError> {
        names.map(|name| self.dataset_type(name)).collect()
    }

    /// Keys and types of collections by their names, found out in one statement.
    pub(super) fn collections_of<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<FxHashMap<&'n str, (i64, CollectionKind)>, RegistryError> {
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        names.dedup();
        let mut found = FxHashMap::default();
        if names.len() > 1 {
            let columns = [("c", "name"), ("c", "collection_id"), ("c", "type")];
            let dialect = self.source.dialect();
            let mut query = Query::select(dialect, "collection", &columns);
            query.push(" FROM ").push_texts("v", &names);
            query.push(&format!(" {} ", dialect.ordered_join())).push_table("collection");
            query.push(" c ON c.name = v.value");
            self.source.each(&query, |row| {
                let name = row.text(0)?;
                let kind = CollectionKind::from_number(row.int(2)?)
                    .ok_or_else(|| row.corrupt(2, "unknown collection type"))?;
                if let Ok(at) = names.binary_search(&name) {
                    found.insert(names[at], (row.int(1)?, kind));
                }
                Ok(())
            })?;
        }
        for name in names {
            if !found.contains_key(name) {
                found.insert(name, self.collection(name)?);
            }
        }
        Ok(found)
    }
}

impl<S: WriteSource> Members<'_, S> {
    /// Inserts rows of `dataset`; returns how many were new.
    fn insert_datasets(&self) -> Result<u64, RegistryError> {
        let mut insertion = statement(self.source, "dataset");
        insertion.push("INSERT INTO ").push_table("dataset");
        insertion.push(" (id, dataset_type_id, ingest_date, run_id)");
        insertion.push(" SELECT s.dataset_id, s.dataset_type_id, ").bind(ingest_date());
        insertion.push(&format!(", s.collection_id FROM {} s WHERE TRUE", self.staged.table()));
        insertion.push(" ON CONFLICT (id) DO NOTHING");
        self.source.run("insert datasets", &insertion)
    }
}

/// This moment as the middleware records it, in whole microseconds.
pub(crate) fn ingest_date() -> i64 {
    const MICROSECOND: i64 = 1_000;
    let now = jiff::Timestamp::now().as_microsecond().saturating_mul(MICROSECOND);
    let tai = TaiNanos::from_unix_nanos(now).0;
    tai - tai.rem_euclid(MICROSECOND)
}
