//! Reading the datastore's records.

use qbb_dimensions::Symbols;
use rustc_hash::FxHashMap;

use super::query::Query;
use super::row::{ResultRow, RowSource};
use super::snapshot::TableSnapshot;
use crate::collection::{CollectionCatalog, CollectionIx, CollectionKind};
use crate::error::RegistryError;
use crate::filter::Filter;
use crate::reader::{DatastoreContents, DatastoreRecordRows, RegisteredDatasetType};
use crate::schema::dataset_key_columns;

/// What stands for "the whole dataset" in the column for components.
pub(crate) const NO_COMPONENT: &str = "__NULL_STRING__";

/// Size that stands for "unknown".
pub(crate) const UNKNOWN_SIZE: i64 = -1;

/// The registry's view of a file datastore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatastoreTable {
    /// The name under which datasets are recorded as stored.
    pub name: String,
    /// The table of its records.
    pub records_table: String,
}

impl Default for DatastoreTable {
    /// As in repositories whose configuration does not say otherwise.
    fn default() -> Self {
        Self {
            name: "FileDatastore@<butlerRoot>".to_owned(),
            records_table: "file_datastore_records".to_owned(),
        }
    }
}

/// Whether there is a table of records. The middleware makes it when a datastore is first opened, not
/// with the repository.
pub(crate) fn has_records_table<S: RowSource>(
    source: &S,
    datastore: &DatastoreTable,
) -> Result<bool, RegistryError> {
    let mut query = Query::select(source.dialect(), "opaque_meta", &[("t", "table_name")]);
    query.push(" FROM ").push_table("opaque_meta").push(" t WHERE t.table_name = ");
    query.bind(datastore.records_table.clone());
    let mut found = false;
    source.each(&query, |_| {
        found = true;
        Ok(())
    })?;
    Ok(found)
}

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

impl<S: RowSource> TableSnapshot<'_, S> {
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
        if ids.is_empty() || !self.has_records()? {
            return Ok(DatastoreRecordRows::default());
        }
        let group = &dataset_type.dataset_type.dimensions;
        let keys = dataset_key_columns(group);
        let source = self.counted();
        let mut query = self.record_query(
            source,
            |query| query.push_table(&dataset_type.tags_table).push(" t"),
            "dataset_id",
        );
        query.push(" WHERE t.dataset_type_id = ").bind(dataset_type.id);
        query.push(" AND t.collection_id").in_integers(&ids);
        query.restrict(self.universe, filter, "t", |ix| {
            group.required().iter().position(|&required| required == ix).map(|at| keys[at])
        });
        take_records(source, &query, symbols)
    }

    pub(super) fn read_records_of_datasets(
        &self,
        datasets: &[[u8; 16]],
        symbols: &mut Symbols,
    ) -> Result<DatastoreRecordRows, RegistryError> {
        if datasets.is_empty() || !self.has_records()? {
            return Ok(DatastoreRecordRows::default());
        }
        let source = self.counted();
        let query = self.record_query(source, |query| query.push_uuids("t", datasets), "value");
        take_records(source, &query, symbols)
    }

    pub(super) fn read_datastore_contents(&self) -> Result<DatastoreContents, RegistryError> {
        let mut contents = DatastoreContents::default();
        if self.has_records()? {
            self.read_all_records(&mut contents)?;
        }
        contents.located = self.read_ids("dataset_location", "dataset_id", true)?;
        contents.trashed = self.read_ids("dataset_location_trash", "dataset_id", true)?;
        contents.registered = self.read_ids("dataset", "id", false)?;
        Ok(contents)
    }

    fn read_all_records(&self, contents: &mut DatastoreContents) -> Result<(), RegistryError> {
        let table = &self.datastore.records_table;
        let columns = [
            ("r", "dataset_id"),
            ("r", "path"),
            ("r", "component"),
            ("r", "checksum"),
            ("r", "file_size"),
        ];
        let source = self.counted();
        let mut query = Query::select(source.dialect(), table, &columns);
        query.push(" FROM ").push_table(table).push(" r");
        let mut components: FxHashMap<Box<str>, u32> = FxHashMap::default();
        source.each(&query, |row| {
            contents.id.push(row.uuid(0)?);
            contents.path.push(row.text(1)?.into());
            let component = row.text(2)?;
            contents.component.push(match component == NO_COMPONENT {
                true => None,
                false => Some(match components.get(component) {
                    Some(&at) => at,
                    None => {
                        let at = contents.components.len() as u32;
                        contents.components.push(component.into());
                        components.insert(component.into(), at);
                        at
                    }
                }),
            });
            contents.checksum.push(row.optional_text(3)?.map(Box::from));
            contents.file_size.push(row.optional_int(4)?.unwrap_or(UNKNOWN_SIZE));
            Ok(())
        })
    }

    /// Reads a column of UUIDs, perhaps of this datastore only.
    fn read_ids(
        &self,
        table: &str,
        column: &str,
        of_datastore: bool,
    ) -> Result<Vec<[u8; 16]>, RegistryError> {
        let source = self.counted();
        let mut query = Query::select(source.dialect(), table, &[("t", column)]);
        query.push(" FROM ").push_table(table).push(" t");
        if of_datastore {
            query.push(" WHERE t.datastore_name = ").bind(self.datastore.name.clone());
        }
        let mut found = Vec::new();
        source.each(&query, |row| {
            found.push(row.uuid(0)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Selects the records of the datasets of a table `t`, up to the WHERE clause: first that
    /// table, then look-ups by key.
    fn record_query<'s>(
        &self,
        source: &'s S,
        push_datasets: impl for<'q> FnOnce(&'q mut Query<'s>) -> &'q mut Query<'s>,
        column: &str,
    ) -> Query<'s> {
        let table = &self.datastore.records_table;
        let join = format!(" {} ", source.dialect().ordered_join());
        let mut query = Query::select(source.dialect(), table, &COLUMNS);
        push_datasets(query.push(" FROM ")).push(&join).push_table(table);
        query.push(&format!(" r ON r.dataset_id = t.{column}")).push(&join);
        query.push_table("dataset_location").push(" l ON l.dataset_id = r.dataset_id");
        query
    }
}

fn take_records<S: RowSource>(
    source: &S,
    query: &Query<'_>,
    symbols: &mut Symbols,
) -> Result<DatastoreRecordRows, RegistryError> {
    let mut found = DatastoreRecordRows::default();
    source.each(query, |row| take(&mut found, row, symbols))?;
    Ok(found)
}

fn take(
    found: &mut DatastoreRecordRows,
    row: &impl ResultRow,
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
