//! Datasets on their way into collections, staged: rows of one table of memberships.

use qbb_dimensions::ElementIx;

use super::member_rows::{MemberRows, TableRows};
use super::source::{BulkColumn, ROW, Staged, Violation, WriteSource, staged_row, statement};
use super::summaries::insert_summaries;
use super::transaction::StagedDimensions;
use super::value::{Value, uuid_name};
use crate::error::{Conflict, ConflictKind, RegistryError};
use crate::reading::{Query, ResultRow as _, quoted};
use crate::schema::{ColumnType, dataset_key_columns};

/// Rows of one table of memberships, staged with the keys of their dataset types and collections.
pub(super) struct Members<'a, S: WriteSource> {
    pub(super) source: &'a S,
    pub(super) rows: &'a MemberRows<'a>,
    pub(super) table: &'a TableRows<'a>,
    pub(super) staged: Staged<'a, S>,
    /// Columns of data IDs, staged and in the tables.
    pub(super) names: Vec<&'a str>,
}

impl<'a, S: WriteSource> Members<'a, S> {
    /// Stages rows of a table, if they are to be certified with their validity ranges.
    pub(super) fn new(
        source: &'a S,
        rows: &'a MemberRows<'a>,
        table: &'a TableRows<'a>,
        certified: bool,
    ) -> Result<Self, RegistryError> {
        let mut columns =
            vec![rows.ids("dataset_id"), rows.dataset_types(), rows.collections("collection_id")];
        columns.extend(rows.keys(table));
        if certified {
            let timespan = |row| Value::Timespan(rows.timespan(row));
            columns.push(BulkColumn::new("timespan", ColumnType::Timespan, timespan));
        }
        let staged = source.stage(&columns, table.rows.iter().copied())?;
        let names = dataset_key_columns(&table.dataset_type.dataset_type.dimensions);
        Ok(Self { source, rows, table, staged, names })
    }

    /// Says in the summaries of collections that they may contain such datasets. This must come
    /// before the memberships, which refer to it.
    pub(super) fn insert_summaries(&self) -> Result<(), RegistryError> {
        insert_summaries(self.source, self.rows, std::slice::from_ref(self.table))?
            .map_err(|violation| self.failure(violation))
    }

    /// Makes datasets members of their collections, except where another one has the data ID.
    /// Returns how many were no members.
    pub(super) fn insert_tags(&self) -> Result<u64, RegistryError> {
        let table = &self.table.dataset_type.tags_table;
        let mut insertion = statement(self.source, table);
        insertion.push("INSERT INTO ").push_table(table);
        insertion.push(" (dataset_type_id, collection_id, dataset_id");
        insertion.push(&self.key_list(""));
        insertion.push(") SELECT s.dataset_type_id, s.collection_id, s.dataset_id");
        insertion.push(&self.key_list("s."));
        insertion
            .push(&format!(" FROM {} s WHERE TRUE ON CONFLICT DO NOTHING", self.staged.table()));
        self.source.attempt("insert datasets", &insertion)?.map_err(|error| self.failure(error))
    }

