//! The collections in which the inputs were found.

use qbb_dimensions::Column;
use serde::{Deserialize, Serialize};

/// A collection of the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionEntry {
    /// Name.
    pub name: String,
    /// `RUN`, `TAGGED`, `CHAINED` or `CALIBRATION`.
    pub kind: String,
    /// Documentation.
    pub doc: Option<String>,
    /// Names of a CHAINED collection's children, in search order.
    pub children: Vec<String>,
}

/// All collections reachable from the input collections as the user named them, and the
/// memberships through which inputs were found in other than their own RUN.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CollectionStructure {
    /// Input collections as the user gave them, in order.
    pub inputs: Vec<String>,
    /// The collections, children before the chains that hold them.
    pub collections: Vec<CollectionEntry>,
    /// Datasets found in TAGGED and CALIBRATION collections.
    pub dataset: Column<u32>,
    /// Position in `collections` of the collection for each of them.
    pub collection: Column<u32>,
    /// Begin of the validity range, nanoseconds TAI; 0 for TAGGED.
    pub begin: Column<i64>,
    /// End of the validity range; 0 for TAGGED.
    pub end: Column<i64>,
}
