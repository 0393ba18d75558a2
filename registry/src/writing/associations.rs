//! Associating datasets with TAGGED collections and certifying them in CALIBRATION collections.

use qbb_dimensions::{Symbols, Timespan};
use rustc_hash::FxHashSet;

use super::member_rows::{MemberRows, Part};
use super::members::Members;
use super::source::{ROW, WriteSource, staged_row, statement};
use super::transaction::TableTransaction;
use super::value::uuid_name;
use crate::changes::Association;
use crate::collection::CollectionKind;
use crate::error::{Conflict, ConflictKind, RegistryError};
use crate::reader::RegisteredDatasetType;
use crate::reading::{Query, ResultRow as _, quoted};

impl<S: WriteSource> TableTransaction<'_, S> {
    pub(super) fn write_associations(
        &mut self,
        associations: &[Association<'_>],
        symbols: &Symbols,
    ) -> Result<u64, RegistryError> {
        let mut new = 0;
        let mut rest = associations;
        while !rest.is_empty() {
            // Those of one dataset type and collection are looked at one after the other.
            let mut seen = FxHashSet::default();
            let several = rest.iter().position(|association| {
                !seen.insert((association.dataset_type, association.collection))
            });
            let (now, later) = rest.split_at(several.unwrap_or(rest.len()));
            new += self.write_distinct_associations(now, symbols)?;
            rest = later;
        }
        Ok(new)
    }

    fn write_distinct_associations(
        &mut self,
        associations: &[Association<'_>],
        symbols: &Symbols,
    ) -> Result<u64, RegistryError> {
        let names = associations.iter().map(|association| association.dataset_type);
        let dataset_types = self.dataset_types_of(names)?;
        let names = associations.iter().map(|association| association.collection);
        let collections = self.collections_of(names)?;
        let mut tagged = MemberRows::new(self.universe, symbols);
        let mut certified = MemberRows::new(self.universe, symbols);
        for (association, dataset_type) in associations.iter().zip(&dataset_types) {
            let (id, kind) = collections[association.collection];
            let collection = (association.collection, id);
            let datasets = (association.keys, association.id);
            match (kind, association.timespan) {
                (CollectionKind::Tagged, None) => {
                    tagged.push(dataset_type, collection, datasets, None)?;
                }
                (CollectionKind::Calibration, Some(timespans)) => {
                    check_certification(dataset_type, association.id.len(), timespans.len())?;
                    certified.push(dataset_type, collection, datasets, Some(timespans))?;
                }
                _ => {
                    return Err(RegistryError::WrongCollectionKind {
                        name: association.collection.to_owned(),
                        found: kind,
                        action: "associating datasets",
                        needed: "TAGGED, or CALIBRATION together with validity ranges",
                    });
                }
            }
        }
        Ok(tag(&self.source, &tagged)? + certify(&self.source, &certified)?)
    }
}

fn tag<S: WriteSource>(source: &S, rows: &MemberRows<'_>) -> Result<u64, RegistryError> {
    let all: Vec<usize> = (0..rows.len()).collect();
    let mut new = 0;
    for table in &rows.by_table(&all) {
        let members = Members::new(source, rows, table, false)?;
        members.check_registered(false)?;
        members.insert_summaries()?;
        let inserted = members.insert_tags()?;
        if inserted < members.staged.len() {
            members.check_members(ConflictKind::DataId)?;
        }
        new += inserted;
    }
    Ok(new)
}

fn check_certification(
    dataset_type: &RegisteredDatasetType,
    datasets: usize,
    timespans: usize,
) -> Result<(), RegistryError> {
    let name = &dataset_type.dataset_type.name;
    let invalid =
        |what: String, reason: &str| RegistryError::Invalid { what, reason: reason.to_owned() };
    if dataset_type.calibs_table.is_none() {
        return Err(invalid(
            format!("dataset type `{name}`"),
            "it is no calibration, so its datasets cannot be certified",
        ));
    }
    if timespans != datasets {
        return Err(invalid(
            format!("certification of `{name}`"),
            "there must be one validity range for each dataset",
        ));
    }
    Ok(())
}

fn certify<S: WriteSource>(source: &S, rows: &MemberRows<'_>) -> Result<u64, RegistryError> {
    let mut kept = Vec::with_capacity(rows.len());
    for part in rows.parts() {
        without_repetitions(rows, part, &mut kept)?;
    }
    let mut new = 0;
    for table in &rows.by_table(&kept) {
        let Some(calibs) = &table.dataset_type.calibs_table else { continue };
        // That ranges do not overlap is checked by clients alone, so only one may at a time.
        source.lock_table(calibs)?;
        let members = Members::new(source, rows, table, true)?;
        members.check_registered(false)?;
        members.check_overlaps(calibs)?;
        members.insert_summaries()?;
        new += members.insert_calibs(calibs)?;
    }
    Ok(new)
}

/// Adds the rows of a part by data ID and time, each certification once.
fn without_repetitions(
    rows: &MemberRows<'_>,
    part: &Part<'_>,
    kept: &mut Vec<usize>,
) -> Result<(), RegistryError> {
    let data_ids = &part.data_ids;
    let within = |row: usize| row - part.begin;
    let mut found: Vec<usize> = (part.begin..part.begin + part.id.len()).collect();
    if let Some(&row) = found.iter().find(|&&row| rows.timespan(row).is_empty()) {
        let (what, reason) = (rows.describe(row), "its validity range is empty".to_owned());
        return Err(RegistryError::Invalid { what, reason });
    }
    found.sort_by(|&a, &b| {
        let order = data_ids.compare(within(a), within(b));
        order.then_with(|| rows.timespan(a).cmp(&rows.timespan(b)))
    });
    let first = kept.len();
    for row in found {
        // Ranges that were kept do not overlap, so the last one of a data ID ends last.
        let last = kept[first..].last().copied();
        if let Some(last) = last.filter(|&last| data_ids.same(within(last), within(row))) {
            let (id, timespan) = (rows.id(last), rows.timespan(last));
            if id == rows.id(row) && timespan == rows.timespan(row) {
                continue;
            }
            if timespan.overlaps(rows.timespan(row)) {
                return Err(overlap(rows, row, (&id, timespan)));
            }
        }
        kept.push(row);
    }
    Ok(())
}

/// The error that two certifications of a data ID overlap.
fn overlap(rows: &MemberRows<'_>, row: usize, existing: (&[u8; 16], Timespan)) -> RegistryError {
    let show = |(id, range): (&[u8; 16], Timespan)| {
        format!("dataset {} from {} to {}", uuid_name(id), range.begin, range.end)
    };
    let conflict = Conflict {
        kind: ConflictKind::Certification,
        key: format!("of {} in `{}`", rows.describe(row), rows.part(row).collection.0),
        existing: show(existing),
        requested: show((&rows.id(row), rows.timespan(row))),
    };
    conflict.into()
}

impl<S: WriteSource> Members<'_, S> {
    /// Checks that what is certified already is certified exactly so, or for other times.
    fn check_overlaps(&self, table: &str) -> Result<(), RegistryError> {
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
        Err(overlap(self.rows, row, (&id, range)))
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
        insertion.push(&dialect.next_key(table, "id"));
        insertion.push(", s.dataset_type_id, s.collection_id, s.dataset_id");
        insertion.push(&times("s.")).push(&self.key_list("s."));
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
        query.push("t.dataset_type_id = s.dataset_type_id");
        query.push(" AND t.collection_id = s.collection_id");
        query.push(&self.same_data_id("t"));
    }

    fn same_timespan(&self) -> String {
        let names = self.source.dialect().timespan_columns().iter();
        names.map(|name| format!(" AND t.{0} = s.{0}", quoted(name))).collect()
    }
}
