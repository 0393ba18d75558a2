//! Datasets of one type on their way into one collection, staged.

use qbb_dimensions::{Symbols, Timespan, Universe};

use super::data_ids::DataIds;
use super::source::{BulkColumn, ROW, Staged, Violation, WriteSource, staged_row, statement};
use super::transaction::StagedDimensions;
use super::value::{Value, uuid_name};
use crate::error::{Conflict, ConflictKind, RegistryError};
use crate::reader::RegisteredDatasetType;
use crate::reading::{Query, ResultRow as _, quoted};
use crate::schema::{ColumnType, dataset_key_columns, summary_table_name};

/// Datasets of one type and the collection that they are to be in, as the caller gives them.
#[derive(Clone, Copy)]
pub(super) struct MemberColumns<'a> {
    pub(super) universe: &'a Universe,
    pub(super) dataset_type: &'a RegisteredDatasetType,
    /// Name and key of the collection.
    pub(super) collection: (&'a str, i64),
    pub(super) keys: &'a [Vec<i64>],
    pub(super) id: &'a [[u8; 16]],
    pub(super) symbols: &'a Symbols,
}

/// The same, checked and staged.
pub(super) struct Members<'a, S: WriteSource> {
    pub(super) source: &'a S,
    pub(super) given: MemberColumns<'a>,
    pub(super) data_ids: DataIds<'a>,
    pub(super) staged: Staged<'a, S>,
    /// Columns of data IDs, staged and in the tables.
    pub(super) names: Vec<&'a str>,
}

impl<'a> MemberColumns<'a> {
    pub(super) fn data_ids(&self) -> Result<DataIds<'a>, RegistryError> {
        let group = &self.dataset_type.dataset_type.dimensions;
        let what = || format!("datasets of type `{}`", self.dataset_type.dataset_type.name);
        let len = self.id.len();
        DataIds::new(self.universe, group.required(), self.keys, self.symbols, len, what)
    }
}

impl<'a, S: WriteSource> Members<'a, S> {
    /// Stages some of the rows, with their validity ranges if they have any.
    pub(super) fn new(
        source: &'a S,
        given: MemberColumns<'a>,
        timespans: Option<&'a [Timespan]>,
        rows: impl Iterator<Item = usize>,
    ) -> Result<Self, RegistryError> {
        let data_ids = given.data_ids()?;
        let names = dataset_key_columns(&given.dataset_type.dataset_type.dimensions);
        let id = given.id;
        let staged = {
            let mut columns = vec![BulkColumn::new("dataset_id", ColumnType::Uuid, move |row| {
                Value::Uuid(id[row])
            })];
            let data_ids = &data_ids;
            for (at, name) in names.iter().enumerate() {
                let kind = data_ids.column_type(at);
                columns.push(BulkColumn::new(name, kind, move |row| data_ids.value(at, row)));
            }
            if let Some(timespans) = timespans {
                columns.push(BulkColumn::new("timespan", ColumnType::Timespan, move |row| {
                    Value::Timespan(timespans[row])
                }));
            }
            source.stage(&columns, rows)?
        };
        Ok(Self { source, given, data_ids, staged, names })
    }

    /// Says in the collection's summaries that it may contain such datasets. This must come before
    /// the memberships, which refer to it.
    pub(super) fn insert_summaries(&self) -> Result<(), RegistryError> {
        if self.staged.len() == 0 {
            return Ok(());
        }
        let action = "update summaries of collections";
        let (_, collection) = self.given.collection;
        let table = "collection_summary_dataset_type";
        let mut insertion = statement(self.source, table);
        insertion.push("INSERT INTO ").push_table(table);
        insertion.push(" (collection_id, dataset_type_id) VALUES (").bind(collection);
        insertion.push(", ").bind(self.given.dataset_type.id).push(") ON CONFLICT DO NOTHING");
        self.source.run(action, &insertion)?;
        for &ix in self.data_ids.dimensions() {
            let governor = self.given.universe.element(ix);
            if !governor.is_governor() {
                continue;
            }
            let (table, name) = (summary_table_name(governor), quoted(&governor.name));
            let mut insertion = statement(self.source, &table);
            insertion.push("INSERT INTO ").push_table(&table);
            insertion.push(&format!(" (collection_id, {name}) SELECT DISTINCT "));
            insertion.bind(collection).push(&format!(", s.{name} FROM {} s", self.staged.table()));
            insertion.push(" WHERE TRUE ON CONFLICT DO NOTHING");
            if let Err(violation) = self.source.attempt(action, &insertion)? {
                return Err(self.failure(violation));
            }
        }
        Ok(())
    }

