//! Datasets that a command is about.

use std::sync::Arc;

use qbb_datastore::RepositoryConfig;
use qbb_query::{DatasetQuery, DatasetTable, FoundDatasets};

use crate::output::Failure;

/// Finds datasets as `qbb query datasets` does.
pub fn find(config: &RepositoryConfig, query: &DatasetQuery) -> Result<FoundDatasets, Failure> {
    let mut reader = qbb_registry::open_reader(config)?;
    let universe = Arc::clone(reader.universe());
    let mut found = qbb_query::datasets(&universe, &mut *reader.snapshot()?, query)?;
    found.tables.retain(|table| !table.is_empty());
    Ok(found)
}

/// Required values of data IDs, one column for each dimension.
pub fn keys(table: &DatasetTable) -> Vec<Vec<i64>> {
    let required = table.data_ids.group().required().len();
    table.data_ids.columns()[..required].iter().map(|column| column.to_vec()).collect()
}
