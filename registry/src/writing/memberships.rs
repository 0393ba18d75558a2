//! Ending memberships in TAGGED and CALIBRATION collections.

use qbb_dimensions::{KeyType, Symbols, TaiNanos, Timespan};
use rustc_hash::FxHashSet;

use super::removal::{CHUNK, Chosen};
use super::source::{WriteSource, statement};
use crate::changes::{DataIdColumns, Decertified};
use crate::collection::CollectionKind;
use crate::error::RegistryError;
use crate::reader::RegisteredDatasetType;
use crate::reading::{Dialect, Query, ResultRow as _, quoted, read_collections};
use crate::schema::dataset_key_columns;

/// Removes datasets of one type from a TAGGED collection.
pub(super) fn disassociate(
    source: &impl WriteSource,
    dataset_type: &RegisteredDatasetType,
    collection: &str,
    id: &[[u8; 16]],
) -> Result<u64, RegistryError> {
    let collection =
        require(source, collection, CollectionKind::Tagged, "disassociating datasets")?;
    let mut removed = 0;
    for id in id.chunks(CHUNK) {
        let table = &dataset_type.tags_table;
        let mut change = statement(source, table);
        change.push("DELETE FROM ").push_table(table).push(" WHERE collection_id = ");
        change.bind(collection).push(" AND dataset_id");
        Chosen::Datasets(id).push_in(&mut change);
        removed += source.run("disassociate datasets", &change)?;
    }
    Ok(removed)
}

/// Takes a validity range away from certifications: those inside of it go, others are shortened
/// or split in two.
pub(super) fn decertify(
    source: &impl WriteSource,
    dataset_type: &RegisteredDatasetType,
    collection: &str,
    timespan: Timespan,
    data_ids: Option<DataIdColumns<'_>>,
    symbols: &Symbols,
) -> Result<Decertified, RegistryError> {
    let name = &dataset_type.dataset_type.name;
    let invalid =
        |what: String, reason: &str| RegistryError::Invalid { what, reason: reason.to_owned() };
    let Some(table) = &dataset_type.calibs_table else {
        let reason = "it is no calibration, so its datasets cannot be decertified";
        return Err(invalid(format!("dataset type `{name}`"), reason));
    };
    if timespan.is_empty() {
        let reason = "the validity range is empty";
        return Err(invalid(format!("decertification of `{name}`"), reason));
    }
    let collection =
        require(source, collection, CollectionKind::Calibration, "decertifying datasets")?;
    source.lock_table(table)?;
    let mut rows = Overlapping::read(source, dataset_type, (table, collection), timespan)?;
    if let Some(data_ids) = data_ids {
        rows.retain(data_ids, symbols);
    }
    let mut report = Decertified { certifications: rows.key.len() as u64, remaining: 0 };
    for keys in rows.key.chunks(CHUNK) {
        if timespan.begin > TaiNanos::MIN {
            report.remaining +=
                keep(source, dataset_type, table, keys, Side::Before(timespan.begin))?;
        }
        if timespan.end < TaiNanos::MAX {
            report.remaining += keep(source, dataset_type, table, keys, Side::After(timespan.end))?;
        }
        let mut change = statement(source, table);
        change.push("DELETE FROM ").push_table(table).push(" WHERE id").in_integers(keys);
        source.run("decertify datasets", &change)?;
    }
    Ok(report)
}

/// Key of the collection, which must be of a type.
fn require(
    source: &impl WriteSource,
    name: &str,
    kind: CollectionKind,
    action: &'static str,
) -> Result<i64, RegistryError> {
    let catalog = read_collections(source)?;
    let collection = catalog.get(catalog.require(name)?);
    if collection.kind == kind {
        return Ok(collection.id);
    }
    Err(RegistryError::WrongCollectionKind {
        name: name.to_owned(),
        found: collection.kind,
        action,
        needed: if kind == CollectionKind::Tagged { "TAGGED" } else { "CALIBRATION" },
    })
}

/// Certifications that overlap a validity range.
struct Overlapping {
    key: Vec<i64>,
    /// One column for each required dimension.
    data_id: Vec<Vec<Cell>>,
}

/// A value of a data ID, apart from any table of symbols.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Cell {
    Int(i64),
    Text(Box<str>),
}

