//! Reading collections, dataset types and summaries.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use qbb_dimensions::{DatasetType, DimensionGroup, ElementIx, KeyType, Universe};
use rustc_hash::FxHashMap;

use super::query::Query;
use super::row::{ResultRow as _, RowSource};
use super::snapshot::TableSnapshot;
use crate::collection::{Collection, CollectionCatalog, CollectionIx, CollectionKind};
use crate::error::RegistryError;
use crate::reader::RegisteredDatasetType;

impl<S: RowSource> TableSnapshot<'_, S> {
    pub(super) fn read_summaries(
        &self,
        catalog: &CollectionCatalog,
        collections: &[CollectionIx],
    ) -> Result<Vec<Vec<String>>, RegistryError> {
        // Chains have no summary; they may contain what their children may.
        let mut members = Vec::with_capacity(collections.len());
        for &collection in collections {
            members.push(catalog.flatten(&[collection])?);
        }
        let mut ids: Vec<i64> = members.iter().flatten().map(|&ix| catalog.get(ix).id).collect();
        ids.sort_unstable();
        ids.dedup();
        let source = self.counted();
        let mut query = Query::select(
            source.dialect(),
            "collection_summary_dataset_type",
            &[("s", "collection_id"), ("s", "dataset_type_id"), ("t", "name")],
        );
        query.push(" FROM ").push_table("collection_summary_dataset_type").push(" s JOIN ");
        query.push_table("dataset_type");
        query.push(" t ON t.id = s.dataset_type_id WHERE s.collection_id").in_integers(&ids);
        let mut names: FxHashMap<i64, String> = FxHashMap::default();
        let mut by_collection: FxHashMap<i64, Vec<i64>> = FxHashMap::default();
        source.each(&query, |row| {
            let dataset_type = row.int(1)?;
            if let Entry::Vacant(entry) = names.entry(dataset_type) {
                entry.insert(row.text(2)?.to_owned());
            }
            by_collection.entry(row.int(0)?).or_default().push(dataset_type);
            Ok(())
        })?;
        Ok(members
            .iter()
            .map(|members| {
                let listed =
                    members.iter().filter_map(|&ix| by_collection.get(&catalog.get(ix).id));
                let mut found: Vec<String> =
                    listed.flatten().filter_map(|id| names.get(id).cloned()).collect();
                found.sort_unstable();
                found.dedup();
                found
            })
            .collect())
    }
}

/// Reads all collections and chains.
pub(crate) fn read_collections<S: RowSource>(
    source: &S,
) -> Result<CollectionCatalog, RegistryError> {
    let mut query = Query::select(
        source.dialect(),
        "collection",
        &[("c", "collection_id"), ("c", "name"), ("c", "type"), ("c", "doc"), ("k", "child")],
    );
    query.push(" FROM ").push_table("collection").push(" c LEFT JOIN ");
    query.push_table("collection_chain").push(" k ON k.parent = c.collection_id");
    query.order_by([("c", "name", KeyType::Text), ("k", "position", KeyType::Int)]);
    let mut collections: Vec<Collection> = Vec::new();
    let mut by_id: FxHashMap<i64, CollectionIx> = FxHashMap::default();
    // Children may come later than their chains, so they are kept by key at first.
    let mut links: Vec<(CollectionIx, i64)> = Vec::new();
    source.each(&query, |row| {
        let id = row.int(0)?;
        if collections.last().is_none_or(|last| last.id != id) {
            let number = row.int(2)?;
            let kind = CollectionKind::from_number(number)
                .ok_or_else(|| row.corrupt(2, format!("unknown collection type {number}")))?;
            by_id.insert(id, CollectionIx(collections.len() as u32));
            collections.push(Collection {
                id,
                name: row.text(1)?.to_owned(),
                kind,
                doc: row.optional_text(3)?.map(str::to_owned),
                children: Vec::new(),
            });
        }
        if let Some(child) = row.optional_int(4)? {
            links.push((CollectionIx(collections.len() as u32 - 1), child));
        }
        Ok(())
    })?;
    for (parent, child) in links {
        // The inner join of the schema's foreign key cannot miss; a database without it may.
        let child = by_id.get(&child).ok_or_else(|| RegistryError::Corrupt {
            database: source.database(),
            table: "collection_chain".to_owned(),
            column: "child".to_owned(),
            row: 0,
            reason: format!(
                "`{}` contains collection {child}, which does not exist",
                collections[parent.index()].name
            ),
        })?;
        collections[parent.index()].children.push(*child);
    }
    Ok(CollectionCatalog { collections })
}

/// Reads all dataset types.
pub(crate) fn read_dataset_types<S: RowSource>(
    source: &S,
    universe: &Arc<Universe>,
) -> Result<Vec<RegisteredDatasetType>, RegistryError> {
    let mut query = Query::select(
        source.dialect(),
        "dataset_type",
        &[
            ("t", "id"),
            ("t", "name"),
            ("t", "storage_class"),
            ("t", "tag_association_table"),
            ("t", "calibration_association_table"),
            ("d", "dimension_name"),
        ],
    );
    query.push(" FROM ").push_table("dataset_type").push(" t LEFT JOIN ");
    query.push_table("dimension_graph_definition");
    query.push(" d ON d.dimension_graph_id = t.dimensions_key");
    query.order_by([("t", "name", KeyType::Text)]);
    let mut found: Vec<RegisteredDatasetType> = Vec::new();
    // Dimensions of the type that is read at the moment, one row each.
    let mut members: Vec<ElementIx> = Vec::new();
    let close = |found: &mut Vec<RegisteredDatasetType>, members: &mut Vec<ElementIx>| {
        if let Some(last) = found.last_mut() {
            last.dataset_type.dimensions = DimensionGroup::of_elements(universe, members.drain(..));
        }
    };
    source.each(&query, |row| {
        let id = row.int(0)?;
        if found.last().is_none_or(|last| last.id != id) {
            close(&mut found, &mut members);
            let calibs_table = row.optional_text(4)?.map(str::to_owned);
            found.push(RegisteredDatasetType {
                id,
                dataset_type: DatasetType {
                    name: row.text(1)?.to_owned(),
                    dimensions: DimensionGroup::empty(universe),
                    storage_class: row.text(2)?.to_owned(),
                    is_calibration: calibs_table.is_some(),
                },
                tags_table: row.text(3)?.to_owned(),
                calibs_table,
            });
        }
        if let Some(name) = row.optional_text(5)? {
            let dimension =
                universe.dimension(name).map_err(|error| row.corrupt(5, error.to_string()))?;
            members.push(dimension.ix);
        }
        Ok(())
    })?;
    close(&mut found, &mut members);
    Ok(found)
}
