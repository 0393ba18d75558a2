//! Associating datasets with TAGGED collections and certifying them in CALIBRATION collections.

use qbb_dimensions::{Symbols, Timespan};

use super::members::{MemberColumns, Members};
use super::source::{ROW, WriteSource, staged_row, statement};
use super::transaction::TableTransaction;
use super::value::uuid_name;
use crate::collection::CollectionKind;
use crate::error::{Conflict, ConflictKind, RegistryError};
use crate::reading::{Query, ResultRow as _, quoted};
use crate::writer::Association;

impl<S: WriteSource> TableTransaction<'_, S> {
    pub(super) fn write_association(
        &mut self,
        association: &Association<'_>,
        symbols: &Symbols,
    ) -> Result<u64, RegistryError> {
        let dataset_type = self.dataset_type(association.dataset_type)?;
        let (id, kind) = self.collection(association.collection)?;
        let given = MemberColumns {
            universe: self.universe,
            dataset_type: &dataset_type,
            collection: (association.collection, id),
            keys: association.keys,
            id: association.id,
            symbols,
        };
        match (kind, association.timespan) {
            (CollectionKind::Tagged, None) => {
                let members = Members::new(&self.source, given, None, 0..given.id.len())?;
                members.check_registered(false)?;
                members.insert_summaries()?;
                let new = members.insert_tags()?;
                if new < members.staged.len() {
                    members.check_members(ConflictKind::DataId)?;
                }
                Ok(new)
            }
            (CollectionKind::Calibration, Some(timespans)) => {
                certify(&self.source, given, timespans)
            }
            _ => Err(RegistryError::WrongCollectionKind {
                name: association.collection.to_owned(),
                found: kind,
                action: "associating datasets",
                needed: "TAGGED, or CALIBRATION together with validity ranges",
            }),
        }
    }
}

fn certify<S: WriteSource>(
    source: &S,
    given: MemberColumns<'_>,
    timespans: &[Timespan],
) -> Result<u64, RegistryError> {
    let name = &given.dataset_type.dataset_type.name;
    let invalid =
        |what: String, reason: &str| RegistryError::Invalid { what, reason: reason.to_owned() };
    let Some(table) = &given.dataset_type.calibs_table else {
        return Err(invalid(
            format!("dataset type `{name}`"),
            "it is no calibration, so its datasets cannot be certified",
        ));
    };
    if timespans.len() != given.id.len() {
        return Err(invalid(
            format!("certification of `{name}`"),
            "there must be one validity range for each dataset",
        ));
    }
    if let Some(row) = timespans.iter().position(|timespan| timespan.is_empty()) {
        let what = format!("{name} {}", given.data_ids()?.describe(row));
        return Err(invalid(what, "its validity range is empty"));
    }
    let rows = without_repetitions(given, timespans)?;
    // That ranges do not overlap is checked by clients alone, so only one may at a time.
    source.lock_table(table)?;
    let members = Members::new(source, given, Some(timespans), rows.into_iter())?;
    members.check_registered(false)?;
    members.check_overlaps(table, timespans)?;
    members.insert_summaries()?;
    members.insert_calibs(table)
}

/// Rows by data ID and time, each certification once.
fn without_repetitions(
    given: MemberColumns<'_>,
    timespans: &[Timespan],
) -> Result<Vec<usize>, RegistryError> {
    let data_ids = given.data_ids()?;
    let mut rows: Vec<usize> = (0..given.id.len()).collect();
    rows.sort_by(|&a, &b| data_ids.compare(a, b).then_with(|| timespans[a].cmp(&timespans[b])));
    let mut kept: Vec<usize> = Vec::with_capacity(rows.len());
    for row in rows {
        // Ranges that were kept do not overlap, so the last one of a data ID ends last.
        if let Some(&last) = kept.last().filter(|&&last| data_ids.same(last, row)) {
            if given.id[last] == given.id[row] && timespans[last] == timespans[row] {
                continue;
            }
            if timespans[last].overlaps(timespans[row]) {
                let what = data_ids.describe(row);
                return Err(overlap(
                    given,
                    &what,
                    (&given.id[row], timespans[row]),
                    (&given.id[last], timespans[last]),
                ));
            }
        }
        kept.push(row);
    }
    Ok(kept)
}

