//! The vocabulary of dimensions, data IDs, regions, timespans and dataset types; knows no files,
//! databases or networks.
//!
//! Everything here is derived from a repository's dimension configuration, never from a universe
//! compiled in. Inside one process a data ID is a row of integer cells (see [`DataIdTable`]); text
//! exists once, in [`Symbols`], and only at the borders.

mod column;
mod data_id;
mod dataset_type;
pub mod expression;
mod group;
mod record;
pub mod sphere;
mod suggestion;
mod symbols;
mod time;
mod timespan;
mod universe;
mod value;

pub use column::{Column, Ragged, SharedBytes};
pub use data_id::{DataIdIndex, DataIdTable};
pub use dataset_type::{DatasetType, DatasetTypeError, check_dataset_type_name, split_component};
pub use group::DimensionGroup;
pub use record::{FieldColumn, RecordError, RecordTable};
pub use suggestion::nearest_name;
pub use symbols::{Symbol, Symbols};
pub use time::{TaiNanos, TimeError};
pub use timespan::Timespan;
pub use universe::{
    DimensionElement, ElementIx, ElementKind, FieldSpec, FieldType, KeyType, SkyPixLevel, Storage,
    TopologicalFamily, Universe, UniverseError,
};
pub use value::DataValue;
