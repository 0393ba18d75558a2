//! Collections and the chains between them.

use serde::{Deserialize, Serialize};

/// Position of a collection in a [`CollectionCatalog`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CollectionIx(pub u32);

impl CollectionIx {
    /// The position as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The four types of collection, numbered as in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CollectionKind {
    /// Owns its datasets.
    Run = 1,
    /// An arbitrary selection of datasets.
    Tagged = 2,
    /// An ordered list of collections.
    Chained = 3,
    /// Datasets with validity ranges.
    Calibration = 4,
}

impl CollectionKind {
    /// The type with that number in the database.
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::Run, Self::Tagged, Self::Chained, Self::Calibration]
            .into_iter()
            .find(|kind| *kind as i64 == number)
    }
}

impl std::fmt::Display for CollectionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Run => "RUN",
            Self::Tagged => "TAGGED",
            Self::Chained => "CHAINED",
            Self::Calibration => "CALIBRATION",
        })
    }
}

/// One collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Key in the database.
    pub id: i64,
    /// Name; practically any text.
    pub name: String,
    /// Type.
    pub kind: CollectionKind,
    /// Documentation.
    pub doc: Option<String>,
    /// Children in search order; empty unless CHAINED.
    pub children: Vec<CollectionIx>,
}

/// All collections of a repository.
#[derive(Debug, Clone, Default)]
pub struct CollectionCatalog {
    /// The collections, sorted by name.
    pub collections: Vec<Collection>,
}
