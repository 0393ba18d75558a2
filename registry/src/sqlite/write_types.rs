//! Registering dataset types.

use qbb_dimensions::{DatasetType, check_dataset_type_name};
use rustc_hash::FxHashMap;

use super::ddl::create_statements;
use super::rows::select;
use super::transaction::SqliteTransaction;
use crate::error::{Conflict, ConflictKind, RegistryError};
use crate::reading::ResultRow as _;
use crate::schema::{calibs_table, calibs_table_name, tags_table, tags_table_name};

/// Number of the set without dimensions, which has no rows of its own.
const NO_DIMENSIONS: i64 = 0;

impl SqliteTransaction<'_> {
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
        let mut query = select(
            "dimension_graph_definition",
            &[("d", "dimension_graph_id"), ("d", "dimension_name")],
        );
        query.push(" FROM dimension_graph_definition d");
        let mut members: FxHashMap<i64, Vec<String>> = FxHashMap::default();
        self.each(&query, |row| {
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
        let types = self.dataset_types()?;
        if let Ok(at) = types.binary_search_by(|t| t.dataset_type.name.cmp(&wanted.name)) {
            let existing = &types[at].dataset_type;
            if existing == wanted {
                return Ok(false);
            }
            let conflict = Conflict {
                kind: ConflictKind::DatasetType,
                key: format!("`{}`", wanted.name),
                existing: describe(existing),
                requested: describe(wanted),
            };
            return Err(conflict.into());
        }
        let names: Vec<String> = (wanted.dimensions.required().iter())
            .map(|&ix| self.universe.element(ix).name.clone())
            .collect();
        let key = match keys.get(&names) {
            Some(&key) => key,
            None => {
                let key = self.write_dimension_key(&names)?;
                keys.insert(names, key);
                key
            }
        };
        let tags = tags_table_name(key);
        self.ensure_table(&tags_table(&tags, &wanted.dimensions))?;
        let calibs = wanted.is_calibration.then(|| calibs_table_name(key));
        if let Some(name) = &calibs {
            self.ensure_table(&calibs_table(name, &wanted.dimensions))?;
        }
        self.execute(
            "register a dataset type",
            "INSERT INTO dataset_type (name, storage_class, dimensions_key, \
             tag_association_table, calibration_association_table) VALUES (?, ?, ?, ?, ?)",
            (&wanted.name, &wanted.storage_class, key, &tags, &calibs),
        )?;
        self.forget_dataset_types();
        Ok(true)
    }

    fn write_dimension_key(&self, names: &[String]) -> Result<i64, RegistryError> {
        let action = "register a set of dimensions";
        self.execute(action, "INSERT INTO dimension_graph_key DEFAULT VALUES", ())?;
        let key = self.connection().last_insert_rowid();
        for name in names {
            self.execute(
                action,
                "INSERT INTO dimension_graph_definition (dimension_graph_id, dimension_name) \
                 VALUES (?, ?)",
                (key, name),
            )?;
        }
        Ok(key)
    }

    fn ensure_table(&self, table: &crate::schema::Table) -> Result<(), RegistryError> {
        let fail = |error| self.database.failure(&format!("create table `{}`", table.name), error);
        if self.connection().table_exists(None, table.name.as_str()).map_err(fail)? {
            return Ok(());
        }
        for statement in create_statements(table) {
            self.connection().execute_batch(&statement).map_err(fail)?;
        }
        Ok(())
    }
}

fn describe(dataset_type: &DatasetType) -> String {
    let calibration = if dataset_type.is_calibration { ", calibration" } else { "" };
    format!("{} {}{calibration}", dataset_type.storage_class, dataset_type.dimensions)
}
