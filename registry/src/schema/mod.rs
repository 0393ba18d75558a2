//! The registry's tables as data: derived from a universe, rendered by each database.

mod attributes;
mod core_tables;
mod dataset_tables;
mod ddl;
mod dimension_tables;
mod identifier;
mod overlap_tables;
mod table;

pub(crate) use attributes::{Access, Attributes};
pub(crate) use core_tables::{records_table, static_tables};
pub(crate) use dataset_tables::{
    calibs_table, calibs_table_name, dataset_key_columns, tags_table, tags_table_name,
};
pub(crate) use ddl::create_statements;
pub(crate) use dimension_tables::{element_table, key_column_name, summary_table_name};
pub(crate) use identifier::shortened;
pub(crate) use overlap_tables::{
    element_governor, overlap_summary_table_name, overlap_table_name, spatial_elements,
};
pub(crate) use table::{Column, ColumnType, Table};
