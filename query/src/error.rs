//! Why a query has no answer.

use qbb_dimensions::UniverseError;
use qbb_dimensions::expression::ExpressionError;
use qbb_dimensions::sphere::{RegionError, SkyPixelizationError};
use qbb_registry::RegistryError;

use crate::engine::DataIdTableError;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The repository could not be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The `where` expression is wrong.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// A dimension is unknown.
    #[error(transparent)]
    Universe(#[from] UniverseError),
    /// A stored region cannot be decoded.
    #[error("region of {element} {data_id}: {source}")]
    Region {
        /// The dimension element.
        element: String,
        /// The record.
        data_id: String,
        /// What is wrong.
        source: RegionError,
    },
    /// A skypix dimension cannot be computed.
    #[error("skypix dimension `{dimension}`: {source}")]
    SkyPix {
        /// The dimension.
        dimension: String,
        /// What is wrong.
        source: SkyPixelizationError,
    },
    /// A condition joins the validity ranges of datasets that have none.
    #[error(
        "`{dataset_type}.timespan` cannot be joined by OVERLAPS: no CALIBRATION collection is \
         searched for `{dataset_type}`"
    )]
    NoValidity {
        /// The dataset type.
        dataset_type: String,
    },
    /// Families of regions or timespans are apart, and there is no telling how to join them.
    #[error(
        "no automatic {kind} join: {apart} have to be joined, and it is ambiguous how; say so in the \
         data query, for example `{example}`"
    )]
    AmbiguousJoin {
        /// Spatial or temporal.
        kind: &'static str,
        /// The families that nothing connects, by their finest elements.
        apart: String,
        /// A condition that joins two of them.
        example: String,
    },
    /// A condition joins what its family joins already.
    #[error("{a} and {b} are of one family: data IDs with both of them need no join; leave it out")]
    JoinWithinFamily {
        /// One side.
        a: String,
        /// The other.
        b: String,
    },
    /// A spatial join that no table supports.
    #[error(
        "a spatial join of `{a}` and `{b}` is not possible in a query: regions of records can be \
         joined with each other and with the pixels of `{common}`"
    )]
    UnsupportedJoin {
        /// One side.
        a: String,
        /// The other.
        b: String,
        /// The common skypix dimension.
        common: String,
    },
    /// A skypix dimension of a query that nothing gives values.
    #[error(
        "no values for `{dimension}`, whose pixels are in no table: the query needs a dataset type \
         with that dimension among its constraints{hint}"
    )]
    NoPixels {
        /// The dimension.
        dimension: String,
        /// What else would give values.
        hint: String,
    },
    /// Groups of dimensions that can neither be queried nor generated.
    #[error(
        "no way to find data IDs of {groups}: they have skypix dimensions and no region to take \
         pixels from; add a connection whose dimensions have one region"
    )]
    NoDataIds {
        /// The groups.
        groups: String,
    },
    /// Pixels are needed of a record that has no region.
    #[error("{element} {data_id} has no region to take pixels from")]
    NoRegion {
        /// The dimension element.
        element: String,
        /// The record.
        data_id: String,
    },
    /// A join has more rows than it may.
    #[error(
        "the join of {join} has more than {limit} rows ({rows} were counted); restrict {free} in the \
         data query, add a dataset type to the dataset query constraint, or raise the limit of rows"
    )]
    TooManyRows {
        /// What is joined.
        join: String,
        /// Rows that were counted before giving up.
        rows: usize,
        /// The most rows that are allowed.
        limit: usize,
        /// Dimensions whose values multiply each other.
        free: String,
    },
    /// Several validity ranges match one data ID.
    #[error(
        "ambiguous calibration: {count} validity ranges of `{dataset_type}` in `{collection}` match \
         {data_id}: {datasets}"
    )]
    AmbiguousCalibration {
        /// The dataset type.
        dataset_type: String,
        /// The CALIBRATION collection.
        collection: String,
        /// The data ID, and the task whose quantum has it.
        data_id: String,
        /// Number of matches.
        count: usize,
        /// UUIDs of the datasets, and their validity ranges.
        datasets: String,
    },
    /// Something that real builders can do and this one cannot.
    #[error("{0} is not supported yet")]
    NotSupported(String),
    /// A table of the repository refers to what it does not hold.
    #[error("repository: {0}")]
    Inconsistent(String),
    /// A table of data IDs cannot be used.
    #[error(transparent)]
    DataIdTable(#[from] DataIdTableError),
    /// A dataset type is not registered.
    #[error("unknown dataset type `{name}`{}", suggestion(.similar.as_deref()))]
    UnknownDatasetType {
        /// The name.
        name: String,
        /// The nearest name that there is.
        similar: Option<String>,
    },
    /// A name is no dimension.
    #[error("unknown dimension `{name}`{}", suggestion(.similar.as_deref()))]
    UnknownDimension {
        /// The name.
        name: String,
        /// The nearest name that there is.
        similar: Option<String>,
    },
    /// A name is no dimension element.
    #[error("unknown dimension element `{name}`{}", suggestion(.similar.as_deref()))]
    UnknownElement {
        /// The name.
        name: String,
        /// The nearest name that there is.
        similar: Option<String>,
    },
    /// Records were asked for that are nowhere.
    #[error("`{element}` has no records: its pixels and their regions are computed")]
    NoRecords {
        /// The dimension element.
        element: String,
    },
    /// Find-first in collections that have no order.
    #[error(
        "what `{glob}` matches has no order, so there is no first dataset to be found: name the \
         collections in the order in which they are to be searched"
    )]
    FindFirstInGlob {
        /// The glob.
        glob: String,
    },
    /// Results are to be sorted by what they do not have.
    #[error(
        "results of dimensions {dimensions} cannot be sorted by `{key}`, which they do not have"
    )]
    OrderBeyondResults {
        /// What they were to be sorted by.
        key: String,
        /// Dimensions of the results.
        dimensions: String,
    },
}

fn suggestion(similar: Option<&str>) -> String {
    similar.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}