/// The error that two certifications of a data ID overlap.
fn overlap(
    given: MemberColumns<'_>,
    data_id: &str,
    wanted: (&[u8; 16], Timespan),
    existing: (&[u8; 16], Timespan),
) -> RegistryError {
    let show = |(id, range): (&[u8; 16], Timespan)| {
        format!("dataset {} from {} to {}", uuid_name(id), range.begin, range.end)
    };
    let name = &given.dataset_type.dataset_type.name;
    let conflict = Conflict {
        kind: ConflictKind::Certification,
        key: format!("of {name} {data_id} in `{}`", given.collection.0),
        existing: show(existing),
        requested: show(wanted),
    };
    conflict.into()
}

impl<S: WriteSource> Members<'_, S> {
    /// Checks that what is certified already is certified exactly so, or for other times.
    fn check_overlaps(&self, table: &str, timespans: &[Timespan]) -> Result<(), RegistryError> {
        let dialect = self.source.dialect();
        let mut columns = vec![("s", ROW), ("t", "dataset_id")];
        columns.extend(dialect.timespan_columns().iter().map(|name| ("t", *name)));
        let mut query = Query::select(dialect, table, &columns);
        query.push(&format!(" FROM {} s {} ", self.staged.table(), dialect.ordered_join()));
        query.push_table(table).push(" t ON ");
        self.push_same_certified(&mut query);
        query.push(&format!(" AND {}", dialect.overlap("t", "s")));
        query.push(" WHERE NOT (t.dataset_id = s.dataset_id").push(&self.same_timespan());
        query.push(&format!(") ORDER BY s.{ROW} LIMIT 1"));
        let mut found = None;
        self.source.each(&query, |result| {
            found = Some((staged_row(result, 0)?, result.uuid(1)?, result.timespan(2)?));
            Ok(())
        })?;
        let Some((row, id, range)) = found else { return Ok(()) };
        let what = self.data_ids.describe(row);
        let wanted = (&self.given.id[row], timespans[row]);
        Err(overlap(self.given, &what, wanted, (&id, range)))
    }

    /// Certifies what is not certified exactly so already; returns how many these are.
    fn insert_calibs(&self, table: &str) -> Result<u64, RegistryError> {
        let dialect = self.source.dialect();
        let times = |prefix: &str| -> String {
            let names = dialect.timespan_columns().iter();
            names.map(|name| format!(", {prefix}{}", quoted(name))).collect()
        };
        let mut insertion = statement(self.source, table);
        insertion.push("INSERT INTO ").push_table(table);
        insertion.push(" (id, dataset_type_id, collection_id, dataset_id");
        insertion.push(&times("")).push(&self.key_list("")).push(") SELECT ");
        insertion.push(&dialect.next_key(table, "id")).push(", ");
        insertion.bind(self.given.dataset_type.id).push(", ").bind(self.given.collection.1);
        insertion.push(", s.dataset_id").push(&times("s.")).push(&self.key_list("s."));
        insertion
            .push(&format!(" FROM {} s WHERE NOT EXISTS (SELECT 1 FROM ", self.staged.table()));
        insertion.push_table(table).push(" t WHERE ");
        self.push_same_certified(&mut insertion);
        insertion.push(" AND t.dataset_id = s.dataset_id").push(&self.same_timespan()).push(")");
        let inserted = self.source.attempt("certify datasets", &insertion)?;
        inserted.map_err(|violation| self.failure(violation))
    }

    /// Adds conditions that a row `t` certifies the data ID of the staged row `s`.
    fn push_same_certified(&self, query: &mut Query<'_>) {
        query.push("t.dataset_type_id = ").bind(self.given.dataset_type.id);
        query.push(" AND t.collection_id = ").bind(self.given.collection.1);
        query.push(&self.same_data_id("t"));
    }

    fn same_timespan(&self) -> String {
        let names = self.source.dialect().timespan_columns().iter();
        names.map(|name| format!(" AND t.{0} = s.{0}", quoted(name))).collect()
    }
}
