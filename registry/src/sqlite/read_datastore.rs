//! Reading the datastore's records.

use qbb_dimensions::Symbols;
use std::fmt::Write as _;

use super::ddl::quoted;
use super::query::Query;
use super::rows::ResultRow;
use super::snapshot::SqliteSnapshot;
use crate::collection::{CollectionCatalog, CollectionIx, CollectionKind};
use crate::error::RegistryError;
use crate::filter::Filter;
use crate::reader::{DatastoreRecordRows, RegisteredDatasetType};
use crate::schema::dataset_key_columns;

/// What stands for "the whole dataset" in the column for components.
pub(super) const NO_COMPONENT: &str = "__NULL_STRING__";

/// Size that stands for "unknown".
pub(super) const UNKNOWN_SIZE: i64 = -1;

const COLUMNS: [(&str, &str); 8] = [
    ("r", "dataset_id"),
    ("l", "datastore_name"),
    ("r", "path"),
    ("r", "formatter"),
    ("r", "storage_class"),
    ("r", "component"),
    ("r", "checksum"),
    ("r", "file_size"),
];

impl SqliteSnapshot<'_> {
    pub(super) fn read_records_of_runs(
        &self,
        dataset_type: &RegisteredDatasetType,
        catalog: &CollectionCatalog,
        runs: &[CollectionIx],
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<DatastoreRecordRows, RegistryError> {
        let runs = runs.iter().map(|&ix| catalog.get(ix));
        let ids: Vec<i64> =
            runs.filter(|run| run.kind == CollectionKind::Run).map(|run| run.id).collect();
        if ids.is_empty() {
            return Ok(DatastoreRecordRows::default());
        }
        let group = &dataset_type.dataset_type.dimensions;
        let keys = dataset_key_columns(group);
        let mut query = self.record_query(&quoted(&dataset_type.tags_table), "t.dataset_id");
        query.push(" WHERE t.dataset_type_id = ").bind(dataset_type.id);
        query.push(" AND t.collection_id").in_integers(&ids);
        query.restrict(self.universe, filter, "t", |ix| {
            group.required().iter().position(|&required| required == ix).map(|at| keys[at])
        });
        self.take_records(&query, symbols)
    }

    pub(super) fn read_records_of_datasets(
        &self,
        datasets: &[[u8; 16]],
        symbols: &mut Symbols,
    ) -> Result<DatastoreRecordRows, RegistryError> {
        if datasets.is_empty() {
            return Ok(DatastoreRecordRows::default());
        }
        let mut list = String::with_capacity(2 + 35 * datasets.len());
        for id in datasets {
            let separator = if list.is_empty() { '[' } else { ',' };
            // Writing to a string cannot fail.
            let _ = write!(list, "{separator}\"{}\"", uuid::Uuid::from_bytes(*id).simple());
        }
        list.push(']');
        let mut query = self.record_query("json_each(?)", "t.value");
        query.parameters.push(list.into());
        self.take_records(&query, symbols)
    }

    /// Selects the records of the datasets of `source t`, up to the WHERE clause. `CROSS JOIN`
    /// keeps the order: first the source, then look-ups by key.
    fn record_query(&self, source: &str, dataset: &str) -> Query {
        let table = &self.datastore.records_table;
        let mut query = Query::select(table, &COLUMNS);
        query.push(&format!(
            " FROM {source} t CROSS JOIN {} r ON r.dataset_id = {dataset} \
             CROSS JOIN dataset_location l ON l.dataset_id = r.dataset_id",
            quoted(table)
        ));
        query
    }

    fn take_records(
        &self,
        query: &Query,
        symbols: &mut Symbols,
    ) -> Result<DatastoreRecordRows, RegistryError> {
        let mut found = DatastoreRecordRows::default();
        self.each(query, |row| take(&mut found, row, symbols))?;
        Ok(found)
    }
}

fn take(
    found: &mut DatastoreRecordRows,
    row: &ResultRow<'_>,
    symbols: &mut Symbols,
) -> Result<(), RegistryError> {
    found.id.push(row.uuid(0)?);
    found.datastore.push(row.symbol(1, symbols)?);
    found.path.push(row.text(2)?.into());
    found.formatter.push(row.symbol(3, symbols)?);
    found.storage_class.push(row.symbol(4, symbols)?);
    let component = row.text(5)?;
    found.component.push((component != NO_COMPONENT).then(|| symbols.intern(component)));
    found.checksum.push(row.optional_text(6)?.map(Box::from));
    found.file_size.push(row.optional_int(7)?.unwrap_or(UNKNOWN_SIZE));
    Ok(())
}
