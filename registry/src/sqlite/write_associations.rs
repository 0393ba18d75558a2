//! Associating datasets with TAGGED collections and certifying them in CALIBRATION collections.

use qbb_dimensions::{Symbols, Timespan};

use super::data_ids::{CHUNK, json_list, uuid_name, uuid_text};
use super::rows::select;
use super::transaction::SqliteTransaction;
use super::write_datasets::Datasets;
use crate::collection::CollectionKind;
use crate::error::{Conflict, ConflictKind, RegistryError};
use crate::reading::{ResultRow as _, quoted};
use crate::schema::dataset_key_columns;
use crate::writer::Association;

impl SqliteTransaction<'_> {
    pub(super) fn write_association(
        &mut self,
        association: &Association<'_>,
        symbols: &Symbols,
    ) -> Result<u64, RegistryError> {
        let dataset_type = self.dataset_type(association.dataset_type)?;
        let (id, kind) = self.collection(association.collection)?;
        let collection = (association.collection, id);
        let datasets = Datasets::new(
            self,
            &dataset_type,
            collection,
            association.keys,
            association.id,
            symbols,
        )?;
        let rows: Vec<usize> = (0..association.id.len()).collect();
        for rows in rows.chunks(CHUNK) {
            datasets.verify(rows, false)?;
        }
        match (kind, association.timespan) {
            (CollectionKind::Tagged, None) => {
                datasets.insert_summaries(&rows)?;
                datasets.insert_tags(&rows, ConflictKind::DataId)
            }
            (CollectionKind::Calibration, Some(timespans)) => datasets.certify(timespans),
            _ => Err(RegistryError::WrongCollectionKind {
                name: association.collection.to_owned(),
                found: kind,
                action: "associating datasets",
                needed: "TAGGED, or CALIBRATION together with validity ranges",
            }),
        }
    }
}

