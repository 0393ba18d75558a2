//! Registering dataset types.

use qbb_dimensions::{DatasetType, DimensionGroup, check_dataset_type_name};
use rustc_hash::{FxHashMap, FxHashSet};

use super::source::{WriteSource, statement};
use super::transaction::TableTransaction;
use crate::error::{Conflict, ConflictKind, RegistryError};
use crate::reading::{Query, ResultRow as _};
use crate::schema::{Table, calibs_table, calibs_table_name, tags_table, tags_table_name};

/// Number of the set without dimensions, which has no rows of its own.
const NO_DIMENSIONS: i64 = 0;

/// Dataset types that one statement registers.
const AT_A_TIME: usize = 500;

/// A new dataset type with what its row refers to.
struct NewDatasetType<'a> {
    dataset_type: &'a DatasetType,
    dimensions_key: i64,
    tags_table: String,
    calibs_table: Option<String>,
}

impl<S: WriteSource> TableTransaction<'_, S> {
    pub(super) fn write_dataset_types(
        &mut self,
        dataset_types: &[DatasetType],
    ) -> Result<u64, RegistryError> {
        let mut missing = Vec::new();
        for wanted in dataset_types {
            self.check_dataset_type(wanted)?;
            if !self.is_registered(wanted)? {
                missing.push(wanted);
            }
        }
        if missing.is_empty() {
            return Ok(0);
        }
        let missing = self.ensure_tables(missing)?;
        let mut new = 0;
        for some in missing.chunks(AT_A_TIME) {
            new += self.insert_dataset_types(some)?;
        }
        self.forget_dataset_types();
        // Somebody else may have registered one meanwhile, and not as is wanted.
        for NewDatasetType { dataset_type, .. } in &missing {
            self.is_registered(dataset_type)?;
        }
        Ok(new)
    }

    /// Numbers of sets of required dimensions; names in universe order, as they are compared.
    fn dimension_keys(&self) -> Result<FxHashMap<Vec<String>, i64>, RegistryError> {
        let table = "dimension_graph_definition";
        let columns = [("d", "dimension_graph_id"), ("d", "dimension_name")];
        let mut query = Query::select(self.source.dialect(), table, &columns);
        query.push(" FROM ").push_table(table).push(" d");
        let mut members: FxHashMap<i64, Vec<String>> = FxHashMap::default();
        self.source.each(&query, |row| {
            members.entry(row.int(0)?).or_default().push(row.text(1)?.to_owned());
            Ok(())
        })?;
        let mut keys = FxHashMap::from_iter([(Vec::new(), NO_DIMENSIONS)]);
        for (key, mut names) in members {
            names.sort_unstable_by_key(|name| self.universe.find(name).map(|element| element.ix));
            keys.insert(names, key);
        }
        Ok(keys)
    }

    fn check_dataset_type(&self, wanted: &DatasetType) -> Result<(), RegistryError> {
        let invalid = |reason: String| RegistryError::Invalid {
            what: format!("dataset type `{}`", wanted.name),
            reason,
        };
        check_dataset_type_name(&wanted.name).map_err(|error| invalid(error.to_string()))?;
        if wanted.storage_class.is_empty() {
            return Err(invalid("it has no storage class".to_owned()));
        }
        if **wanted.dimensions.universe() != **self.universe {
            return Err(RegistryError::UnsupportedUniverse {
                namespace: wanted.dimensions.universe().namespace().to_owned(),
                version: wanted.dimensions.universe().version(),
                reason: format!(
                    "dataset type `{}` belongs to another universe than the repository",
                    wanted.name
                ),
            });
        }
        Ok(())
    }

    /// Numbers the dimensions of dataset types and makes their tables, unless they are there.
    fn ensure_tables<'t>(
        &self,
        dataset_types: Vec<&'t DatasetType>,
    ) -> Result<Vec<NewDatasetType<'t>>, RegistryError> {
        let mut keys = self.dimension_keys()?;
        let mut ensured = FxHashSet::default();
        let mut ensure = |table: Table| -> Result<String, RegistryError> {
            if !ensured.contains(&table.name) {
                self.source.ensure_table(&table)?;
                ensured.insert(table.name.clone());
            }
            Ok(table.name)
        };
        let mut rows = Vec::with_capacity(dataset_types.len());
        for dataset_type in dataset_types {
            let dimensions = &dataset_type.dimensions;
            let dimensions_key = self.dimensions_key(dimensions, &mut keys)?;
            let tags_table = ensure(tags_table(&tags_table_name(dimensions_key), dimensions))?;
            let calibs_table = match dataset_type.is_calibration {
                true => Some(ensure(calibs_table(&calibs_table_name(dimensions_key), dimensions))?),
                false => None,
            };
            rows.push(NewDatasetType { dataset_type, dimensions_key, tags_table, calibs_table });
        }
        Ok(rows)
    }

    /// The number of a set of dimensions, which is a new one if it has none.
    fn dimensions_key(
        &self,
        dimensions: &DimensionGroup,
        keys: &mut FxHashMap<Vec<String>, i64>,
    ) -> Result<i64, RegistryError> {
        let names: Vec<String> = (dimensions.required().iter())
            .map(|&ix| self.universe.element(ix).name.clone())
            .collect();
        if let Some(&key) = keys.get(&names) {
            return Ok(key);
        }
        // Another client may be about to number the same dimensions, and nothing would keep it.
        self.source.lock_table("dimension_graph_key")?;
        *keys = self.dimension_keys()?;
        if let Some(&key) = keys.get(&names) {
            return Ok(key);
        }
        let key = self.write_dimension_key(&names)?;
        keys.insert(names, key);
        Ok(key)
    }

    /// Inserts rows of dataset types; returns how many were new.
    fn insert_dataset_types(&self, rows: &[NewDatasetType<'_>]) -> Result<u64, RegistryError> {
        let table = "dataset_type";
        let mut insertion = statement(&self.source, table);
        insertion.push("INSERT INTO ").push_table(table).push(
            " (id, name, storage_class, dimensions_key, tag_association_table, \
             calibration_association_table) VALUES ",
        );
        for (i, row) in rows.iter().enumerate() {
            insertion.push(if i == 0 { "(" } else { ", (" });
            insertion.push(&self.source.dialect().next_key(table, "id"));
            insertion.push(", ").bind(row.dataset_type.name.clone());
            insertion.push(", ").bind(row.dataset_type.storage_class.clone());
            insertion.push(", ").bind(row.dimensions_key);
            insertion.push(", ").bind(row.tags_table.clone());
            insertion.push(", ").bind(row.calibs_table.clone()).push(")");
        }
        insertion.push(" ON CONFLICT DO NOTHING");
        self.source.run("register dataset types", &insertion)
    }

    /// Whether a dataset type is known; with another definition, it is a conflict.
    fn is_registered(&mut self, wanted: &DatasetType) -> Result<bool, RegistryError> {
        let types = self.dataset_types()?;
        let Ok(at) = types.binary_search_by(|t| t.dataset_type.name.cmp(&wanted.name)) else {
            return Ok(false);
        };
        let existing = &types[at].dataset_type;
        if existing == wanted {
            return Ok(true);
        }
        let conflict = Conflict {
            kind: ConflictKind::DatasetType,
            key: format!("`{}`", wanted.name),
            existing: describe(existing),
            requested: describe(wanted),
        };
        Err(conflict.into())
    }

    fn write_dimension_key(&self, names: &[String]) -> Result<i64, RegistryError> {
        let mut insertion = statement(&self.source, "dimension_graph_key");
        insertion.columns = vec!["id".to_owned()];
        insertion.push("INSERT INTO ").push_table("dimension_graph_key").push(" (id) VALUES (");
        insertion.push(&self.source.dialect().next_key("dimension_graph_key", "id"));
        insertion.push(") RETURNING id");
        let mut key = NO_DIMENSIONS;
        self.source.each(&insertion, |row| {
            key = row.int(0)?;
            Ok(())
        })?;
        for name in names {
            let mut member = statement(&self.source, "dimension_graph_definition");
            member.push("INSERT INTO ").push_table("dimension_graph_definition");
            member.push(" (dimension_graph_id, dimension_name) VALUES (");
            member.bind(key).push(", ").bind(name.clone()).push(")");
            self.source.run("register a set of dimensions", &member)?;
        }
        Ok(key)
    }
}

fn describe(dataset_type: &DatasetType) -> String {
    let calibration = if dataset_type.is_calibration { ", calibration" } else { "" };
    format!("{} {}{calibration}", dataset_type.storage_class, dataset_type.dimensions)
}
