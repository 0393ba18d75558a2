//! Reading collections, dataset types and summaries.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use qbb_dimensions::{DatasetType, DimensionGroup, ElementIx, Universe};
use rusqlite::Connection;
use rustc_hash::FxHashMap;

use super::connection::DatabaseFile;
use super::query::Query;
use super::rows::each_row;
use super::snapshot::SqliteSnapshot;
use crate::collection::{Collection, CollectionCatalog, CollectionIx, CollectionKind};
use crate::error::RegistryError;
use crate::reader::RegisteredDatasetType;

impl SqliteSnapshot<'_> {
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
        let mut query = Query::select(
            "collection_summary_dataset_type",
            &[("s", "collection_id"), ("s", "dataset_type_id"), ("t", "name")],
        );
        query
            .push(
                " FROM collection_summary_dataset_type s \
                 JOIN dataset_type t ON t.id = s.dataset_type_id WHERE s.collection_id",
            )
            .in_integers(&ids);
        let mut names: FxHashMap<i64, String> = FxHashMap::default();
        let mut by_collection: FxHashMap<i64, Vec<i64>> = FxHashMap::default();
        self.each(&query, |row| {
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
pub(super) fn read_collections(
    connection: &Connection,
    database: &DatabaseFile,
) -> Result<CollectionCatalog, RegistryError> {
    let mut query = Query::select(
        "collection",
        &[("c", "collection_id"), ("c", "name"), ("c", "type"), ("c", "doc"), ("k", "child")],
    );
    query.push(
        " FROM collection c LEFT JOIN collection_chain k ON k.parent = c.collection_id \
         ORDER BY c.name, k.position",
    );
    let mut collections: Vec<Collection> = Vec::new();
    let mut by_id: FxHashMap<i64, CollectionIx> = FxHashMap::default();
    // Children may come later than their chains, so they are kept by key at first.
    let mut links: Vec<(CollectionIx, i64)> = Vec::new();
    each_row(connection, database, &query, |row| {
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
            database: database.path.to_string(),
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
pub(super) fn read_dataset_types(
    connection: &Connection,
    database: &DatabaseFile,
    universe: &Arc<Universe>,
) -> Result<Vec<RegisteredDatasetType>, RegistryError> {
    let mut query = Query::select(
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
    query.push(
        " FROM dataset_type t LEFT JOIN dimension_graph_definition d \
         ON d.dimension_graph_id = t.dimensions_key ORDER BY t.name",
    );
    let mut found: Vec<RegisteredDatasetType> = Vec::new();
    // Dimensions of the type that is read at the moment, one row each.
    let mut members: Vec<ElementIx> = Vec::new();
    let close = |found: &mut Vec<RegisteredDatasetType>, members: &mut Vec<ElementIx>| {
        if let Some(last) = found.last_mut() {
            last.dataset_type.dimensions = DimensionGroup::of_elements(universe, members.drain(..));
        }
    };
    each_row(connection, database, &query, |row| {
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