impl Datasets<'_> {
    fn certify(&self, timespans: &[Timespan]) -> Result<u64, RegistryError> {
        let name = &self.dataset_type.dataset_type.name;
        let invalid =
            |what: String, reason: &str| RegistryError::Invalid { what, reason: reason.to_owned() };
        let Some(table) = &self.dataset_type.calibs_table else {
            return Err(invalid(
                format!("dataset type `{name}`"),
                "it is no calibration, so its datasets cannot be certified",
            ));
        };
        if timespans.len() != self.id.len() {
            return Err(invalid(
                format!("certification of `{name}`"),
                "there must be one validity range for each dataset",
            ));
        }
        if let Some(row) = timespans.iter().position(|timespan| timespan.is_empty()) {
            return Err(invalid(self.describe(row), "its validity range is empty"));
        }
        let mut rows = self.without_repetitions(timespans)?;
        let mut known = vec![false; self.id.len()];
        for rows in rows.chunks(CHUNK) {
            self.find_overlaps(table, timespans, rows, &mut known)?;
        }
        rows.retain(|&row| !known[row]);
        self.insert_summaries(&rows)?;
        self.insert_calibs(table, timespans, &rows)?;
        Ok(rows.len() as u64)
    }

    /// Rows by data ID and time, each certification once.
    fn without_repetitions(&self, timespans: &[Timespan]) -> Result<Vec<usize>, RegistryError> {
        let mut rows: Vec<usize> = (0..self.id.len()).collect();
        rows.sort_by(|&a, &b| {
            self.data_ids.compare(a, b).then_with(|| timespans[a].cmp(&timespans[b]))
        });
        let mut kept: Vec<usize> = Vec::with_capacity(rows.len());
        for row in rows {
            // Ranges that were kept do not overlap, so the last one of a data ID ends last.
            if let Some(&last) = kept.last().filter(|&&last| self.data_ids.same(last, row)) {
                if self.id[last] == self.id[row] && timespans[last] == timespans[row] {
                    continue;
                }
                if timespans[last].overlaps(timespans[row]) {
                    return Err(self.overlap(row, timespans[row], &self.id[last], timespans[last]));
                }
            }
            kept.push(row);
        }
        Ok(kept)
    }

    /// Marks rows that are certified exactly so already; any other overlap is a conflict.
    fn find_overlaps(
        &self,
        table: &str,
        timespans: &[Timespan],
        rows: &[usize],
        known: &mut [bool],
    ) -> Result<(), RegistryError> {
        let json = json_list(rows, |json, row| {
            json.push('[');
            self.data_ids.push_json(json, row);
            json.push_str(&format!("{},{}]", timespans[row].begin.0, timespans[row].end.0));
        });
        let columns =
            [("j", "key"), ("t", "dataset_id"), ("t", "timespan_begin"), ("t", "timespan_end")];
        let mut query = select(table, &columns);
        query.push(" FROM json_each(").bind(json).push(") j CROSS JOIN ");
        query.push(&format!("{} t ON t.dataset_type_id = ", quoted(table)));
        query.bind(self.dataset_type.id).push(" AND t.collection_id = ").bind(self.collection.1);
        query.push(&self.data_ids.json_conditions("t"));
        let begin = self.data_ids.dimensions().len();
        query.push(&format!(
            " AND t.timespan_begin < j.value ->> {} AND t.timespan_end > j.value ->> {begin}",
            begin + 1
        ));
        self.transaction.each(&query, |result| {
            let &row = usize::try_from(result.int(0)?)
                .ok()
                .and_then(|key| rows.get(key))
                .ok_or_else(|| result.corrupt(0, "row out of range"))?;
            let (id, timespan) = (result.uuid(1)?, result.timespan(2)?);
            if id == self.id[row] && timespan == timespans[row] {
                known[row] = true;
                return Ok(());
            }
            Err(self.overlap(row, timespans[row], &id, timespan))
        })
    }

    fn overlap(
        &self,
        row: usize,
        wanted: Timespan,
        existing: &[u8; 16],
        range: Timespan,
    ) -> RegistryError {
        let show = |id: &[u8; 16], range: Timespan| {
            format!("dataset {} from {} to {}", uuid_name(id), range.begin, range.end)
        };
        let conflict = Conflict {
            kind: ConflictKind::Certification,
            key: format!("of {} in `{}`", self.describe(row), self.collection.0),
            existing: show(existing, range),
            requested: show(&self.id[row], wanted),
        };
        conflict.into()
    }

    fn insert_calibs(
        &self,
        table: &str,
        timespans: &[Timespan],
        rows: &[usize],
    ) -> Result<(), RegistryError> {
        let fail = |error| self.transaction.database.failure("certify datasets", error);
        let mut columns: Vec<String> = ["dataset_type_id", "dataset_id", "collection_id"]
            .into_iter()
            .chain(["timespan_begin", "timespan_end"])
            .map(quoted)
            .collect();
        let first_key = columns.len() + 1;
        let keys = dataset_key_columns(&self.dataset_type.dataset_type.dimensions);
        columns.extend(keys.into_iter().map(quoted));
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            quoted(table),
            columns.join(", "),
            vec!["?"; columns.len()].join(", ")
        );
        let mut statement = self.transaction.connection().prepare_cached(&sql).map_err(fail)?;
        statement.raw_bind_parameter(1, self.dataset_type.id).map_err(fail)?;
        statement.raw_bind_parameter(3, self.collection.1).map_err(fail)?;
        let mut buffer = [0; 32];
        for &row in rows {
            statement.raw_bind_parameter(2, uuid_text(&self.id[row], &mut buffer)).map_err(fail)?;
            statement.raw_bind_parameter(4, timespans[row].begin.0).map_err(fail)?;
            statement.raw_bind_parameter(5, timespans[row].end.0).map_err(fail)?;
            self.data_ids.bind(&mut statement, first_key, row).map_err(fail)?;
            statement.raw_execute().map_err(|error| self.failure(error, row))?;
        }
        Ok(())
    }
}
