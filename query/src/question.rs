//! What can be asked for.

use qbb_dimensions::expression::Bindings;

/// Conditions on data IDs, the order of results, and how many of them are wanted.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// The `where` expression; blank for no restriction.
    pub restriction: String,
    /// Values of bind names in the expression.
    pub bindings: Bindings,
    /// Dimensions, fields of their records, or fields of datasets that results are sorted by, each
    /// with `-` before it for descending order. What is equal in them, or everything if there are
    /// none, is sorted by data ID.
    pub order_by: Vec<String>,
    /// The most results that are wanted.
    pub limit: Option<usize>,
    /// Whether the dimension records of results are wanted too.
    pub with_records: bool,
    /// The most rows that any one join may have;
    /// [`DEFAULT_MAX_ROWS`](crate::engine::DEFAULT_MAX_ROWS) if not given.
    pub max_rows: Option<usize>,
}

/// A question for datasets.
#[derive(Debug, Clone, Default)]
pub struct DatasetQuery {
    /// Names and shell globs of dataset types.
    pub dataset_types: Vec<String>,
    /// Names and shell globs of collections, in the order in which they are searched.
    pub collections: Vec<String>,
    /// Whether of each data ID only the dataset is wanted that is found first.
    pub find_first: bool,
    /// Whether a dataset is to be told once for each collection and validity range in which it was
    /// found, and not only for the first of them.
    pub every_membership: bool,
    /// Conditions and order.
    pub selection: Selection,
}

/// Datasets that must exist for a data ID.
#[derive(Debug, Clone, Default)]
pub struct ExistingDatasets {
    /// Names and shell globs of dataset types. One that no searched collection holds is no
    /// condition, as in the middleware's commands; if none is held, nothing is found.
    pub dataset_types: Vec<String>,
    /// Names and shell globs of collections.
    pub collections: Vec<String>,
}

/// A question for data IDs.
#[derive(Debug, Clone, Default)]
pub struct DataIdQuery {
    /// Names of dimensions; those that they need follow.
    pub dimensions: Vec<String>,
    /// What must exist for a data ID.
    pub existing: ExistingDatasets,
    /// Conditions and order.
    pub selection: Selection,
}

/// A question for dimension records.
#[derive(Debug, Clone, Default)]
pub struct RecordQuery {
    /// Name of a dimension element.
    pub element: String,
    /// What must exist for a record's data ID.
    pub existing: ExistingDatasets,
    /// Conditions and order; fields of datasets have no order here.
    pub selection: Selection,
}
