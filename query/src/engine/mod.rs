//! Parts of which answers are made: a [`QueryPlan`] says what is asked, [`Contents`] are the tables
//! that it needs, and [`join`] gives a [`JoinTree`] whose projections are the data IDs.

mod collections;
mod contents;
mod data_id_table;
mod dataset_conditions;
mod datasets;
mod dictionary;
mod families;
mod generation;
mod group_rows;
mod join;
mod key_index;
mod layout;
mod narrowing;
mod needed_records;
mod plan;
mod regions;
mod relation;
mod row_limit;
mod spatial;
mod spatial_plan;
mod steps;
mod table_text;
mod tree;
mod validity;

pub use collections::SearchedCollections;
pub use contents::{Contents, Sources};
pub use data_id_table::{DataIdTable, DataIdTableError, PlannedTable, TableProblem};
pub use dataset_conditions::{DatasetFacts, condition_groups, satisfying_rows, search_rows};
pub use datasets::{DatasetSearch, Found};
pub use dictionary::{Dictionary, NONE, RowCoder};
pub use families::Endpoint;
pub use generation::{envelope, group_rows, pixelization};
pub use group_rows::GroupRows;
pub use join::JoinTree;
pub use key_index::{KeyGroups, KeyIndex};
pub use layout::Layout;
pub use narrowing::Restrictions;
pub use needed_records::NeededRecords;
pub use plan::{
    QueryPlan, Question, ReadingPlan, SearchIx, elements_with_tables, equality, restrictions,
    value_text,
};
pub use regions::Regions;
pub use relation::{CodeColumn, Relation, RelationRows};
pub use row_limit::{DEFAULT_MAX_ROWS, RowLimit};
pub use spatial::{Footprints, spatial_relations};
pub use spatial_plan::{PixelCondition, missing_spatial_join, queryable};
pub use steps::{
    Step, StepSource, independent_steps, join, keep_satisfying, satisfying, spatial_steps,
};
pub use table_text::TextColumn;
pub use tree::DimensionTree;
pub use validity::{temporal_steps, timespans};