    /// Makes datasets members of the collection, except where another one has the data ID.
    /// Returns how many were no members.
    pub(super) fn insert_tags(&self) -> Result<u64, RegistryError> {
        let table = &self.given.dataset_type.tags_table;
        let mut insertion = statement(self.source, table);
        insertion.push("INSERT INTO ").push_table(table);
        insertion.push(" (dataset_type_id, collection_id, dataset_id");
        insertion.push(&self.key_list("")).push(") SELECT ").bind(self.given.dataset_type.id);
        insertion.push(", ").bind(self.given.collection.1).push(", s.dataset_id");
        insertion.push(&self.key_list("s."));
        insertion
            .push(&format!(" FROM {} s WHERE TRUE ON CONFLICT DO NOTHING", self.staged.table()));
        self.source.attempt("insert datasets", &insertion)?.map_err(|error| self.failure(error))
    }

    /// Checks that all staged datasets are members of the collection, with their data IDs.
    pub(super) fn check_members(&self, kind: ConflictKind) -> Result<(), RegistryError> {
        let table = &self.given.dataset_type.tags_table;
        let stranger = self.staged.first_where(table, |query| {
            query.push("NOT EXISTS (SELECT 1 FROM ").push_table(table);
            query.push(" t WHERE t.dataset_id = s.dataset_id AND t.collection_id = ");
            query.bind(self.given.collection.1).push(&self.same_data_id("t")).push(")");
        })?;
        match stranger {
            Some(row) => Err(self.data_id_conflict(kind, row)?),
            None => Ok(()),
        }
    }

    /// The error that a dataset could not become a member.
    fn data_id_conflict(
        &self,
        kind: ConflictKind,
        row: usize,
    ) -> Result<RegistryError, RegistryError> {
        let table = &self.given.dataset_type.tags_table;
        let mut query = Query::select(self.source.dialect(), table, &[("t", "dataset_id")]);
        query.push(&format!(" FROM {} s JOIN ", self.staged.table())).push_table(table);
        query.push(" t ON t.dataset_type_id = ").bind(self.given.dataset_type.id);
        query.push(" AND t.collection_id = ").bind(self.given.collection.1);
        query.push(&self.same_data_id("t")).push(&format!(" WHERE s.{ROW} = ")).bind(row as i64);
        let mut holder = None;
        self.source.each(&query, |result| {
            holder = Some(result.uuid(0)?);
            Ok(())
        })?;
        let name = self.given.collection.0;
        let conflict = match holder {
            Some(holder) => Conflict {
                kind,
                key: format!("{} in `{name}`", self.describe(row)),
                existing: format!("dataset {}", uuid_name(&holder)),
                requested: format!("dataset {}", uuid_name(&self.given.id[row])),
            },
            None => Conflict {
                kind: ConflictKind::Dataset,
                key: uuid_name(&self.given.id[row]),
                existing: format!("in `{name}` with another data ID"),
                requested: self.describe(row),
            },
        };
        Ok(conflict.into())
    }

