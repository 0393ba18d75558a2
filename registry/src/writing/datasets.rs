//! Inserting datasets into RUN collections.

use qbb_dimensions::{Symbols, TaiNanos};

use super::members::{MemberColumns, Members};
use super::source::{WriteSource, statement};
use super::transaction::TableTransaction;
use crate::collection::CollectionKind;
use crate::error::RegistryError;
use crate::writer::DatasetBatch;

impl<S: WriteSource> TableTransaction<'_, S> {
    pub(super) fn write_datasets(
        &mut self,
        batch: &DatasetBatch<'_>,
        symbols: &Symbols,
    ) -> Result<u64, RegistryError> {
        let dataset_type = self.dataset_type(batch.dataset_type)?;
        let (run, kind) = self.collection(batch.run)?;
        if kind != CollectionKind::Run {
            return Err(RegistryError::WrongCollectionKind {
                name: batch.run.to_owned(),
                found: kind,
                action: "inserting datasets",
                needed: "RUN",
            });
        }
        self.check_files(batch)?;
        let given = MemberColumns {
            universe: self.universe,
            dataset_type: &dataset_type,
            collection: (batch.run, run),
            keys: batch.keys,
            id: batch.id,
            symbols,
        };
        if let Some(new) = self.send_datasets(given, batch)? {
            return Ok(new);
        }
        let members = Members::new(&self.source, given, None, 0..batch.id.len())?;
        let new = members.insert_datasets()?;
        members.insert_summaries()?;
        let tagged = members.insert_tags()?;
        if new < members.staged.len() || tagged < members.staged.len() {
            members.check_registered(true)?;
        }
        drop(members);
        self.write_files(batch)?;
        Ok(new)
    }
}

impl<S: WriteSource> Members<'_, S> {
    /// Inserts rows of `dataset`; returns how many were new.
    fn insert_datasets(&self) -> Result<u64, RegistryError> {
        let mut insertion = statement(self.source, "dataset");
        insertion.push("INSERT INTO ").push_table("dataset");
        insertion.push(" (id, dataset_type_id, ingest_date, run_id) SELECT s.dataset_id, ");
        insertion.bind(self.given.dataset_type.id).push(", ").bind(ingest_date());
        insertion.push(", ").bind(self.given.collection.1);
        insertion.push(&format!(" FROM {} s WHERE TRUE", self.staged.table()));
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
