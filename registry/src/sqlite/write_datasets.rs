//! Inserting datasets into RUN collections.

use qbb_dimensions::{ElementIx, Symbols};
use rusqlite::types::ValueRef;

use super::data_ids::{
    CHUNK, bind, borrowed, describe_value, json_conditions, json_list, push_json, stored, uuid_text,
};
use super::rows::select;
use super::transaction::SqliteTransaction;
use crate::error::{Conflict, ConflictKind, RegistryError};
use crate::reader::RegisteredDatasetType;
use crate::reading::{ResultRow as _, RowSource as _, quoted};
use crate::schema::{dataset_key_columns, summary_table_name};
use crate::writer::DatasetBatch;
use crate::writing::{DataIds, ingest_date, uuid_name};

/// Datasets of one type on their way into one collection.
pub(super) struct Datasets<'a> {
    pub(super) transaction: &'a SqliteTransaction<'a>,
    pub(super) dataset_type: &'a RegisteredDatasetType,
    pub(super) collection: (&'a str, i64),
    pub(super) data_ids: DataIds<'a>,
    pub(super) id: &'a [[u8; 16]],
}

impl SqliteTransaction<'_> {
    /// Inserts datasets of the batch's type into its RUN.
    pub(super) fn write_datasets(
        &self,
        dataset_type: &RegisteredDatasetType,
        run: i64,
        batch: &DatasetBatch<'_>,
        symbols: &Symbols,
    ) -> Result<u64, RegistryError> {
        let collection = (batch.run, run);
        let datasets =
            Datasets::new(self, dataset_type, collection, batch.keys, batch.id, symbols)?;
        datasets.check_files(batch.files)?;
        self.expect_rows("dataset", batch.id.len())?;
        self.expect_rows(&dataset_type.tags_table, batch.id.len())?;
        self.expect_rows("dataset_location", batch.files.len())?;
        self.expect_rows(&self.datastore.records_table, batch.files.len())?;
        // In the order of most primary keys, so that neighbours in them come one after another.
        let mut by_id: Vec<usize> = (0..batch.id.len()).collect();
        by_id.sort_by_key(|&row| batch.id[row]);
        let (new, known) = datasets.insert(&by_id)?;
        datasets.insert_summaries(&new)?;
        datasets.insert_tags(&new, ConflictKind::DataId)?;
        for rows in known.chunks(CHUNK) {
            datasets.verify(rows, true)?;
        }
        datasets.insert_files(batch.files)?;
        Ok(new.len() as u64)
    }
}

impl<'a> Datasets<'a> {
    pub(super) fn new(
        transaction: &'a SqliteTransaction<'_>,
        dataset_type: &'a RegisteredDatasetType,
        collection: (&'a str, i64),
        keys: &'a [Vec<i64>],
        id: &'a [[u8; 16]],
        symbols: &'a Symbols,
    ) -> Result<Self, RegistryError> {
        let group = &dataset_type.dataset_type.dimensions;
        let what = || format!("datasets of type `{}`", dataset_type.dataset_type.name);
        let data_ids =
            DataIds::new(transaction.universe, group.required(), keys, symbols, id.len(), what)?;
        Ok(Self { transaction, dataset_type, collection, data_ids, id })
    }

    fn name(&self) -> &str {
        &self.dataset_type.dataset_type.name
    }

    /// Inserts rows of `dataset` in the given order; returns the rows that were new, and those that
    /// were not, both ascending.
    fn insert(&self, order: &[usize]) -> Result<(Vec<usize>, Vec<usize>), RegistryError> {
        let fail = |error| self.transaction.database.failure("insert datasets", error);
        let mut statement = self
            .transaction
            .connection()
            .prepare_cached(
                "INSERT INTO dataset (id, dataset_type_id, ingest_date, run_id) \
                 VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
            )
            .map_err(fail)?;
        statement.raw_bind_parameter(2, self.dataset_type.id).map_err(fail)?;
        statement.raw_bind_parameter(3, ingest_date()).map_err(fail)?;
        statement.raw_bind_parameter(4, self.collection.1).map_err(fail)?;
        let mut is_new = vec![false; self.id.len()];
        let mut buffer = [0; 32];
        for &row in order {
            statement.raw_bind_parameter(1, uuid_text(&self.id[row], &mut buffer)).map_err(fail)?;
            is_new[row] = statement.raw_execute().map_err(fail)? != 0;
        }
        Ok((0..self.id.len()).partition(|&row| is_new[row]))
    }

    /// Says in the collection's summaries that it may contain such datasets. This must come before
    /// the memberships, which refer to it.
    pub(super) fn insert_summaries(&self, rows: &[usize]) -> Result<(), RegistryError> {
        if rows.is_empty() {
            return Ok(());
        }
        let action = "update summaries of collections";
        self.transaction.execute(
            action,
            "INSERT INTO collection_summary_dataset_type (collection_id, dataset_type_id) \
             VALUES (?, ?) ON CONFLICT DO NOTHING",
            (self.collection.1, self.dataset_type.id),
        )?;
        let universe = self.transaction.universe;
        for (at, &ix) in self.data_ids.dimensions().iter().enumerate() {
            let governor = universe.element(ix);
            if !governor.is_governor() {
                continue;
            }
            let sql = format!(
                "INSERT INTO {} (collection_id, {}) VALUES (?, ?) ON CONFLICT DO NOTHING",
                quoted(&summary_table_name(governor)),
                quoted(&governor.name)
            );
            let mut done: Vec<ValueRef<'_>> = Vec::new();
            for &row in rows {
                let value = stored(self.data_ids.value(at, row));
                if done.contains(&value) {
                    continue;
                }
                done.push(value);
                let insert = |statement: &mut rusqlite::Statement<'_>| {
                    statement.execute((self.collection.1, borrowed(value)))
                };
                (self.transaction.connection().prepare_cached(&sql))
                    .and_then(|mut statement| insert(&mut statement))
                    .map_err(|error| self.failure(error, row))?;
            }
        }
        Ok(())
    }