    /// Checks that datasets are registered with this type and data ID and, if `in_run`, in the
    /// collection, which is their RUN then.
    pub(super) fn check_registered(&self, in_run: bool) -> Result<(), RegistryError> {
        let unknown = self.staged.first_where("dataset", |query| {
            query.push("NOT EXISTS (SELECT 1 FROM ").push_table("dataset");
            query.push(" d WHERE d.id = s.dataset_id)");
        })?;
        if let Some(row) = unknown {
            return Err(RegistryError::Invalid {
                what: format!("dataset {}", uuid_name(&self.given.id[row])),
                reason: "it is not registered".to_owned(),
            });
        }
        let (name, collection) = self.given.collection;
        let dialect = self.source.dialect();
        let mut columns = vec![("s", ROW), ("d", "dataset_type_id"), ("y", "name")];
        columns.extend([("d", "run_id"), ("c", "name"), ("t", "collection_id")]);
        let first_key = columns.len();
        columns.extend(self.names.iter().map(|name| ("t", *name)));
        let tags = &self.given.dataset_type.tags_table;
        let join = format!(" {} ", dialect.ordered_join());
        let mut query = Query::select(dialect, "dataset", &columns);
        query.push(&format!(" FROM {} s", self.staged.table())).push(&join);
        query.push_table("dataset").push(" d ON d.id = s.dataset_id").push(&join);
        query.push_table("dataset_type").push(" y ON y.id = d.dataset_type_id").push(&join);
        query.push_table("collection").push(" c ON c.collection_id = d.run_id LEFT JOIN ");
        query.push_table(tags).push(" t ON t.dataset_id = d.id AND t.collection_id = d.run_id");
        query.push(" WHERE (d.dataset_type_id <> ").bind(self.given.dataset_type.id);
        if in_run {
            query.push(" OR d.run_id <> ").bind(collection);
        }
        query.push(" OR t.collection_id IS NULL");
        for name in self.names.iter().map(|name| quoted(name)) {
            query.push(&format!(" OR t.{name} <> s.{name}"));
        }
        query.push(&format!(") ORDER BY s.{ROW} LIMIT 1"));
        // The row, and what it is in the repository; nothing if it is no member of its own RUN.
        let mut contradiction: Option<(usize, Option<String>)> = None;
        self.source.each(&query, |result| {
            let row = staged_row(result, 0)?;
            let same_type = result.int(1)? == self.given.dataset_type.id;
            let same_run = !in_run || result.int(3)? == collection;
            let is_member = result.optional_int(5)?.is_some();
            if same_type && same_run && !is_member && in_run {
                contradiction = Some((row, None));
                return Ok(());
            }
            let mut existing = result.text(2)?.to_owned();
            if same_type {
                let dimensions = self.data_ids.dimensions();
                let values: Result<Vec<_>, RegistryError> = (dimensions.iter().enumerate())
                    .map(|(at, &ix)| {
                        let key = self.given.universe.element(ix).key_type();
                        Ok((ix, Value::of_dimension(result, first_key + at, key)?))
                    })
                    .collect();
                let values = super::value::describe(self.given.universe, values?);
                existing = format!("{existing} {values}");
            }
            contradiction = Some((row, Some(format!("{existing} in `{}`", result.text(4)?))));
            Ok(())
        })?;
        let Some((row, existing)) = contradiction else { return Ok(()) };
        let Some(existing) = existing else {
            return Err(self.data_id_conflict(ConflictKind::DataId, row)?);
        };
        let run = if in_run { format!(" in `{name}`") } else { String::new() };
        let conflict = Conflict {
            kind: ConflictKind::Dataset,
            key: uuid_name(&self.given.id[row]),
            existing,
            requested: format!("{}{run}", self.describe(row)),
        };
        Err(conflict.into())
    }

    /// Columns of data IDs, each after a comma.
    pub(super) fn key_list(&self, prefix: &str) -> String {
        self.names.iter().map(|name| format!(", {prefix}{}", quoted(name))).collect()
    }

    /// Conditions that a row of a table has the data ID of the staged row `s`.
    pub(super) fn same_data_id(&self, alias: &str) -> String {
        let same = |name: &&str| format!(" AND {alias}.{0} = s.{0}", quoted(name));
        self.names.iter().map(same).collect()
    }

    /// The dataset type and data ID of a row.
    pub(super) fn describe(&self, row: usize) -> String {
        let name = &self.given.dataset_type.dataset_type.name;
        format!("{name} {}", self.data_ids.describe(row))
    }

    /// The error of a statement that has inserted the staged rows.
    pub(super) fn failure(&self, violation: Violation) -> RegistryError {
        let dimensions = self.data_ids.dimensions().iter().copied();
        let dimensions = StagedDimensions {
            universe: self.given.universe,
            columns: dimensions.zip(self.names.iter().copied()).collect(),
        };
        let what = |row: Option<usize>| match row {
            Some(row) => {
                format!("dataset {} ({})", uuid_name(&self.given.id[row]), self.describe(row))
            }
            None => format!("datasets of type `{}`", self.given.dataset_type.dataset_type.name),
        };
        dimensions.failure(&self.staged, violation, what, |at, row| self.data_ids.value(at, row))
    }
}
