//! Registering dataset types.

use qbb_dimensions::{DatasetType, check_dataset_type_name};
use rustc_hash::FxHashMap;

use super::source::{WriteSource, statement};
use super::transaction::TableTransaction;
use crate::error::{Conflict, ConflictKind, RegistryError};
use crate::reading::{Query, ResultRow as _};
use crate::schema::{calibs_table, calibs_table_name, tags_table, tags_table_name};

/// Number of the set without dimensions, which has no rows of its own.
const NO_DIMENSIONS: i64 = 0;

impl<S: WriteSource> TableTransaction<'_, S> {
    pub(super) fn write_dataset_types(
        &mut self,
        dataset_types: &[DatasetType],
    ) -> Result<u64, RegistryError> {
        let mut keys = self.dimension_keys()?;
        let mut new = 0;
        for dataset_type in dataset_types {
            new += u64::from(self.write_dataset_type(dataset_type, &mut keys)?);
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

    fn write_dataset_type(
        &mut self,
        wanted: &DatasetType,
        keys: &mut FxHashMap<Vec<String>, i64>,
    ) -> Result<bool, RegistryError> {
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
        if self.is_registered(wanted)? {
            return Ok(false);
        }
        let names: Vec<String> = (wanted.dimensions.required().iter())
            .map(|&ix| self.universe.element(ix).name.clone())
            .collect();
        let mut key = keys.get(&names).copied();
        if key.is_none() {
            // Another client may be about to number the same dimensions, and nothing would keep it.
            self.source.lock_table("dimension_graph_key")?;
            *keys = self.dimension_keys()?;
            key = keys.get(&names).copied();
        }
        let key = match key {
            Some(key) => key,
            None => {
                let key = self.write_dimension_key(&names)?;
                keys.insert(names, key);
                key
            }
        };
        let tags = tags_table_name(key);
        self.source.ensure_table(&tags_table(&tags, &wanted.dimensions))?;
        let calibs = wanted.is_calibration.then(|| calibs_table_name(key));
        if let Some(name) = &calibs {
            self.source.ensure_table(&calibs_table(name, &wanted.dimensions))?;
        }
        let mut insertion = statement(&self.source, "dataset_type");
        insertion.push("INSERT INTO ").push_table("dataset_type");
        insertion.push(
            " (id, name, storage_class, dimensions_key, tag_association_table, \
             calibration_association_table) VALUES (",
        );
        insertion.push(&self.source.dialect().next_key("dataset_type", "id"));
        insertion.push(", ").bind(wanted.name.clone());
        insertion.push(", ").bind(wanted.storage_class.clone()).push(", ").bind(key);
        insertion.push(", ").bind(tags).push(", ").bind(calibs);
        insertion.push(") ON CONFLICT DO NOTHING");
        let new = self.source.run("register a dataset type", &insertion)? > 0;
        self.forget_dataset_types();
        // Somebody else may have registered it meanwhile, and not as is wanted.
        Ok(new || !self.is_registered(wanted)?)
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