    /// Makes datasets members of the collection; another dataset with the same data ID in it is a
    /// conflict. Returns how many were no members.
    pub(super) fn insert_tags(
        &self,
        rows: &[usize],
        kind: ConflictKind,
    ) -> Result<u64, RegistryError> {
        let fail = |error| self.transaction.database.failure("insert datasets", error);
        let names: Vec<String> = dataset_key_columns(&self.dataset_type.dataset_type.dimensions)
            .into_iter()
            .map(quoted)
            .collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES (?, ?, ?{}) ON CONFLICT DO NOTHING",
            quoted(&self.dataset_type.tags_table),
            ["dataset_type_id", "dataset_id", "collection_id"]
                .into_iter()
                .chain(names.iter().map(String::as_str))
                .collect::<Vec<_>>()
                .join(", "),
            ", ?".repeat(names.len())
        );
        let mut statement = self.transaction.connection().prepare_cached(&sql).map_err(fail)?;
        statement.raw_bind_parameter(1, self.dataset_type.id).map_err(fail)?;
        statement.raw_bind_parameter(3, self.collection.1).map_err(fail)?;
        let mut members = Vec::new();
        let mut buffer = [0; 32];
        for &row in rows {
            statement.raw_bind_parameter(2, uuid_text(&self.id[row], &mut buffer)).map_err(fail)?;
            bind(&self.data_ids, &mut statement, 4, row).map_err(fail)?;
            let changed = statement.raw_execute().map_err(|error| self.failure(error, row))?;
            if changed == 0 {
                members.push(row);
            }
        }
        for rows in members.chunks(CHUNK) {
            self.verify_members(rows, kind)?;
        }
        Ok((rows.len() - members.len()) as u64)
    }

    /// Checks that the data IDs of rows belong to their datasets in the collection.
    fn verify_members(&self, rows: &[usize], kind: ConflictKind) -> Result<(), RegistryError> {
        let json = json_list(rows, |json, row| {
            json.push('[');
            push_json(&self.data_ids, json, row);
            json.push_str("0]");
        });
        let table = &self.dataset_type.tags_table;
        let keys = dataset_key_columns(&self.dataset_type.dataset_type.dimensions);
        let mut query = select(table, &[("j", "key"), ("t", "dataset_id")]);
        query.push(" FROM json_each(").bind(json).push(") j CROSS JOIN ");
        query.push(&format!("{} t ON t.dataset_type_id = ", quoted(table)));
        query.bind(self.dataset_type.id).push(" AND t.collection_id = ").bind(self.collection.1);
        query.push(&json_conditions(&keys, "t"));
        let mut seen = vec![false; rows.len()];
        self.transaction.each(&query, |result| {
            let key = result.int(0)? as usize;
            let &row = rows.get(key).ok_or_else(|| result.corrupt(0, "row out of range"))?;
            seen[key] = true;
            let existing = result.uuid(1)?;
            if existing == self.id[row] {
                return Ok(());
            }
            Err(self.conflict(kind, row, &uuid_name(&existing)))
        })?;
        // The dataset is a member, but with another data ID.
        match seen.iter().position(|seen| !seen) {
            Some(key) => {
                let conflict = Conflict {
                    kind: ConflictKind::Dataset,
                    key: uuid_name(&self.id[rows[key]]),
                    existing: format!("in `{}` with another data ID", self.collection.0),
                    requested: self.describe(rows[key]),
                };
                Err(conflict.into())
            }
            None => Ok(()),
        }
    }

    /// The error that a data ID of the collection is another dataset's.
    fn conflict(&self, kind: ConflictKind, row: usize, existing: &str) -> RegistryError {
        let conflict = Conflict {
            kind,
            key: format!("{} in `{}`", self.describe(row), self.collection.0),
            existing: format!("dataset {existing}"),
            requested: format!("dataset {}", uuid_name(&self.id[row])),
        };
        conflict.into()
    }

    /// Checks that datasets are registered with this type and data ID and, if `in_run`, in this
    /// RUN.
    pub(super) fn verify(&self, rows: &[usize], in_run: bool) -> Result<(), RegistryError> {
        let mut buffer = [0; 32];
        let json = json_list(rows, |json, row| {
            json.push('"');
            json.push_str(uuid_text(&self.id[row], &mut buffer));
            json.push('"');
        });
        let keys = dataset_key_columns(&self.dataset_type.dataset_type.dimensions);
        let mut columns =
            vec![("j", "key"), ("d", "dataset_type_id"), ("y", "name"), ("c", "name")];
        columns.extend(keys.iter().map(|name| ("t", *name)));
        let mut query = select("dataset", &columns);
        query.push(" FROM json_each(").bind(json);
        query.push(&format!(
            ") j CROSS JOIN dataset d ON d.id = j.value \
             CROSS JOIN dataset_type y ON y.id = d.dataset_type_id \
             CROSS JOIN collection c ON c.collection_id = d.run_id \
             LEFT JOIN {} t ON t.dataset_id = d.id AND t.collection_id = d.run_id",
            quoted(&self.dataset_type.tags_table)
        ));
        let mut seen = vec![false; rows.len()];
        self.transaction.each(&query, |result| {
            let key = result.int(0)? as usize;
            let &row = rows.get(key).ok_or_else(|| result.corrupt(0, "row out of range"))?;
            seen[key] = true;
            let mut same = result.int(1)? == self.dataset_type.id;
            same &= !in_run || result.text(3)? == self.collection.0;
            for at in 0..keys.len() {
                same &= result.value(4 + at)? == stored(self.data_ids.value(at, row));
            }
            if same {
                return Ok(());
            }
            let values: Result<Vec<String>, RegistryError> = (keys.iter().enumerate())
                .map(|(at, name)| Ok(format!("{name}: {}", describe_value(result.value(4 + at)?))))
                .collect();
            let existing = match result.int(1)? == self.dataset_type.id {
                true => format!("{} {{{}}}", result.text(2)?, values?.join(", ")),
                false => result.text(2)?.to_owned(),
            };
            let run = if in_run { format!(" in `{}`", self.collection.0) } else { String::new() };
            let conflict = Conflict {
                kind: ConflictKind::Dataset,
                key: uuid_name(&self.id[row]),
                existing: format!("{existing} in `{}`", result.text(3)?),
                requested: format!("{}{run}", self.describe(row)),
            };
            Err(conflict.into())
        })?;
        match seen.iter().position(|seen| !seen) {
            Some(key) => Err(RegistryError::Invalid {
                what: format!("dataset {}", uuid_name(&self.id[rows[key]])),
                reason: "it is not registered".to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// The dataset type and data ID of a row.
    pub(super) fn describe(&self, row: usize) -> String {
        format!("{} {}", self.name(), self.data_ids.describe(row))
    }

    /// An error of a statement that inserted a row with a data ID.
    pub(super) fn failure(&self, error: rusqlite::Error, row: usize) -> RegistryError {
        let dimensions: &[ElementIx] = self.data_ids.dimensions();
        self.transaction.insertion_failure(
            error,
            || format!("dataset {} ({})", uuid_name(&self.id[row]), self.describe(row)),
            dimensions,
            |ix| {
                let at = dimensions.iter().position(|&other| other == ix)?;
                Some(self.data_ids.value(at, row))
            },
        )
    }
}