    /// Checks that all staged datasets are members of their collections, with their data IDs.
    pub(super) fn check_members(&self, kind: ConflictKind) -> Result<(), RegistryError> {
        let table = &self.table.dataset_type.tags_table;
        let stranger = self.staged.first_where(table, |query| {
            query.push("NOT EXISTS (SELECT 1 FROM ").push_table(table);
            query.push(" t WHERE t.dataset_id = s.dataset_id");
            query.push(" AND t.collection_id = s.collection_id");
            query.push(&self.same_data_id("t")).push(")");
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
        let table = &self.table.dataset_type.tags_table;
        let mut query = Query::select(self.source.dialect(), table, &[("t", "dataset_id")]);
        query.push(&format!(" FROM {} s JOIN ", self.staged.table())).push_table(table);
        query.push(" t ON t.dataset_type_id = s.dataset_type_id");
        query.push(" AND t.collection_id = s.collection_id");
        query.push(&self.same_data_id("t")).push(&format!(" WHERE s.{ROW} = ")).bind(row as i64);
        let mut holder = None;
        self.source.each(&query, |result| {
            holder = Some(result.uuid(0)?);
            Ok(())
        })?;
        let name = self.rows.part(row).collection.0;
        let conflict = match holder {
            Some(holder) => Conflict {
                kind,
                key: format!("{} in `{name}`", self.rows.describe(row)),
                existing: format!("dataset {}", uuid_name(&holder)),
                requested: format!("dataset {}", uuid_name(&self.rows.id(row))),
            },
            None => Conflict {
                kind: ConflictKind::Dataset,
                key: uuid_name(&self.rows.id(row)),
                existing: format!("in `{name}` with another data ID"),
                requested: self.rows.describe(row),
            },
        };
        Ok(conflict.into())
    }

    /// Checks that datasets are registered with their type and data ID and, if `in_run`, in the
    /// collection, which is their RUN then.
    pub(super) fn check_registered(&self, in_run: bool) -> Result<(), RegistryError> {
        let unknown = self.staged.first_where("dataset", |query| {
            query.push("NOT EXISTS (SELECT 1 FROM ").push_table("dataset");
            query.push(" d WHERE d.id = s.dataset_id)");
        })?;
        if let Some(row) = unknown {
            return Err(RegistryError::Invalid {
                what: format!("dataset {}", uuid_name(&self.rows.id(row))),
                reason: "it is not registered".to_owned(),
            });
        }
        let dialect = self.source.dialect();
        let mut columns = vec![("s", ROW), ("d", "dataset_type_id"), ("y", "name")];
        columns.extend([("d", "run_id"), ("c", "name"), ("t", "collection_id")]);
        let first_key = columns.len();
        columns.extend(self.names.iter().map(|name| ("t", *name)));
        let tags = &self.table.dataset_type.tags_table;
        let join = format!(" {} ", dialect.ordered_join());
        let mut query = Query::select(dialect, "dataset", &columns);
        query.push(&format!(" FROM {} s", self.staged.table())).push(&join);
        query.push_table("dataset").push(" d ON d.id = s.dataset_id").push(&join);
        query.push_table("dataset_type").push(" y ON y.id = d.dataset_type_id").push(&join);
        query.push_table("collection").push(" c ON c.collection_id = d.run_id LEFT JOIN ");
        query.push_table(tags).push(" t ON t.dataset_id = d.id AND t.collection_id = d.run_id");
        query.push(" WHERE (d.dataset_type_id <> s.dataset_type_id");
        if in_run {
            query.push(" OR d.run_id <> s.collection_id");
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
            let part = self.rows.part(row);
            let same_type = result.int(1)? == part.dataset_type.id;
            let same_run = !in_run || result.int(3)? == part.collection.1;
            let is_member = result.optional_int(5)?.is_some();
            if same_type && same_run && !is_member && in_run {
                contradiction = Some((row, None));
                return Ok(());
            }
            let mut existing = result.text(2)?.to_owned();
            if same_type {
                let values: Result<Vec<_>, RegistryError> = (self.dimensions().enumerate())
                    .map(|(at, ix)| {
                        let key = self.rows.universe.element(ix).key_type();
                        Ok((ix, Value::of_dimension(result, first_key + at, key)?))
                    })
                    .collect();
                let values = super::value::describe(self.rows.universe, values?);
                existing = format!("{existing} {values}");
            }
            contradiction = Some((row, Some(format!("{existing} in `{}`", result.text(4)?))));
            Ok(())
        })?;
        let Some((row, existing)) = contradiction else { return Ok(()) };
        let Some(existing) = existing else {
            return Err(self.data_id_conflict(ConflictKind::DataId, row)?);
        };
        let name = self.rows.part(row).collection.0;
        let run = if in_run { format!(" in `{name}`") } else { String::new() };
        let conflict = Conflict {
            kind: ConflictKind::Dataset,
            key: uuid_name(&self.rows.id(row)),
            existing,
            requested: format!("{}{run}", self.rows.describe(row)),
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

    /// Dimensions of the data IDs.
    fn dimensions(&self) -> impl Iterator<Item = ElementIx> {
        self.table.dataset_type.dataset_type.dimensions.required().iter().copied()
    }

    /// The error of a statement that has inserted the staged rows.
    pub(super) fn failure(&self, violation: Violation) -> RegistryError {
        let dimensions = StagedDimensions {
            universe: self.rows.universe,
            columns: self.dimensions().zip(self.names.iter().copied()).collect(),
        };
        let what = |row: Option<usize>| match row {
            Some(row) => {
                format!("dataset {} ({})", uuid_name(&self.rows.id(row)), self.rows.describe(row))
            }
            None => self.table.name(self.rows),
        };
        dimensions.failure(&self.staged, violation, what, |at, row| self.rows.value(at, row))
    }
}
