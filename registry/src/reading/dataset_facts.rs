//! Reading what a `where` expression asks of collections and datasets.

use qbb_dimensions::{DataValue, ElementIx, KeyType};

use super::query::Query;
use super::row::{ResultRow as _, RowSource};
use super::snapshot::TableSnapshot;
use crate::collection::{CollectionCatalog, CollectionIx};
use crate::error::RegistryError;
use crate::reader::RegisteredDatasetType;
use crate::schema::summary_table_name;

impl<S: RowSource> TableSnapshot<'_, S> {
    pub(super) fn read_governor_values(
        &self,
        catalog: &CollectionCatalog,
        collections: &[CollectionIx],
    ) -> Result<Vec<(ElementIx, Vec<DataValue>)>, RegistryError> {
        let mut ids: Vec<i64> = collections.iter().map(|&ix| catalog.get(ix).id).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut found = Vec::new();
        for governor in self.universe.elements().iter().filter(|element| element.is_governor()) {
            let table = summary_table_name(governor);
            let source = self.counted();
            let columns = [("s", governor.name.as_str())];
            let mut query = Query::select(source.dialect(), &table, &columns);
            query.push(" FROM ").push_table(&table).push(" s WHERE s.collection_id");
            query.in_integers(&ids);
            let mut values = Vec::new();
            source.each(&query, |row| {
                values.push(match governor.key_type() {
                    Some(KeyType::Int) => DataValue::Int(row.int(0)?),
                    _ => DataValue::Text(row.text(0)?.to_owned()),
                });
                Ok(())
            })?;
            values.sort_unstable();
            values.dedup();
            found.push((governor.ix, values));
        }
        Ok(found)
    }

    pub(super) fn read_ingest_dates(
        &self,
        dataset_type: &RegisteredDatasetType,
    ) -> Result<Vec<([u8; 16], i64)>, RegistryError> {
        let source = self.counted();
        let columns = [("d", "id"), ("d", "ingest_date")];
        let mut query = Query::select(source.dialect(), "dataset", &columns);
        query.push(" FROM ").push_table("dataset");
        query.push(" d WHERE d.dataset_type_id = ").bind(dataset_type.id);
        // Older schemas have a timestamp there, whose bytes in PostgreSQL would pass for a number;
        // it is refused because the two are not comparable.
        query.push(" AND d.ingest_date >= ").bind(i64::MIN);
        let mut found = Vec::new();
        source.each(&query, |row| {
            found.push((row.uuid(0)?, row.int(1)?));
            Ok(())
        })?;
        Ok(found)
    }
}