impl Overlapping {
    fn read(
        source: &impl WriteSource,
        dataset_type: &RegisteredDatasetType,
        (table, collection): (&str, i64),
        timespan: Timespan,
    ) -> Result<Self, RegistryError> {
        let group = &dataset_type.dataset_type.dimensions;
        let names = dataset_key_columns(group);
        let kinds: Vec<KeyType> = (group.required().iter())
            .map(|&ix| group.universe().element(ix).key_type().unwrap_or(KeyType::Int))
            .collect();
        let mut columns = vec![("t", "id")];
        columns.extend(names.iter().map(|name| ("t", *name)));
        let mut query = Query::select(source.dialect(), table, &columns);
        query.push(" FROM ").push_table(table).push(" t WHERE t.dataset_type_id = ");
        query.bind(dataset_type.id).push(" AND t.collection_id = ").bind(collection);
        query.push(" AND ").push_overlap("t", timespan);
        let mut found = Self { key: Vec::new(), data_id: vec![Vec::new(); kinds.len()] };
        source.each(&query, |row| {
            found.key.push(row.int(0)?);
            for (at, kind) in kinds.iter().enumerate() {
                found.data_id[at].push(match kind {
                    KeyType::Int => Cell::Int(row.int(1 + at)?),
                    KeyType::Text => Cell::Text(row.text(1 + at)?.into()),
                });
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Keeps those with given data IDs.
    fn retain(&mut self, data_ids: DataIdColumns<'_>, symbols: &Symbols) {
        let row = |columns: &[Vec<Cell>], at: usize| -> Vec<Cell> {
            columns.iter().map(|column| column[at].clone()).collect()
        };
        let mut wanted = FxHashSet::default();
        for at in 0..data_ids.len {
            let cells = self.data_id.iter().zip(data_ids.keys).map(|(column, cells)| {
                // Which kind a dimension is of is told by any row that was read.
                match (column.first(), symbols.of_cell(cells[at])) {
                    (Some(Cell::Text(_)), Some(text)) => Cell::Text(text.into()),
                    _ => Cell::Int(cells[at]),
                }
            });
            wanted.insert(cells.collect::<Vec<Cell>>());
        }
        let kept: Vec<i64> = (self.key.iter().enumerate())
            .filter(|(at, _)| wanted.contains(&row(&self.data_id, *at)))
            .map(|(_, &key)| key)
            .collect();
        self.key = kept;
    }
}

/// What is left of a certification.
#[derive(Clone, Copy)]
enum Side {
    Before(TaiNanos),
    After(TaiNanos),
}

/// Inserts what is left of certifications on one side; returns how many there are.
fn keep(
    source: &impl WriteSource,
    dataset_type: &RegisteredDatasetType,
    table: &str,
    keys: &[i64],
    side: Side,
) -> Result<u64, RegistryError> {
    let dialect = source.dialect();
    let mut same: Vec<String> =
        ["dataset_type_id", "dataset_id", "collection_id"].into_iter().map(quoted).collect();
    let names = dataset_key_columns(&dataset_type.dataset_type.dimensions);
    same.extend(names.into_iter().map(quoted));
    let same = same.join(", ");
    let range = dialect.timespan_columns().join(", ");
    let mut change = statement(source, table);
    change.push("INSERT INTO ").push_table(table);
    let key = dialect.next_key(table, "id");
    change.push(&format!(" (id, {same}, {range}) SELECT {key}, {same}, "));
    match (dialect, side) {
        (Dialect::Sqlite, Side::Before(instant)) => {
            change.push("timespan_begin, ").bind(instant.0);
        }
        (Dialect::Sqlite, Side::After(instant)) => {
            change.bind(instant.0).push(", timespan_end");
        }
        (Dialect::Postgres { .. }, Side::Before(instant)) => {
            change.push("int8range(lower(timespan), ").bind(instant.0).push(")");
        }
        (Dialect::Postgres { .. }, Side::After(instant)) => {
            change.push("int8range(").bind(instant.0).push(", upper(timespan))");
        }
    }
    change.push(" FROM ").push_table(table).push(" WHERE id").in_integers(keys).push(" AND ");
    match (dialect, side) {
        (Dialect::Sqlite, Side::Before(instant)) => {
            change.push("timespan_begin < ").bind(instant.0)
        }
        (Dialect::Sqlite, Side::After(instant)) => change.push("timespan_end > ").bind(instant.0),
        // An infinite end is null.
        (Dialect::Postgres { .. }, Side::Before(instant)) => {
            change.push("(lower(timespan) < ").bind(instant.0).push(") IS NOT FALSE")
        }
        (Dialect::Postgres { .. }, Side::After(instant)) => {
            change.push("(upper(timespan) > ").bind(instant.0).push(") IS NOT FALSE")
        }
    };
    source.run("decertify datasets", &change)
}
