//! Dimension elements: dimensions, combinations and sky pixels.

use crate::sphere::{SkyPixelization, SkyPixelizationError};

/// Position of an element in the universe's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ElementIx(pub u16);

impl ElementIx {
    /// The position as an index.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Type of a dimension's primary key, hence of its data ID values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// 64-bit signed integer.
    Int,
    /// Text.
    Text,
}

/// Type of a column of an element's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// 64-bit signed integer.
    Int,
    /// Double precision number.
    Float,
    /// Truth value.
    Bool,
    /// Text of at most `length` characters, where one is given.
    Text {
        /// Declared length; columns longer than 32 are not checked on disk.
        length: Option<u32>,
    },
    /// Bytes, base64 in SQL and hexadecimal in JSON.
    Hash {
        /// Declared number of bytes.
        bytes: Option<u32>,
    },
}

/// A named column of an element's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSpec {
    /// Column name.
    pub name: String,
    /// Column type.
    pub kind: FieldType,
}

/// A level of a sky pixelization.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SkyPixLevel {
    /// Name of the pixelization system, for example `htm`.
    pub system: String,
    /// Python class of the pixelization, for example `lsst.sphgeom.HtmPixelization`.
    pub class: String,
    /// Level within the system.
    pub level: u8,
}

impl SkyPixLevel {
    /// The pixelization.
    ///
    /// # Errors
    ///
    /// Its class is not supported.
    pub fn pixelization(&self) -> Result<SkyPixelization, SkyPixelizationError> {
        SkyPixelization::of_class(&self.class, self.level)
    }
}

/// What sort of element it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ElementKind {
    /// Has a primary key of its own.
    Dimension {
        /// The column of the primary key: its name and type.
        key: FieldSpec,
        /// Whether other dimensions hang on it and it must be constrained in queries.
        governor: bool,
    },
    /// Relates dimensions; has no key of its own.
    Combination {
        /// Joined into every query that has all its required dimensions.
        always_join: bool,
        /// The dimension whose insertion carries its rows.
        populated_by: Option<ElementIx>,
    },
    /// A computed dimension of pixels on the sky.
    SkyPix(SkyPixLevel),
}

/// Where the records of an element are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// In a table of its own; `cached` if clients keep all records.
    Table {
        /// Clients keep all its records in memory.
        cached: bool,
    },
    /// The distinct values of a column in the table of a dimension that implies it.
    ViewOf(ElementIx),
    /// Nowhere: computed.
    Computed,
}

/// A set of elements whose regions, or timespans, nest; members go from fine to coarse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologicalFamily {
    /// Name in the configuration, or the pixelization system.
    pub name: String,
    /// Members from fine to coarse.
    pub members: Vec<ElementIx>,
}

/// One element of the universe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DimensionElement {
    /// Position in the universe.
    pub ix: ElementIx,
    /// Name, also of its table.
    pub name: String,
    /// What sort it is.
    pub kind: ElementKind,
    /// All required dimensions in universe order, itself included if it is a dimension.
    pub required: Vec<ElementIx>,
    /// Dimensions determined by this one, in universe order.
    pub implied: Vec<ElementIx>,
    /// Alternate keys, each unique together with the required dimensions.
    pub alternate_keys: Vec<FieldSpec>,
    /// Further columns.
    pub metadata: Vec<FieldSpec>,
    /// Index of its spatial family in [`super::Universe::spatial_families`].
    pub spatial: Option<u16>,
    /// Index of its temporal family in [`super::Universe::temporal_families`].
    pub temporal: Option<u16>,
    /// Where its records are.
    pub storage: Storage,
}

impl DimensionElement {
    /// Whether it has a key of its own.
    pub fn is_dimension(&self) -> bool {
        !matches!(self.kind, ElementKind::Combination { .. })
    }

    /// Whether it is a governor dimension.
    pub fn is_governor(&self) -> bool {
        matches!(self.kind, ElementKind::Dimension { governor: true, .. })
    }

    /// Its pixelization level, if it is a sky pixel dimension.
    pub fn skypix(&self) -> Option<&SkyPixLevel> {
        match &self.kind {
            ElementKind::SkyPix(level) => Some(level),
            _ => None,
        }
    }

    /// Whether its records are in a table of its own.
    pub fn has_table(&self) -> bool {
        matches!(self.storage, Storage::Table { .. })
    }

    /// Whether a query needs its table even if only the keys are wanted: it determines other
    /// dimensions, or is a combination that is always joined.
    pub fn defines_relationships(&self) -> bool {
        match self.kind {
            ElementKind::Combination { always_join, .. } => always_join || !self.implied.is_empty(),
            _ => !self.implied.is_empty(),
        }
    }

    /// Type of its primary key; `None` for combinations.
    pub fn key_type(&self) -> Option<KeyType> {
        match &self.kind {
            ElementKind::Dimension { key, .. } => Some(match key.kind {
                FieldType::Text { .. } => KeyType::Text,
                _ => KeyType::Int,
            }),
            ElementKind::SkyPix(_) => Some(KeyType::Int),
            ElementKind::Combination { .. } => None,
        }
    }

    /// The column of its own primary key in its table; `None` for combinations and sky pixels.
    pub fn key_column(&self) -> Option<&FieldSpec> {
        match &self.kind {
            ElementKind::Dimension { key, .. } => Some(key),
            _ => None,
        }
    }

    /// Whether its records carry a region.
    pub fn is_spatial(&self) -> bool {
        self.spatial.is_some()
    }

    /// Whether its records carry a timespan.
    pub fn is_temporal(&self) -> bool {
        self.temporal.is_some()
    }
}
